// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Byte-level BPE (M0-W-1362): bytes stand as printable characters, and neighbours merge by the rank of their merge.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/pre_tokenizer.hpp"

namespace worker::gguf {
class Metadata;
}

namespace worker::tokenizer {

class Vocabulary;

class ByteLevel {
   public:
    ByteLevel(const gguf::Metadata& metadata, const Vocabulary& vocabulary, PreTokenizer pre_tokenizer);

    /// Appends the ids of `text` (UTF-8).
    void encode(const Vocabulary& vocabulary, std::string_view text, std::vector<std::uint32_t>& ids) const;

   private:
    struct Merge {
        std::uint32_t rank;
        std::uint32_t product;
    };

    const Merge* merge_of(std::uint32_t left, std::uint32_t right) const;
    void merge(std::vector<std::uint32_t>& symbols) const;

    PreTokenizer pre_tokenizer_;
    /// By the ids of the two parts, the left one in the upper half.
    std::unordered_map<std::uint64_t, Merge> merges_;
};

/// Bytes that the byte-level text `token` stands for; a character that stands for no byte gives its own UTF-8.
std::string decode_byte_level(std::string_view token);

}  // namespace worker::tokenizer
