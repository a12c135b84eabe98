// SPDX-License-Identifier: Apache-2.0 OR MIT
/// What the kernels of prompts have in common: a tile of rows and tokens a block, brought run by run into shared
/// memory.
///
/// Two stages of shared memory take turns: one is multiplied while the next is filled, activations by asynchronous
/// copies, weights by way of registers, where they are unpacked. A tile takes every row and token in the order of the
/// CPU reference, so that it has the bits of a single token's product.
#pragma once

#include "linear.cuh"

namespace worker::kernels {

/// Up to here a prompt's products are `tokens_kernel`: a tile would be empty for the most part.
constexpr int few_tokens = 8;

__device__ __forceinline__ const char* tile_row(const LinearArguments& arguments, int row) {
    const RowSet& set = arguments.sets[0];
    return set.data + static_cast<std::size_t>(row < set.rows ? row : set.rows - 1) * arguments.row_bytes;
}

__device__ __forceinline__ const char* tile_column(const LinearArguments& arguments, Format format, int token) {
    const int last = arguments.tokens - 1;
    return arguments.columns_stored +
           static_cast<std::size_t>(token < last ? token : last) * column_bytes(format, arguments.columns);
}

__device__ __forceinline__ void put_tile_sum(const LinearArguments& arguments, float sum, int row, int token) {
    const RowSet& set = arguments.sets[0];
    if (row >= set.rows || token >= arguments.tokens) return;
    const std::size_t at =
        static_cast<std::size_t>(token) * static_cast<std::size_t>(set.rows) + static_cast<std::size_t>(row);
    set.out[at] = finished(set, sum, row, at);
}

/// Waits for all copies of this thread.
__device__ __forceinline__ void wait_for_all_copies() {
#ifdef __CUDA_ARCH__
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

/// One launch a set: their rows are many, and those of a set lie together.
template <class... P>
cudaError_t launch_tiles(void (*kernel)(P...), int tile_rows, int tile_tokens, int threads, std::size_t shared,
                         const LinearArguments& arguments, cudaStream_t stream) {
    for (int s = 0; s < arguments.count; ++s) {
        LinearArguments one = arguments;
        one.sets[0] = arguments.sets[s];
        // Tokens first: blocks that run at the same time share the weights in the L2 cache.
        const dim3 grid(static_cast<unsigned>((one.tokens + tile_tokens - 1) / tile_tokens),
                        static_cast<unsigned>((one.sets[0].rows + tile_rows - 1) / tile_rows));
        const cudaError_t status = launch(kernel, grid, dim3(static_cast<unsigned>(threads)), shared, stream, one);
        if (status != cudaSuccess) return status;
    }
    return cudaSuccess;
}

}  // namespace worker::kernels
