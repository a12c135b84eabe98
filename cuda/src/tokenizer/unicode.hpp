// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Classes of characters that the patterns of pre-tokenizers name, by Unicode's general categories.
#pragma once

namespace worker::tokenizer {

/// \p{L}
bool is_letter(char32_t character) noexcept;
/// \p{N}
bool is_number(char32_t character) noexcept;
/// \p{P}
bool is_punctuation(char32_t character) noexcept;
/// \s
bool is_space(char32_t character) noexcept;

}  // namespace worker::tokenizer
