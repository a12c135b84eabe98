// SPDX-License-Identifier: Apache-2.0 OR MIT
/// A kernel whose result the host knows: a device that gives it back is alive.

#include "kernels.hpp"
#include "launch.cuh"

namespace worker::kernels {

namespace {

__global__ void __launch_bounds__(128) probe_kernel(std::uint32_t* out, int count, std::uint32_t seed) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    wait_for_previous();
    if (i < static_cast<unsigned>(count)) out[i] = seed * 2654435761u + i;
}

}  // namespace

cudaError_t probe(std::uint32_t* out, int count, std::uint32_t seed, cudaStream_t stream) {
    if (count < 1) return cudaErrorInvalidValue;
    return launch(probe_kernel, dim3(static_cast<unsigned>((count + 127) / 128)), dim3(128), 0, stream, out, count,
                  seed);
}

}  // namespace worker::kernels
