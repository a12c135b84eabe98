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

constexpr int small_tile_rows = 64;

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

    /// `to`: the row's place in the first block; blocks are `stride` bytes apart. `flip`: the second half of a word
    /// first, so that threads whose banks are the same do not meet.
    __device__ __forceinline__ void store(char* to, int stride, int chunk, bool flip) const {
        const unsigned all[4] = {words.x, words.y, words.z, words.w};
        const unsigned fifth[4] = {fifths.x, fifths.y, fifths.z, fifths.w};
        to += word_of_row(chunk);
#pragma unroll
        for (int block = 0; block < 4; ++block, to += stride) {
            if constexpr (is_byte) {
                put(to, all[block] ^ 0x80808080u, flip);
            } else {
                unsigned low = all[block] & 0x0f0f0f0fu;
                unsigned high = all[block] >> 4 & 0x0f0f0f0fu;
                if constexpr (has_fifth) {
                    low |= NibbleRow<type>::fifths_of(fifth[block], 4 * chunk);
                    high |= NibbleRow<type>::fifths_of(fifth[block], 16 + 4 * chunk);
                }
                put(to, low, flip);
                put(to + half_block, high, flip);
            }
        }
    }

    /// Rows g and g + 8 of sixteen lie together, and steps 0 and 1, so that a thread finds what it gives to the matrix
    /// unit in neighbouring registers; steps 2 and 3 of all rows come after those.
    static constexpr int half_block = small_tile_rows * 32;
    __device__ static __forceinline__ int place_of_row(int row) {
        return (row / 16 * 8 + row % 8) * 64 + row % 16 / 8 * 4;
    }
    __device__ static __forceinline__ int word_of_row(int word) {
        return word / 4 * half_block + word % 2 * 32 + word / 2 % 2 * 8;
    }
    /// Row that a thread brings: such ones in a warp that their banks differ.
    __device__ static __forceinline__ int row_of(int index) {
        return (index & 0x31) | (index & 2) << 2 | (index & 0xc) >> 1;
    }
    __device__ static __forceinline__ bool flips(int row, int chunk) {
        return ((is_byte ? chunk >> 2 : row >> 1) & 1) != 0;
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

/// `count` floats side by side: two, or a multiple of four.
template <int count>
__device__ __forceinline__ void load_floats(float (&out)[count], const char* at) {
    if constexpr (count == 2) {
        const float2 all = *reinterpret_cast<const float2*>(at);
        out[0] = all.x;
        out[1] = all.y;
    } else {
#pragma unroll
        for (int i = 0; i < count; i += 4) {
            const float4 four = *reinterpret_cast<const float4*>(at + i * 4);
            out[i] = four.x;
            out[i + 1] = four.y;
            out[i + 2] = four.z;
            out[i + 3] = four.w;
        }
    }
}

template <TensorType type, bool whole_blocks, int token_warps, int groups>
__global__ void __launch_bounds__(64 * token_warps, whole_blocks ? 2 : 1)
    small_tiles_kernel(const LinearArguments arguments) {
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
    for (int i = 0; i < held; ++i) {
        rows[i] = tile_row(arguments, first_row + Tile::row_of((thread + i * threads) / Tile::chunks));
    }
    const auto fetch_rows = [&](int unit) {
#pragma unroll
        for (int i = 0; i < held; ++i) tile[i].load(rows[i], units, unit, thread % Tile::chunks);
        if (has_row) row_scales = Tile::load_scales(scaled_row, units, unit);
    };
    const auto store_rows = [&](char* stage) {
#pragma unroll
        for (int i = 0; i < held; ++i) {
            const int row = Tile::row_of((thread + i * threads) / Tile::chunks);
            const int chunk = thread % Tile::chunks;
            tile[i].store(stage + Tile::place_of_row(row), Stage::row_stride, chunk, Tile::flips(row, chunk));
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
    // In sixteens of bytes from the first stored column.
    unsigned columns_at[copies];
#pragma unroll
    for (int i = 0; i < copies; ++i) {
        const int token = first_token + (thread + i * threads) / 16;
        columns_at[i] = static_cast<unsigned>(
            (tile_column(arguments, Format::BytesTile, token) - arguments.columns_stored) / 16 + thread % 16);
    }
    const auto copy_tokens = [&](char* stage, int unit) {
        char* const to = stage + Stage::columns + thread % 16 / 4 * Stage::token_stride +
                         thread / 16 * tile_block_bytes + thread % 4 * 16;
#pragma unroll
        for (int i = 0; i < copies; ++i) {
            const unsigned at = columns_at[i] + static_cast<unsigned>(unit) * (4 * tile_block_bytes / 16);
            copy_ahead(to + i * (threads / 16) * tile_block_bytes,
                       arguments.columns_stored + static_cast<std::size_t>(at) * 16);
        }
        end_copies();
    };
    float4 token_scales = {};
    float4 token_sums = {};
    const auto* const scales_of_token =
        reinterpret_cast<const float4*>(tile_column(arguments, Format::BytesTile, first_token + scaled_token) +
                                        static_cast<std::size_t>(units) * (4 * tile_block_bytes));
    const auto fetch_tokens = [&](int unit) {
        if (scaled_token < 0) return;
        token_scales = scales_of_token[unit];
        if constexpr (Tile::has_minimum) token_sums = scales_of_token[units + unit];
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
            const char* const left_at = stage + block * Stage::row_stride + (row_warp * 16 + g) * 64 + c * 16;
            const char* const right_at =
                stage + Stage::columns + block * Stage::token_stride +
                (token_warp * Stage::warp_tokens + (whole_blocks ? g : g / 2)) * tile_block_bytes + c * 16;
            // Of sixteen rows, two steps: upper and lower row of the one, then of the other.
            uint4 left[2][2];
#pragma unroll
            for (int m = 0; m < 2; ++m) {
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    left[m][half] = *reinterpret_cast<const uint4*>(left_at + m * 512 + half * Tile::half_block);
                }
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
                        float exact[4] = {};
                        multiply_sixteen(exact, left[m][0], x.x, x.y);
                        multiply_sixteen(exact, left[m][1], x.z, x.w);
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
                        const float scales[2] = {of_row[2 * m] * of_token[t], of_row[2 * m + 1] * of_token[t]};
#pragma unroll
                        for (int s = 0; s < 4; ++s) {
                            const uint4& rows = left[m][s / 2];
                            float exact[4];
                            multiply_eight(exact, s % 2 == 0 ? rows.x : rows.z, s % 2 == 0 ? rows.y : rows.w, x[s]);
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

    // What goes into a stage by way of registers comes a unit earlier, so that nothing waits for it.
    fetch_rows(0);
    wait_for_previous();
    copy_tokens(memory, 0);
    fetch_tokens(0);
    store_rows(memory);
    store_tokens(memory);
    if (units > 1) {
        fetch_rows(1);
        fetch_tokens(1);
    }
    wait_for_all_copies();
    __syncthreads();
    for (int unit = 0; unit < units; ++unit) {
        char* const next = memory + (unit + 1) % 2 * Stage::bytes;
        if (unit + 1 < units) {
            copy_tokens(next, unit + 1);
            store_rows(next);
            store_tokens(next);
        }
        if (unit + 2 < units) {
            fetch_rows(unit + 2);
            fetch_tokens(unit + 2);
        }
        multiply(memory + unit % 2 * Stage::bytes);
        wait_for_all_copies();
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
    if constexpr (SmallTile<type>::has_minimum) {
        // Sums of four groups and minimums do not fit into registers.
        return launch_small_tile<type, whole_blocks, 4, 2>(arguments, stream);
    } else {
        return arguments.tokens <= 32 ? launch_small_tile<type, whole_blocks, 4, 2>(arguments, stream)
                                      : launch_small_tile<type, whole_blocks, 4, 4>(arguments, stream);
    }
}

}  // namespace worker::kernels
