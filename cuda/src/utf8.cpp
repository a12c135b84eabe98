// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Decoding and encoding of UTF-8.
#include "utf8.hpp"

namespace worker {

Utf8Step utf8_step(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return {Utf8Step::Whole, 1, first};
    std::size_t length = 0;
    // Range of the second byte: it alone rules out overlong forms, surrogates and numbers past the last plane.
    unsigned char low = 0x80, high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
    } else {
        return {Utf8Step::Broken, 1, 0};
    }
    char32_t code_point = first & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if (i == text.size()) return {Utf8Step::Unfinished, i, 0};
        if (byte(i) < low || byte(i) > high) return {Utf8Step::Broken, i, 0};
        code_point = code_point << 6 | (byte(i) & 0x3fU);
        low = 0x80;
        high = 0xbf;
    }
    return {Utf8Step::Whole, length, code_point};
}

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const Utf8Step step = utf8_step(text);
        if (step.kind != Utf8Step::Whole) return false;
        text.remove_prefix(step.length);
    }
    return true;
}

void append_utf8(std::string& text, char32_t code_point) {
    const auto push = [&](unsigned bits) { text.push_back(static_cast<char>(bits)); };
    const auto tail = [&](int shift) { push(0x80U | (static_cast<unsigned>(code_point) >> shift & 0x3fU)); };
    const auto head = static_cast<unsigned>(code_point);
    if (head < 0x80) {
        push(head);
    } else if (head < 0x800) {
        push(0xc0U | head >> 6);
        tail(0);
    } else if (head < 0x10000) {
        push(0xe0U | head >> 12);
        tail(6);
        tail(0);
    } else {
        push(0xf0U | head >> 18);
        tail(12);
        tail(6);
        tail(0);
    }
}

}  // namespace worker
