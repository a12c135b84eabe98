// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Rows of a packed table as floats: token embeddings, with learned positions added.

#include "half.cuh"
#include "layout.hpp"

namespace worker::kernels {

namespace {

__device__ __forceinline__ unsigned byte_at(const char* at) { return static_cast<unsigned char>(*at); }
__device__ __forceinline__ float half_in(const char* at) {
    return half_to_float(*reinterpret_cast<const std::uint16_t*>(at));
}

/// Nibble `i` of block `b`, its fifth bit included where `fifths` is not nullptr.
__device__ int small_quant(const char* row, int b, int i, const char* fifths) {
    const int word = i % 16 / 4;
    const unsigned byte = byte_at(row + ((b / 4 * 4 + word) * 4 + b % 4) * 4 + i % 4);
    int quant = static_cast<int>(i < 16 ? byte & 15u : byte >> 4);
    if (fifths != nullptr) {
        quant |= static_cast<int>(*reinterpret_cast<const unsigned*>(fifths + 4 * b) >> i & 1u) << 4;
    }
    return quant;
}

__device__ float small_element(TensorType type, const char* row, int columns, int at) {
    const int b = at / 32;
    const int i = at % 32;
    const auto units = static_cast<std::size_t>(units_of(columns));
    if (type == TensorType::Q8_0) {
        const auto byte = static_cast<signed char>(row[((b / 4 * 8 + i / 4) * 4 + b % 4) * 4 + i % 4]);
        return half_in(row + units * 128 + 2 * b) * static_cast<float>(byte);
    }
    const bool has_fifth = type == TensorType::Q5_0 || type == TensorType::Q5_1;
    const char* const fifths = has_fifth ? row + units * 64 : nullptr;
    const auto quant = static_cast<float>(small_quant(row, b, i, fifths));
    const char* const scales = row + units * (has_fifth ? 80 : 64);
    switch (type) {
        case TensorType::Q4_0:
            return half_in(scales + 2 * b) * (quant - 8.0f);
        case TensorType::Q5_0:
            return half_in(scales + 2 * b) * (quant - 16.0f);
        case TensorType::MXFP4: {
            const auto nibble = static_cast<unsigned>(quant);
            const auto half = static_cast<std::uint16_t>((nibble & 8u) << 12 | (nibble & 7u) << 9);
            const unsigned exponent = byte_at(scales + b);
            return half_to_float(half) * 16384.0f * (exponent == 0 ? 0x1p-127f : __uint_as_float(exponent << 23));
        }
        default: {
            const char* const pair = scales + b / 4 * 16 + b % 4 * 2;
            return half_in(pair) * quant + half_in(pair + 8);
        }
    }
}

__device__ float super_element(TensorType type, const char* row, int columns, int at) {
    const auto blocks = static_cast<std::size_t>(columns / super_columns);
    const auto b = static_cast<std::size_t>(at / super_columns);
    const int i = at % super_columns;
    const int group = i / 32;
    const int word = i % 32 / 4;
    const char* const words = row + b * 128;
    if (type == TensorType::Q6_K) {
        const int half = i / 128;
        const int part = i % 128 / 32;
        const unsigned low = byte_at(words + (word * 4 + 2 * half + part % 2) * 4 + i % 4) >> (part / 2 * 4) & 15u;
        const unsigned high =
            byte_at(row + blocks * 128 + b * 64 + static_cast<unsigned>((word * 2 + half) * 4 + i % 4)) >> (2 * part) &
            3u;
        const auto scale = static_cast<signed char>(row[blocks * 192 + b * 16 + static_cast<unsigned>(i / 16)]);
        return half_in(row + blocks * 208 + b * 2) * static_cast<float>(scale) *
               static_cast<float>(static_cast<int>(low | high << 4) - 32);
    }
    const bool has_fifth = type == TensorType::Q5_K;
    unsigned quant = byte_at(words + (word * 4 + group / 2) * 4 + i % 4) >> (group % 2 * 4) & 15u;
    if (has_fifth) quant |= (byte_at(row + blocks * 128 + b * 32 + static_cast<unsigned>(i % 32)) >> group & 1u) << 4;
    const char* const header = row + blocks * (has_fifth ? 160 : 128) + b * 16;
    const int g = group % 4;
    const unsigned first = byte_at(header + 4 + g);
    const unsigned second = byte_at(header + 8 + g);
    const unsigned mixed = byte_at(header + 12 + g);
    const unsigned scale = group < 4 ? first & 63u : (mixed & 15u) | first >> 6 << 4;
    const unsigned minimum = group < 4 ? second & 63u : mixed >> 4 | second >> 6 << 4;
    return half_in(header) * static_cast<float>(scale) * static_cast<float>(quant) -
           half_in(header + 2) * static_cast<float>(minimum);
}

__device__ float element(TensorType type, const char* row, int columns, int at) {
    switch (type) {
        case TensorType::F32:
            return reinterpret_cast<const float*>(row)[at];
        case TensorType::F16:
            return half_in(row + 2 * at);
        case TensorType::BF16:
            return bfloat_to_float(reinterpret_cast<const std::uint16_t*>(row)[at]);
        case TensorType::Q4_K:
        case TensorType::Q5_K:
        case TensorType::Q6_K:
            return super_element(type, row, columns, at);
        default:
            return small_element(type, row, columns, at);
    }
}

struct Table {
    const char* data;
    std::size_t row_bytes;
    TensorType type;
    int rows;
};

/// Block (column part, token).
__global__ void __launch_bounds__(256) embed_kernel(float* out, const Table table, const Table positions, int columns,
                                                    const std::int32_t* tokens, const std::int32_t* position) {
    const int at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    wait_for_previous();
    if (at >= columns) return;
    const int token = tokens[blockIdx.y];
    float value = 0;
    if (token >= 0 && token < table.rows) {
        value = element(table.type, table.data + static_cast<std::size_t>(token) * table.row_bytes, columns, at);
    }
    if (positions.data != nullptr) {
        const int row = *position + static_cast<int>(blockIdx.y);
        if (row >= 0 && row < positions.rows) {
            value += element(positions.type, positions.data + static_cast<std::size_t>(row) * positions.row_bytes,
                             columns, at);
        }
    }
    out[blockIdx.y * static_cast<std::size_t>(columns) + static_cast<std::size_t>(at)] = value;
}

Table table_of(const Matrix& matrix) {
    return {static_cast<const char*>(matrix.data), packed_row_bytes(matrix.type, matrix.columns), matrix.type,
            matrix.rows};
}

}  // namespace

cudaError_t embed(float* out, const Matrix& table, const Matrix* positions, const std::int32_t* tokens, int count,
                  const std::int32_t* position, cudaStream_t stream) {
    if (count < 1 || table.columns < 1) return cudaErrorInvalidValue;
    const Table learned = positions != nullptr ? table_of(*positions) : Table{nullptr, 0, TensorType::F32, 0};
    return launch(embed_kernel, dim3(static_cast<unsigned>((table.columns + 255) / 256), static_cast<unsigned>(count)),
                  dim3(256), 0, stream, out, table_of(table), learned, table.columns, tokens, position);
}

}  // namespace worker::kernels
