// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Normalises the activations of one token and stores them in the format that a product wants; done by one block.
#pragma once

#include "block.cuh"
#include "half.cuh"
#include "layout.hpp"

namespace worker::kernels {

/// What normalises an element, once the sums over all of them are known.
struct Normaliser {
    const float* weight;
    const float* bias;
    float mean;
    float scale;
    NormKind kind;

    __device__ __forceinline__ float operator()(float x, int i) const {
        switch (kind) {
            case NormKind::RootMeanSquare:
                return x * scale * weight[i];
            case NormKind::Layer:
                return (x - mean) * scale * weight[i] + bias[i];
            default:
                return x;
        }
    }
};

/// Four neighbours and their weights, on the way from memory.
struct Quad {
    float4 x = {};
    float4 weight = {};
};

/// Elements `first` to `first + 3` of `x`; zeros past `columns`, which is a multiple of four.
__device__ __forceinline__ Quad fetch(const float* x, int first, int columns, const Normaliser& by) {
    Quad quad;
    if (first >= columns) return quad;
    quad.x = *reinterpret_cast<const float4*>(x + first);
    if (by.kind != NormKind::None) quad.weight = *reinterpret_cast<const float4*>(by.weight + first);
    return quad;
}

/// Quads that a thread holds at once: with 256 threads, a column of 4096.
constexpr int held_quads = 4;

/// Elements of quad `i` of this thread: neighbours lie in neighbouring threads.
__device__ __forceinline__ int held_first(int i) {
    return (i * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * 4;
}

/// Whether the block can hold a column in registers and store it as `format`.
template <Format format>
__device__ __forceinline__ bool is_held(int columns) {
    return format != Format::Super && columns % 4 == 0 && columns <= held_quads * 4 * static_cast<int>(blockDim.x);
}

/// Weights of a norm, which never change and can be fetched before the activations are there.
template <Format format>
struct EarlyNorm {
    float4 weights[format == Format::Super ? 1 : held_quads] = {};

    __device__ __forceinline__ EarlyNorm(const Norm& norm, int columns) {
        if (norm.kind == NormKind::None || !is_held<format>(columns)) return;
#pragma unroll
        for (int i = 0; i < (format == Format::Super ? 1 : held_quads); ++i) {
            const int first = held_first(i);
            if (first < columns) weights[i] = *reinterpret_cast<const float4*>(norm.weight + first);
        }
    }
};

/// The four of them normalised.
__device__ __forceinline__ void normalise_quad(float* out, const Quad& quad, int first, int columns,
                                               const Normaliser& by) {
    const float xs[4] = {quad.x.x, quad.x.y, quad.x.z, quad.x.w};
    const float weights[4] = {quad.weight.x, quad.weight.y, quad.weight.z, quad.weight.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        if (by.kind == NormKind::RootMeanSquare) {
            out[i] = xs[i] * by.scale * weights[i];
        } else if (by.kind == NormKind::Layer && first < columns) {
            out[i] = (xs[i] - by.mean) * by.scale * weights[i] + by.bias[first + i];
        } else {
            out[i] = xs[i];
        }
    }
}

/// Of a column that the block holds; sums are in f64.
__device__ __forceinline__ Normaliser normaliser(const Quad (&quads)[held_quads], int columns, const Norm& norm,
                                                 double* scratch) {
    Normaliser by{norm.weight, norm.bias, 0.0f, 1.0f, norm.kind};
    if (norm.kind == NormKind::None) return by;
    if (norm.kind == NormKind::Layer) {
        double sum = 0;
#pragma unroll
        for (int i = 0; i < held_quads; ++i) {
            const float4 x = quads[i].x;
            sum += (static_cast<double>(x.x) + x.y) + (static_cast<double>(x.z) + x.w);
        }
        by.mean = static_cast<float>(block_sum(sum, scratch) / columns);
    }
    double squares = 0;
#pragma unroll
    for (int i = 0; i < held_quads; ++i) {
        if (held_first(i) >= columns) continue;
        const float xs[4] = {quads[i].x.x, quads[i].x.y, quads[i].x.z, quads[i].x.w};
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const float centred = xs[j] - by.mean;
            squares += centred * centred;
        }
    }
    const float variance = static_cast<float>(block_sum(squares, scratch) / columns);
    by.scale = 1.0f / sqrtf(variance + norm.epsilon);
    return by;
}

/// Sums are in f64: their order is not felt once the result is rounded to f32.
__device__ __forceinline__ Normaliser normaliser(const float* x, int columns, const Norm& norm, double* scratch) {
    Normaliser by{norm.weight, norm.bias, 0.0f, 1.0f, norm.kind};
    if (norm.kind == NormKind::None) return by;
    if (norm.kind == NormKind::Layer) {
        double sum = 0;
        for (int i = static_cast<int>(threadIdx.x); i < columns; i += static_cast<int>(blockDim.x)) sum += x[i];
        by.mean = static_cast<float>(block_sum(sum, scratch) / columns);
    }
    double squares = 0;
    for (int i = static_cast<int>(threadIdx.x); i < columns; i += static_cast<int>(blockDim.x)) {
        const float centred = x[i] - by.mean;
        squares += centred * centred;
    }
    const float variance = static_cast<float>(block_sum(squares, scratch) / columns);
    by.scale = 1.0f / sqrtf(variance + norm.epsilon);
    return by;
}

/// To the nearest integer, ties to even, for |x| below 2^22.
__device__ __forceinline__ float round_to_integer(float x) {
    constexpr float shift = 12582912.0f;
    return (x + shift) - shift;
}

/// A quant from -127 to 127; `otherwise` for NaN, which the reference's formats round to different numbers.
__device__ __forceinline__ int quant_of(float x, int otherwise) {
    return x == x ? static_cast<int>(fminf(fmaxf(round_to_integer(x), -127.0f), 127.0f)) : otherwise;
}

__device__ __forceinline__ unsigned packed_word(const int* quants) {
    return (quants[0] & 255u) | (quants[1] & 255u) << 8 | (quants[2] & 255u) << 16 | (quants[3] & 255u) << 24;
}

/// Four neighbours of `Format::Bytes` or `BytesTile`: eight threads share a block of 32, a warp stores a unit.
template <Format format>
__device__ __forceinline__ void store_bytes_quad(char* column, const float (&values)[4], int unit, int units) {
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    const int word = lane % 8;
    const int place = lane / 8;
    auto* const words = reinterpret_cast<unsigned*>(column);
    constexpr std::size_t unit_bytes = format == Format::Bytes ? 128 : 4 * tile_block_bytes;
    auto* const scales = reinterpret_cast<float*>(column + static_cast<std::size_t>(units) * unit_bytes);
    float* const sums = scales + static_cast<std::size_t>(units) * 4;
    float largest = 0;
    for (const float value : values) largest = fmaxf(largest, fabsf(value));
    for (int distance = 4; distance > 0; distance /= 2) {
        largest = fmaxf(largest, __shfl_xor_sync(all_lanes, largest, distance));
    }
    const float scale = largest / 127.0f;
    const float inverse = largest == 0.0f ? 0.0f : 127.0f / largest;
    unsigned bytes[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
        // On top of the bits of 1.5 * 2^23 the nearest integer is the last byte; NaN becomes zero.
        const float scaled = values[j] * inverse;
        bytes[j] = __float_as_uint((scaled == scaled ? fminf(fmaxf(scaled, -127.0f), 127.0f) : 0.0f) + 12582912.0f);
    }
    const unsigned packed =
        __byte_perm(__byte_perm(bytes[0], bytes[1], 0x0040), __byte_perm(bytes[2], bytes[3], 0x0040), 0x5410);
    int sum = __dp4a(static_cast<int>(packed), 0x01010101, 0);
    if constexpr (format == Format::Bytes) {
        words[(unit * 8 + word) * 4 + place] = packed;
    } else {
        unsigned halves[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) halves[j] = float_to_half(__uint_as_float(bytes[j]) - 12582912.0f);
        unsigned* const to = words + ((unit * 4 + place) * tile_block_bytes + tile_word(word)) / 4;
        to[0] = halves[0] | halves[1] << 16;
        to[tile_half_word / 4] = halves[2] | halves[3] << 16;
    }
    for (int distance = 4; distance > 0; distance /= 2) sum += __shfl_xor_sync(all_lanes, sum, distance);
    if (word == 0) {
        scales[unit * 4 + place] = round_to_half(scale);
        sums[unit * 4 + place] = round_to_half(scale * static_cast<float>(sum));
    }
}

/// `Format::Bytes` or `BytesTile` of a column of any length.
template <Format format>
__device__ __forceinline__ void store_bytes(char* column, const float* x, int columns, const Normaliser& by) {
    const int units = units_of(columns);
    const int within = static_cast<int>(threadIdx.x) % warp_size * 4;
    constexpr int ahead = 6;
    const int warps = static_cast<int>(blockDim.x) / warp_size;
    for (int begin = static_cast<int>(threadIdx.x) / warp_size; begin < units; begin += ahead * warps) {
        Quad quads[ahead];
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            quads[i] = fetch(x, (begin + i * warps) * unit_columns + within, columns, by);
        }
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            const int unit = begin + i * warps;
            if (unit >= units) break;
            float values[4];
            normalise_quad(values, quads[i], unit * unit_columns + within, columns, by);
            store_bytes_quad<format>(column, values, unit, units);
        }
    }
}

/// `Format::Super`: a warp stores a block of 256, a thread eight neighbours.
__device__ __forceinline__ void store_super(char* column, const float* x, int columns, const Normaliser& by) {
    const int blocks = columns / super_columns;
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    auto* const words = reinterpret_cast<unsigned*>(column);
    auto* const sums = reinterpret_cast<int*>(column + static_cast<std::size_t>(blocks) * 256);
    auto* const scales = reinterpret_cast<float*>(column + static_cast<std::size_t>(blocks) * 320);
    const int warps = static_cast<int>(blockDim.x) / warp_size;
    Quad next[2];
    const auto fetch_block = [&](int block) {
        const int first = block * super_columns + lane * 8;
        next[0] = fetch(x, first, columns, by);
        next[1] = fetch(x, first + 4, columns, by);
    };
    fetch_block(static_cast<int>(threadIdx.x) / warp_size);
    for (int block = static_cast<int>(threadIdx.x) / warp_size; block < blocks; block += warps) {
        const int first = block * super_columns + lane * 8;
        float values[8];
        normalise_quad(values, next[0], first, columns, by);
        normalise_quad(values + 4, next[1], first + 4, columns, by);
        fetch_block(block + warps);
        // The element of the largest magnitude, the first one among equals.
        float extreme = 0;
        for (const float value : values) extreme = fabsf(value) > fabsf(extreme) ? value : extreme;
        for (int distance = 1; distance < warp_size; distance *= 2) {
            const float other = __shfl_xor_sync(all_lanes, extreme, distance);
            const bool other_first = (lane & distance) != 0;
            const bool take = other_first ? fabsf(other) >= fabsf(extreme) : fabsf(other) > fabsf(extreme);
            extreme = take ? other : extreme;
        }
        const float inverse = extreme == 0.0f ? 0.0f : -127.0f / extreme;
        int quants[8];
        int sum = 0;
        for (int i = 0; i < 8; ++i) {
            quants[i] = quant_of(values[i] * inverse, 127);
            sum += quants[i];
        }
        // Group of 32 `lane / 4` lies in unit `group / 4`, at place `group % 4`.
        const int group = lane / 4;
        for (int part = 0; part < 2; ++part) {
            const int word = lane % 4 * 2 + part;
            words[((block * 2 + group / 4) * 8 + word) * 4 + group % 4] = packed_word(quants + 4 * part);
        }
        sum += __shfl_xor_sync(all_lanes, sum, 1);
        if (lane % 2 == 0) sums[block * 16 + lane / 2] = sum;
        if (lane == 0) scales[block] = extreme == 0.0f ? 0.0f : 1.0f / inverse;
    }
}

__device__ __forceinline__ float rounded(Format format, float value) {
    if (format == Format::Float || format == Format::FloatTile) return value;
    return format == Format::Half || format == Format::HalfTile ? round_to_half(value) : round_to_bfloat(value);
}

/// Where element `i` of a column of floats goes.
__device__ __forceinline__ int float_place(Format format, int i, int columns) {
    if (is_float_tile(format)) return tile_place(format, i);
    return format == Format::Float ? i : paired_place(i, columns);
}

/// Four neighbours of a float format; quads stay quads but in tiles.
template <Format format>
__device__ __forceinline__ void store_floats_quad(char* column, const float (&values)[4], int first, int columns) {
    const int place = float_place(format, first, columns);
    if constexpr (is_float_tile(format)) {
        // Neighbours go to neighbouring threads.
        auto* const to = reinterpret_cast<float*>(column) + place;
#pragma unroll
        for (int i = 0; i < 4; ++i) to[2 * i] = rounded(format, values[i]);
    } else {
        *reinterpret_cast<float4*>(column + static_cast<std::size_t>(place) * 4) =
            make_float4(rounded(format, values[0]), rounded(format, values[1]), rounded(format, values[2]),
                        rounded(format, values[3]));
    }
}

/// The float formats, of a column of any length.
template <Format format>
__device__ __forceinline__ void store_floats(char* column, const float* x, int columns, const Normaliser& by) {
    const int threads = static_cast<int>(blockDim.x);
    if (columns % 4 != 0) {
        auto* const out = reinterpret_cast<float*>(column);
        for (int i = static_cast<int>(threadIdx.x); i < columns; i += threads) {
            out[float_place(format, i, columns)] = rounded(format, by(x[i], i));
        }
        return;
    }
    constexpr int ahead = 4;
    for (int begin = static_cast<int>(threadIdx.x) * 4; begin < columns; begin += ahead * 4 * threads) {
        Quad quads[ahead];
#pragma unroll
        for (int i = 0; i < ahead; ++i) quads[i] = fetch(x, begin + i * 4 * threads, columns, by);
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            const int first = begin + i * 4 * threads;
            if (first >= columns) break;
            float values[4];
            normalise_quad(values, quads[i], first, columns, by);
            store_floats_quad<format>(column, values, first, columns);
        }
    }
}

/// Stores a column that the block holds: read once, and normalised from registers.
template <Format format>
__device__ __forceinline__ void store_held(char* column, const float* x, int columns, const Norm& norm,
                                           const EarlyNorm<format>& early, double* scratch) {
    Quad quads[held_quads];
#pragma unroll
    for (int i = 0; i < held_quads; ++i) {
        const int first = held_first(i);
        if (first < columns) quads[i].x = *reinterpret_cast<const float4*>(x + first);
        quads[i].weight = early.weights[i];
    }
    const Normaliser by = normaliser(quads, columns, norm, scratch);
    const int units = units_of(columns);
#pragma unroll
    for (int i = 0; i < held_quads; ++i) {
        const int first = held_first(i);
        float values[4];
        if constexpr (is_bytes(format)) {
            // A warp's threads go together: they share blocks.
            const int unit = first / unit_columns;
            if (unit >= units) break;
            normalise_quad(values, quads[i], first, columns, by);
            store_bytes_quad<format>(column, values, unit, units);
        } else {
            if (first >= columns) break;
            normalise_quad(values, quads[i], first, columns, by);
            store_floats_quad<format>(column, values, first, columns);
        }
    }
}

/// Stores `x` (columns), normalised, at `column`; `scratch` (most_warps) is shared memory. Ends with a barrier.
template <Format format>
__device__ __forceinline__ void store_column(char* column, const float* x, int columns, const Norm& norm,
                                             const EarlyNorm<format>& early, double* scratch) {
    if constexpr (format != Format::Super) {
        if (is_held<format>(columns)) {
            store_held<format>(column, x, columns, norm, early, scratch);
            __syncthreads();
            return;
        }
    }
    const Normaliser by = normaliser(x, columns, norm, scratch);
    if constexpr (is_bytes(format)) {
        store_bytes<format>(column, x, columns, by);
    } else if constexpr (format == Format::Super) {
        store_super(column, x, columns, by);
    } else {
        store_floats<format>(column, x, columns, by);
    }
    __syncthreads();
}

}  // namespace worker::kernels
