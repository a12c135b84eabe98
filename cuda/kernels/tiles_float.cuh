// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Prompts with matrices of floats: products and sums are rounded one by one, in the reference's order, on the ordinary
/// cores. Threads of a tile share rows and tokens as `rows_float.cuh` has it, each with sums of its own, and unpack
/// every weight once a tile.
#pragma once

#include "tiles.cuh"

namespace worker::kernels {

/// F32, F16 or BF16; element i goes to sum i % `lanes`.
template <TensorType type_, int lanes>
struct FloatTile {
    static constexpr TensorType type = type_;
    static constexpr Format format = type == TensorType::F16    ? Format::HalfTile
                                     : type == TensorType::BF16 ? Format::BfloatTile
                                                                : Format::FloatTile;
    static constexpr int row_threads = tile_threads(format);
    static constexpr int run = tile_run(format);
    static constexpr int lanes_each = lanes / row_threads;
    /// Rows and tokens of a thread: as many sums as registers hold.
    static constexpr int rows_each = lanes_each == 1 ? 16 : 8;
    static constexpr int tokens_each = 8;
    static constexpr int threads = 256;
    static constexpr int groups = threads / row_threads;
    static constexpr int row_groups = 4;
    static constexpr int token_groups = groups / row_groups;
    static constexpr int rows = row_groups * rows_each;
    static constexpr int tokens = token_groups * tokens_each;
    /// Floats from row to row in shared memory: four more than a run, so that rows begin at other banks.
    static constexpr int stride = run + 4;
    static constexpr int stage = (rows + tokens) * stride;
    static constexpr std::size_t shared_bytes = 2 * sizeof(float) * stage;
    static constexpr int elements = type == TensorType::F32 ? 4 : 8;  ///< Of 16 bytes.
    static constexpr int chunks = run / elements;                     ///< Of 16 bytes, of a row's run.
    static constexpr int held = rows * chunks / threads;
    static constexpr int copies = tokens * (run / 4) / threads;
    static_assert(held * threads == rows * chunks && copies * threads == tokens * (run / 4));

    __device__ static __forceinline__ float element(const uint4& words, int i) {
        const unsigned all[4] = {words.x, words.y, words.z, words.w};
        if constexpr (type == TensorType::F32) return __uint_as_float(all[i]);
        const unsigned word = all[i / 2];
        if constexpr (type == TensorType::F16) return i % 2 == 0 ? low_half(word) : high_half(word);
        return __uint_as_float(i % 2 == 0 ? word << 16 : word & 0xffff0000u);
    }
};

template <class Tile>
__global__ void __launch_bounds__(Tile::threads, 1) float_tiles_kernel(const LinearArguments arguments) {
    auto* const memory = reinterpret_cast<float*>(shared_memory());
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % Tile::row_threads;
    // Neighbouring groups have the same rows.
    const int token_group = thread / Tile::row_threads % Tile::token_groups;
    const int row_group = thread / Tile::row_threads / Tile::token_groups;
    const int first_row = static_cast<int>(blockIdx.y) * Tile::rows;
    const int first_token = static_cast<int>(blockIdx.x) * Tile::tokens;
    const int runs = arguments.columns / Tile::run;

    uint4 weights[Tile::held];
    const char* rows[Tile::held];
#pragma unroll
    for (int i = 0; i < Tile::held; ++i) {
        rows[i] =
            tile_row(arguments, first_row + (thread + i * Tile::threads) / Tile::chunks) + thread % Tile::chunks * 16;
    }
    const auto fetch_rows = [&](int run) {
#pragma unroll
        for (int i = 0; i < Tile::held; ++i) {
            weights[i] = Direct{}.load16(rows[i] + static_cast<std::size_t>(run) * (Tile::chunks * 16));
        }
    };
    const auto store_rows = [&](float* stage) {
#pragma unroll
        for (int i = 0; i < Tile::held; ++i) {
            const int chunk = thread + i * Tile::threads;
            const int first = chunk % Tile::chunks * Tile::elements;
            float* const to = stage + chunk / Tile::chunks * Tile::stride + tile_place(Tile::format, first);
#pragma unroll
            for (int j = 0; j < Tile::elements; ++j) to[2 * j] = Tile::element(weights[i], j);
        }
    };
    // In sixteens of bytes from the first stored column.
    unsigned columns_at[Tile::copies];
#pragma unroll
    for (int i = 0; i < Tile::copies; ++i) {
        const int token = first_token + (thread + i * Tile::threads) / Tile::row_threads;
        columns_at[i] =
            static_cast<unsigned>((tile_column(arguments, Tile::format, token) - arguments.columns_stored) / 16 + lane);
    }
    const auto copy_tokens = [&](float* stage, int run) {
        float* const to = stage + (Tile::rows + thread / Tile::row_threads) * Tile::stride + lane * 4;
#pragma unroll
        for (int i = 0; i < Tile::copies; ++i) {
            const unsigned at = columns_at[i] + static_cast<unsigned>(run) * Tile::row_threads;
            copy_ahead(reinterpret_cast<char*>(to + i * Tile::groups * Tile::stride),
                       arguments.columns_stored + static_cast<std::size_t>(at) * 16);
        }
        end_copies();
    };

    float sums[Tile::rows_each][Tile::tokens_each][Tile::lanes_each] = {};
    const bool busy = first_token + token_group * Tile::tokens_each < arguments.tokens &&
                      first_row + row_group * Tile::rows_each < arguments.sets[0].rows;
    const auto multiply = [&](const float* stage) {
        if (!busy) return;
        const float* left = stage + row_group * Tile::rows_each * Tile::stride + lane * 2;
        const float* right = stage + (Tile::rows + token_group * Tile::tokens_each) * Tile::stride + lane * 2;
        // Not unrolled: the instructions of a whole run are more than their cache holds.
#pragma unroll 1
        for (int half = 0; half < 2; ++half, left += 2 * Tile::row_threads, right += 2 * Tile::row_threads) {
            float2 x[Tile::tokens_each];
#pragma unroll
            for (int t = 0; t < Tile::tokens_each; ++t) {
                x[t] = *reinterpret_cast<const float2*>(right + t * Tile::stride);
            }
#pragma unroll
            for (int row = 0; row < Tile::rows_each; ++row) {
                const float2 weight = *reinterpret_cast<const float2*>(left + row * Tile::stride);
#pragma unroll
                for (int t = 0; t < Tile::tokens_each; ++t) {
                    float& sum = sums[row][t][0];
                    sum = fmaf(weight.x, x[t].x, sum);
                }
#pragma unroll
                for (int t = 0; t < Tile::tokens_each; ++t) {
                    float& sum = sums[row][t][Tile::lanes_each - 1];
                    sum = fmaf(weight.y, x[t].y, sum);
                }
            }
        }
    };

    // Weights come a run earlier than they are stored, so that nothing waits for them.
    fetch_rows(0);
    wait_for_previous();
    copy_tokens(memory, 0);
    store_rows(memory);
    if (runs > 1) fetch_rows(1);
    wait_for_all_copies();
    __syncthreads();
    for (int run = 0; run < runs; ++run) {
        float* const next = memory + (run + 1) % 2 * Tile::stage;
        if (run + 1 < runs) {
            copy_tokens(next, run + 1);
            store_rows(next);
        }
        if (run + 2 < runs) fetch_rows(run + 2);
        multiply(memory + run % 2 * Tile::stage);
        wait_for_all_copies();
        __syncthreads();
    }
    // By halves: within a thread first, where it has two sums of a row and token, then over threads. Each exchange
    // halves what a thread holds, which keeps the instructions few: they run once a block, and none is in its cache by
    // then.
    constexpr int all = Tile::rows_each * Tile::tokens_each;
    float held[all];
#pragma unroll
    for (int i = 0; i < all; ++i) {
        const float(&both)[Tile::lanes_each] = sums[i / Tile::tokens_each][i % Tile::tokens_each];
        held[i] = Tile::lanes_each == 2 ? both[0] + both[Tile::lanes_each - 1] : both[0];
    }
    int left = all;
#pragma unroll
    for (int distance = Tile::row_threads / 2; distance > 0; distance /= 2) {
        left /= 2;
        const bool is_upper = (lane & distance) != 0;
#pragma unroll
        for (int i = 0; i < all / 2; ++i) {
            if (i < left) {
                const float mine = is_upper ? held[i + left] : held[i];
                const float theirs = is_upper ? held[i] : held[i + left];
                held[i] = mine + __shfl_xor_sync(all_lanes, theirs, distance);
            }
        }
    }
    constexpr int each = all / Tile::row_threads;
#pragma unroll
    for (int i = 0; i < each; ++i) {
        const int index = lane * each + i;
        put_tile_sum(arguments, held[i], first_row + row_group * Tile::rows_each + index / Tile::tokens_each,
                     first_token + token_group * Tile::tokens_each + index % Tile::tokens_each);
    }
}

template <TensorType type, int lanes>
cudaError_t launch_float_tiles(const LinearArguments& arguments, cudaStream_t stream) {
    using Tile = FloatTile<type, lanes>;
    return launch_tiles(float_tiles_kernel<Tile>, Tile::rows, Tile::tokens, Tile::threads, Tile::shared_bytes,
                        arguments, stream);
}

}  // namespace worker::kernels
