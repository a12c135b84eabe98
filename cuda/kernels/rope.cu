// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Cosines and sines of rotary positions, once for a job.
///
/// On the host, whose single-precision library the CPU reference uses as well: two of a hundred of its results are not
/// the exact ones rounded, and a table of these parts the texts after some twenty positions.

#include <cmath>
#include <vector>

#include "rope.cuh"

namespace worker::kernels {

cudaError_t rope_angles(float2* angles, int first_position, int positions, int rotary, float step, float scale,
                        const float* factors, cudaStream_t stream) {
    if (positions < 1 || rotary < 2) return cudaErrorInvalidValue;
    const auto pairs = static_cast<std::size_t>(rotary / 2);
    std::vector<float> over(pairs, 1.0f);
    if (factors != nullptr) {
        cudaError_t status =
            cudaMemcpyAsync(over.data(), factors, pairs * sizeof(float), cudaMemcpyDeviceToHost, stream);
        if (status == cudaSuccess) status = cudaStreamSynchronize(stream);
        if (status != cudaSuccess) return status;
    }
    std::vector<float2> table(static_cast<std::size_t>(positions) * pairs);
    float2* out = table.data();
    for (int position = first_position; position < first_position + positions; ++position) {
        // The angle is carried from pair to pair in single precision, as the CPU reference does.
        float angle = static_cast<float>(position);
        for (std::size_t pair = 0; pair < pairs; ++pair, ++out) {
            const float turn = scale * (angle / over[pair]);
            out->x = std::cos(turn);
            out->y = std::sin(turn);
            angle *= step;
        }
    }
    // From memory that is not pinned: it has been read when the call returns.
    return cudaMemcpyAsync(angles, table.data(), table.size() * sizeof(float2), cudaMemcpyHostToDevice, stream);
}

}  // namespace worker::kernels
