// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Merging of pieces by score, with bytes for what no piece covers.
#include "tokenizer/sentence_piece.hpp"

#include <bit>
#include <queue>

#include "gguf/metadata.hpp"
#include "utf8.hpp"

namespace worker::tokenizer {

namespace {

/// Stands for a space.
constexpr std::string_view mark = "\xe2\x96\x81";

/// A float as an integer of the same order, NaN beyond the infinities: a comparison that is total whatever a file
/// holds.
std::int32_t ordered(float score) {
    const auto bits = std::bit_cast<std::int32_t>(score);
    return bits ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(bits >> 31) >> 1);
}

/// A stretch of text that may still merge with its neighbours; `length` 0 once it was merged away.
struct Symbol {
    std::size_t start, length;
    std::size_t previous, next;
};

constexpr std::size_t none = static_cast<std::size_t>(-1);

/// A pair of neighbours whose product is a token.
struct Candidate {
    std::int32_t score;
    std::size_t left, right, length;

    /// The best score first, of equal ones the leftmost.
    bool operator<(const Candidate& other) const {
        return score != other.score ? score < other.score : left > other.left;
    }
};

std::vector<Symbol> merge(const Vocabulary& vocabulary, std::string_view text) {
    std::vector<Symbol> symbols;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_step(text.substr(at)).length;
        const std::size_t index = symbols.size();
        symbols.push_back({at, length, index == 0 ? none : index - 1, index + 1});
        at += length;
    }
    if (!symbols.empty()) symbols.back().next = none;
    std::priority_queue<Candidate> queue;
    const auto offer = [&](std::size_t left, std::size_t right) {
        if (left == none || right == none) return;
        const std::size_t length = symbols[left].length + symbols[right].length;
        if (const auto id = vocabulary.id(text.substr(symbols[left].start, length))) {
            queue.push({ordered(vocabulary.token(*id).score), left, right, length});
        }
    };
    for (std::size_t right = 1; right < symbols.size(); ++right) offer(right - 1, right);
    while (!queue.empty()) {
        const Candidate best = queue.top();
        queue.pop();
        Symbol& left = symbols[best.left];
        Symbol& right = symbols[best.right];
        // One of the two may have merged with another neighbour since.
        if (left.length == 0 || right.length == 0 || left.length + right.length != best.length) continue;
        left.length = best.length;
        left.next = right.next;
        right.length = 0;
        if (left.next != none) symbols[left.next].previous = best.left;
        offer(left.previous, best.left);
        offer(best.left, left.next);
    }
    return symbols;
}

}  // namespace

SentencePiece::SentencePiece(const gguf::Metadata& metadata)
    : adds_space_(metadata.truth("tokenizer.ggml.add_space_prefix").value_or(true)) {}

void SentencePiece::encode(const Vocabulary& vocabulary, std::string_view text, bool after_special,
                           std::vector<std::uint32_t>& ids) const {
    std::string marked;
    if (adds_space_ && after_special) marked.append(mark);
    for (const char byte : text) {
        if (byte == ' ') {
            marked.append(mark);
        } else {
            marked.push_back(byte);
        }
    }
    for (const Symbol& symbol : merge(vocabulary, marked)) {
        if (symbol.length == 0) continue;
        const auto piece = std::string_view(marked).substr(symbol.start, symbol.length);
        if (const auto id = vocabulary.id(piece)) {
            ids.push_back(*id);
            continue;
        }
        for (const char byte : piece) {
            constexpr char digits[] = "0123456789ABCDEF";
            const auto value = static_cast<unsigned char>(byte);
            const char name[] = {'<', '0', 'x', digits[value >> 4], digits[value & 15], '>'};
            auto id = vocabulary.id(std::string_view(name, sizeof name));
            if (!id) id = vocabulary.unknown;
            if (id) ids.push_back(*id);
        }
    }
}

std::optional<char> byte_token(std::string_view text) {
    if (text.size() != 6 || !text.starts_with("<0x") || !text.ends_with('>')) return std::nullopt;
    unsigned value = 0;
    for (const char digit : text.substr(3, 2)) {
        value *= 16;
        if (digit >= '0' && digit <= '9') {
            value += static_cast<unsigned>(digit - '0');
        } else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f') {
            value += static_cast<unsigned>((digit | 0x20) - 'a') + 10;
        } else {
            return std::nullopt;
        }
    }
    return static_cast<char>(value);
}

std::string decode_sentence_piece(std::string_view token) {
    std::string bytes;
    for (std::size_t at = 0; at < token.size();) {
        if (token.substr(at).starts_with(mark)) {
            bytes.push_back(' ');
            at += mark.size();
        } else {
            bytes.push_back(token[at++]);
        }
    }
    return bytes;
}

}  // namespace worker::tokenizer
