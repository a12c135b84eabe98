// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Prompt text to token ids and token ids to bytes, by the vocabulary that the model file carries.
///
/// The text of a control token in the prompt stands for that token, and BOS and EOS are added where the file asks for
/// them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/byte_level.hpp"
#include "tokenizer/sentence_piece.hpp"
#include "tokenizer/vocabulary.hpp"

namespace worker::tokenizer {

class Tokenizer {
   public:
    /// Builds what `metadata` describes.
    explicit Tokenizer(const gguf::Metadata& metadata);

    const Vocabulary& vocabulary() const noexcept { return vocabulary_; }

    /// Ids of `prompt` (UTF-8). A prompt without any starts from BOS, or EOS where there is no BOS; empty where there
    /// is neither.
    std::vector<std::uint32_t> encode(std::string_view prompt) const;

    /// Bytes that token `id` adds to the text; none for control tokens.
    std::string bytes(std::uint32_t id) const;

   private:
    using Algorithm = std::variant<ByteLevel, SentencePiece>;
    struct Parts {
        Vocabulary vocabulary;
        Algorithm algorithm;
    };

    static Parts build(const gguf::Metadata& metadata);
    explicit Tokenizer(Parts parts)
        : vocabulary_(std::move(parts.vocabulary)), algorithm_(std::move(parts.algorithm)) {}

    Vocabulary vocabulary_;
    Algorithm algorithm_;
};

}  // namespace worker::tokenizer
