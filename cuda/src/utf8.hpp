// SPDX-License-Identifier: Apache-2.0 OR MIT
/// UTF-8 as the Unicode standard defines it: no overlong forms, no surrogates, nothing past U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace worker {

/// What the first bytes of a text are.
struct Utf8Step {
    enum Kind : std::uint8_t {
        /// A code point of `length` bytes.
        Whole,
        /// The begin of a code point that the text ends in the middle of; `length` bytes are there.
        Unfinished,
        /// `length` bytes that no continuation makes a code point.
        Broken,
    };
    Kind kind;
    std::size_t length;
    char32_t code_point;
};

/// Looks at the begin of `text`, which is not empty.
Utf8Step utf8_step(std::string_view text) noexcept;

/// True where all of `text` is UTF-8.
bool is_utf8(std::string_view text) noexcept;

/// Bytes of `code_point` appended to `text`.
void append_utf8(std::string& text, char32_t code_point);

}  // namespace worker
