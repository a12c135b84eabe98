// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Cosines and sines of rotary positions, once for a model or job.

#include <cmath>

#include "rope.cuh"

namespace worker::kernels {

namespace {

/// A thread a position. The angle is carried from pair to pair in single precision, as the CPU reference does; cosine
/// and sine are taken in double precision and rounded, which is what a good single-precision library gives too.
__global__ void __launch_bounds__(128) rope_angles_kernel(float2* angles, int first, int positions, int pairs,
                                                          float step, float scale, const float* factors) {
    const int position = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    wait_for_previous();
    if (position >= positions) return;
    float angle = static_cast<float>(first + position);
    float2* const out = angles + static_cast<std::size_t>(position) * static_cast<std::size_t>(pairs);
    for (int pair = 0; pair < pairs; ++pair) {
        const float turn = scale * (angle / (factors != nullptr ? factors[pair] : 1.0f));
        const double exact = static_cast<double>(turn);
        out[pair] = make_float2(static_cast<float>(cos(exact)), static_cast<float>(sin(exact)));
        angle *= step;
    }
}

}  // namespace

cudaError_t rope_angles(float2* angles, int first_position, int positions, int rotary, float step, float scale,
                        const float* factors, cudaStream_t stream) {
    if (positions < 1 || rotary < 2) return cudaErrorInvalidValue;
    return launch(rope_angles_kernel, dim3(static_cast<unsigned>((positions + 127) / 128)), dim3(128), 0, stream,
                  angles, first_position, positions, rotary / 2, step, scale, factors);
}

}  // namespace worker::kernels
