// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Conversions between floats and the bits of IEEE halves and bfloat16, rounding to the nearest, ties to even.
#pragma once

#include <cstdint>

#include "launch.cuh"

#ifndef __CUDA_ARCH__
#include <cstring>
#endif

namespace worker::kernels {

#ifndef __CUDA_ARCH__
inline std::uint32_t bits_of(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_of(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
#endif

__host__ __device__ __forceinline__ float half_to_float(std::uint16_t half) {
#ifdef __CUDA_ARCH__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
#else
    const std::uint32_t sign = (half & 0x8000u) << 16;
    const std::uint32_t rest = (half & 0x7fffu) << 13;
    if ((half & 0x7c00u) == 0x7c00u) return float_of(sign | 0x7f80'0000u | rest);
    // Exact, also where the half is below its normal range: the exponent moves by 112.
    return float_of(sign | bits_of(float_of(rest) * 0x1p112f));
#endif
}

__host__ __device__ __forceinline__ std::uint16_t float_to_half(float value) {
#ifdef __CUDA_ARCH__
    std::uint16_t half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
#else
    const std::uint32_t all = bits_of(value);
    const std::uint32_t sign = all >> 16 & 0x8000u;
    std::uint32_t bits = all & 0x7fff'ffffu;
    if (bits > 0x7f80'0000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
    if (bits >= 0x4780'0000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
    if (bits < 0x3880'0000u) {
        // Added to 1/2, a float has the steps of a half below its normal range.
        bits = bits_of(float_of(bits) + 0.5f) - 0x3f00'0000u;
        return static_cast<std::uint16_t>(sign | bits);
    }
    bits += 0xfffu + (bits >> 13 & 1u);
    return static_cast<std::uint16_t>(sign | (bits - 0x3800'0000u) >> 13);
#endif
}

__host__ __device__ __forceinline__ float round_to_half(float value) { return half_to_float(float_to_half(value)); }

__host__ __device__ __forceinline__ float bfloat_to_float(std::uint16_t bfloat) {
#ifdef __CUDA_ARCH__
    return __uint_as_float(static_cast<std::uint32_t>(bfloat) << 16);
#else
    return float_of(static_cast<std::uint32_t>(bfloat) << 16);
#endif
}

__host__ __device__ __forceinline__ float round_to_bfloat(float value) {
#ifdef __CUDA_ARCH__
    std::uint32_t bits = __float_as_uint(value);
#else
    std::uint32_t bits = bits_of(value);
#endif
    if ((bits & 0x7fff'ffffu) > 0x7f80'0000u) return value;
    bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff'0000u;
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#else
    return float_of(bits);
#endif
}

/// Halves at even and odd places of a word.
__device__ __forceinline__ float low_half(std::uint32_t word) {
    return half_to_float(static_cast<std::uint16_t>(word & 0xffffu));
}
__device__ __forceinline__ float high_half(std::uint32_t word) {
    return half_to_float(static_cast<std::uint16_t>(word >> 16));
}

}  // namespace worker::kernels
