// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The tensor formats once more, written apart from the kernels and their packer: bit by bit, in double precision.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels.hpp"

namespace worker::test {

using kernels::TensorType;

inline constexpr TensorType all_types[] = {TensorType::F32,  TensorType::F16,  TensorType::BF16, TensorType::Q8_0,
                                           TensorType::Q4_0, TensorType::Q4_1, TensorType::Q5_0, TensorType::Q5_1,
                                           TensorType::Q4_K, TensorType::Q5_K, TensorType::Q6_K, TensorType::MXFP4};

inline const char* name_of(TensorType type) {
    switch (type) {
        case TensorType::F32:
            return "F32";
        case TensorType::F16:
            return "F16";
        case TensorType::BF16:
            return "BF16";
        case TensorType::Q8_0:
            return "Q8_0";
        case TensorType::Q4_0:
            return "Q4_0";
        case TensorType::Q4_1:
            return "Q4_1";
        case TensorType::Q5_0:
            return "Q5_0";
        case TensorType::Q5_1:
            return "Q5_1";
        case TensorType::Q4_K:
            return "Q4_K";
        case TensorType::Q5_K:
            return "Q5_K";
        case TensorType::Q6_K:
            return "Q6_K";
        case TensorType::MXFP4:
            return "MXFP4";
    }
    return "?";
}

/// Bits `first` to `first + count` of the bytes at `data`, lowest first.
inline unsigned bits(const std::uint8_t* data, int first, int count) {
    unsigned value = 0;
    for (int i = 0; i < count; ++i) value |= (data[(first + i) / 8] >> ((first + i) % 8) & 1u) << i;
    return value;
}

/// A half by its definition: sign, exponent, fraction.
inline double half_value(const std::uint8_t* at) {
    const int exponent = static_cast<int>(bits(at, 10, 5));
    const int fraction = static_cast<int>(bits(at, 0, 10));
    const double sign = bits(at, 15, 1) != 0 ? -1 : 1;
    if (exponent == 31) return fraction == 0 ? sign * INFINITY : NAN;
    return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

/// Element `i` of a row of the file.
inline double element(TensorType type, const std::uint8_t* row, int i) {
    const int per_block = kernels::block_elements(type);
    const std::uint8_t* block =
        row + static_cast<std::size_t>(i / per_block) * static_cast<std::size_t>(kernels::block_bytes(type));
    const int at = i % per_block;
    float value = 0;
    switch (type) {
        case TensorType::F32:
            std::memcpy(&value, block, 4);
            return static_cast<double>(value);
        case TensorType::BF16: {
            const std::uint32_t word = bits(block, 0, 16) << 16;
            std::memcpy(&value, &word, 4);
            return static_cast<double>(value);
        }
        case TensorType::F16:
            return half_value(block);
        case TensorType::Q8_0:
            return half_value(block) * static_cast<std::int8_t>(block[2 + at]);
        // Element at < 16 is the low nibble of byte `at`, the others the high nibbles.
        case TensorType::Q4_0:
            return half_value(block) * (static_cast<int>(bits(block + 2 + at % 16, at / 16 * 4, 4)) - 8);
        case TensorType::Q4_1:
            return half_value(block) * bits(block + 4 + at % 16, at / 16 * 4, 4) + half_value(block + 2);
        case TensorType::Q5_0:
            return half_value(block) *
                   (static_cast<int>(bits(block + 6 + at % 16, at / 16 * 4, 4) + 16 * bits(block + 2, at, 1)) - 16);
        case TensorType::Q5_1:
            return half_value(block) * (bits(block + 8 + at % 16, at / 16 * 4, 4) + 16 * bits(block + 4, at, 1)) +
                   half_value(block + 2);
        case TensorType::MXFP4: {
            const unsigned code = bits(block + 1 + at % 16, at / 16 * 4, 4);
            const double sign = code >= 8 ? -1 : 1;
            const unsigned exponent = code >> 1 & 3;
            const unsigned fraction = code & 1;
            const double magnitude =
                exponent == 0 ? 0.5 * fraction : std::ldexp(1 + 0.5 * fraction, static_cast<int>(exponent) - 1);
            return sign * magnitude * std::ldexp(1.0, block[0] - 127);
        }
        case TensorType::Q4_K:
        case TensorType::Q5_K: {
            const int group = at / 32;
            const std::uint8_t* const packed = block + 4;
            // Twelve bytes: six bits each for four scales and four minimums, then the other four of both, whose upper
            // two bits lie above the first ones.
            const unsigned scale = group < 4 ? bits(packed + group, 0, 6)
                                             : bits(packed + 4 + group, 0, 4) + 16 * bits(packed + group - 4, 6, 2);
            const unsigned minimum = group < 4 ? bits(packed + 4 + group, 0, 6)
                                               : bits(packed + 4 + group, 4, 4) + 16 * bits(packed + group, 6, 2);
            const std::uint8_t* const quants = type == TensorType::Q4_K ? block + 16 : block + 48;
            unsigned quant = bits(quants + group / 2 * 32 + at % 32, group % 2 * 4, 4);
            if (type == TensorType::Q5_K) quant += 16 * bits(block + 16 + at % 32, group, 1);
            return half_value(block) * scale * quant - half_value(block + 2) * minimum;
        }
        case TensorType::Q6_K: {
            const int half = at / 128;
            const int within = at % 128;
            const std::uint8_t* const low = block + 64 * half + within % 64;
            const std::uint8_t* const high = block + 128 + 32 * half + within % 32;
            const int quant =
                static_cast<int>(bits(low, within / 64 * 4, 4) + 16 * bits(high, within / 32 * 2, 2)) - 32;
            return half_value(block + 208) * static_cast<std::int8_t>(block[192 + at / 16]) * quant;
        }
    }
    return NAN;
}

inline std::size_t raw_row_bytes(TensorType type, int columns) {
    return static_cast<std::size_t>(columns / kernels::block_elements(type)) *
           static_cast<std::size_t>(kernels::block_bytes(type));
}

/// Random rows whose numbers are finite and of order one: any bits for quants, tame ones for scales.
inline std::vector<std::uint8_t> random_rows(TensorType type, int rows, int columns, std::mt19937& random) {
    std::vector<std::uint8_t> raw(raw_row_bytes(type, columns) * static_cast<std::size_t>(rows));
    for (auto& byte : raw) byte = static_cast<std::uint8_t>(random());
    const auto block_bytes = static_cast<std::size_t>(kernels::block_bytes(type));
    const auto tame_half = [](std::uint8_t* at) { at[1] = static_cast<std::uint8_t>((at[1] & 0x83) | 0x24); };
    for (std::size_t at = 0; at < raw.size(); at += block_bytes) {
        std::uint8_t* const block = raw.data() + at;
        switch (type) {
            case TensorType::F32: {
                const float value = std::uniform_real_distribution<float>(-1, 1)(random);
                std::memcpy(block, &value, 4);
                break;
            }
            case TensorType::F16:
                block[1] = static_cast<std::uint8_t>((block[1] & 0x83) | 0x34);
                break;
            case TensorType::BF16:
                block[1] = static_cast<std::uint8_t>((block[1] & 0x80) | 0x3e);
                break;
            case TensorType::Q6_K:
                tame_half(block + 208);
                break;
            case TensorType::MXFP4:
                block[0] = static_cast<std::uint8_t>(120 + block[0] % 8);
                break;
            case TensorType::Q4_1:
            case TensorType::Q5_1:
            case TensorType::Q4_K:
            case TensorType::Q5_K:
                tame_half(block + 2);
                [[fallthrough]];
            default:
                tame_half(block);
        }
    }
    return raw;
}

}  // namespace worker::test
