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

/// `Format::Bytes`: eight threads share a block of 32, a warp stores a unit.
__device__ __forceinline__ void store_bytes(char* column, const float* x, int columns, const Normaliser& by) {
    const int units = units_of(columns);
    const int lane = static_cast<int>(threadIdx.x) % warp_size;
    const int word = lane % 8;
    const int place = lane / 8;
    auto* const words = reinterpret_cast<unsigned*>(column);
    auto* const scales = reinterpret_cast<float*>(column + static_cast<std::size_t>(units) * 128);
    float* const sums = scales + static_cast<std::size_t>(units) * 4;
    constexpr int ahead = 4;
    const int warps = static_cast<int>(blockDim.x) / warp_size;
    for (int begin = static_cast<int>(threadIdx.x) / warp_size; begin < units; begin += ahead * warps) {
        Quad quads[ahead];
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            quads[i] = fetch(x, (begin + i * warps) * unit_columns + place * 32 + word * 4, columns, by);
        }
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            const int unit = begin + i * warps;
            if (unit >= units) break;
            float values[4];
            normalise_quad(values, quads[i], unit * unit_columns + place * 32 + word * 4, columns, by);
            float largest = 0;
            for (const float value : values) largest = fmaxf(largest, fabsf(value));
            for (int distance = 4; distance > 0; distance /= 2) {
                largest = fmaxf(largest, __shfl_xor_sync(all_lanes, largest, distance));
            }
            const float scale = largest / 127.0f;
            const float inverse = largest == 0.0f ? 0.0f : 127.0f / largest;
            int quants[4];
            int sum = 0;
            for (int j = 0; j < 4; ++j) {
                quants[j] = quant_of(values[j] * inverse, 0);
                sum += quants[j];
            }
            words[(unit * 8 + word) * 4 + place] = packed_word(quants);
            for (int distance = 4; distance > 0; distance /= 2) sum += __shfl_xor_sync(all_lanes, sum, distance);
            if (word == 0) {
                scales[unit * 4 + place] = round_to_half(scale);
                sums[unit * 4 + place] = round_to_half(scale * static_cast<float>(sum));
            }
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

/// The three float formats.
template <Format format>
__device__ __forceinline__ void store_floats(char* column, const float* x, int columns, const Normaliser& by) {
    auto* const out = reinterpret_cast<float*>(column);
    for (int i = static_cast<int>(threadIdx.x); i < columns; i += static_cast<int>(blockDim.x)) {
        const float value = by(x[i], i);
        if constexpr (format == Format::Float) {
            out[i] = value;
        } else {
            out[paired_place(i, columns)] = format == Format::Half ? round_to_half(value) : round_to_bfloat(value);
        }
    }
}

/// Stores `x` (columns), normalised, at `column`; `scratch` (most_warps) is shared memory. Ends with a barrier.
template <Format format>
__device__ __forceinline__ void store_column(char* column, const float* x, int columns, const Norm& norm,
                                             double* scratch) {
    const Normaliser by = normaliser(x, columns, norm, scratch);
    if constexpr (format == Format::Bytes) {
        store_bytes(column, x, columns, by);
    } else if constexpr (format == Format::Super) {
        store_super(column, x, columns, by);
    } else {
        store_floats<format>(column, x, columns, by);
    }
    __syncthreads();
}

}  // namespace worker::kernels
