// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Products of rows in blocks of 256 (Q4_K, Q5_K, Q6_K) with a column of `Format::Super`, eight threads a row.
///
/// Thread l holds word l of each of a block's eight groups of 32. All that happens within a block is exact integers,
/// 6-bit or 8-bit scales of the groups included; a block ends in one multiplication by its scale and the column's.
#pragma once

#include "rows_small.cuh"

namespace worker::kernels {

/// Word `lane` of the eight groups of a block.
__device__ __forceinline__ void group_words(int (&out)[8], const char* column, int block, int lane) {
    for (int unit = 0; unit < 2; ++unit) {
        const int4 words = *reinterpret_cast<const int4*>(
            column +
            ((static_cast<std::size_t>(block) * 2 + static_cast<unsigned>(unit)) * 8 + static_cast<unsigned>(lane)) *
                16);
        out[4 * unit] = words.x;
        out[4 * unit + 1] = words.y;
        out[4 * unit + 2] = words.z;
        out[4 * unit + 3] = words.w;
    }
}

/// Sums of sixteen 2 * lane and 2 * lane + 1 of a block.
__device__ __forceinline__ int2 sixteen_sums(const char* column, int blocks, int block, int lane) {
    return *reinterpret_cast<const int2*>(column + static_cast<std::size_t>(blocks) * 256 +
                                          static_cast<std::size_t>(block) * 64 + static_cast<unsigned>(lane) * 8);
}

__device__ __forceinline__ float super_scale(const char* column, int blocks, int block) {
    return *reinterpret_cast<const float*>(column + static_cast<std::size_t>(blocks) * 320 +
                                           static_cast<std::size_t>(block) * 4);
}

/// `sum` over the eight threads of a row, in all of them.
__device__ __forceinline__ int sum_of_eight(int sum) {
    sum += __shfl_xor_sync(all_lanes, sum, 1);
    sum += __shfl_xor_sync(all_lanes, sum, 2);
    return sum + __shfl_xor_sync(all_lanes, sum, 4);
}

/// Q4_K and Q5_K: scale and minimum of each group in six bits.
template <TensorType type, bool whole_blocks>
struct SuperRow {
    static constexpr bool has_fifth = type == TensorType::Q5_K;
    /// Minimums are summed a pair of groups at a time, in four sums; elsewhere all eight at once.
    static constexpr bool paired_minimums = type == TensorType::Q4_K && !whole_blocks;
    static constexpr Format format = Format::Super;
    static constexpr int threads = 8;
    static constexpr int step_columns = super_columns;
    static constexpr int together = 8;
    static constexpr int unit = super_columns;
    static constexpr Planes planes = has_fifth ? Planes{{128, 32, 16}} : Planes{{128, 16}};
    struct Weights {
        uint4 words;
        uint4 header;
        unsigned fifths;
    };
    struct Sums {
        float sum = 0;
        float minimums = 0;
    };

    __device__ static __forceinline__ int steps(int columns) { return columns / super_columns; }

    template <class Source>
    __device__ static __forceinline__ Weights load(Source source, const char* row, int columns, int step, int lane) {
        const auto blocks = static_cast<std::size_t>(steps(columns));
        const auto block = static_cast<std::size_t>(step);
        Weights weights = {};
        weights.words = source.load16(row + block * 128 + static_cast<unsigned>(lane) * 16);
        row += blocks * 128;
        if constexpr (has_fifth) {
            weights.fifths = source.load4(row + block * 32 + static_cast<unsigned>(lane) * 4);
            row += blocks * 32;
        }
        weights.header = source.load16(row + block * 16);
        return weights;
    }

    template <bool is_whole>
    __device__ static __forceinline__ void add(Sums& sums, const Weights& weights, const char* column, int columns,
                                               int step, int lane) {
        const int blocks = steps(columns);
        const unsigned words[4] = {weights.words.x, weights.words.y, weights.words.z, weights.words.w};
        // Scales, then minimums, of groups 0 to 3 and 4 to 7, a byte each.
        const unsigned first = weights.header.y;
        const unsigned second = weights.header.z;
        const unsigned mixed = weights.header.w;
        const unsigned scales[2] = {first & 0x3f3f3f3fu, (mixed & 0x0f0f0f0fu) | (first >> 2 & 0x30303030u)};
        const unsigned minimums[2] = {second & 0x3f3f3f3fu, (mixed >> 4 & 0x0f0f0f0fu) | (second >> 2 & 0x30303030u)};
        int x[8];
        group_words(x, column, step, lane);
        int exact = 0;
#pragma unroll
        for (int run = 0; run < 4; ++run) {
            unsigned low = words[run] & 0x0f0f0f0fu;
            unsigned high = words[run] >> 4 & 0x0f0f0f0fu;
            if constexpr (has_fifth) {
                low |= (weights.fifths >> (2 * run) & 0x01010101u) << 4;
                high |= (weights.fifths >> (2 * run + 1) & 0x01010101u) << 4;
            }
            const unsigned pair = scales[run / 2] >> (run % 2 * 16);
            exact += static_cast<int>(pair & 255u) * __dp4a(static_cast<int>(low), x[2 * run], 0);
            exact += static_cast<int>(pair >> 8 & 255u) * __dp4a(static_cast<int>(high), x[2 * run + 1], 0);
        }
        const int2 halves = sixteen_sums(column, blocks, step, lane);
        const unsigned mine = (lane < 4 ? minimums[0] : minimums[1]) >> (lane % 4 * 8) & 255u;
        int minimum = static_cast<int>(mine) * (halves.x + halves.y);
        minimum += __shfl_xor_sync(all_lanes, minimum, 1);
        if constexpr (!paired_minimums) {
            minimum += __shfl_xor_sync(all_lanes, minimum, 2);
            minimum += __shfl_xor_sync(all_lanes, minimum, 4);
        }
        if constexpr (whole_blocks) exact = sum_of_eight(exact);
        const float x_scale = super_scale(column, blocks, step);
        sums.sum = fmaf(low_half(weights.header.x) * x_scale, static_cast<float>(exact), sums.sum);
        const float minimum_scale = -(high_half(weights.header.x) * x_scale);
        sums.minimums = fmaf(minimum_scale, static_cast<float>(minimum), sums.minimums);
    }

    __device__ static __forceinline__ float finish(Sums& sums, const char*, const char*, int, int) {
        float sum = sums.sum;
        float minimums = sums.minimums;
        if constexpr (!whole_blocks) {
            sum += __shfl_xor_sync(all_lanes, sum, 4);
            sum += __shfl_xor_sync(all_lanes, sum, 2);
            sum += __shfl_xor_sync(all_lanes, sum, 1);
        }
        if constexpr (paired_minimums) {
            // Pair p is with threads 2p and 2p + 1.
            minimums += __shfl_xor_sync(all_lanes, minimums, 4);
            minimums += __shfl_xor_sync(all_lanes, minimums, 2);
        }
        return sum + minimums;
    }
};

/// Q6_K: signed scales of sixteen, quants with an offset of 32.
struct Q6Row {
    static constexpr Format format = Format::Super;
    static constexpr int threads = 8;
    static constexpr int step_columns = super_columns;
    static constexpr int together = 8;
    static constexpr int unit = super_columns;
    static constexpr Planes planes = {{128, 64, 16, 2}};
    struct Weights {
        uint4 low;
        uint2 high;
        uint4 scales;
        unsigned scale;
    };
    struct Sums {
        float sum = 0;
    };

    __device__ static __forceinline__ int steps(int columns) { return columns / super_columns; }

    template <class Source>
    __device__ static __forceinline__ Weights load(Source source, const char* row, int columns, int step, int lane) {
        const auto blocks = static_cast<std::size_t>(steps(columns));
        const auto block = static_cast<std::size_t>(step);
        return {source.load16(row + block * 128 + static_cast<unsigned>(lane) * 16),
                source.load8(row + blocks * 128 + block * 64 + static_cast<unsigned>(lane) * 8),
                source.load16(row + blocks * 192 + block * 16),
                source.load4(row + blocks * 208 + block / 2 * 4) >> (block % 2 * 16) & 0xffffu};
    }

    __device__ static __forceinline__ int byte_of(unsigned word, int i) {
        return static_cast<std::int8_t>(word >> (8 * i) & 255u);
    }

    template <bool is_whole>
    __device__ static __forceinline__ void add(Sums& sums, const Weights& weights, const char* column, int columns,
                                               int step, int lane) {
        const int blocks = steps(columns);
        const unsigned low[4] = {weights.low.x, weights.low.y, weights.low.z, weights.low.w};
        const unsigned high[2] = {weights.high.x, weights.high.y};
        const unsigned scales[4] = {weights.scales.x, weights.scales.y, weights.scales.z, weights.scales.w};
        int x[8];
        group_words(x, column, step, lane);
        // The scales of this thread's sixteens, one a group.
        const int odd = lane / 4;
        int exact = 0;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
#pragma unroll
            for (int part = 0; part < 4; ++part) {
                const unsigned nibbles = low[2 * half + part % 2] >> (part / 2 * 4) & 0x0f0f0f0fu;
                const unsigned quants = nibbles | (high[half] >> (2 * part) & 0x03030303u) << 4;
                const int group = 4 * half + part;
                const int scale = byte_of(scales[group / 2], group % 2 * 2 + odd);
                exact += scale * __dp4a(static_cast<int>(quants), x[group], 0);
            }
        }
        // The offset of sixteens 2l and 2l + 1 goes to sum l.
        const int2 sixteens = sixteen_sums(column, blocks, step, lane);
        unsigned mine = scales[0];
        mine = lane / 2 == 1 ? scales[1] : mine;
        mine = lane / 2 == 2 ? scales[2] : mine;
        mine = lane / 2 == 3 ? scales[3] : mine;
        mine >>= lane % 2 * 16;
        exact -= 32 * (byte_of(mine, 0) * sixteens.x + byte_of(mine, 1) * sixteens.y);
        const float scale = half_to_float(static_cast<std::uint16_t>(weights.scale));
        sums.sum = fmaf(scale * super_scale(column, blocks, step), static_cast<float>(exact), sums.sum);
    }

    __device__ static __forceinline__ float finish(Sums& sums, const char*, const char*, int, int) {
        float sum = sums.sum;
        sum += __shfl_xor_sync(all_lanes, sum, 4);
        sum += __shfl_xor_sync(all_lanes, sum, 2);
        return sum + __shfl_xor_sync(all_lanes, sum, 1);
    }
};

}  // namespace worker::kernels
