// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The way of weights to the device: every byte arrives, and a file that changes meanwhile is an error and no signal.
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "context.hpp"
#include "gguf/file.hpp"
#include "gguf_writer.hpp"
#include "status.hpp"
#include "weights.hpp"

namespace worker::tests {
namespace {

class Upload : public testing::Test {
   protected:
    void SetUp() override {
        if (device_count() == 0) GTEST_SKIP() << "this machine has no device";
        context = std::make_unique<Context>(0);
    }

    /// Numbers that tell their place.
    static std::vector<float> counted(std::size_t count) {
        std::vector<float> values(count);
        for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i * 2654435761U % 16777213U);
        return values;
    }

    std::vector<float> fetched(const std::byte* data, std::size_t count) const {
        context->enter();
        std::vector<float> values(count);
        EXPECT_EQ(cudaMemcpy(values.data(), data, count * sizeof(float), cudaMemcpyDeviceToHost), cudaSuccess);
        return values;
    }

    std::unique_ptr<Context> context;
};

TEST_F(Upload, EveryByteArrivesWhateverTheSizeOfTheTensor) {
    // The last ones are larger than a chunk, and all together large enough for several threads.
    const std::vector<std::vector<std::uint64_t>> shapes = {{1},       {4},          {64, 3},       {1024, 1},
                                                            {300'000}, {300'000, 3}, {1024, 18'000}};
    Writer writer;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        std::size_t count = 1;
        for (const std::uint64_t axis : shapes[i]) count *= axis;
        writer.floats("tensor " + std::to_string(i), shapes[i], counted(count));
    }
    const TemporaryFile path(writer.bytes());
    const gguf::File file(path.path());
    const gguf::Header header = gguf::read_header(file);
    const WeightTable table(header);
    ASSERT_GE(table.bytes(), std::size_t{64} << 20);
    const DeviceBuffer buffer(context->ledger(), table.bytes());
    upload(*context, file, table, buffer.data());
    ASSERT_EQ(table.tensors().size(), shapes.size());
    for (const Placed& tensor : table.tensors()) {
        const std::size_t count = static_cast<std::size_t>(tensor.rows) * static_cast<std::size_t>(tensor.columns);
        ASSERT_EQ(tensor.offset % device_alignment, 0U);
        // Rows of these lengths are stored without padding.
        if (tensor.device_row == tensor.file_row) {
            EXPECT_EQ(fetched(buffer.data() + tensor.offset, count), counted(count)) << tensor.rows << " rows";
        } else {
            EXPECT_EQ(count, 1U);
            EXPECT_EQ(fetched(buffer.data() + tensor.offset, 1), counted(1));
        }
    }
}

TEST_F(Upload, AFileThatShrinksMeanwhileIsRefused) {
    for (const std::size_t rows : {std::size_t{100}, std::size_t{18'000}}) {
        Writer writer;
        writer.floats("first", {64}, counted(64)).floats("second", {1024, rows}, counted(1024 * rows));
        const TemporaryFile path(writer.bytes());
        const gguf::File file(path.path());
        const gguf::Header header = gguf::read_header(file);
        const WeightTable table(header);
        const DeviceBuffer buffer(context->ledger(), table.bytes());
        ASSERT_EQ(::truncate(path.path(), static_cast<off_t>(file.size() / 2)), 0);
        try {
            upload(*context, file, table, buffer.data());
            FAIL() << "half a file is a whole model";
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), Code::ModelLoadFailed);
        }
    }
}

TEST_F(Upload, VectorsOfAnyTypeAreHeldAsFloats) {
    Writer writer;
    writer.tensors.push_back({"halves", {4}, 1, Bytes("\x00\x3c\x00\xc0\x00\x38\x00\x00", 8)});
    const TemporaryFile path(writer.bytes());
    const gguf::File file(path.path());
    const gguf::Header header = gguf::read_header(file);
    const WeightTable table(header);
    const DeviceBuffer buffer(context->ledger(), table.bytes());
    upload(*context, file, table, buffer.data());
    const Weights weights(table, buffer.data());
    const auto* vector = reinterpret_cast<const std::byte*>(weights.vector("halves", 4));
    EXPECT_EQ(fetched(vector, 4), (std::vector<float>{1.0F, -2.0F, 0.5F, 0.0F}));
    EXPECT_THROW(weights.vector("halves", 3), Failure);
    EXPECT_THROW(weights.vector("others", 4), Failure);
    EXPECT_EQ(weights.optional_vector("others", 4), nullptr);
    EXPECT_THROW(weights.matrix("halves", 1, 4), Failure);
}

}  // namespace
}  // namespace worker::tests
