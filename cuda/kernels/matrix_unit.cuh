// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The tensor cores, for exact sums of small integers: 16 rows of halves times 8 columns, summed in floats.
///
/// Products of integers are exact while all of a sum's terms and partial sums stay below 2^24, whatever order the unit
/// adds them in; that is what makes them fit for sums that must have the reference's bits. On the host a warp exchanges
/// its parts and adds them up in floats, which is as exact.
///
/// Thread t of a warp is number c = t % 4 of row and column g = t / 4. Of each slab of 8 terms it gives terms 2c and
/// 2c + 1: of row g, of row g + 8, and of column g. It gets row g, columns 2c and 2c + 1, and the same of row g + 8.
#pragma once

#include "half.cuh"

#ifdef WORKER_CUDA_HOST
#include <array>
#include <vector>
#endif

namespace worker::kernels {

#ifndef __CUDA_ARCH__

/// Adds a slab to `sums`; all threads of a warp together.
inline void multiply_slab([[maybe_unused]] float (&sums)[4], [[maybe_unused]] unsigned upper,
                          [[maybe_unused]] unsigned lower, [[maybe_unused]] unsigned column) {
#ifdef WORKER_CUDA_HOST
    static const std::vector<float> halves = [] {
        std::vector<float> all(1u << 16);
        for (unsigned i = 0; i < all.size(); ++i) all[i] = half_to_float(static_cast<std::uint16_t>(i));
        return all;
    }();
    const unsigned g = threadIdx.x % warp_size / 4;
    const unsigned c = threadIdx.x % 4;
    std::array<std::uint64_t, 4> rows;
    std::array<std::uint64_t, 8> columns;
    const std::uint64_t* given = host::exchange(all_lanes, upper | static_cast<std::uint64_t>(lower) << 32);
    for (unsigned i = 0; i < 4; ++i) rows[i] = given[4 * g + i];
    given = host::exchange(all_lanes, column);
    for (unsigned i = 0; i < 8; ++i) columns[i] = given[8 * c + i];
    for (unsigned i = 0; i < 4; ++i) {
        for (unsigned half = 0; half < 2; ++half) {
            const float first = halves[rows[i] >> (16 * half) & 0xffffu];
            const float second = halves[rows[i] >> (32 + 16 * half) & 0xffffu];
            const float left = halves[columns[i] >> (16 * half) & 0xffffu];
            const float right = halves[columns[4 + i] >> (16 * half) & 0xffffu];
            sums[0] += first * left;
            sums[1] += first * right;
            sums[2] += second * left;
            sums[3] += second * right;
        }
    }
#endif
}

#endif

/// `sums` = one slab of 8 terms.
__device__ __forceinline__ void multiply_eight(float (&sums)[4], unsigned upper, unsigned lower, unsigned column) {
#ifdef __CUDA_ARCH__
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %7, %7, %7};"
        : "=f"(sums[0]), "=f"(sums[1]), "=f"(sums[2]), "=f"(sums[3])
        : "r"(upper), "r"(lower), "r"(column), "f"(0.0f));
#else
    for (float& sum : sums) sum = 0;
    multiply_slab(sums, upper, lower, column);
#endif
}

/// Adds two slabs to `sums`; `rows` has upper and lower row of the one and of the other.
__device__ __forceinline__ void multiply_sixteen(float (&sums)[4], const uint4& rows, unsigned first, unsigned second) {
#ifdef __CUDA_ARCH__
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(rows.x), "r"(rows.y), "r"(rows.z), "r"(rows.w), "r"(first), "r"(second));
#else
    multiply_slab(sums, rows.x, rows.y, first);
    multiply_slab(sums, rows.z, rows.w, second);
#endif
}

/// Four bytes as halves, less an offset: `offset` has 1024 and the offset as a half, twice.
__device__ __forceinline__ uint2 halves_of_bytes(unsigned bytes, unsigned offset) {
    // A byte in the last bits of 1024 is a half already.
    const unsigned low = __byte_perm(bytes, 0x64646464u, 0x4140);
    const unsigned high = __byte_perm(bytes, 0x64646464u, 0x4342);
    uint2 out;
#ifdef __CUDA_ARCH__
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(out.x) : "r"(low), "r"(offset));
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(out.y) : "r"(high), "r"(offset));
#else
    const float less = low_half(offset);
    out.x = float_to_half(low_half(low) - less) | static_cast<unsigned>(float_to_half(high_half(low) - less)) << 16;
    out.y = float_to_half(low_half(high) - less) | static_cast<unsigned>(float_to_half(high_half(high) - less)) << 16;
#endif
    return out;
}

}  // namespace worker::kernels
