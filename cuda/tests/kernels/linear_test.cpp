// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Products of every type with one token and with many, with norms, biases, residuals and activations.

#include <gtest/gtest.h>

#include "device_buffer.hpp"
#include "twins.hpp"

namespace worker::test {
namespace {

using kernels::Activation;
using kernels::Input;
using kernels::Matrix;
using kernels::Phase;
using kernels::Product;

/// A matrix of random rows, in the file's form and on the device.
struct TestMatrix {
    TensorType type;
    int rows;
    int columns;
    std::vector<std::uint8_t> raw;
    DeviceBuffer<std::uint8_t> packed;

    TestMatrix(TensorType type_, int rows_, int columns_, std::mt19937& random)
        : type(type_),
          rows(rows_),
          columns(columns_),
          raw(random_rows(type, rows, columns, random)),
          packed(pack(type, rows, columns, raw)) {}

    static std::vector<std::uint8_t> pack(TensorType type, int rows, int columns,
                                          const std::vector<std::uint8_t>& raw) {
        std::vector<std::uint8_t> packed(kernels::packed_row_bytes(type, columns) * static_cast<std::size_t>(rows));
        kernels::pack_rows(type, columns, raw.data(), rows, packed.data());
        return packed;
    }

    Matrix on_device(const float* bias = nullptr) const {
        return kernels::matrix(type, rows, columns, packed.get(), bias);
    }

    const std::uint8_t* row(int index) const {
        return raw.data() + static_cast<std::size_t>(index) * raw_row_bytes(type, columns);
    }
};

/// Products of `x` (tokens, columns) in double precision, with the activations stored as the type wants them.
void twin(const TestMatrix& matrix, const std::vector<float>& x, std::vector<double>& out, std::vector<double>& scale) {
    out.clear();
    scale.clear();
    for (std::size_t begin = 0; begin < x.size(); begin += static_cast<std::size_t>(matrix.columns)) {
        const std::vector<float> token(x.begin() + static_cast<std::ptrdiff_t>(begin),
                                       x.begin() + static_cast<std::ptrdiff_t>(begin) + matrix.columns);
        const auto activations = stored(matrix.type, token);
        for (int row = 0; row < matrix.rows; ++row) {
            const Sum sum = product(matrix.type, matrix.row(row), activations);
            out.push_back(sum.value);
            scale.push_back(sum.magnitude + 1e-6);
        }
    }
}

std::vector<float> multiply(const TestMatrix& matrix, const std::vector<float>& x, Phase phase) {
    const int tokens = static_cast<int>(x.size()) / matrix.columns;
    const DeviceBuffer<float> values(x);
    const DeviceBuffer<float> out(static_cast<std::size_t>(tokens) * static_cast<std::size_t>(matrix.rows));
    const DeviceBuffer<std::uint8_t> workspace(kernels::workspace_bytes(tokens, matrix.columns));
    const Input input{values.get(), tokens, matrix.columns, {}, phase, workspace.get()};
    const Product one{matrix.on_device(), out.get()};
    check(kernels::linear(input, &one, 1, nullptr));
    return out.download();
}

/// Error allowed, of the sum of magnitudes. Where a type has minimums, each meets its block's sum rounded to a half.
double tolerance_of(TensorType type) { return type == TensorType::Q4_1 || type == TensorType::Q5_1 ? 1e-4 : 1e-5; }

/// Shapes that are not round: rows that fill no warp, columns of one block, of odd numbers of blocks, with left-overs.
std::vector<std::pair<int, int>> shapes_of(TensorType type) {
    switch (kernels::block_elements(type)) {
        case 1:
            return {{1, 1},    {3, 7},    {5, 16},   {8, 64},    {33, 100},
                    {12, 176}, {64, 256}, {7, 1000}, {40, 1091}, {5, 8200}};
        case 32:
            return {{1, 32}, {8, 64}, {7, 96}, {33, 160}, {64, 256}, {9, 1056}, {40, 2080}, {5, 8224}};
        default:
            return {{1, 256}, {8, 256}, {7, 512}, {33, 768}, {40, 1280}, {5, 8448}};
    }
}

class Linear : public testing::TestWithParam<TensorType> {};

TEST_P(Linear, OneTokenGivesTheSumOfProducts) {
    std::mt19937 random(1);
    for (const auto& [rows, columns] : shapes_of(GetParam())) {
        SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
        const TestMatrix matrix(GetParam(), rows, columns, random);
        const auto x = random_floats(static_cast<std::size_t>(columns), random, 3);
        std::vector<double> expected;
        std::vector<double> scale;
        twin(matrix, x, expected, scale);
        expect_near(multiply(matrix, x, Phase::Single), expected, scale, tolerance_of(GetParam()));
    }
}

TEST_P(Linear, EveryWarpTakesSeveralTurnsOfRows) {
    std::mt19937 random(12);
    int multiprocessors = 1;
    ASSERT_EQ(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0), cudaSuccess);
    // Sixteen warps a multiprocessor, eight rows a warp, and then some.
    const TestMatrix matrix(GetParam(), multiprocessors * 16 * 8 * 2 + 3, 256, random);
    const auto x = random_floats(256, random, 3);
    std::vector<double> expected;
    std::vector<double> scale;
    twin(matrix, x, expected, scale);
    expect_near(multiply(matrix, x, Phase::Single), expected, scale, tolerance_of(GetParam()));
}

TEST_P(Linear, ManyTokensGiveTheSumsOfProducts) {
    std::mt19937 random(2);
    for (const auto& [rows, columns] : shapes_of(GetParam())) {
        for (const int tokens : {1, 2, 8, 13, 35}) {
            SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns) + ", tokens " + std::to_string(tokens));
            const TestMatrix matrix(GetParam(), rows, columns, random);
            const auto x = random_floats(static_cast<std::size_t>(columns * tokens), random, 3);
            std::vector<double> expected;
            std::vector<double> scale;
            twin(matrix, x, expected, scale);
            expect_near(multiply(matrix, x, Phase::Prompt), expected, scale, tolerance_of(GetParam()));
        }
    }
}

TEST_P(Linear, HowAPromptIsCutChangesNoBit) {
    std::mt19937 random(3);
    const TestMatrix matrix(GetParam(), 36, 512, random);
    const auto x = random_floats(512 * 11, random, 2);
    const auto whole = multiply(matrix, x, Phase::Prompt);
    for (const int first : {1, 3, 8, 10}) {
        auto parts = multiply(matrix, {x.begin(), x.begin() + first * 512}, Phase::Prompt);
        const auto rest = multiply(matrix, {x.begin() + first * 512, x.end()}, Phase::Prompt);
        parts.insert(parts.end(), rest.begin(), rest.end());
        EXPECT_EQ(bits_of(parts), bits_of(whole)) << first;
    }
}

/// Up to eight tokens at once and more take different kernels: tiles, on tensor cores for blocks of 32.
TEST_P(Linear, LongPromptsHaveTheBitsOfShortOnes) {
    std::mt19937 random(13);
    struct Case {
        int rows;
        int columns;
        int tokens;
    };
    for (const auto& [rows, columns, tokens] : {Case{72, 768, 9}, {7, 256, 17}, {40, 1280, 40}, {136, 256, 70}}) {
        SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns) + ", tokens " + std::to_string(tokens));
        const TestMatrix matrix(GetParam(), rows, columns, random);
        auto x = random_floats(static_cast<std::size_t>(columns * tokens), random, 2);
        // The largest sums that there are: every quant of the second token is at its end.
        for (int i = columns; i < 2 * columns; ++i) x[static_cast<std::size_t>(i)] = i % 3 == 0 ? -1.0f : 1.0f;
        const auto together = multiply(matrix, x, Phase::Prompt);
        std::vector<float> parts;
        for (int first = 0; first < tokens; first += 8) {
            const int last = std::min(first + 8, tokens);
            const auto part =
                multiply(matrix, {x.begin() + first * columns, x.begin() + last * columns}, Phase::Prompt);
            parts.insert(parts.end(), part.begin(), part.end());
        }
        EXPECT_EQ(bits_of(together), bits_of(parts));
    }
}

TEST_P(Linear, TheSameProductAgainHasTheSameBits) {
    std::mt19937 random(4);
    const TestMatrix matrix(GetParam(), 36, 512, random);
    const auto x = random_floats(512, random);
    const auto first = multiply(matrix, x, Phase::Single);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(bits_of(multiply(matrix, x, Phase::Single)), bits_of(first));
}

TEST_P(Linear, ZerosGiveZero) {
    std::mt19937 random(5);
    const TestMatrix matrix(GetParam(), 8, 256, random);
    for (const float value : multiply(matrix, std::vector<float>(256, 0.0f), Phase::Single)) EXPECT_EQ(value, 0.0f);
}

TEST_P(Linear, NormBiasResidualAndGeluAreApplied) {
    std::mt19937 random(6);
    const int columns = 512;
    const int rows = 20;
    const TestMatrix matrix(GetParam(), rows, columns, random);
    for (const NormKind kind : {NormKind::RootMeanSquare, NormKind::Layer}) {
        for (const int tokens : {1, 3, 12}) {
            SCOPED_TRACE(tokens);
            const auto weight = random_floats(columns, random);
            const auto shift = random_floats(columns, random);
            const auto bias = random_floats(rows, random);
            const auto x = random_floats(static_cast<std::size_t>(columns * tokens), random, 5);
            const auto residual = random_floats(static_cast<std::size_t>(rows * tokens), random);
            const DeviceBuffer<float> device_weight(weight);
            const DeviceBuffer<float> device_shift(shift);
            const DeviceBuffer<float> device_bias(bias);
            const DeviceBuffer<float> device_x(x);
            // The residual is where the result goes, as in a network.
            const DeviceBuffer<float> out(residual);
            const DeviceBuffer<std::uint8_t> workspace(kernels::workspace_bytes(tokens, columns));
            Input input{device_x.get(), tokens, columns, {}, tokens == 1 ? Phase::Single : Phase::Prompt,
                        workspace.get()};
            input.norm = {kind, device_weight.get(), device_shift.get(), 1e-5f};
            const Product one{matrix.on_device(device_bias.get()), out.get(), out.get(), Activation::Gelu};
            check(kernels::linear(input, &one, 1, nullptr));

            std::vector<float> plain;
            for (int token = 0; token < tokens; ++token) {
                for (const double value : normalised(x.data() + token * columns, columns, kind, weight, shift, 1e-5)) {
                    plain.push_back(static_cast<float>(value));
                }
            }
            std::vector<double> expected;
            std::vector<double> scale;
            twin(matrix, plain, expected, scale);
            for (std::size_t i = 0; i < expected.size(); ++i) {
                expected[i] = static_cast<double>(residual[i]) +
                              gelu(expected[i] + static_cast<double>(bias[i % static_cast<std::size_t>(rows)]));
            }
            // The norm's rounding moves a few quants by one; GELU is rounded to a half.
            expect_near(out.download(), expected, scale, 2e-3);
        }
    }
}

TEST_P(Linear, GateAndUpMakeSwiglu) {
    std::mt19937 random(7);
    for (const auto& [tokens, up_type] :
         {std::pair{1, GetParam()}, {9, GetParam()}, {1, TensorType::Q6_K}, {9, TensorType::F16}}) {
        const int columns = 256;
        const int rows = 21;
        const TestMatrix gate(GetParam(), rows, columns, random);
        const TestMatrix up(up_type, rows, columns, random);
        const auto x = random_floats(static_cast<std::size_t>(columns * tokens), random, 0.1f);
        const auto gate_bias = random_floats(rows, random);
        const auto up_bias = random_floats(rows, random);
        const DeviceBuffer<float> device_x(x);
        const DeviceBuffer<float> device_gate_bias(gate_bias);
        const DeviceBuffer<float> device_up_bias(up_bias);
        const DeviceBuffer<float> out(static_cast<std::size_t>(rows * tokens));
        const DeviceBuffer<std::uint8_t> workspace(kernels::workspace_bytes(tokens, columns));
        const Input input{device_x.get(), tokens, columns, {}, tokens == 1 ? Phase::Single : Phase::Prompt,
                          workspace.get()};
        check(kernels::gated(input, gate.on_device(device_gate_bias.get()), up.on_device(device_up_bias.get()),
                             out.get(), nullptr));
        std::vector<double> gates;
        std::vector<double> ups;
        std::vector<double> gate_scale;
        std::vector<double> up_scale;
        twin(gate, x, gates, gate_scale);
        twin(up, x, ups, up_scale);
        for (std::size_t i = 0; i < gates.size(); ++i) {
            const std::size_t row = i % static_cast<std::size_t>(rows);
            const double g = gates[i] + static_cast<double>(gate_bias[row]);
            const double u = ups[i] + static_cast<double>(up_bias[row]);
            gates[i] = silu(g) * u;
            gate_scale[i] = (gate_scale[i] + 1) * (up_scale[i] + 1);
        }
        expect_near(out.download(), gates, gate_scale, tolerance_of(GetParam()));
    }
}

TEST_P(Linear, ThreeProductsTogetherAreAsOneByOne) {
    std::mt19937 random(8);
    const int columns = 256;
    const TestMatrix first(GetParam(), 32, columns, random);
    const TestMatrix second(GetParam(), 13, columns, random);
    const TestMatrix third(GetParam() == TensorType::Q4_K ? TensorType::Q6_K : GetParam(), 16, columns, random);
    const auto x = random_floats(columns, random);
    const DeviceBuffer<float> device_x(x);
    const DeviceBuffer<float> out1(32);
    const DeviceBuffer<float> out2(13);
    const DeviceBuffer<float> out3(16);
    const DeviceBuffer<std::uint8_t> workspace(kernels::workspace_bytes(1, columns));
    const Input input{device_x.get(), 1, columns, {}, Phase::Single, workspace.get()};
    const Product products[] = {
        {first.on_device(), out1.get()}, {second.on_device(), out2.get()}, {third.on_device(), out3.get()}};
    check(kernels::linear(input, products, 3, nullptr));
    EXPECT_EQ(bits_of(out1.download()), bits_of(multiply(first, x, Phase::Single)));
    EXPECT_EQ(bits_of(out2.download()), bits_of(multiply(second, x, Phase::Single)));
    EXPECT_EQ(bits_of(out3.download()), bits_of(multiply(third, x, Phase::Single)));
}

TEST_P(Linear, APartOfAMatrixIsItsRows) {
    std::mt19937 random(9);
    const TestMatrix whole(GetParam(), 40, 512, random);
    const auto x = random_floats(512, random);
    const auto all = multiply(whole, x, Phase::Single);
    const DeviceBuffer<float> device_x(x);
    const DeviceBuffer<float> out(11);
    const DeviceBuffer<std::uint8_t> workspace(kernels::workspace_bytes(1, 512));
    const Input input{device_x.get(), 1, 512, {}, Phase::Single, workspace.get()};
    const Product one{kernels::part(whole.on_device(), 17, 11), out.get()};
    check(kernels::linear(input, &one, 1, nullptr));
    EXPECT_EQ(bits_of(out.download()), bits_of({all.begin() + 17, all.begin() + 28}));
}

INSTANTIATE_TEST_SUITE_P(AllTypes, Linear, testing::ValuesIn(all_types),
                         [](const auto& type) { return std::string(name_of(type.param)); });

TEST(Linear, AColumnTooWideForSharedMemoryGoesThroughTheWorkspace) {
    std::mt19937 random(10);
    const TestMatrix matrix(TensorType::F32, 3, 40000, random);
    const auto x = random_floats(40000, random);
    std::vector<double> expected;
    std::vector<double> scale;
    twin(matrix, x, expected, scale);
    expect_near(multiply(matrix, x, Phase::Single), expected, scale, 1e-5);
}

TEST(Linear, Mxfp4IsWithinOnePercentOfPlainFloats) {
    std::mt19937 random(11);
    const TestMatrix matrix(TensorType::MXFP4, 64, 2048, random);
    const auto x = random_floats(2048, random);
    const auto out = multiply(matrix, x, Phase::Single);
    double error = 0;
    double norm = 0;
    for (int row = 0; row < 64; ++row) {
        float expected = 0;
        for (int i = 0; i < 2048; ++i) {
            expected +=
                static_cast<float>(element(TensorType::MXFP4, matrix.row(row), i)) * x[static_cast<std::size_t>(i)];
        }
        const double difference = static_cast<double>(out[static_cast<std::size_t>(row)] - expected);
        error += difference * difference;
        norm += static_cast<double>(expected) * static_cast<double>(expected);
    }
    EXPECT_TRUE(std::sqrt(error / norm) <= 0.01) << std::sqrt(error / norm);
}

TEST(Linear, NormalisedTokensAreWhatTheTwinSays) {
    std::mt19937 random(12);
    for (const int columns : {1, 33, 576, 1000}) {
        for (const NormKind kind : {NormKind::None, NormKind::RootMeanSquare, NormKind::Layer}) {
            const auto weight = random_floats(static_cast<std::size_t>(columns), random);
            const auto bias = random_floats(static_cast<std::size_t>(columns), random);
            const auto x = random_floats(static_cast<std::size_t>(columns) * 3, random, 4);
            const DeviceBuffer<float> device_weight(weight);
            const DeviceBuffer<float> device_bias(bias);
            const DeviceBuffer<float> device_x(x);
            const DeviceBuffer<float> out(x.size());
            check(kernels::normalise(out.get(), device_x.get(), 3, columns,
                                     {kind, device_weight.get(), device_bias.get(), 1e-6f}, nullptr));
            std::vector<double> expected;
            for (int token = 0; token < 3; ++token) {
                const auto one = normalised(x.data() + token * columns, columns, kind, weight, bias, 1e-6);
                expected.insert(expected.end(), one.begin(), one.end());
            }
            expect_near(out.download(), expected, std::vector<double>(expected.size(), 4.0), 1e-5);
        }
    }
}

TEST(Linear, WhatCannotBeIsRefused) {
    const DeviceBuffer<float> memory(64);
    const Input input{memory.get(), 1, 48, {}, Phase::Single, memory.get()};
    const Product wrong_block{kernels::matrix(TensorType::Q8_0, 1, 48, memory.get()), memory.get()};
    EXPECT_EQ(kernels::linear(input, &wrong_block, 1, nullptr), cudaErrorInvalidValue);
    const Product wrong_columns{kernels::matrix(TensorType::F32, 1, 32, memory.get()), memory.get()};
    EXPECT_EQ(kernels::linear(input, &wrong_columns, 1, nullptr), cudaErrorInvalidValue);
    const Product fine{kernels::matrix(TensorType::F32, 1, 48, memory.get()), memory.get()};
    EXPECT_EQ(kernels::linear(input, &fine, 4, nullptr), cudaErrorInvalidValue);
    EXPECT_EQ(kernels::linear(input, &fine, 0, nullptr), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace worker::test
