// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Where the parts of a packed row and of a stored column lie, in bytes; read by the packer and by the kernels.
///
/// Packed rows. Blocks of 32 come in units of four (128 columns, the last one padded with zero blocks), blocks of 256
/// as they are. "Words" are four quants or eight nibbles; they are interleaved so that what one thread needs of a unit
/// is one 16-byte load:
///
/// | type | planes of a row, bytes a unit or block |
/// |---|---|
/// | F32, F16, BF16 | elements |
/// | Q8_0 | words (8 words, 4 blocks) 128; scales 8 |
/// | Q4_0 | words (4, 4) 64; scales 8 |
/// | Q4_1 | words (4, 4) 64; scales and minimums (2, 4) 16 |
/// | Q5_0 | words (4, 4) 64; fifth bits 16; scales 8 |
/// | Q5_1 | words (4, 4) 64; fifth bits 16; scales and minimums 16 |
/// | MXFP4 | words (4, 4) 64; exponents 4 |
/// | Q4_K | words (8, 4) 128; header 16 |
/// | Q5_K | words (8, 4) 128; fifth bits (8 words) 32; header 16 |
/// | Q6_K | low words (8, 4) 128; high words (8, 2) 64; scales 16; scale of the block 2 |
///
/// Each plane is padded to 16 bytes.
#pragma once

#include <cstddef>

#include "kernels.hpp"

#ifdef __CUDACC__
#define WORKER_BOTH __host__ __device__
#else
#define WORKER_BOTH
#endif

namespace worker::kernels {

constexpr int unit_columns = 128;
constexpr int super_columns = 256;

WORKER_BOTH constexpr std::size_t padded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

WORKER_BOTH constexpr int units_of(int columns) { return (columns + unit_columns - 1) / unit_columns; }

/// Bytes of a unit in each plane of a packed row; 0 past the last plane.
struct Planes {
    int bytes[4];

    WORKER_BOTH constexpr int count() const {
        int planes = 0;
        while (planes < 4 && bytes[planes] != 0) ++planes;
        return planes;
    }

    /// Where a plane begins in a row of `units`.
    WORKER_BOTH constexpr std::size_t offset(int plane, int units) const {
        std::size_t at = 0;
        for (int i = 0; i < plane; ++i) at += padded(static_cast<std::size_t>(bytes[i]) * static_cast<unsigned>(units));
        return at;
    }

    /// Bytes of a row of `units`.
    WORKER_BOTH constexpr std::size_t row(int units) const { return offset(count(), units); }
};

/// How activations are stored while they meet weights of a type.
enum class Format {
    Float,   ///< (columns) floats, in order.
    Half,    ///< (columns) floats rounded to halves, paired.
    Bfloat,  ///< (columns) floats rounded to bfloat16, paired.
    Bytes,   ///< Units of 4 blocks of 32 signed bytes: words (8, 4) 128; scales 16; scale times sum 16.
    Super,   ///< Blocks of 256 signed bytes: two units 256; sums of 16 as ints 64; scale 4.
    // Of prompts of more than a few tokens, as the tiles of `tiles_*.cuh` want them.
    BytesTile,   ///< The bytes as halves: units of 4 blocks of 32, 256; scales 16; scale times sum 16.
    HalfTile,    ///< Floats rounded to halves, in runs of four steps of 16.
    BfloatTile,  ///< Floats rounded to bfloat16, in runs of four steps of 32.
    FloatTile,   ///< Floats, in runs of four steps of 16.
};

WORKER_BOTH constexpr bool is_bytes(Format format) { return format == Format::Bytes || format == Format::BytesTile; }

WORKER_BOTH constexpr bool is_float_tile(Format format) {
    return format == Format::HalfTile || format == Format::BfloatTile || format == Format::FloatTile;
}

WORKER_BOTH constexpr Format format_of(TensorType type) {
    switch (type) {
        case TensorType::F32:
        case TensorType::MXFP4:
            return Format::Float;
        case TensorType::F16:
            return Format::Half;
        case TensorType::BF16:
            return Format::Bfloat;
        case TensorType::Q4_K:
        case TensorType::Q5_K:
        case TensorType::Q6_K:
            return Format::Super;
        default:
            return Format::Bytes;
    }
}

/// Bytes of a stored column, a multiple of 16.
WORKER_BOTH constexpr std::size_t column_bytes(Format format, int columns) {
    switch (format) {
        case Format::Bytes:
            return static_cast<std::size_t>(units_of(columns)) * 160;
        case Format::BytesTile:
            return static_cast<std::size_t>(units_of(columns)) * 288;
        case Format::Super:
            return static_cast<std::size_t>(columns / super_columns) * 320 +
                   padded(static_cast<std::size_t>(columns / super_columns) * 4);
        default:
            return padded(static_cast<std::size_t>(columns) * 4);
    }
}

/// Place of element `i` of `columns` in a paired float column: in whole runs of 64, thread t of eight finds its eight
/// elements as two quads 32 apart, so that the quads of eight threads lie side by side.
WORKER_BOTH constexpr int paired_place(int i, int columns) {
    if (i >= columns / 64 * 64) return i;
    return i / 64 * 64 + i % 8 / 4 * 32 + i % 64 / 8 * 4 + i % 4;
}

/// Bytes that a token's block of 32 halves has, and where word `word` of it begins. Thread c of four takes 16 bytes,
/// which are its elements of four steps of the matrix unit: half a word each, of an even word for c < 2, else of an odd
/// one. The second half of a word lies with the next thread.
constexpr int tile_block_bytes = 64;
constexpr int tile_half_word = 16;
WORKER_BOTH constexpr int tile_word(int word) { return word % 2 * 32 + word / 2 * 4; }

/// Threads that share a row of floats in a tile. A run has four elements for each; two steps of elements lie side by
/// side, then the next two.
WORKER_BOTH constexpr int tile_threads(Format format) { return format == Format::BfloatTile ? 32 : 16; }
WORKER_BOTH constexpr int tile_run(Format format) { return 4 * tile_threads(format); }
WORKER_BOTH constexpr int tile_place(Format format, int i) {
    const int threads = tile_threads(format);
    const int pair = 2 * threads;
    return i / pair * pair + i % threads * 2 + i % pair / threads;
}

}  // namespace worker::kernels
