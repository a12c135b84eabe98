// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The words of CUDA C++ that kernels use, spelt in C++ for the host: qualifiers, coordinates, barriers, warp
/// operations.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "execute.hpp"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
// Variables of a block; blocks of one OS thread come one after the other.
#define __shared__ static thread_local

#define threadIdx (::worker::host::coordinates.thread)
#define blockIdx (::worker::host::coordinates.block)
#define blockDim (::worker::host::coordinates.block_size)
#define gridDim (::worker::host::coordinates.grid_size)

inline void __syncthreads() { ::worker::host::block_barrier(); }

inline void __syncwarp(unsigned mask = ~0u) { ::worker::host::exchange(mask, 0); }

namespace worker::host {

template <class T>
std::uint64_t to_bits(T value) {
    static_assert(sizeof(T) <= sizeof(std::uint64_t));
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}

template <class T>
T from_bits(std::uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

/// The value of lane `source`, or the caller's own where that is outside of the mask.
template <class T>
T shuffle(unsigned mask, T value, unsigned source) {
    const std::uint64_t* values = exchange(mask, to_bits(value));
    return source < 32 && (mask >> source & 1) != 0 ? from_bits<T>(values[source]) : value;
}

}  // namespace worker::host

template <class T>
T __shfl_sync(unsigned mask, T value, int source) {
    return ::worker::host::shuffle(mask, value, static_cast<unsigned>(source) % 32);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance) {
    return ::worker::host::shuffle(mask, value, ::worker::host::coordinates.lane ^ static_cast<unsigned>(distance));
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance) {
    return ::worker::host::shuffle(mask, value, ::worker::host::coordinates.lane + distance);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
    return ::worker::host::shuffle(mask, value, ::worker::host::coordinates.lane - distance);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
    const std::uint64_t* values = ::worker::host::exchange(mask, predicate != 0);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < 32; ++lane) {
        if ((mask >> lane & 1) != 0 && values[lane] != 0) votes |= 1u << lane;
    }
    return votes;
}

inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

inline int __reduce_add_sync(unsigned mask, int value) {
    const std::uint64_t* values = ::worker::host::exchange(mask, ::worker::host::to_bits(value));
    unsigned sum = 0;
    for (unsigned lane = 0; lane < 32; ++lane) {
        if ((mask >> lane & 1) != 0) sum += static_cast<unsigned>(values[lane]);
    }
    return static_cast<int>(sum);
}

/// Products of four signed bytes each, and `sum`.
inline int __dp4a(int a, int b, int sum) {
    for (int shift = 0; shift < 32; shift += 8) {
        sum += static_cast<std::int8_t>(a >> shift) * static_cast<std::int8_t>(b >> shift);
    }
    return sum;
}

/// Four bytes of eight, by the nibbles of `selector`; signs are not replicated here.
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    const std::uint64_t both = static_cast<std::uint64_t>(b) << 32 | a;
    unsigned chosen = 0;
    for (unsigned i = 0; i < 4; ++i) {
        chosen |= static_cast<unsigned>(both >> (selector >> (4 * i) & 7u) * 8 & 255u) << (8 * i);
    }
    return chosen;
}

template <class T>
T __ldg(const T* pointer) {
    return *pointer;
}

inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __int_as_float(int bits) { return std::bit_cast<float>(bits); }
inline int __float_as_int(float value) { return std::bit_cast<int>(value); }
