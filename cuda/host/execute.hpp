// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Runs the blocks and threads of a grid on the CPU, and lets threads meet at barriers and exchange values in a warp.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>

namespace worker::host {

/// What a thread of a kernel can ask about itself.
struct Coordinates {
    uint3 thread = {};
    uint3 block = {};
    dim3 block_size;
    dim3 grid_size;
    unsigned lane = 0;
    /// Dynamic shared memory of the block.
    void* shared = nullptr;
};

// A plain offset instead of a call, which matters for something that kernels ask in every line.
#define WORKER_HOST_FAST_TLS __attribute__((tls_model("initial-exec"), visibility("hidden")))

/// Those of the thread that runs now.
extern constinit thread_local Coordinates coordinates WORKER_HOST_FAST_TLS;

/// Waits for all threads of the block.
void block_barrier() noexcept;

/// Gives `value` to the lanes in `mask`, waits for them, and returns theirs: an array of 32, valid until the next call.
/// Lanes outside of `mask` hold anything.
const std::uint64_t* exchange(unsigned mask, std::uint64_t value) noexcept;

/// Runs `kernel` once for every thread of the grid. `cudaErrorInvalidConfiguration` where the shape is beyond a GPU's,
/// `cudaErrorLaunchFailure` where threads part at a barrier or a race shows.
cudaError_t run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& kernel) noexcept;

/// `run_grid` on `stream`, now or when the stream's graph is launched.
cudaError_t launch_on_host(cudaStream_t stream, dim3 grid, dim3 block, std::size_t shared_bytes,
                           std::function<void()> kernel) noexcept;

}  // namespace worker::host
