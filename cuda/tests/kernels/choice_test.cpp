// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Embedding rows, choice of a token, and the probe.

#include <gtest/gtest.h>

#include "device_buffer.hpp"
#include "twins.hpp"

namespace worker::test {
namespace {

using kernels::Draw;

class Embedding : public testing::TestWithParam<TensorType> {};

TEST_P(Embedding, RowsAreDecodedAndPositionsAdded) {
    const TensorType type = GetParam();
    std::mt19937 random(1);
    const int columns = 768;
    const auto raw = random_rows(type, 20, columns, random);
    std::vector<std::uint8_t> packed(kernels::packed_row_bytes(type, columns) * 20);
    kernels::pack_rows(type, columns, raw.data(), 20, packed.data());
    const DeviceBuffer<std::uint8_t> table(packed);
    const auto matrix = kernels::matrix(type, 20, columns, table.get());
    const std::vector<std::int32_t> tokens = {3, 0, 19, 3, 20, -1};
    const DeviceBuffer<std::int32_t> device_tokens(tokens);
    const DeviceBuffer<std::int32_t> position(std::vector<std::int32_t>{5});
    for (const bool learned : {false, true}) {
        const DeviceBuffer<float> out(tokens.size() * columns);
        check(kernels::embed(out.get(), matrix, learned ? &matrix : nullptr, device_tokens.get(),
                             static_cast<int>(tokens.size()), position.get(), nullptr));
        std::vector<double> expected;
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            for (int i = 0; i < columns; ++i) {
                const bool known = tokens[t] >= 0 && tokens[t] < 20;
                double value =
                    known ? element(type,
                                    raw.data() + static_cast<std::size_t>(tokens[t]) * raw_row_bytes(type, columns), i)
                          : 0;
                if (learned) value += element(type, raw.data() + (5 + t) * raw_row_bytes(type, columns), i);
                expected.push_back(value);
            }
        }
        expect_near(out.download(), expected, std::vector<double>(expected.size(), 1.0), 2e-4);
    }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, Embedding, testing::ValuesIn(all_types),
                         [](const auto& type) { return std::string(name_of(type.param)); });

std::int32_t chosen(const std::vector<float>& logits, const Draw* draw, std::int32_t* position = nullptr) {
    const DeviceBuffer<float> device_logits(logits);
    const DeviceBuffer<std::int32_t> token(1);
    if (draw == nullptr) {
        check(kernels::argmax(token.get(), device_logits.get(), static_cast<int>(logits.size()), nullptr, nullptr));
        return token.download()[0];
    }
    const DeviceBuffer<Draw> device_draw(std::vector<Draw>{*draw});
    check(kernels::sample(token.get(), device_logits.get(), static_cast<int>(logits.size()), device_draw.get(), nullptr,
                          position, nullptr));
    return token.download()[0];
}

TEST(Choice, TheLargestLogitWinsAndTheLowestIndexAmongEquals) {
    std::mt19937 random(2);
    for (const std::size_t size : {1u, 2u, 31u, 300u, 8191u, 50000u}) {
        auto logits = random_floats(size, random, 10);
        const auto best = std::max_element(logits.begin(), logits.end());
        EXPECT_EQ(chosen(logits, nullptr), best - logits.begin());
        const Draw cold{0.7, 0.0f};
        EXPECT_EQ(chosen(logits, &cold), best - logits.begin());
        const Draw minus{0.7, -0.0f};
        EXPECT_EQ(chosen(logits, &minus), best - logits.begin());
        logits.assign(size, -3.0f);
        EXPECT_EQ(chosen(logits, nullptr), 0);
        logits[size / 2] = logits[size - 1] = 4.0f;
        EXPECT_EQ(chosen(logits, nullptr), static_cast<std::int32_t>(size / 2));
    }
}

TEST(Choice, LogitsThatAreNoNumbersGiveNoToken) {
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
        for (const std::size_t at : {0u, 77u, 299u}) {
            std::vector<float> logits(300, 1.0f);
            logits[at] = bad;
            EXPECT_EQ(chosen(logits, nullptr), -1);
            const Draw draw{0.5, 1.0f};
            EXPECT_EQ(chosen(logits, &draw), -1);
        }
    }
}

TEST(Choice, ADrawInvertsTheDistributionFunctionInVocabularyOrder) {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> uniform(0, 1);
    for (const std::size_t size : {1u, 5u, 300u, 9000u}) {
        const auto logits = random_floats(size, random, 4);
        const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
        for (const float temperature : {0.3f, 1.0f, 2.0f}) {
            std::vector<double> cumulative;
            double sum = 0;
            for (const float logit : logits) {
                sum += std::exp((static_cast<double>(logit) - largest) / static_cast<double>(temperature));
                cumulative.push_back(sum);
            }
            for (int i = 0; i < 12; ++i) {
                const Draw draw{i == 0 ? 0.0 : i == 1 ? 1 - 0x1p-53 : uniform(random), temperature};
                const auto expected = std::upper_bound(cumulative.begin(), cumulative.end(), draw.uniform * sum);
                EXPECT_EQ(chosen(logits, &draw), std::min<std::ptrdiff_t>(expected - cumulative.begin(),
                                                                          static_cast<std::ptrdiff_t>(size) - 1));
            }
        }
    }
}

TEST(Choice, TheSmallestTemperatureIsGreedy) {
    const Draw draw{0.9, std::nextafter(0.0f, 1.0f)};
    EXPECT_EQ(chosen({1.0f, 1.5f, 1.0f}, &draw), 1);
}

TEST(Choice, ThePositionGrowsByOne) {
    const DeviceBuffer<std::int32_t> position(std::vector<std::int32_t>{41});
    const Draw draw{0.5, 1.0f};
    chosen({1.0f, 2.0f}, &draw, position.get());
    EXPECT_EQ(position.download()[0], 42);
}

TEST(Probe, GivesWhatTheHostExpects) {
    const DeviceBuffer<std::uint32_t> out(1000);
    check(kernels::probe(out.get(), 1000, 12345, nullptr));
    const auto words = out.download();
    for (std::uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(words[i], 12345u * 2654435761u + i);
}

TEST(Graph, ACapturedStepReadsWhatChangesFromDeviceMemory) {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    const DeviceBuffer<float> logits(std::vector<float>{0, 5, 1});
    const DeviceBuffer<std::int32_t> token(1);
    const DeviceBuffer<std::int32_t> position(std::vector<std::int32_t>{0});
    const DeviceBuffer<Draw> draw(std::vector<Draw>{{0.0, 0.0f}});
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    check(kernels::sample(token.get(), logits.get(), 3, draw.get(), nullptr, position.get(), stream));
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(stream, &graph));
    cudaGraphExec_t executable = nullptr;
    check(cudaGraphInstantiate(&executable, graph, 0));
    EXPECT_EQ(position.download()[0], 0) << "a captured launch does not run";
    // This stream waits for no other: what fills device memory elsewhere has to be over.
    check(cudaDeviceSynchronize());
    check(cudaGraphLaunch(executable, stream));
    check(cudaStreamSynchronize(stream));
    EXPECT_EQ(token.download()[0], 1);
    const DeviceBuffer<float> others(std::vector<float>{7, 5, 1});
    check(cudaMemcpy(logits.get(), others.get(), 3 * sizeof(float), cudaMemcpyDeviceToDevice));
    check(cudaDeviceSynchronize());
    check(cudaGraphLaunch(executable, stream));
    check(cudaStreamSynchronize(stream));
    EXPECT_EQ(token.download()[0], 0);
    EXPECT_EQ(position.download()[0], 2);
    check(cudaGraphExecDestroy(executable));
    check(cudaGraphDestroy(graph));
    check(cudaStreamDestroy(stream));
}

}  // namespace
}  // namespace worker::test
