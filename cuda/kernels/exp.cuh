// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The exponential function and the activations made of it, by operations that every machine rounds alike.
///
/// `x = n ln 2 + r`, a polynomial of degree five for `e^r`, an exact `2^n`: within three units in the last place, and
/// the same bits on the GPU, on the host and in the CPU reference backend.
#pragma once

#include <cmath>

#include "half.cuh"

namespace worker::kernels {

__device__ __forceinline__ float power_of_two(int n) { return __int_as_float((n + 127) << 23); }

__device__ __forceinline__ float exponential(float x) {
    constexpr float round = 12582912.0f;  // 1.5 * 2^23: what is added and taken away again is rounded to an integer.
    const float low_end = -104.0f;
    const float high_end = 89.0f;
    const float clamped = x < low_end ? low_end : x > high_end ? high_end : x;
    const float shifted = fmaf(clamped, 1.44269504088896340736f, round);
    const float n = shifted - round;
    const float r = fmaf(n, -__uint_as_float(0x35bfbe8eu), fmaf(n, -__uint_as_float(0x3f317200u), clamped));
    const float square = r * r;
    const float low = fmaf(__uint_as_float(0x3e2aaf33u), r, __uint_as_float(0x3efffedbu));
    const float high = fmaf(__uint_as_float(0x3c072010u), r, __uint_as_float(0x3d2b9f17u));
    const float sum = fmaf(fmaf(high, square, low), square, fmaf(__uint_as_float(0x3f7ffff6u), r, 1.0f));
    // Two halves of the exponent, so that results below the normal range round once. NaN passes through `sum`.
    const int whole = n == n ? static_cast<int>(n) : 0;
    const int half = whole >> 1;
    return sum * power_of_two(half) * power_of_two(whole - half);
}

/// gate / (1 + e^-gate) * up.
__device__ __forceinline__ float swiglu(float gate, float up) { return gate / (1.0f + exponential(-gate)) * up; }

/// GELU by its tanh formula, in and out of half precision as the CPU reference has it.
__device__ __forceinline__ float gelu(float x) {
    if (x <= -10.0f) return 0.0f;
    if (x >= 10.0f) return x;
    x = round_to_half(x);
    const float inner = 0.7978846f * x * (1.0f + 0.044715f * x * x);
    return round_to_half(0.5f * x * (1.0f + tanhf(inner)));
}

}  // namespace worker::kernels
