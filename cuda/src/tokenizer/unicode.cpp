// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Look-up of characters in tables of ranges.
#include "tokenizer/unicode.hpp"

#include <algorithm>
#include <iterator>

namespace worker::tokenizer {

namespace {

struct Range {
    char32_t first;
    char32_t last;
};

#include "tokenizer/unicode_tables.inc"

template <class Table>
bool is_in(const Table& table, char32_t character) noexcept {
    const auto* found = std::lower_bound(std::begin(table), std::end(table), character,
                                         [](const Range& range, char32_t wanted) { return range.last < wanted; });
    return found != std::end(table) && found->first <= character;
}

}  // namespace

bool is_letter(char32_t character) noexcept {
    if (character < 0x80) return (character | 0x20U) >= 'a' && (character | 0x20U) <= 'z';
    return is_in(letters, character);
}

bool is_number(char32_t character) noexcept {
    if (character < 0x80) return character >= '0' && character <= '9';
    return is_in(numbers, character);
}

bool is_punctuation(char32_t character) noexcept { return is_in(punctuation, character); }

bool is_space(char32_t character) noexcept {
    return (character >= 0x09 && character <= 0x0d) || character == ' ' || character == 0x85 || character == 0xa0 ||
           character == 0x1680 || (character >= 0x2000 && character <= 0x200a) || character == 0x2028 ||
           character == 0x2029 || character == 0x202f || character == 0x205f || character == 0x3000;
}

}  // namespace worker::tokenizer
