// SPDX-License-Identifier: Apache-2.0 OR MIT
/// What the operations compute, in double precision and the plainest way.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "formats.hpp"

namespace worker::test {

using kernels::Norm;
using kernels::NormKind;

inline std::vector<float> random_floats(std::size_t count, std::mt19937& random, float range = 1) {
    std::uniform_real_distribution<float> distribution(-range, range);
    std::vector<float> values(count);
    for (auto& value : values) value = distribution(random);
    return values;
}

/// The nearest half, ties to even, of a value within their range.
inline double nearest_half(double value) {
    if (value == 0) return 0;
    const int exponent = std::max(std::ilogb(value), -14);
    const double step = std::ldexp(1.0, exponent - 10);
    return std::nearbyint(value / step) * step;
}

inline double nearest_bfloat(double value) {
    if (value == 0) return 0;
    const double step = std::ldexp(1.0, std::ilogb(value) - 7);
    return std::nearbyint(value / step) * step;
}

/// One token normalised.
inline std::vector<double> normalised(const float* x, int columns, NormKind kind, const std::vector<float>& weight,
                                      const std::vector<float>& bias, double epsilon) {
    std::vector<double> out(x, x + columns);
    if (kind == NormKind::None) return out;
    double mean = 0;
    if (kind == NormKind::Layer) {
        for (const double value : out) mean += value / columns;
    }
    double variance = 0;
    for (const double value : out) variance += (value - mean) * (value - mean) / columns;
    for (int i = 0; i < columns; ++i) {
        const auto at = static_cast<std::size_t>(i);
        out[at] = (out[at] - mean) / std::sqrt(variance + epsilon) * static_cast<double>(weight[at]);
        if (kind == NormKind::Layer) out[at] += static_cast<double>(bias[at]);
    }
    return out;
}

/// Activations as they meet weights of `type`: rounded, or in blocks of signed bytes. What a block loses is most of the
/// difference to plain floats, so the twin has to lose it as well. Quants are rounded from single-precision values:
/// `float` here and there decides ties alike.
inline std::vector<double> stored(TensorType type, const std::vector<float>& x) {
    std::vector<double> out(x.begin(), x.end());
    switch (type) {
        case TensorType::F32:
        case TensorType::MXFP4:
            return out;
        case TensorType::F16:
            std::transform(out.begin(), out.end(), out.begin(), nearest_half);
            return out;
        case TensorType::BF16:
            std::transform(out.begin(), out.end(), out.begin(), nearest_bfloat);
            return out;
        default:
            break;
    }
    const bool super = kernels::block_elements(type) == 256;
    const std::size_t block = super ? 256 : 32;
    for (std::size_t begin = 0; begin < x.size(); begin += block) {
        float extreme = 0;
        for (std::size_t i = begin; i < begin + block; ++i) {
            if (std::abs(x[i]) > std::abs(extreme)) extreme = x[i];
        }
        if (extreme == 0) continue;
        // Blocks of 256 make the extreme -127, blocks of 32 keep its sign and round their scale to a half.
        const float inverse = super ? -127.0f / extreme : 127.0f / std::abs(extreme);
        const double scale =
            super ? 1.0 / static_cast<double>(inverse) : nearest_half(static_cast<double>(std::abs(extreme) / 127.0f));
        for (std::size_t i = begin; i < begin + block; ++i) {
            out[i] = scale * std::min(127.0, std::nearbyint(static_cast<double>(x[i] * inverse)));
        }
    }
    return out;
}

/// Sum of products and sum of their magnitudes: value and the scale of its error.
struct Sum {
    double value = 0;
    double magnitude = 0;
};

inline Sum product(TensorType type, const std::uint8_t* row, const std::vector<double>& x) {
    Sum sum;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double term = element(type, row, static_cast<int>(i)) * x[i];
        sum.value += term;
        sum.magnitude += std::abs(term);
    }
    return sum;
}

inline double gelu(double x) {
    constexpr double pi = 3.14159265358979323846;
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
}

inline double silu(double x) { return x / (1 + std::exp(-x)); }

}  // namespace worker::test
