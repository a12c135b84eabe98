// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Reading of a vocabulary from metadata.
#include "tokenizer/vocabulary.hpp"

#include <algorithm>
#include <cmath>

#include "gguf/metadata.hpp"
#include "status.hpp"

namespace worker::tokenizer {

namespace {

/// Texts that end a generation wherever they are tokens: the names that model families use for it. The last ones are
/// padding and file separators of fill-in-the-middle training, which end a text too.
constexpr std::string_view end_texts[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    ("<\xef\xbd\x9c"
     "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"),
    "[e~[",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
    "<|fim_sep|>",
};

/// Keys of further tokens that end a text.
constexpr const char* end_keys[] = {
    "tokenizer.ggml.eot_token_id",     "tokenizer.ggml.eom_token_id",     "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_rep_token_id", "tokenizer.ggml.fim_sep_token_id",
};

std::vector<Token> read_tokens(const gguf::Metadata& metadata) {
    const auto* texts = metadata.texts("tokenizer.ggml.tokens");
    if (texts == nullptr || texts->empty()) refuse("there is no vocabulary");
    const auto numbers = [&](const char* key) {
        const auto* all = metadata.numbers(key);
        if (all != nullptr && all->size() != texts->size())
            refuse(std::string(key) + " has another length than the tokens");
        return all;
    };
    const auto* scores = numbers("tokenizer.ggml.scores");
    const auto* kinds = numbers("tokenizer.ggml.token_type");
    std::vector<Token> tokens(texts->size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        tokens[i].text = (*texts)[i];
        if (scores != nullptr) tokens[i].score = static_cast<float>((*scores)[i]);
        if (kinds == nullptr) continue;
        const double kind = (*kinds)[i];
        if (!(kind >= 0 && kind <= 6 && kind == std::floor(kind))) refuse("a token has an unknown type");
        tokens[i].kind = static_cast<Kind>(kind);
    }
    return tokens;
}

std::optional<std::uint32_t> special_id(const gguf::Metadata& metadata, const char* key, std::size_t tokens) {
    const auto id = metadata.unsigned_integer(key);
    if (id && *id >= tokens) refuse(std::string(key) + " names a token that is not there");
    return id ? std::optional(static_cast<std::uint32_t>(*id)) : std::nullopt;
}

bool added(const gguf::Metadata& metadata, const char* key, bool by_default, std::optional<std::uint32_t> token) {
    const auto wanted = metadata.truth(key);
    if (wanted == true && !token) refuse(std::string(key) + " is set, but there is no such token");
    return wanted.value_or(by_default && token.has_value());
}

}  // namespace

Vocabulary::Vocabulary(const gguf::Metadata& metadata, bool adds_bos_by_default, std::optional<DefaultIds> defaults)
    : tokens_(read_tokens(metadata)), ends_(tokens_.size()) {
    ids_.reserve(tokens_.size());
    for (std::uint32_t i = 0; i < size(); ++i) ids_.emplace(tokens_[i].text, i);
    const auto named = [&](const char* key, std::uint32_t DefaultIds::*absent) {
        auto token = special_id(metadata, key, size());
        if (!token && defaults && (*defaults).*absent < size()) token = (*defaults).*absent;
        return token;
    };
    bos = named("tokenizer.ggml.bos_token_id", &DefaultIds::bos);
    eos = named("tokenizer.ggml.eos_token_id", &DefaultIds::eos);
    unknown = named("tokenizer.ggml.unknown_token_id", &DefaultIds::unknown);
    adds_bos = added(metadata, "tokenizer.ggml.add_bos_token", adds_bos_by_default, bos);
    adds_eos = added(metadata, "tokenizer.ggml.add_eos_token", false, eos);
    for (const std::string_view text : end_texts) {
        if (const auto token = id(text)) {
            ends_[*token] = true;
            tokens_[*token].kind = Kind::Control;
        }
    }
    for (const char* key : end_keys) {
        if (const auto token = special_id(metadata, key, size())) ends_[*token] = true;
    }
    if (eos) ends_[*eos] = true;
    for (std::uint32_t i = 0; i < size(); ++i) {
        const Kind kind = tokens_[i].kind;
        const bool is_special = kind == Kind::Control || kind == Kind::UserDefined || kind == Kind::Unknown;
        if (is_special && !tokens_[i].text.empty()) special.push_back(i);
    }
    std::stable_sort(special.begin(), special.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return tokens_[a].text.size() > tokens_[b].text.size(); });
}

std::optional<std::uint32_t> Vocabulary::id(std::string_view text) const {
    const auto found = ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace worker::tokenizer
