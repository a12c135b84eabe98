// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The packer: rows as floats, sizes, and padding.

#include <gtest/gtest.h>

#include "formats.hpp"

namespace worker::test {
namespace {

class Formats : public testing::TestWithParam<TensorType> {};

TEST_P(Formats, ADecodedRowIsWhatTheFormatSays) {
    const TensorType type = GetParam();
    std::mt19937 random(7);
    const auto raw = random_rows(type, 1, 1536, random);
    std::vector<float> out(1536, NAN);
    kernels::decode_row(type, 1536, raw.data(), out.data());
    for (int i = 0; i < 1536; ++i) {
        const double expected = element(type, raw.data(), i);
        // A product and a sum in single precision of numbers that may cancel.
        ASSERT_TRUE(std::abs(static_cast<double>(out[static_cast<std::size_t>(i)]) - expected) <= 1e-4)
            << i << ": " << expected;
    }
}

TEST_P(Formats, AnyBitsAreDecodedWithoutComplaint) {
    const TensorType type = GetParam();
    std::mt19937 random(8);
    std::vector<std::uint8_t> raw(raw_row_bytes(type, 512));
    for (auto& byte : raw) byte = static_cast<std::uint8_t>(random());
    std::vector<float> out(512);
    kernels::decode_row(type, 512, raw.data(), out.data());
    std::vector<std::uint8_t> packed(kernels::packed_row_bytes(type, 512));
    kernels::pack_rows(type, 512, raw.data(), 1, packed.data());
}

TEST_P(Formats, PackedRowsAreAlignedWholeAndHardlyLarger) {
    const TensorType type = GetParam();
    const int block = kernels::block_elements(type);
    std::mt19937 random(9);
    for (const int columns : {block, 3 * block, 256, 768, 4096, 11008}) {
        if (columns % block != 0) continue;
        const std::size_t bytes = kernels::packed_row_bytes(type, columns);
        EXPECT_EQ(bytes % 16, 0u);
        EXPECT_GE(bytes, raw_row_bytes(type, columns) / 16 * 16);
        if (columns >= 768) {
            EXPECT_LE(static_cast<double>(bytes), 1.07 * static_cast<double>(raw_row_bytes(type, columns)));
        }
        // Every byte is written, and nothing behind it.
        const auto raw = random_rows(type, 2, columns, random);
        for (const std::uint8_t poison : {0x00, 0xff}) {
            std::vector<std::uint8_t> packed(2 * bytes + 16, poison);
            kernels::pack_rows(type, columns, raw.data(), 2, packed.data());
            for (std::size_t i = 2 * bytes; i < packed.size(); ++i) EXPECT_EQ(packed[i], poison);
            std::vector<std::uint8_t> again(2 * bytes, static_cast<std::uint8_t>(~poison));
            kernels::pack_rows(type, columns, raw.data(), 2, again.data());
            EXPECT_TRUE(std::equal(again.begin(), again.end(), packed.begin()));
        }
    }
}

TEST_P(Formats, RowsArePackedOneByOneAsTogether) {
    const TensorType type = GetParam();
    std::mt19937 random(10);
    const auto raw = random_rows(type, 3, 512, random);
    const std::size_t bytes = kernels::packed_row_bytes(type, 512);
    std::vector<std::uint8_t> together(3 * bytes);
    std::vector<std::uint8_t> apart(3 * bytes);
    kernels::pack_rows(type, 512, raw.data(), 3, together.data());
    for (std::size_t row = 0; row < 3; ++row) {
        kernels::pack_rows(type, 512, raw.data() + row * raw_row_bytes(type, 512), 1, apart.data() + row * bytes);
    }
    EXPECT_EQ(together, apart);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, Formats, testing::ValuesIn(all_types),
                         [](const auto& type) { return std::string(name_of(type.param)); });

TEST(Formats, AnUnknownTypeHasNoBlocks) {
    EXPECT_EQ(kernels::block_elements(static_cast<TensorType>(4)), 0);
    EXPECT_EQ(kernels::block_bytes(static_cast<TensorType>(99)), 0);
}

}  // namespace
}  // namespace worker::test
