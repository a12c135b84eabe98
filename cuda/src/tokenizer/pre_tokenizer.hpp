// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Splits text into the pieces that merges stay within, by the rules that go by a pre-tokenizer's name.
///
/// The rules are published as regular expressions. Here each is a function that finds the end of the match at a
/// position: five short functions in place of a regular expression engine with Unicode classes and look-ahead.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace worker::tokenizer {

class PreTokenizer {
   public:
    /// The rules of `name`, the value of `tokenizer.ggml.pre`.
    explicit PreTokenizer(const std::string& name);

    /// Pieces of `text` (UTF-8) in order; nothing is lost: what no rule matches is a piece too.
    std::vector<std::string_view> split(std::string_view text) const;

    /// True for the families that take a piece that is a token as it is, without merging.
    bool ignores_merges() const noexcept { return is_llama3_; }
    /// True for the families whose prompts begin with BOS unless the file says otherwise.
    bool adds_bos() const noexcept { return is_llama3_; }

    /// End of the match of a rule at `at`, or `at` where there is none.
    using Rule = std::size_t (*)(std::u32string_view text, std::size_t at);

   private:
    /// Applied one after the other, each to the pieces of the one before.
    std::span<const Rule> rules_;
    bool is_llama3_ = false;
};

}  // namespace worker::tokenizer
