// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Choice of the algorithm, and the cutting of special tokens out of prompts.
#include "tokenizer/tokenizer.hpp"

#include "gguf/metadata.hpp"
#include "status.hpp"

namespace worker::tokenizer {

namespace {

/// A stretch of a prompt: text, or a special token where `text` is empty.
struct Fragment {
    std::string_view text;
    std::uint32_t token;
};

void cut(std::vector<Fragment>& out, std::string_view text, std::string_view special, std::uint32_t id) {
    while (true) {
        const std::size_t found = text.find(special);
        if (const auto before = text.substr(0, found); !before.empty()) out.push_back({before, 0});
        if (found == std::string_view::npos) return;
        out.push_back({{}, id});
        text.remove_prefix(found + special.size());
    }
}

std::vector<Fragment> fragments(const Vocabulary& vocabulary, std::string_view prompt) {
    std::vector<Fragment> all;
    if (!prompt.empty()) all.push_back({prompt, 0});
    for (const std::uint32_t id : vocabulary.special) {
        const std::string_view special = vocabulary.token(id).text;
        if (prompt.find(special) == std::string_view::npos) continue;
        std::vector<Fragment> finer;
        for (const Fragment& fragment : all) {
            if (fragment.text.empty()) {
                finer.push_back(fragment);
            } else {
                cut(finer, fragment.text, special, id);
            }
        }
        all = std::move(finer);
    }
    return all;
}

}  // namespace

Tokenizer::Parts Tokenizer::build(const gguf::Metadata& metadata) {
    const std::string& model = metadata.required_text("tokenizer.ggml.model");
    if (model == "gpt2") {
        const std::string* pre = metadata.text("tokenizer.ggml.pre");
        const PreTokenizer pre_tokenizer(pre == nullptr ? "default" : *pre);
        Vocabulary vocabulary(metadata, pre_tokenizer.adds_bos(), std::nullopt);
        ByteLevel byte_level(metadata, vocabulary, pre_tokenizer);
        return {std::move(vocabulary), std::move(byte_level)};
    }
    if (model == "llama") return {Vocabulary(metadata, true, SentencePiece::default_ids), SentencePiece(metadata)};
    refuse("tokenizer `" + model + "` is not supported");
}

Tokenizer::Tokenizer(const gguf::Metadata& metadata) : Tokenizer(build(metadata)) {}

std::vector<std::uint32_t> Tokenizer::encode(std::string_view prompt) const {
    std::vector<std::uint32_t> ids;
    if (vocabulary_.adds_bos) ids.push_back(*vocabulary_.bos);
    bool after_special = true;
    for (const Fragment& fragment : fragments(vocabulary_, prompt)) {
        after_special = after_special || fragment.text.empty();
        if (fragment.text.empty()) {
            ids.push_back(fragment.token);
            continue;
        }
        if (const auto* byte_level = std::get_if<ByteLevel>(&algorithm_)) {
            byte_level->encode(vocabulary_, fragment.text, ids);
        } else {
            std::get<SentencePiece>(algorithm_).encode(vocabulary_, fragment.text, after_special, ids);
        }
        after_special = false;
    }
    if (vocabulary_.adds_eos) ids.push_back(*vocabulary_.eos);
    const auto start = vocabulary_.bos ? vocabulary_.bos : vocabulary_.eos;
    if (ids.empty() && start) ids.push_back(*start);
    return ids;
}

std::string Tokenizer::bytes(std::uint32_t id) const {
    const Token& token = vocabulary_.token(id);
    switch (token.kind) {
        case Kind::Control:
        case Kind::Unknown:
        case Kind::Unused:
            return {};
        case Kind::UserDefined:
            return token.text;
        case Kind::Byte:
            if (const auto byte = byte_token(token.text)) return std::string(1, *byte);
            return {};
        case Kind::Undefined:
        case Kind::Normal:
            break;
    }
    const bool is_byte_level = std::holds_alternative<ByteLevel>(algorithm_);
    return is_byte_level ? decode_byte_level(token.text) : decode_sentence_piece(token.text);
}

}  // namespace worker::tokenizer
