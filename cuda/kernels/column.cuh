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

/// A quant from -127 to 127; anything in that range for NaN.
__device__ __forceinline__ int quant_of(float x) {
    return static_cast<int>(fminf(fmaxf(round_to_integer(x), -127.0f), 127.0f));
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
    for (int unit = static_cast<int>(threadIdx.x) / warp_size; unit < units;
         unit += static_cast<int>(blockDim.x) / warp_size) {
        const int first = unit * unit_columns + place * 32 + word * 4;
        float values[4] = {0, 0, 0, 0};
        float largest = 0;
        if (first < columns) {
            const float4 quad = *reinterpret_cast<const float4*>(x + first);
            values[0] = by(quad.x, first);
            values[1] = by(quad.y, first + 1);
            values[2] = by(quad.z, first + 2);
            values[3] = by(quad.w, first + 3);
            for (const float value : values) largest = fmaxf(largest, fabsf(value));
        }
        for (int distance = 4; distance > 0; distance /= 2) {
            largest = fmaxf(largest, __shfl_xor_sync(all_lanes, largest, distance));
        }
        const float scale = largest / 127.0f;
        const float inverse = largest == 0.0f ? 0.0f : 127.0f / largest;
        int quants[4];
        int sum = 0;
        for (int i = 0; i < 4; ++i) {
            quants[i] = quant_of(values[i] * inverse);
            sum += quants[i];
        }
        words[(unit * 8 + word) * 4 + place] = packed_word(quants);
        for (int distance = 4; distance > 0; distance /= 2) sum += __shfl_xor_sync(all_lanes, sum, distance);
        if (word == 0) {
            scales[unit * 4 + place] = round_to_half(scale);
            sums[unit * 4 + place] = round_to_half(scale * static_cast<float>(sum));
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
    for (int block = static_cast<int>(threadIdx.x) / warp_size; block < blocks;
         block += static_cast<int>(blockDim.x) / warp_size) {
        const int first = block * super_columns + lane * 8;
        float values[8];
        for (int part = 0; part < 2; ++part) {
            const float4 quad = *reinterpret_cast<const float4*>(x + first + 4 * part);
            values[4 * part] = by(quad.x, first + 4 * part);
            values[4 * part + 1] = by(quad.y, first + 4 * part + 1);
            values[4 * part + 2] = by(quad.z, first + 4 * part + 2);
            values[4 * part + 3] = by(quad.w, first + 4 * part + 3);
        }
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
            quants[i] = quant_of(values[i] * inverse);
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
