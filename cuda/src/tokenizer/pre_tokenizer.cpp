// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The rules of the known pre-tokenizers.
#include "tokenizer/pre_tokenizer.hpp"

#include <algorithm>
#include <array>

#include "status.hpp"
#include "tokenizer/unicode.hpp"
#include "utf8.hpp"

namespace worker::tokenizer {

namespace {

using Text = std::u32string_view;
using Rule = PreTokenizer::Rule;

bool is_break(char32_t c) { return c == '\r' || c == '\n'; }
bool is_other(char32_t c) { return !is_space(c) && !is_letter(c) && !is_number(c); }

template <class Class>
std::size_t run(Text text, std::size_t at, Class is_member) {
    while (at < text.size() && is_member(text[at])) ++at;
    return at;
}

/// ` ?CLASS+`
template <class Class>
std::size_t spaced(Text text, std::size_t at, Class is_member) {
    const std::size_t start = at + (text[at] == ' ' ? 1 : 0);
    const std::size_t end = run(text, start, is_member);
    return end > start ? end : at;
}

/// `'s|'t|'re|'ve|'m|'ll|'d`; with `any_case` in capitals too, and with the long s, which folds to s.
std::size_t contraction(Text text, std::size_t at, bool any_case) {
    if (text[at] != '\'') return at;
    for (const Text ending : {Text(U"s"), Text(U"t"), Text(U"re"), Text(U"ve"), Text(U"m"), Text(U"ll"), Text(U"d")}) {
        const Text there = text.substr(at + 1, ending.size());
        const bool same =
            std::equal(there.begin(), there.end(), ending.begin(), ending.end(), [&](char32_t found, char32_t wanted) {
                if (found == wanted) return true;
                if (!any_case) return false;
                return found == wanted - 0x20 || (wanted == 's' && found == 0x17f);
            });
        if (same) return at + 1 + ending.size();
    }
    return at;
}

/// `\s+(?!\S)|\s+`: a run of white space leaves its last character to the word that follows, if it has more than one.
std::size_t white_space(Text text, std::size_t at) {
    const std::size_t end = run(text, at, is_space);
    return end < text.size() && end > at + 1 ? end - 1 : end;
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
std::size_t gpt2(Text text, std::size_t at) {
    std::size_t end = contraction(text, at, false);
    if (end == at) end = spaced(text, at, is_letter);
    if (end == at) end = spaced(text, at, is_number);
    if (end == at) end = spaced(text, at, is_other);
    return end == at ? white_space(text, at) : end;
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,most}|
/// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
std::size_t newer(Text text, std::size_t at, std::size_t most_digits) {
    std::size_t end = contraction(text, at, true);
    if (end > at) return end;
    const bool leads = !is_break(text[at]) && !is_letter(text[at]) && !is_number(text[at]);
    const std::size_t word = at + (leads ? 1 : 0);
    end = run(text, word, is_letter);
    if (end > word) return end;
    end = run(text.substr(0, at + std::min(most_digits, text.size() - at)), at, is_number);
    if (end > at) return end;
    end = spaced(text, at, is_other);
    if (end > at) return run(text, end, is_break);
    // White space up to the last line break of the run.
    for (end = run(text, at, is_space); end > at && !is_break(text[end - 1]);) --end;
    return end > at ? end : white_space(text, at);
}

std::size_t llama3(Text text, std::size_t at) { return newer(text, at, 3); }
std::size_t qwen2(Text text, std::size_t at) { return newer(text, at, 1); }

/// `\p{N}`
std::size_t number(Text text, std::size_t at) { return at + (is_number(text[at]) ? 1 : 0); }
/// `\p{N}+`
std::size_t numbers(Text text, std::size_t at) { return run(text, at, is_number); }
/// `[0-9][0-9][0-9]`
std::size_t three_digits(Text text, std::size_t at) {
    const Text digits = text.substr(at, 3);
    const bool all = std::all_of(digits.begin(), digits.end(), [](char32_t c) { return c >= '0' && c <= '9'; });
    return digits.size() == 3 && all ? at + 3 : at;
}
/// `[\p{P}\$\+<=>\^~\|]+`
std::size_t marks(Text text, std::size_t at) {
    return run(text, at, [](char32_t c) { return is_punctuation(c) || Text(U"$+<=>^~|").find(c) != Text::npos; });
}

constexpr std::array gpt2_rules = {Rule(gpt2)};
constexpr std::array smollm_rules = {Rule(number), Rule(gpt2)};
constexpr std::array qwen2_rules = {Rule(qwen2)};
constexpr std::array llama3_rules = {Rule(llama3)};
constexpr std::array default_rules = {Rule(marks), Rule(gpt2), Rule(numbers), Rule(three_digits)};

/// Ends of the pieces that `rule` cuts `text` into, counted from `start`.
void cut(Text text, std::size_t start, Rule rule, std::vector<std::size_t>& ends) {
    std::size_t at = 0;
    std::size_t unmatched = 0;
    while (at < text.size()) {
        const std::size_t end = rule(text, at);
        if (end == at) {
            ++at;
            continue;
        }
        if (at > unmatched) ends.push_back(start + at);
        ends.push_back(start + end);
        at = unmatched = end;
    }
    if (at > unmatched) ends.push_back(start + at);
}

}  // namespace

PreTokenizer::PreTokenizer(const std::string& name) {
    is_llama3_ = name == "llama-bpe" || name == "llama3" || name == "llama-v3";
    if (name == "gpt-2") {
        rules_ = gpt2_rules;
    } else if (name == "smollm") {
        rules_ = smollm_rules;
    } else if (name == "qwen2") {
        rules_ = qwen2_rules;
    } else if (is_llama3_) {
        rules_ = llama3_rules;
    } else if (name == "default") {
        rules_ = default_rules;
    } else {
        refuse("pre-tokenizer `" + name + "` is not supported");
    }
}

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
    std::u32string characters;
    std::vector<std::size_t> offsets;
    for (std::size_t at = 0; at < text.size();) {
        const Utf8Step step = utf8_step(text.substr(at));
        characters.push_back(step.code_point);
        offsets.push_back(at);
        at += step.length;
    }
    offsets.push_back(text.size());
    std::vector<std::size_t> ends = {characters.size()};
    for (const Rule rule : rules_) {
        std::vector<std::size_t> finer;
        std::size_t start = 0;
        for (const std::size_t end : ends) {
            cut(Text(characters).substr(start, end - start), start, rule, finer);
            start = end;
        }
        ends = std::move(finer);
    }
    std::vector<std::string_view> pieces;
    std::size_t start = 0;
    for (const std::size_t end : ends) {
        pieces.push_back(text.substr(offsets[start], offsets[end] - offsets[start]));
        start = end;
    }
    return pieces;
}

}  // namespace worker::tokenizer
