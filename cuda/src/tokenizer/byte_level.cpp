// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Merging of byte-level symbols.
#include "tokenizer/byte_level.hpp"

#include <queue>
#include <tuple>

#include "gguf/metadata.hpp"
#include "status.hpp"
#include "tokenizer/vocabulary.hpp"
#include "utf8.hpp"

namespace worker::tokenizer {

namespace {

/// True for bytes that stand for themselves as Latin-1 characters.
bool stands_for_itself(char32_t byte) {
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

/// The other bytes stand, in their order, as the characters from U+0100 on.
struct Alphabet {
    char32_t character[256];
    std::uint8_t byte[256];
    int others = 0;

    Alphabet() {
        for (unsigned i = 0; i < 256; ++i) {
            character[i] = i;
            if (stands_for_itself(i)) continue;
            byte[others] = static_cast<std::uint8_t>(i);
            character[i] = 0x100U + static_cast<unsigned>(others++);
        }
    }
};

const Alphabet& alphabet() {
    static const Alphabet instance;
    return instance;
}

std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) { return std::uint64_t{left} << 32 | right; }

}  // namespace

ByteLevel::ByteLevel(const gguf::Metadata& metadata, const Vocabulary& vocabulary, PreTokenizer pre_tokenizer)
    : pre_tokenizer_(pre_tokenizer) {
    const auto* texts = metadata.texts("tokenizer.ggml.merges");
    if (texts == nullptr) refuse("there are no merges");
    merges_.reserve(texts->size());
    std::uint32_t rank = 0;
    for (const std::string& text : *texts) {
        // The first part may itself begin with a space.
        const std::size_t space = text.empty() ? std::string::npos : text.find(' ', utf8_step(text).length);
        if (space == std::string::npos) refuse("merge `" + text + "` has no two parts");
        const auto left = vocabulary.id(std::string_view(text).substr(0, space));
        const auto right = vocabulary.id(std::string_view(text).substr(space + 1));
        const auto product = vocabulary.id(std::string(text).erase(space, 1));
        if (space + 1 == text.size() || !left || !right || !product) refuse("merge `" + text + "` names no token");
        // Of a merge that is listed twice the first rank counts.
        merges_.emplace(pair_key(*left, *right), Merge{rank++, *product});
    }
}

void ByteLevel::encode(const Vocabulary& vocabulary, std::string_view text, std::vector<std::uint32_t>& ids) const {
    std::vector<std::uint32_t> symbols;
    std::string printable;
    for (const std::string_view piece : pre_tokenizer_.split(text)) {
        symbols.clear();
        printable.clear();
        for (const char byte : piece) {
            const std::size_t start = printable.size();
            append_utf8(printable, alphabet().character[static_cast<unsigned char>(byte)]);
            // A byte that is no token says nothing, and what is beside it becomes neighbours.
            if (const auto id = vocabulary.id(std::string_view(printable).substr(start))) symbols.push_back(*id);
        }
        const auto whole = pre_tokenizer_.ignores_merges() ? vocabulary.id(printable) : std::nullopt;
        if (whole) {
            ids.push_back(*whole);
        } else {
            merge(symbols);
            ids.insert(ids.end(), symbols.begin(), symbols.end());
        }
    }
}

const ByteLevel::Merge* ByteLevel::merge_of(std::uint32_t left, std::uint32_t right) const {
    const auto found = merges_.find(pair_key(left, right));
    return found == merges_.end() ? nullptr : &found->second;
}

void ByteLevel::merge(std::vector<std::uint32_t>& symbols) const {
    constexpr std::size_t none = static_cast<std::size_t>(-1);
    struct Link {
        std::size_t previous, next;
        bool gone;
    };
    std::vector<Link> links(symbols.size());
    for (std::size_t i = 0; i < links.size(); ++i) {
        links[i] = {i == 0 ? none : i - 1, i + 1 == links.size() ? none : i + 1, false};
    }
    // The lowest rank first, of equal ones the leftmost.
    using Candidate = std::tuple<std::uint32_t, std::size_t, std::uint32_t>;  // rank, position, product
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
    const auto offer = [&](std::size_t left) {
        if (left == none || links[left].next == none) return;
        const Merge* merge = merge_of(symbols[left], symbols[links[left].next]);
        if (merge != nullptr) queue.emplace(merge->rank, left, merge->product);
    };
    for (std::size_t i = 0; i + 1 < links.size(); ++i) offer(i);
    while (!queue.empty()) {
        const auto [rank, left, product] = queue.top();
        queue.pop();
        const std::size_t right = links[left].next;
        if (links[left].gone || right == none) continue;
        // One of the two may have merged with another neighbour since.
        const Merge* merge = merge_of(symbols[left], symbols[right]);
        if (merge == nullptr || merge->product != product) continue;
        symbols[left] = product;
        links[right].gone = true;
        links[left].next = links[right].next;
        if (links[left].next != none) links[links[left].next].previous = left;
        offer(links[left].previous);
        offer(left);
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < links.size(); ++i) {
        if (!links[i].gone) symbols[kept++] = symbols[i];
    }
    symbols.resize(kept);
}

std::string decode_byte_level(std::string_view token) {
    std::string bytes;
    while (!token.empty()) {
        const Utf8Step step = utf8_step(token);
        const char32_t character = step.code_point;
        if (character < 0x100 && stands_for_itself(character)) {
            bytes.push_back(static_cast<char>(character));
        } else if (character >= 0x100 && character < 0x100U + static_cast<unsigned>(alphabet().others)) {
            bytes.push_back(static_cast<char>(alphabet().byte[character - 0x100]));
        } else {
            bytes.append(token.substr(0, step.length));
        }
        token.remove_prefix(step.length);
    }
    return bytes;
}

}  // namespace worker::tokenizer
