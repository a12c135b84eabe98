// SPDX-License-Identifier: Apache-2.0 OR MIT
/// SentencePiece vocabularies of the `llama` kind: neighbours merge in the order of their product's score.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.hpp"

namespace worker::tokenizer {

class SentencePiece {
   public:
    /// BOS, EOS and unknown of the family, where a file names none.
    static constexpr DefaultIds default_ids = {1, 2, 0};

    explicit SentencePiece(const gguf::Metadata& metadata);

    /// Appends the ids of `text` (UTF-8), which stands at the begin or after a special token where `after_special`.
    void encode(const Vocabulary& vocabulary, std::string_view text, bool after_special,
                std::vector<std::uint32_t>& ids) const;

   private:
    bool adds_space_;
};

/// Byte of a token named like `<0x0A>`.
std::optional<char> byte_token(std::string_view text);

/// Bytes that `token` stands for.
std::string decode_sentence_piece(std::string_view token);

}  // namespace worker::tokenizer
