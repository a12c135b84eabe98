// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Products of rows in blocks of 32 (Q8_0, Q4_0, Q4_1, Q5_0, Q5_1) with a column of signed bytes.
///
/// Four products at a time are exact integers (`__dp4a`). The four of word w of a block go to sum w of eight, times the
/// scales of weights and activations; in the order "blocks" (Q4_0) the whole block is one integer and there is one sum.
#pragma once

#include "rows_float.cuh"

namespace worker::kernels {

/// Four scales of a unit, times the column's.
__device__ __forceinline__ void unit_scales(float (&out)[4], uint2 halves, const float4& x) {
    out[0] = low_half(halves.x) * x.x;
    out[1] = high_half(halves.x) * x.y;
    out[2] = low_half(halves.y) * x.z;
    out[3] = high_half(halves.y) * x.w;
}

/// Integers below 2^22 become floats by an addition, which is faster than a conversion: summed on top of the bits of
/// 1.5 * 2^23 they are the last bits of a float, and what is taken away again is exact.
constexpr int exact_zero = 0x4b400000;
__device__ __forceinline__ float exact_float(int sum) { return __int_as_float(sum) - 12582912.0f; }

/// The words of a unit that belong to word `word` of its four blocks.
__device__ __forceinline__ void column_words(int (&out)[4], const char* column, int unit, int word) {
    const int4 words = *reinterpret_cast<const int4*>(
        column + (static_cast<std::size_t>(unit) * 8 + static_cast<unsigned>(word)) * 16);
    out[0] = words.x;
    out[1] = words.y;
    out[2] = words.z;
    out[3] = words.w;
}

__device__ __forceinline__ float4 column_scales(const char* column, int units, int unit) {
    return *reinterpret_cast<const float4*>(column + static_cast<std::size_t>(units) * 128 +
                                            static_cast<std::size_t>(unit) * 16);
}

__device__ __forceinline__ float4 column_sums(const char* column, int units, int unit) {
    return *reinterpret_cast<const float4*>(column + static_cast<std::size_t>(units) * 144 +
                                            static_cast<std::size_t>(unit) * 16);
}

/// Adds a step of two units to the sum of a row, in their order, where half of its threads have the one and half the
/// other: the sum goes through the first half to the second, and back. `with_mine(sum)` adds a thread's own unit.
template <int half, class WithMine>
__device__ __forceinline__ float add_both_units(float sum, bool is_second, bool is_there, WithMine with_mine) {
    const float first = with_mine(sum);
    const float from_first = __shfl_xor_sync(all_lanes, first, half);
    const float second = is_there ? with_mine(from_first) : from_first;
    const float from_second = __shfl_xor_sync(all_lanes, second, half);
    return is_second ? second : from_second;
}

/// Q8_0: thread l of eight holds word l of each block. `paired`: sixteen threads share a row, the second eight are one
/// unit ahead, and a step is two units; a single token has rows for too few threads otherwise.
template <bool paired>
struct Q8Row {
    static constexpr Format format = Format::Bytes;
    static constexpr int threads = paired ? 16 : 8;
    static constexpr int step_units = threads / 8;
    static constexpr int step_columns = unit_columns * step_units;
    static constexpr int together = 8;
    static constexpr int unit = unit_columns;
    static constexpr Planes planes = {{128, 8}};
    struct Weights {
        uint4 words;
        uint2 scales;
    };
    struct Sums {
        float sum = 0;
    };

    __device__ static __forceinline__ int steps(int columns) {
        return (units_of(columns) + step_units - 1) / step_units;
    }

    template <class Source>
    __device__ static __forceinline__ Weights load(Source source, const char* row, int columns, int step, int lane) {
        const int units = units_of(columns);
        const auto unit = static_cast<std::size_t>(step * step_units + (paired ? lane / 8 : 0));
        return {source.load16(row + unit * 128 + static_cast<unsigned>(lane) % 8 * 16),
                source.load8(row + static_cast<std::size_t>(units) * 128 + unit * 8)};
    }

    template <bool is_whole>
    __device__ static __forceinline__ void add(Sums& sums, const Weights& weights, const char* column, int columns,
                                               int step, int lane) {
        const int units = units_of(columns);
        const bool is_second = paired && lane >= 8;
        const int wanted = step * step_units + (is_second ? 1 : 0);
        const int unit = !paired || is_whole || wanted < units ? wanted : units - 1;
        const unsigned words[4] = {weights.words.x, weights.words.y, weights.words.z, weights.words.w};
        int x[4];
        float scales[4];
        float exact[4];
        column_words(x, column, unit, lane % 8);
        unit_scales(scales, weights.scales, column_scales(column, units, unit));
#pragma unroll
        for (int block = 0; block < 4; ++block) {
            exact[block] = exact_float(__dp4a(static_cast<int>(words[block]), x[block], exact_zero));
        }
        const auto with_mine = [&](float sum) {
#pragma unroll
            for (int block = 0; block < 4; ++block) sum = fmaf(scales[block], exact[block], sum);
            return sum;
        };
        if constexpr (paired) {
            sums.sum = add_both_units<8>(sums.sum, is_second, is_whole || wanted < units, with_mine);
        } else {
            sums.sum = with_mine(sums.sum);
        }
    }

    __device__ static __forceinline__ float finish(Sums& sums, const char*, const char*, int, int) {
        float sum = sums.sum;
        for (int distance = 4; distance > 0; distance /= 2) sum += __shfl_xor_sync(all_lanes, sum, distance);
        return sum;
    }
};

/// Nibbles, with or without a fifth bit, a minimum, and whole blocks: thread w of four holds words w and w + 4, the
/// low and the high nibbles of its bytes. `paired`: eight threads share a row, as with Q8_0; with whole blocks only.
template <TensorType type, bool whole_blocks = false, bool paired = false>
struct NibbleRow {
    static constexpr bool has_fifth = type == TensorType::Q5_0 || type == TensorType::Q5_1;
    static constexpr bool has_minimum = type == TensorType::Q4_1 || type == TensorType::Q5_1;
    /// What is taken off a quant: four times, as signed bytes.
    static constexpr int offsets = has_minimum ? 0
                                   : has_fifth ? static_cast<int>(0xf0f0f0f0u)
                                               : static_cast<int>(0xf8f8f8f8u);
    static constexpr int zero = whole_blocks ? 0 : exact_zero;
    static constexpr Format format = Format::Bytes;
    static constexpr int threads = paired ? 8 : 4;
    static constexpr int step_units = threads / 4;
    static constexpr int step_columns = unit_columns * step_units;
    static constexpr int together = has_minimum ? 4 : 8;
    static constexpr int unit = unit_columns;
    static constexpr Planes planes =
        has_fifth ? Planes{{64, 16, has_minimum ? 16 : 8}} : Planes{{64, has_minimum ? 16 : 8}};
    static_assert(whole_blocks || !paired);
    struct Weights {
        uint4 words;
        uint4 fifths;
        uint2 scales;
        uint2 minimums;
    };
    struct Sums {
        float low = 0;
        float high = 0;
        float minimums = 0;
    };

    __device__ static __forceinline__ int steps(int columns) {
        return (units_of(columns) + step_units - 1) / step_units;
    }

    template <class Source>
    __device__ static __forceinline__ Weights load(Source source, const char* row, int columns, int step, int lane) {
        const auto units = static_cast<std::size_t>(units_of(columns));
        auto unit = static_cast<std::size_t>(step);
        if constexpr (paired) {
            unit = unit * step_units + static_cast<unsigned>(lane) / 4;
            lane %= 4;
        }
        Weights weights = {};
        weights.words = source.load16(row + unit * 64 + static_cast<unsigned>(lane) * 16);
        row += units * 64;
        if constexpr (has_fifth) {
            weights.fifths = source.load16(row + unit * 16);
            row += units * 16;
        }
        if constexpr (has_minimum) {
            const uint4 both = source.load16(row + unit * 16);
            weights.scales = {both.x, both.y};
            weights.minimums = {both.z, both.w};
        } else {
            weights.scales = source.load8(row + unit * 8);
        }
        return weights;
    }

    /// Fifth bits `first` to `first + 3` of a block, each in its byte at the place of 16.
    __device__ static __forceinline__ unsigned fifths_of(unsigned bits, int first) {
        return ((bits >> first & 15u) * 0x02040810u) & 0x10101010u;
    }

    template <bool is_whole>
    __device__ static __forceinline__ void add(Sums& sums, const Weights& weights, const char* column, int columns,
                                               int step, int lane) {
        const int units = units_of(columns);
        const bool is_second = paired && lane >= 4;
        const int wanted = step * step_units + (is_second ? 1 : 0);
        const int unit = !paired || is_whole || wanted < units ? wanted : units - 1;
        if constexpr (paired) lane %= 4;
        const unsigned words[4] = {weights.words.x, weights.words.y, weights.words.z, weights.words.w};
        const unsigned fifths[4] = {weights.fifths.x, weights.fifths.y, weights.fifths.z, weights.fifths.w};
        int low_x[4];
        int high_x[4];
        float scales[4];
        column_words(low_x, column, unit, lane);
        column_words(high_x, column, unit, lane + 4);
        unit_scales(scales, weights.scales, column_scales(column, units, unit));
        int low[4];
        int high[4];
#pragma unroll
        for (int block = 0; block < 4; ++block) {
            unsigned low_quants = words[block] & 0x0f0f0f0fu;
            unsigned high_quants = words[block] >> 4 & 0x0f0f0f0fu;
            if constexpr (has_fifth) {
                low_quants |= fifths_of(fifths[block], 4 * lane);
                high_quants |= fifths_of(fifths[block], 16 + 4 * lane);
            }
            low[block] = __dp4a(static_cast<int>(low_quants), low_x[block], __dp4a(offsets, low_x[block], zero));
            high[block] = __dp4a(static_cast<int>(high_quants), high_x[block], __dp4a(offsets, high_x[block], zero));
        }
        if constexpr (whole_blocks) {
            add_whole(sums, low, high, scales, is_second, is_whole || wanted < units);
        } else {
#pragma unroll
            for (int block = 0; block < 4; ++block) {
                sums.low = fmaf(scales[block], exact_float(low[block]), sums.low);
                sums.high = fmaf(scales[block], exact_float(high[block]), sums.high);
            }
        }
        if constexpr (has_minimum) {
            float minimums[4];
            unit_scales(minimums, weights.minimums, column_sums(column, units, unit));
#pragma unroll
            for (int block = 0; block < 4; ++block) sums.minimums += minimums[block];
        }
    }

    __device__ static __forceinline__ float finish(Sums& sums, const char*, const char*, int, int) {
        if constexpr (whole_blocks) return sums.low;
        float sum = sums.low + sums.high;
        for (int distance = threads / 2; distance > 0; distance /= 2) {
            sum += __shfl_xor_sync(all_lanes, sum, distance);
        }
        return sum + sums.minimums;
    }

   private:
    /// The four threads' integers of a block are summed in all four, two blocks in the halves of one word: with the
    /// offset taken off a block's sum is at most 8 * 127 * 32, which 16 bits hold.
    __device__ static __forceinline__ void add_whole(Sums& sums, const int (&low)[4], const int (&high)[4],
                                                     const float (&scales)[4], bool is_second, bool is_there) {
        static_assert(!has_fifth && !has_minimum, "larger quants need more than 16 bits");
        float exact[4];
#pragma unroll
        for (int pair = 0; pair < 4; pair += 2) {
            int both = (low[pair] + high[pair]) + (low[pair + 1] + high[pair + 1]) * 65536;
            both += __shfl_xor_sync(all_lanes, both, 1);
            both += __shfl_xor_sync(all_lanes, both, 2);
            const int first = static_cast<std::int16_t>(both & 0xffff);
            exact[pair] = static_cast<float>(first);
            exact[pair + 1] = static_cast<float>((both - first) >> 16);
        }
        const auto with_mine = [&](float sum) {
#pragma unroll
            for (int block = 0; block < 4; ++block) sum = fmaf(scales[block], exact[block], sum);
            return sum;
        };
        if constexpr (paired) {
            sums.low = add_both_units<4>(sums.low, is_second, is_there, with_mine);
        } else {
            sums.low = with_mine(sums.low);
        }
    }
};

}  // namespace worker::kernels
