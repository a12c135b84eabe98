// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Sums and maxima over a block, in one fixed order. Every thread of the block takes part and gets the result.
#pragma once

#include "launch.cuh"

namespace worker::kernels {

/// Shared memory for the functions below: one double a warp.
constexpr int most_warps = 32;

__device__ __forceinline__ double warp_sum(double value) {
    for (int distance = warp_size / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(all_lanes, value, distance);
    }
    return value;
}

/// `scratch` (most_warps) is free again after the block's next barrier.
__device__ __forceinline__ double block_sum(double value, double* scratch) {
    const int warps = static_cast<int>(blockDim.x) / warp_size;
    value = warp_sum(value);
    __syncthreads();
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = value;
    __syncthreads();
    double sum = 0;
    for (int warp = 0; warp < warps; ++warp) sum += scratch[warp];
    return sum;
}

__device__ __forceinline__ float block_max(float value, double* scratch) {
    const int warps = static_cast<int>(blockDim.x) / warp_size;
    for (int distance = warp_size / 2; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(all_lanes, value, distance));
    }
    __syncthreads();
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = static_cast<double>(value);
    __syncthreads();
    float largest = static_cast<float>(scratch[0]);
    for (int warp = 1; warp < warps; ++warp) largest = fmaxf(largest, static_cast<float>(scratch[warp]));
    return largest;
}

}  // namespace worker::kernels
