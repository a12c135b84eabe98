// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Streaming of text by code points.
#include "text_stream.hpp"

#include "utf8.hpp"

namespace worker {

std::string TextStream::push(std::string_view bytes) {
    held_.append(bytes);
    const std::string_view all = held_;
    std::string text;
    std::size_t at = 0;
    while (at < all.size()) {
        const Utf8Step step = utf8_step(all.substr(at));
        if (step.kind == Utf8Step::Unfinished) break;
        if (step.kind == Utf8Step::Whole && step.code_point != 0) text.append(all.substr(at, step.length));
        at += step.length;
    }
    held_.erase(0, at);
    return text;
}

}  // namespace worker
