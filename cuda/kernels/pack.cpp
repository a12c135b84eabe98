// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Rows of a file to rows in device memory (`layout.hpp`), and to floats; on the host, while a model is loaded.

#include <cmath>
#include <cstring>

#include "half.cuh"
#include "layout.hpp"

namespace worker::kernels {

namespace {

using Byte = unsigned char;

std::uint16_t half_bits(const Byte* at) { return static_cast<std::uint16_t>(at[0] | at[1] << 8); }
float half_at(const Byte* at) { return half_to_float(half_bits(at)); }

/// Where the parts of a small block lie in the file.
struct SmallBlock {
    int scale_bytes;  ///< Scale, and minimum where there is one.
    int high_bytes;   ///< Fifth bits.
    int quant_bytes;
};

SmallBlock small_block(TensorType type) {
    switch (type) {
        case TensorType::Q8_0:
            return {2, 0, 32};
        case TensorType::Q4_0:
            return {2, 0, 16};
        case TensorType::Q4_1:
            return {4, 0, 16};
        case TensorType::Q5_0:
            return {2, 4, 16};
        case TensorType::Q5_1:
            return {4, 4, 16};
        default:
            return {1, 0, 16};  // MXFP4
    }
}

bool is_float(TensorType type) {
    return type == TensorType::F32 || type == TensorType::F16 || type == TensorType::BF16;
}

void pack_small(TensorType type, int columns, const Byte* raw, Byte* packed) {
    const SmallBlock parts = small_block(type);
    const auto units = static_cast<std::size_t>(units_of(columns));
    const int blocks = columns / 32;
    Byte* const high = packed + units * 4 * static_cast<std::size_t>(parts.quant_bytes);
    Byte* const scales = high + units * 4 * static_cast<std::size_t>(parts.high_bytes);
    for (int b = 0; b < blocks; ++b, raw += parts.scale_bytes + parts.high_bytes + parts.quant_bytes) {
        const int unit = b / 4;
        const int place = b % 4;
        const Byte* const quants = raw + parts.scale_bytes + parts.high_bytes;
        const int words = parts.quant_bytes / 4;
        for (int word = 0; word < words; ++word) {
            std::memcpy(packed + ((unit * words + word) * 4 + place) * 4, quants + 4 * word, 4);
        }
        std::memcpy(high + 4 * b, raw + parts.scale_bytes, static_cast<std::size_t>(parts.high_bytes));
        if (parts.scale_bytes == 4) {
            std::memcpy(scales + unit * 16 + place * 2, raw, 2);
            std::memcpy(scales + unit * 16 + 8 + place * 2, raw + 2, 2);
        } else {
            std::memcpy(scales + b * parts.scale_bytes, raw, static_cast<std::size_t>(parts.scale_bytes));
        }
    }
}

/// Words of 128 bytes of nibbles: word `l` of each run of 32 goes to thread `l`.
void interleave_nibbles(const Byte* raw, Byte* packed) {
    for (int run = 0; run < 4; ++run) {
        for (int word = 0; word < 8; ++word) std::memcpy(packed + (word * 4 + run) * 4, raw + run * 32 + word * 4, 4);
    }
}

void pack_super(TensorType type, int columns, const Byte* raw, Byte* packed) {
    const auto blocks = static_cast<std::size_t>(columns / super_columns);
    const auto bytes = static_cast<std::size_t>(block_bytes(type));
    for (std::size_t b = 0; b < blocks; ++b, raw += bytes) {
        Byte* const words = packed + b * 128;
        Byte* const second = packed + blocks * 128;
        switch (type) {
            case TensorType::Q4_K:
                interleave_nibbles(raw + 16, words);
                std::memcpy(second + b * 16, raw, 16);
                break;
            case TensorType::Q5_K:
                interleave_nibbles(raw + 48, words);
                std::memcpy(second + b * 32, raw + 16, 32);
                std::memcpy(second + blocks * 32 + b * 16, raw, 16);
                break;
            default:  // Q6_K
                interleave_nibbles(raw, words);
                for (int word = 0; word < 8; ++word) {
                    for (int run = 0; run < 2; ++run) {
                        std::memcpy(second + b * 64 + static_cast<std::size_t>(word * 2 + run) * 4,
                                    raw + 128 + run * 32 + word * 4, 4);
                    }
                }
                std::memcpy(second + blocks * 64 + b * 16, raw + 192, 16);
                std::memcpy(second + blocks * 80 + b * 2, raw + 208, 2);
        }
    }
}

/// The quants of a small block, before offset and scale.
void small_quants(TensorType type, const Byte* block, int* out) {
    const SmallBlock parts = small_block(type);
    const Byte* const quants = block + parts.scale_bytes + parts.high_bytes;
    std::uint32_t high = 0;
    if (parts.high_bytes != 0) std::memcpy(&high, block + parts.scale_bytes, 4);
    for (int i = 0; i < 16; ++i) {
        out[i] = (quants[i] & 15) | static_cast<int>(high >> i & 1) << 4;
        out[i + 16] = quants[i] >> 4 | static_cast<int>(high >> (i + 16) & 1) << 4;
    }
}

void decode_small(TensorType type, const Byte* block, float* out) {
    int quants[32];
    if (type == TensorType::Q8_0) {
        for (int i = 0; i < 32; ++i) quants[i] = static_cast<signed char>(block[2 + i]);
    } else {
        small_quants(type, block, quants);
    }
    constexpr float fourth[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    for (int i = 0; i < 32; ++i) {
        const auto quant = static_cast<float>(quants[i]);
        switch (type) {
            case TensorType::Q4_0:
                out[i] = half_at(block) * (quant - 8.0f);
                break;
            case TensorType::Q5_0:
                out[i] = half_at(block) * (quant - 16.0f);
                break;
            case TensorType::Q8_0:
                out[i] = half_at(block) * quant;
                break;
            case TensorType::MXFP4:
                out[i] = std::ldexp(fourth[quants[i]], block[0] - 127);
                break;
            default:
                out[i] = half_at(block) * quant + half_at(block + 2);
        }
    }
}

void decode_super(TensorType type, const Byte* block, float* out) {
    if (type == TensorType::Q6_K) {
        for (int i = 0; i < 256; ++i) {
            const int half = i / 128;
            const int part = i % 128 / 32;
            const int low = block[64 * half + part % 2 * 32 + i % 32] >> (part / 2 * 4) & 15;
            const int high = block[128 + 32 * half + i % 32] >> (2 * part) & 3;
            const auto scale = static_cast<float>(static_cast<signed char>(block[192 + i / 16]));
            out[i] = half_at(block + 208) * scale * static_cast<float>((low | high << 4) - 32);
        }
        return;
    }
    const Byte* const packed = block + 4;
    const Byte* const quants = block + (type == TensorType::Q4_K ? 16 : 48);
    for (int i = 0; i < 256; ++i) {
        const int group = i / 32;
        const int g = group % 4;
        const int scale = group < 4 ? packed[g] & 63 : (packed[g + 8] & 15) | packed[g] >> 6 << 4;
        const int minimum = group < 4 ? packed[g + 4] & 63 : packed[g + 8] >> 4 | packed[g + 4] >> 6 << 4;
        int quant = quants[group / 2 * 32 + i % 32] >> (group % 2 * 4) & 15;
        if (type == TensorType::Q5_K) quant |= (block[16 + i % 32] >> group & 1) << 4;
        out[i] = half_at(block) * static_cast<float>(scale) * static_cast<float>(quant) -
                 half_at(block + 2) * static_cast<float>(minimum);
    }
}

}  // namespace

int block_elements(TensorType type) {
    switch (type) {
        case TensorType::F32:
        case TensorType::F16:
        case TensorType::BF16:
            return 1;
        case TensorType::Q4_0:
        case TensorType::Q4_1:
        case TensorType::Q5_0:
        case TensorType::Q5_1:
        case TensorType::Q8_0:
        case TensorType::MXFP4:
            return 32;
        case TensorType::Q4_K:
        case TensorType::Q5_K:
        case TensorType::Q6_K:
            return 256;
    }
    return 0;
}

int block_bytes(TensorType type) {
    switch (type) {
        case TensorType::F32:
            return 4;
        case TensorType::F16:
        case TensorType::BF16:
            return 2;
        case TensorType::Q4_0:
            return 18;
        case TensorType::Q4_1:
            return 20;
        case TensorType::Q5_0:
            return 22;
        case TensorType::Q5_1:
            return 24;
        case TensorType::Q8_0:
            return 34;
        case TensorType::MXFP4:
            return 17;
        case TensorType::Q4_K:
            return 144;
        case TensorType::Q5_K:
            return 176;
        case TensorType::Q6_K:
            return 210;
    }
    return 0;
}

std::size_t packed_row_bytes(TensorType type, int columns) {
    const auto count = static_cast<std::size_t>(columns);
    const auto units = static_cast<std::size_t>(units_of(columns));
    const auto blocks = count / super_columns;
    switch (type) {
        case TensorType::F32:
            return padded(count * 4);
        case TensorType::F16:
        case TensorType::BF16:
            return padded(count * 2);
        case TensorType::Q8_0:
            return units * 128 + padded(units * 8);
        case TensorType::Q4_0:
            return units * 64 + padded(units * 8);
        case TensorType::Q4_1:
            return units * 64 + units * 16;
        case TensorType::Q5_0:
            return units * 80 + padded(units * 8);
        case TensorType::Q5_1:
            return units * 80 + units * 16;
        case TensorType::MXFP4:
            return units * 64 + padded(units * 4);
        case TensorType::Q4_K:
            return blocks * 144;
        case TensorType::Q5_K:
            return blocks * 176;
        case TensorType::Q6_K:
            return blocks * 208 + padded(blocks * 2);
    }
    return 0;
}

void pack_rows(TensorType type, int columns, const void* raw, int rows, void* packed) {
    const auto* from = static_cast<const Byte*>(raw);
    auto* to = static_cast<Byte*>(packed);
    const std::size_t raw_bytes =
        static_cast<std::size_t>(columns / block_elements(type)) * static_cast<std::size_t>(block_bytes(type));
    const std::size_t bytes = packed_row_bytes(type, columns);
    for (int row = 0; row < rows; ++row, from += raw_bytes, to += bytes) {
        // Padding is zero: zero scales make blocks that add nothing.
        std::memset(to, 0, bytes);
        if (is_float(type)) {
            std::memcpy(to, from, raw_bytes);
        } else if (block_elements(type) == 32) {
            pack_small(type, columns, from, to);
        } else {
            pack_super(type, columns, from, to);
        }
    }
}

void decode_row(TensorType type, int columns, const void* raw, float* out) {
    const auto* block = static_cast<const Byte*>(raw);
    const int elements = block_elements(type);
    for (int at = 0; at < columns; at += elements, block += block_bytes(type)) {
        switch (type) {
            case TensorType::F32:
                std::memcpy(out + at, block, 4);
                break;
            case TensorType::F16:
                out[at] = half_at(block);
                break;
            case TensorType::BF16:
                out[at] = bfloat_to_float(half_bits(block));
                break;
            default:
                if (elements == 32) {
                    decode_small(type, block, out + at);
                } else {
                    decode_super(type, block, out + at);
                }
        }
    }
}

Matrix matrix(TensorType type, int rows, int columns, const void* data, const float* bias) {
    return {type, rows, columns, rows, data, bias};
}

Matrix part(const Matrix& whole, int first, int rows) {
    Matrix some = whole;
    some.rows = rows;
    some.data = static_cast<const Byte*>(whole.data) +
                static_cast<std::size_t>(first) * packed_row_bytes(whole.type, whole.columns);
    if (whole.bias != nullptr) some.bias = whole.bias + first;
    return some;
}

}  // namespace worker::kernels
