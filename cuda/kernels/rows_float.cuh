// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Products of rows of floats (F32, F16, BF16) and MXFP4 with a stored column, a few threads a row.
///
/// Every kind of row is a type with the same members, which `rows_small.cuh` and `rows_super.cuh` have as well:
/// - `format`: of the column; `threads`: that share a row, a power of two; `step_columns`: what they take at once;
///   `together`: tokens of a prompt that share an unpacked weight, as many as registers hold; `ahead`: steps of a
///   single token's product that are on their way, likewise;
/// - `Weights load(row, columns, step, lane)`: a step's quants and scales, in registers;
/// - `add<is_whole>(sums, weights, column, columns, step, lane)`: multiplies them with the column's; `is_whole`: the
/// step
///   has all of its units;
/// - `finish(sums, row, column, columns, lane)`: the product, in all threads of the row.
/// Which element goes to which sum, and how the sums are added up, is the order of the CPU reference.
#pragma once

#include "column.cuh"

namespace worker::kernels {

/// Weights from device memory into registers: past the L1 cache, but kept in the L2, where small models stay from token
/// to token. Scales and the like, which the threads of a row share, go through the L1.
struct Direct {
    __device__ __forceinline__ uint4 load16(const char* at) {
#ifdef __CUDA_ARCH__
        uint4 words;
        asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
            : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
            : "l"(at));
        return words;
#else
        return *reinterpret_cast<const uint4*>(at);
#endif
    }
    __device__ __forceinline__ uint2 load8(const char* at) { return __ldg(reinterpret_cast<const uint2*>(at)); }
    __device__ __forceinline__ unsigned load4(const char* at) { return __ldg(reinterpret_cast<const unsigned*>(at)); }
};

/// Weights from shared memory, or from wherever plain loads reach.
struct Plain {
    __device__ __forceinline__ uint4 load16(const char* at) { return *reinterpret_cast<const uint4*>(at); }
    __device__ __forceinline__ uint2 load8(const char* at) { return *reinterpret_cast<const uint2*>(at); }
    __device__ __forceinline__ unsigned load4(const char* at) { return *reinterpret_cast<const unsigned*>(at); }
};

/// Adds up `width` lanes of `threads` threads by halves, `width / threads` neighbours a thread, all threads a power of
/// two. Exchanges halve what a thread holds as they go, so that `width` sums cost about `width / threads` exchanges and
/// some.
template <int held, int threads>
__device__ __forceinline__ float sum_of_lanes(float (&sums)[held]) {
    const int lane = static_cast<int>(threadIdx.x);
    int left = held;
#pragma unroll
    for (int distance = threads / 2; distance > 0; distance /= 2) {
        if (left > 1) {
            left /= 2;
            const bool upper = (lane & distance) != 0;
#pragma unroll
            for (int i = 0; i < held / 2; ++i) {
                if (i < left) {
                    const float mine = upper ? sums[i + left] : sums[i];
                    const float theirs = upper ? sums[i] : sums[i + left];
                    sums[i] = mine + __shfl_xor_sync(all_lanes, theirs, distance);
                }
            }
        } else {
            sums[0] += __shfl_xor_sync(all_lanes, sums[0], distance);
        }
    }
    return sums[0];
}

__device__ __forceinline__ float bits_to_float(TensorType type, const char* row, int i) {
    switch (type) {
        case TensorType::F32:
            return reinterpret_cast<const float*>(row)[i];
        case TensorType::F16:
            return half_to_float(reinterpret_cast<const std::uint16_t*>(row)[i]);
        default:
            return bfloat_to_float(reinterpret_cast<const std::uint16_t*>(row)[i]);
    }
}

/// F32, F16 or BF16; element i goes to sum i % `lanes`, and what is left over is added one by one afterwards.
template <TensorType type, int lanes>
struct FloatRow {
    static constexpr Format format = format_of(type);
    static constexpr int held = type == TensorType::F32 ? 4 : 8;
    static constexpr int threads = lanes / held;
    static constexpr int step_columns = lanes;
    static constexpr int together = 8;
    static constexpr int unit = lanes;
    static constexpr Planes planes = {{held == 4 ? 4 * lanes : 2 * lanes}};
    using Weights = uint4;
    struct Sums {
        float lane[held] = {};
    };

    __device__ static __forceinline__ int steps(int columns) { return columns / lanes; }

    template <class Source>
    __device__ static __forceinline__ Weights load(Source source, const char* row, int, int step, int lane) {
        return source.load16(row + (static_cast<std::size_t>(step) * threads + static_cast<unsigned>(lane)) * 16);
    }

    template <bool is_whole>
    __device__ static __forceinline__ void add(Sums& sums, const Weights& weights, const char* column, int columns,
                                               int step, int lane) {
        const unsigned words[4] = {weights.x, weights.y, weights.z, weights.w};
        if constexpr (type == TensorType::F32) {
            const float4 x = *reinterpret_cast<const float4*>(
                column + (static_cast<std::size_t>(step) * threads + static_cast<unsigned>(lane)) * 16);
            const float xs[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
            for (int i = 0; i < 4; ++i) sums.lane[i] = fmaf(__uint_as_float(words[i]), xs[i], sums.lane[i]);
        } else {
            const int first = step * lanes + lane * 8;
            const bool paired = first < columns / 64 * 64;
            const int place = paired ? first / 64 * 64 + first % 64 / 8 * 4 : first;
            const float4 low = *reinterpret_cast<const float4*>(column + static_cast<std::size_t>(place) * 4);
            const float4 high =
                *reinterpret_cast<const float4*>(column + static_cast<std::size_t>(place + (paired ? 32 : 4)) * 4);
            const float xs[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                const unsigned word = words[i / 2];
                float weight;
                if constexpr (type == TensorType::F16) {
                    weight = i % 2 == 0 ? low_half(word) : high_half(word);
                } else {
                    weight = __uint_as_float(i % 2 == 0 ? word << 16 : word & 0xffff0000u);
                }
                sums.lane[i] = fmaf(weight, xs[i], sums.lane[i]);
            }
        }
    }

    __device__ static __forceinline__ float finish(Sums& sums, const char* row, const char* column, int columns, int) {
        float sum = total(sums);
        const int whole = columns / lanes * lanes;
        if (whole == columns) return sum;
        const auto* const x = reinterpret_cast<const float*>(column);
        if constexpr (type == TensorType::F16) {
            double rest = sum;
            for (int i = whole; i < columns; ++i) {
                rest += static_cast<double>(bits_to_float(type, row, i) * x[paired_place(i, columns)]);
            }
            return static_cast<float>(rest);
        } else {
            for (int i = whole; i < columns; ++i) {
                const int place = type == TensorType::BF16 ? paired_place(i, columns) : i;
                sum = fmaf(bits_to_float(type, row, i), x[place], sum);
            }
            return sum;
        }
    }

   private:
    /// By halves over all lanes: over threads first, then, where threads hold several that are left, within one.
    __device__ static __forceinline__ float total(Sums& sums) {
        if constexpr (threads >= held) {
            // Exchanges end with one sum a thread; what distances are left go over the threads again.
            float sum = sum_of_lanes<held, threads>(sums.lane);
            return sum_of_rest(sum);
        } else {
#pragma unroll
            for (int distance = threads / 2; distance > 0; distance /= 2) {
#pragma unroll
                for (int i = 0; i < held; ++i) {
                    sums.lane[i] += __shfl_xor_sync(all_lanes, sums.lane[i], distance);
                }
            }
#pragma unroll
            for (int left = held / 2; left > 0; left /= 2) {
#pragma unroll
                for (int i = 0; i < left; ++i) sums.lane[i] += sums.lane[i + left];
            }
            return sums.lane[0];
        }
    }

    /// After `sum_of_lanes` thread t holds the sum of lanes j, j + held, ...; which j is told by those bits of t that
    /// the first exchanges used, from the highest down. Their sums by halves of j are exchanges over the same bits.
    __device__ static __forceinline__ float sum_of_rest(float sum) {
        int distance = threads / 2;
#pragma unroll
        for (int left = held / 2; left > 0; left /= 2) {
            sum += __shfl_xor_sync(all_lanes, sum, distance);
            distance /= 2;
        }
        return sum;
    }
};

/// MXFP4: e2m1 numbers with a power of two a block; activations stay floats.
struct Mxfp4Row {
    static constexpr Format format = Format::Float;
    static constexpr int threads = 4;
    static constexpr int step_columns = unit_columns;
    static constexpr int together = 8;
    static constexpr int unit = unit_columns;
    static constexpr Planes planes = {{64, 4}};
    struct Weights {
        uint4 words;
        unsigned exponents;
    };
    struct Sums {
        float sum = 0;
    };

    __device__ static __forceinline__ int steps(int columns) { return units_of(columns); }

    template <class Source>
    __device__ static __forceinline__ Weights load(Source source, const char* row, int columns, int step, int lane) {
        const std::size_t words = static_cast<std::size_t>(units_of(columns)) * 64;
        return {source.load16(row + static_cast<std::size_t>(step) * 64 + static_cast<unsigned>(lane) * 16),
                source.load4(row + words + static_cast<std::size_t>(step) * 4)};
    }

    /// As a half, e2m1 with its bits in place is 2^14 times too small, below the normal range too.
    __device__ static __forceinline__ float fourth(unsigned nibble) {
        return half_to_float(static_cast<std::uint16_t>((nibble & 8u) << 12 | (nibble & 7u) << 9)) * 16384.0f;
    }

    __device__ static __forceinline__ float scale(unsigned exponent) {
        // 0 is 2^-127, below the normal range of a float.
        return exponent == 0 ? __uint_as_float(0x00400000u) : __uint_as_float(exponent << 23);
    }

    template <bool is_whole>
    __device__ static __forceinline__ void add(Sums& sums, const Weights& weights, const char* column, int columns,
                                               int step, int lane) {
        const unsigned words[4] = {weights.words.x, weights.words.y, weights.words.z, weights.words.w};
#pragma unroll
        for (int block = 0; block < 4; ++block) {
            const int first = step * unit_columns + block * 32 + lane * 4;
            if (first >= columns) continue;
            const auto* const x = reinterpret_cast<const float4*>(column + static_cast<std::size_t>(first) * 4);
            const float4 low = x[0];
            const float4 high = x[4];
            const float xs[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
            float part = 0;
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const unsigned byte = words[block] >> (8 * i);
                part = fmaf(fourth(byte & 15u), xs[i], part);
                part = fmaf(fourth(byte >> 4 & 15u), xs[i + 4], part);
            }
            sums.sum = fmaf(scale(weights.exponents >> (8 * block) & 255u), part, sums.sum);
        }
    }

    __device__ static __forceinline__ float finish(Sums& sums, const char*, const char*, int, int) {
        float sum = sums.sum;
        for (int distance = threads / 2; distance > 0; distance /= 2) {
            sum += __shfl_xor_sync(all_lanes, sum, distance);
        }
        return sum;
    }
};

}  // namespace worker::kernels
