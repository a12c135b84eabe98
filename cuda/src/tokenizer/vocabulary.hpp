// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The tokens of a model, which of them are special, and which of them end a text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace worker::gguf {
class Metadata;
}

namespace worker::tokenizer {

/// What a token is for, as GGUF numbers it.
enum class Kind : std::uint8_t { Undefined, Normal, Unknown, Control, UserDefined, Unused, Byte };

struct Token {
    /// As stored: byte-level, or with the mark for a space.
    std::string text;
    Kind kind = Kind::Normal;
    /// Merge score of SentencePiece vocabularies.
    float score = 0;
};

/// BOS, EOS and unknown where a file names none.
struct DefaultIds {
    std::uint32_t bos, eos, unknown;
};

class Vocabulary {
   public:
    Vocabulary(const gguf::Metadata& metadata, bool adds_bos_by_default, std::optional<DefaultIds> defaults);
    // The map of texts points into the tokens.
    Vocabulary(const Vocabulary&) = delete;
    Vocabulary& operator=(const Vocabulary&) = delete;
    Vocabulary(Vocabulary&&) = default;
    Vocabulary& operator=(Vocabulary&&) = default;

    std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(tokens_.size()); }
    const Token& token(std::uint32_t id) const { return tokens_[id]; }
    /// Token of `text`; of several with one text the first.
    std::optional<std::uint32_t> id(std::string_view text) const;
    /// True where token `id` ends a text.
    bool ends(std::uint32_t id) const { return ends_[id]; }

    std::optional<std::uint32_t> bos;
    std::optional<std::uint32_t> eos;
    /// Stands for what the vocabulary cannot express.
    std::optional<std::uint32_t> unknown;
    /// Prompts begin with `bos`.
    bool adds_bos = false;
    /// Prompts end with `eos`.
    bool adds_eos = false;
    /// Tokens whose texts are cut out of a prompt before it is split, the longest first.
    std::vector<std::uint32_t> special;

   private:
    std::vector<Token> tokens_;
    std::unordered_map<std::string_view, std::uint32_t> ids_;
    std::vector<bool> ends_;
};

}  // namespace worker::tokenizer
