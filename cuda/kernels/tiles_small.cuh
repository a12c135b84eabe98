// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Prompts with matrices in blocks of 32, on the tensor cores.
///
/// A block's quants and bytes become halves in shared memory; the sums of a word's four products, or of a whole block,
/// are exact integers there, and floats as they come. Scaling and adding them keeps the order of `rows_small.cuh`:
/// eight sums a row and token, one for each word of a block, or a single one.
///
/// The matrix unit adds eight terms at least, two words: so its columns are four tokens times two words, with zeros
/// where a term is of the other word.
#pragma once

#include "matrix_unit.cuh"
#include "tiles.cuh"

namespace worker::kernels {

/// Weights of a unit on their way into a tile; a thread takes 16 bytes, which are a word or two of each of four blocks.
template <TensorType type>
struct SmallTile {
    static constexpr bool is_byte = type == TensorType::Q8_0;
    static constexpr bool has_fifth = type == TensorType::Q5_0 || type == TensorType::Q5_1;
    static constexpr bool has_minimum = type == TensorType::Q4_1 || type == TensorType::Q5_1;
    /// 1024 and what is taken off a quant, as halves, twice.
    static constexpr unsigned offset = is_byte       ? 0x64806480u
                                       : has_minimum ? 0x64006400u
                                       : has_fifth   ? 0x64106410u
                                                     : 0x64086408u;
    static constexpr int chunks = is_byte ? 8 : 4;  ///< Of a row's unit.

    uint4 words;
    uint4 fifths;

    __device__ __forceinline__ void load(const char* row, int units, int unit, int chunk) {
        const auto at = static_cast<std::size_t>(unit);
        words = Direct{}.load16(row + (at * chunks + static_cast<unsigned>(chunk)) * 16);
        if constexpr (has_fifth) fifths = Direct{}.load16(row + static_cast<std::size_t>(units) * 64 + at * 16);
    }

    /// Scales and, with minimums, those of four blocks.
    __device__ static __forceinline__ uint4 load_scales(const char* row, int units, int unit) {
        const auto at = static_cast<std::size_t>(unit);
        row += static_cast<std::size_t>(units) * (is_byte ? 128 : has_fifth ? 80 : 64);
        if constexpr (has_minimum) return Direct{}.load16(row + at * 16);
        const uint2 scales = Direct{}.load8(row + at * 8);
        return {scales.x, scales.y, 0, 0};
    }

    /// `to`: the row's first block; blocks are `stride` bytes apart. `flip`: the second half of a word first, so that
    /// rows whose banks are the same do not meet.
    __device__ __forceinline__ void store(char* to, int stride, int chunk, bool flip) const {
        const unsigned all[4] = {words.x, words.y, words.z, words.w};
        const unsigned fifth[4] = {fifths.x, fifths.y, fifths.z, fifths.w};
#pragma unroll
        for (int block = 0; block < 4; ++block, to += stride) {
            if constexpr (is_byte) {
                put(to + tile_word(chunk), all[block] ^ 0x80808080u, flip);
            } else {
                unsigned low = all[block] & 0x0f0f0f0fu;
                unsigned high = all[block] >> 4 & 0x0f0f0f0fu;
                if constexpr (has_fifth) {
                    low |= NibbleRow<type>::fifths_of(fifth[block], 4 * chunk);
                    high |= NibbleRow<type>::fifths_of(fifth[block], 16 + 4 * chunk);
                }
                put(to + tile_word(chunk), low, flip);
                put(to + tile_word(chunk + 4), high, flip);
            }
        }
    }

   private:
    __device__ static __forceinline__ void put(char* to, unsigned bytes, bool flip) {
        const uint2 halves = halves_of_bytes(bytes, offset);
        const int first = flip ? tile_half_word : 0;
        *reinterpret_cast<unsigned*>(to + first) = flip ? halves.y : halves.x;
        *reinterpret_cast<unsigned*>(to + tile_half_word - first) = flip ? halves.x : halves.y;
    }
};

/// A warp has 32 rows and `groups` times four tokens, a block two warps of rows and two or four of tokens.
constexpr int small_tile_rows = 64;

/// Where the parts of a stage lie.
template <bool has_minimum, int token_warps, int groups>
struct SmallStage {
    static constexpr int warp_tokens = 4 * groups;
    static constexpr int tokens = warp_tokens * token_warps;
    static constexpr int row_stride = small_tile_rows * tile_block_bytes;  ///< From block to block.
    static constexpr int token_stride = tokens * tile_block_bytes;
    static constexpr int columns = 4 * row_stride;
    static constexpr int row_scales = columns + 4 * token_stride;
    static constexpr int row_minimums = row_scales + 4 * small_tile_rows * 4;
    static constexpr int token_scales = row_minimums + (has_minimum ? 4 * small_tile_rows * 4 : 0);
    static constexpr int token_sums = token_scales + 4 * tokens * 4;
    static constexpr int bytes = token_sums + (has_minimum ? 4 * tokens * 4 : 0);
};

/// Place of a row among the 32 of a warp, so that the four of a thread lie side by side.
__device__ __forceinline__ int place_of_row(int row) { return row / 32 * 32 + row % 8 * 4 + row % 32 / 8; }
/// And of a token among those of a warp: the matrix unit gives a thread every fourth one, or two neighbours of eight.
template <bool whole_blocks, int groups>
__device__ __forceinline__ int place_of_token(int token) {
    const int within = token % (4 * groups);
    const int thread = whole_blocks ? within % 8 / 2 : within % 4;
    return token - within + thread * groups + (whole_blocks ? within / 8 * 2 + within % 2 : within / 4);
}

/// `count` floats side by side: two or four.
template <int count>
__device__ __forceinline__ void load_floats(float (&out)[count], const char* at) {
    if constexpr (count == 4) {
        const float4 all = *reinterpret_cast<const float4*>(at);
        out[0] = all.x;
        out[1] = all.y;
        out[2] = all.z;
        out[3] = all.w;
    } else {
        const float2 all = *reinterpret_cast<const float2*>(at);
        out[0] = all.x;
        out[1] = all.y;
    }
}

template <TensorType type, bool whole_blocks, int token_warps, int groups>
__global__ void __launch_bounds__(64 * token_warps) small_tiles_kernel(const LinearArguments arguments) {
    using Tile = SmallTile<type>;
    using Stage = SmallStage<Tile::has_minimum, token_warps, groups>;
    constexpr int threads = 64 * token_warps;
    constexpr int held = small_tile_rows * Tile::chunks / threads;
    constexpr int copies = Stage::tokens * 16 / threads;
    /// Sums of a row and token.
    constexpr int lanes = whole_blocks ? 1 : 8;
    char* const memory = shared_memory();
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % warp_size;
    const int g = lane / 4;
    const int c = lane % 4;
    const int row_warp = thread / warp_size % 2;
    const int token_warp = thread / warp_size / 2;
    const int first_row = static_cast<int>(blockIdx.y) * small_tile_rows;
    const int first_token = static_cast<int>(blockIdx.x) * Stage::tokens;
    const int units = units_of(arguments.columns);
    // The first threads bring the scales of a row each, the last ones those of a token.
    const bool has_row = thread < small_tile_rows;
    const int scaled_token = thread - (threads - Stage::tokens);
    const char* const scaled_row = tile_row(arguments, first_row + thread);

    Tile tile[held];
    uint4 row_scales = {};
    const char* rows[held];
#pragma unroll
    for (int i = 0; i < held; ++i) rows[i] = tile_row(arguments, first_row + (thread + i * threads) / Tile::chunks);
    const auto fetch_rows = [&](int unit) {
#pragma unroll
        for (int i = 0; i < held; ++i) tile[i].load(rows[i], units, unit, thread % Tile::chunks);
        if (has_row) row_scales = Tile::load_scales(scaled_row, units, unit);
    };
    const auto store_rows = [&](char* stage) {
#pragma unroll
        for (int i = 0; i < held; ++i) {
            const int row = (thread + i * threads) / Tile::chunks;
            tile[i].store(stage + row * tile_block_bytes, Stage::row_stride, thread % Tile::chunks, (row & 2) != 0);
        }
        if (has_row) {
            const unsigned words[4] = {row_scales.x, row_scales.y, row_scales.z, row_scales.w};
            auto* const scales = reinterpret_cast<float*>(stage + Stage::row_scales) + place_of_row(thread);
            auto* const minimums = reinterpret_cast<float*>(stage + Stage::row_minimums) + place_of_row(thread);
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                scales[2 * i * small_tile_rows] = low_half(words[i]);
                scales[(2 * i + 1) * small_tile_rows] = high_half(words[i]);
                if constexpr (Tile::has_minimum) {
                    minimums[2 * i * small_tile_rows] = low_half(words[2 + i]);
                    minimums[(2 * i + 1) * small_tile_rows] = high_half(words[2 + i]);
                }
            }
        }
    };
    float4 token_scales = {};
    float4 token_sums = {};
    const auto fetch_tokens = [&](char* stage, int unit) {
#pragma unroll
        for (int i = 0; i < copies; ++i) {
            const int copy = thread + i * threads;
            const int token = copy / 16;
            const int part = copy % 16;
            copy_ahead(
                stage + Stage::columns + part / 4 * Stage::token_stride + token * tile_block_bytes + part % 4 * 16,
                tile_column(arguments, Format::BytesTile, first_token + token) +
                    static_cast<std::size_t>(unit) * (4 * tile_block_bytes) + static_cast<unsigned>(part) * 16);
        }
        end_copies();
        if (scaled_token >= 0) {
            const auto* const scales =
                reinterpret_cast<const float4*>(tile_column(arguments, Format::BytesTile, first_token + scaled_token) +
                                                static_cast<std::size_t>(units) * (4 * tile_block_bytes));
            token_scales = scales[unit];
            if constexpr (Tile::has_minimum) token_sums = scales[units + unit];
        }
    };
    const auto store_tokens = [&](char* stage) {
        if (scaled_token < 0) return;
        const auto put = [&](float* to, const float4& four) {
            to[0] = four.x;
            to[Stage::tokens] = four.y;
            to[2 * Stage::tokens] = four.z;
            to[3 * Stage::tokens] = four.w;
        };
        const int place = place_of_token<whole_blocks, groups>(scaled_token);
        put(reinterpret_cast<float*>(stage + Stage::token_scales) + place, token_scales);
        if constexpr (Tile::has_minimum) put(reinterpret_cast<float*>(stage + Stage::token_sums) + place, token_sums);
    };

    // Of this thread: rows g, g + 8, g + 16, g + 24 of its warp's, and four tokens.
    float sums[4][groups][lanes] = {};
    float minimums[Tile::has_minimum ? 4 : 1][groups] = {};
    const bool busy = first_row + row_warp * 32 < arguments.sets[0].rows &&
                      first_token + token_warp * Stage::warp_tokens < arguments.tokens;
    // Zeros to the end in threads whose terms are of the other word.
    uint4 right[groups] = {};
    const bool has_terms = c / 2 == g % 2;
    const auto multiply = [&](const char* stage) {
        if (!busy) return;
#pragma unroll 1
        for (int block = 0; block < 4; ++block) {
            const char* const left_at =
                stage + block * Stage::row_stride + (row_warp * 32 + g) * tile_block_bytes + c * 16;
            const char* const right_at =
                stage + Stage::columns + block * Stage::token_stride +
                (token_warp * Stage::warp_tokens + (whole_blocks ? g : g / 2)) * tile_block_bytes + c * 16;
            uint4 left[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                left[i] = *reinterpret_cast<const uint4*>(left_at + i * 8 * tile_block_bytes);
            }
            const auto at = [&](int part, int of_block, int place) {
                return stage + part + (block * of_block + place) * 4;
            };
            const int row_place = row_warp * 32 + g * 4;
            const int token_place = token_warp * Stage::warp_tokens + c * groups;
            float of_row[4];
            float of_token[groups];
            load_floats(of_row, at(Stage::row_scales, small_tile_rows, row_place));
            load_floats(of_token, at(Stage::token_scales, Stage::tokens, token_place));
            if constexpr (whole_blocks) {
#pragma unroll
                for (int j = 0; j < groups / 2; ++j) {
                    const uint4 x = *reinterpret_cast<const uint4*>(right_at + j * 8 * tile_block_bytes);
#pragma unroll
                    for (int m = 0; m < 2; ++m) {
                        const uint4& upper = left[2 * m];
                        const uint4& lower = left[2 * m + 1];
                        float exact[4] = {};
                        multiply_sixteen(exact, {upper.x, upper.y}, {lower.x, lower.y}, {x.x, x.y});
                        multiply_sixteen(exact, {upper.z, upper.w}, {lower.z, lower.w}, {x.z, x.w});
#pragma unroll
                        for (int i = 0; i < 4; ++i) {
                            float& sum = sums[2 * m + i / 2][2 * j + i % 2][0];
                            sum = fmaf(of_row[2 * m + i / 2] * of_token[2 * j + i % 2], exact[i], sum);
                        }
                    }
                }
            } else {
                if (has_terms) {
#pragma unroll
                    for (int t = 0; t < groups; ++t) {
                        right[t] = *reinterpret_cast<const uint4*>(right_at + t * 4 * tile_block_bytes);
                    }
                }
#pragma unroll
                for (int t = 0; t < groups; ++t) {
                    const unsigned x[4] = {right[t].x, right[t].y, right[t].z, right[t].w};
#pragma unroll
                    for (int m = 0; m < 2; ++m) {
                        const unsigned upper[4] = {left[2 * m].x, left[2 * m].y, left[2 * m].z, left[2 * m].w};
                        const unsigned lower[4] = {left[2 * m + 1].x, left[2 * m + 1].y, left[2 * m + 1].z,
                                                   left[2 * m + 1].w};
                        const float scales[2] = {of_row[2 * m] * of_token[t], of_row[2 * m + 1] * of_token[t]};
#pragma unroll
                        for (int s = 0; s < 4; ++s) {
                            float exact[4];
                            multiply_eight(exact, upper[s], lower[s], x[s]);
#pragma unroll
                            for (int i = 0; i < 4; ++i) {
                                float& sum = sums[2 * m + i / 2][t][2 * s + i % 2];
                                sum = fmaf(scales[i / 2], exact[i], sum);
                            }
                        }
                    }
                }
            }
            if constexpr (Tile::has_minimum) {
                float lows[4];
                float alls[groups];
                load_floats(lows, at(Stage::row_minimums, small_tile_rows, row_place));
                load_floats(alls, at(Stage::token_sums, Stage::tokens, token_place));
#pragma unroll
                for (int i = 0; i < 4; ++i) {
#pragma unroll
                    for (int t = 0; t < groups; ++t) minimums[i][t] += lows[i] * alls[t];
                }
            }
        }
    };

    fetch_rows(0);
    wait_for_previous();
    fetch_tokens(memory, 0);
    store_rows(memory);
    store_tokens(memory);
    wait_for_all_copies();
    __syncthreads();
    for (int unit = 0; unit < units; ++unit) {
        char* const stage = memory + unit % 2 * Stage::bytes;
        char* const next = memory + (unit + 1) % 2 * Stage::bytes;
        const bool goes_on = unit + 1 < units;
        if (goes_on) {
            fetch_rows(unit + 1);
            fetch_tokens(next, unit + 1);
        }
        multiply(stage);
        if (goes_on) {
            store_rows(next);
            store_tokens(next);
            wait_for_all_copies();
        }
        __syncthreads();
    }
    if (!busy) return;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int t = 0; t < groups; ++t) {
            float(&eight)[lanes] = sums[i][t];
#pragma unroll
            for (int left = lanes / 2; left > 0; left /= 2) {
#pragma unroll
                for (int l = 0; l < left; ++l) eight[l] += eight[l + left];
            }
            const float sum = Tile::has_minimum ? eight[0] + minimums[i % (Tile::has_minimum ? 4 : 1)][t] : eight[0];
            const int token = whole_blocks ? t / 2 * 8 + 2 * c + t % 2 : 4 * t + c;
            put_tile_sum(arguments, sum, first_row + row_warp * 32 + i * 8 + g,
                         first_token + token_warp * Stage::warp_tokens + token);
        }
    }
}

template <TensorType type, bool whole_blocks, int token_warps, int groups>
cudaError_t launch_small_tile(const LinearArguments& arguments, cudaStream_t stream) {
    using Stage = SmallStage<SmallTile<type>::has_minimum, token_warps, groups>;
    return launch_tiles(small_tiles_kernel<type, whole_blocks, token_warps, groups>, small_tile_rows, Stage::tokens,
                        64 * token_warps, 2 * Stage::bytes, arguments, stream);
}

template <TensorType type, bool whole_blocks = false>
cudaError_t launch_small_tiles(const LinearArguments& arguments, cudaStream_t stream) {
    if (arguments.tokens <= 16) return launch_small_tile<type, whole_blocks, 2, 2>(arguments, stream);
    // With minimums, sums of four groups do not fit into registers.
    if (SmallTile<type>::has_minimum || arguments.tokens <= 32) {
        return launch_small_tile<type, whole_blocks, 4, 2>(arguments, stream);
    }
    return launch_small_tile < type, whole_blocks, 4, SmallTile<type>::has_minimum ? 2 : 4 > (arguments, stream);
}

}  // namespace worker::kernels
