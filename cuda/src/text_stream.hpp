// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Turns the bytes of tokens into whole code points: an unfinished one is held back until it is complete.
#pragma once

#include <string>
#include <string_view>

namespace worker {

class TextStream {
   public:
    /// Adds the bytes of a token and returns the text that is complete now (UTF8-01, UTF8-02).
    ///
    /// Bytes that can never become a code point are dropped, without a replacement character (UTF8-04). NUL is dropped
    /// too: it would end the C string that carries the text.
    std::string push(std::string_view bytes);

   private:
    std::string held_;
};

}  // namespace worker
