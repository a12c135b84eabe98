// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Attention, its cache and rotary positions against a twin that keeps everything in double precision.

#include <gtest/gtest.h>

#include "device_buffer.hpp"
#include "twins.hpp"

namespace worker::test {
namespace {

using kernels::Phase;
using kernels::RopeStyle;

struct Shape {
    int heads;
    int kv_heads;
    int head_size;
    RopeStyle style;
    int rotary;
    int capacity;
};

constexpr float base = 10000;

/// Everything a job keeps for one layer, on the device and in the twin.
class Layer {
   public:
    explicit Layer(const Shape& shape)
        : shape_(shape),
          width_(static_cast<std::size_t>(shape.kv_heads * shape.head_size)),
          keys_(static_cast<std::size_t>(shape.capacity) * width_),
          values_(keys_.download().size()),
          angles_(static_cast<std::size_t>(shape.capacity * std::max(shape.rotary, 2) / 2)),
          position_(1),
          scratch_(kernels::attention_scratch_bytes(64, shape.heads, shape.capacity)) {
        if (shape.style != RopeStyle::None) {
            const float step = std::pow(base, -2.0f / static_cast<float>(shape.rotary));
            check(kernels::rope_angles(angles_.get(), 0, shape.capacity, shape.rotary, step, 1, nullptr, nullptr));
        }
    }

    /// Rows of queries, keys and values side by side, as a fused matrix gives them.
    std::vector<float> attend(const std::vector<float>& rows, int position, Phase phase) {
        const int query_width = shape_.heads * shape_.head_size;
        const int stride = query_width + 2 * static_cast<int>(width_);
        const int tokens = static_cast<int>(rows.size()) / stride;
        const DeviceBuffer<float> device_rows(rows);
        const DeviceBuffer<float> out(static_cast<std::size_t>(tokens * query_width));
        position_.upload({position});
        kernels::Attention a;
        a.out = out.get();
        a.queries = device_rows.get();
        a.keys = device_rows.get() + query_width;
        a.values = a.keys + width_;
        a.query_stride = a.key_stride = a.value_stride = stride;
        a.key_cache = keys_.get();
        a.value_cache = values_.get();
        a.capacity = shape_.capacity;
        a.position = position_.get();
        a.tokens = tokens;
        a.heads = shape_.heads;
        a.kv_heads = shape_.kv_heads;
        a.head_size = shape_.head_size;
        a.angles = angles_.get();
        a.style = shape_.style;
        a.rotary = shape_.rotary;
        a.phase = phase;
        a.scratch = reinterpret_cast<float*>(scratch_.get());
        check(kernels::attention(a, nullptr));
        return out.download();
    }

    std::vector<std::uint16_t> keys() const { return keys_.download(); }

   private:
    Shape shape_;
    std::size_t width_;
    DeviceBuffer<std::uint16_t> keys_;
    DeviceBuffer<std::uint16_t> values_;
    DeviceBuffer<float2> angles_;
    DeviceBuffer<std::int32_t> position_;
    DeviceBuffer<std::uint8_t> scratch_;
};

/// A head turned to its position.
std::vector<double> turn(const float* head, const Shape& shape, int position) {
    std::vector<double> out(head, head + shape.head_size);
    if (shape.style == RopeStyle::None) return out;
    const int pairs = shape.rotary / 2;
    for (int pair = 0; pair < pairs; ++pair) {
        const double angle = position * std::pow(static_cast<double>(base), -2.0 * pair / shape.rotary);
        const auto first = static_cast<std::size_t>(shape.style == RopeStyle::Halves ? pair : 2 * pair);
        const std::size_t second =
            shape.style == RopeStyle::Halves ? first + static_cast<std::size_t>(pairs) : first + 1;
        const double x = out[first];
        const double y = out[second];
        out[first] = x * std::cos(angle) - y * std::sin(angle);
        out[second] = x * std::sin(angle) + y * std::cos(angle);
    }
    return out;
}

std::vector<double> twin(const std::vector<float>& rows, const Shape& shape) {
    const int query_width = shape.heads * shape.head_size;
    const int width = shape.kv_heads * shape.head_size;
    const int stride = query_width + 2 * width;
    const int tokens = static_cast<int>(rows.size()) / stride;
    std::vector<double> out;
    for (int token = 0; token < tokens; ++token) {
        for (int head = 0; head < shape.heads; ++head) {
            const int kv_head = head * shape.kv_heads / shape.heads;
            const auto query = turn(rows.data() + token * stride + head * shape.head_size, shape, token);
            std::vector<double> weights;
            double total = 0;
            for (int p = 0; p <= token; ++p) {
                const auto key = turn(rows.data() + p * stride + query_width + kv_head * shape.head_size, shape, p);
                double score = 0;
                for (std::size_t i = 0; i < key.size(); ++i) score += nearest_half(query[i]) * nearest_half(key[i]);
                weights.push_back(std::exp(score / std::sqrt(shape.head_size)));
                total += weights.back();
            }
            for (int i = 0; i < shape.head_size; ++i) {
                double sum = 0;
                for (int p = 0; p <= token; ++p) {
                    const double value = static_cast<double>(rows[static_cast<std::size_t>(
                        p * stride + query_width + width + kv_head * shape.head_size + i)]);
                    sum += weights[static_cast<std::size_t>(p)] / total * nearest_half(value);
                }
                out.push_back(sum);
            }
        }
    }
    return out;
}

const Shape shapes[] = {
    {4, 2, 16, RopeStyle::Interleaved, 16, 40},   {4, 4, 16, RopeStyle::None, 0, 40},
    {6, 2, 64, RopeStyle::Halves, 64, 200},       {3, 1, 128, RopeStyle::Halves, 64, 150},
    {2, 1, 80, RopeStyle::Interleaved, 20, 100},  {2, 2, 6, RopeStyle::Interleaved, 4, 30},
    {1, 1, 256, RopeStyle::Interleaved, 256, 70}, {9, 3, 96, RopeStyle::Halves, 96, 600},
};

std::vector<float> random_rows_of(const Shape& shape, int tokens, std::mt19937& random) {
    return random_floats(static_cast<std::size_t>(tokens * (shape.heads + 2 * shape.kv_heads) * shape.head_size),
                         random, 2);
}

void expect_twin(const std::vector<float>& out, const std::vector<float>& rows, const Shape& shape) {
    const auto expected = twin(rows, shape);
    // Keys, queries and probabilities are halves: a rounding that falls the other way moves a result by 2^-11 of its
    // size.
    expect_near(out, expected, std::vector<double>(expected.size(), 2.0), 1.5e-3);
}

TEST(Attention, APromptAtOnceIsWhatTheTwinSays) {
    std::mt19937 random(1);
    for (const Shape& shape : shapes) {
        SCOPED_TRACE("head size " + std::to_string(shape.head_size));
        Layer layer(shape);
        const auto rows = random_rows_of(shape, 29, random);
        expect_twin(layer.attend(rows, 0, Phase::Prompt), rows, shape);
    }
}

TEST(Attention, TokensOneByOneAreWhatTheTwinSays) {
    std::mt19937 random(2);
    for (const Shape& shape : shapes) {
        SCOPED_TRACE("head size " + std::to_string(shape.head_size));
        Layer layer(shape);
        const auto rows = random_rows_of(shape, 30, random);
        const std::size_t stride = rows.size() / 30;
        std::vector<float> out;
        for (int token = 0; token < 30; ++token) {
            const std::vector<float> row(
                rows.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(token) * stride),
                rows.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(token + 1) * stride));
            const auto one = layer.attend(row, token, Phase::Single);
            out.insert(out.end(), one.begin(), one.end());
        }
        expect_twin(out, rows, shape);
    }
}

TEST(Attention, HowAPromptIsCutChangesNoBit) {
    std::mt19937 random(3);
    for (const Shape& shape : shapes) {
        const auto rows = random_rows_of(shape, 23, random);
        const auto stride = static_cast<std::ptrdiff_t>(rows.size() / 23);
        Layer whole(shape);
        const auto expected = whole.attend(rows, 0, Phase::Prompt);
        for (const int cut : {1, 9, 22}) {
            Layer parts(shape);
            auto out = parts.attend({rows.begin(), rows.begin() + cut * stride}, 0, Phase::Prompt);
            const auto rest = parts.attend({rows.begin() + cut * stride, rows.end()}, cut, Phase::Prompt);
            out.insert(out.end(), rest.begin(), rest.end());
            EXPECT_EQ(bits_of(out), bits_of(expected)) << cut;
            const auto cached = whole.keys();
            const auto other = parts.keys();
            const std::size_t stored = 23 * static_cast<std::size_t>(shape.kv_heads * shape.head_size);
            EXPECT_TRUE(
                std::equal(cached.begin(), cached.begin() + static_cast<std::ptrdiff_t>(stored), other.begin()));
            // What lies behind the last position is nobody's yet.
            for (std::size_t i = stored; i < cached.size(); ++i) ASSERT_EQ(cached[i], 0xffff);
        }
    }
}

TEST(Attention, RoomForMoreChangesNoBit) {
    std::mt19937 random(4);
    Shape shape = shapes[0];
    const auto rows = random_rows_of(shape, 20, random);
    Layer small(shape);
    const auto expected = small.attend(rows, 0, Phase::Prompt);
    for (const int capacity : {2048, 20000}) {
        // The largest has its scores in device memory.
        shape.capacity = capacity;
        EXPECT_EQ(kernels::attention_scratch_bytes(1, shape.heads, capacity) != 0, capacity == 20000);
        Layer large(shape);
        EXPECT_EQ(bits_of(large.attend(rows, 0, Phase::Prompt)), bits_of(expected));
    }
}

TEST(Attention, ShapesThatCannotBeAreRefused) {
    kernels::Attention a;
    a.heads = 3;
    a.kv_heads = 2;
    a.head_size = 16;
    a.capacity = 1;
    EXPECT_EQ(kernels::attention(a, nullptr), cudaErrorInvalidValue);
    a.kv_heads = 3;
    a.head_size = 258;
    EXPECT_EQ(kernels::attention(a, nullptr), cudaErrorInvalidValue);
}

TEST(Rope, AnglesFollowPositionFrequencyScaleAndFactors) {
    const int positions = 300;
    const int rotary = 10;
    const std::vector<float> factors = {1, 2, 4, 8, 16};
    const DeviceBuffer<float> device_factors(factors);
    const DeviceBuffer<float2> angles(static_cast<std::size_t>(positions * rotary / 2));
    const float step = std::pow(500.0f, -2.0f / 10.0f);
    check(kernels::rope_angles(angles.get(), 7, positions, rotary, step, 0.5f, device_factors.get(), nullptr));
    const auto out = angles.download();
    for (int p = 0; p < positions; ++p) {
        for (int pair = 0; pair < 5; ++pair) {
            const auto at = static_cast<std::size_t>(p * 5 + pair);
            const double angle = 0.5 * (p + 7) * std::pow(500.0, -0.2 * pair) /
                                 static_cast<double>(factors[static_cast<std::size_t>(pair)]);
            ASSERT_TRUE(std::abs(static_cast<double>(out[at].x) - std::cos(angle)) <= 1e-4);
            ASSERT_TRUE(std::abs(static_cast<double>(out[at].y) - std::sin(angle)) <= 1e-4);
        }
    }
}

}  // namespace
}  // namespace worker::test
