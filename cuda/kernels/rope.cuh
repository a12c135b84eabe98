// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Turns one pair of a head by its angle.
#pragma once

#include "kernels.hpp"
#include "launch.cuh"

namespace worker::kernels {

/// The two elements of pair `pair`: neighbours, or the same place in both halves of what turns.
__device__ __forceinline__ int2 places_of_pair(RopeStyle style, int pair, int rotary) {
    return style == RopeStyle::Halves ? make_int2(pair, pair + rotary / 2) : make_int2(2 * pair, 2 * pair + 1);
}

__device__ __forceinline__ float2 turned(float x, float y, float2 angle) {
    return make_float2(fmaf(x, angle.x, -(y * angle.y)), fmaf(x, angle.y, y * angle.x));
}

}  // namespace worker::kernels
