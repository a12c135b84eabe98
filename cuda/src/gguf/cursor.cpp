// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Buffered reading of a header.
#include "gguf/cursor.hpp"

#include <algorithm>
#include <cstring>

#include "status.hpp"
#include "utf8.hpp"

namespace worker::gguf {

namespace {

/// Bytes of a header at most: the largest real vocabularies take about 16 MiB.
constexpr std::uint64_t header_limit = 64U << 20;
constexpr std::uint64_t window_bytes = 64U << 10;

}  // namespace

void Cursor::require(std::uint64_t items, std::uint64_t bytes_each) const {
    const std::uint64_t end = std::min(file_.size(), header_limit);
    if (position_ > end || items > (end - position_) / bytes_each) {
        refuse(end == header_limit ? "the header is larger than any real one" : "the file ends within its header");
    }
}

void Cursor::skip(std::uint64_t items, std::uint64_t bytes_each) {
    require(items, bytes_each);
    position_ += items * bytes_each;
}

std::string Cursor::string() {
    const auto length = number<std::uint64_t>();
    require(length);
    std::string text(length, '\0');
    fill(std::as_writable_bytes(std::span(text)));
    if (!is_utf8(text)) refuse("a string is not UTF-8");
    return text;
}

void Cursor::fill(std::span<std::byte> out) {
    require(out.size());
    if (out.size() > window_bytes) {
        file_.read(out, position_);
    } else if (!out.empty()) {
        if (position_ < window_start_ || position_ + out.size() > window_start_ + window_.size()) {
            window_.resize(std::min(window_bytes, file_.size() - position_));
            window_start_ = position_;
            file_.read(window_, position_);
        }
        std::memcpy(out.data(), window_.data() + (position_ - window_start_), out.size());
    }
    position_ += out.size();
}

}  // namespace worker::gguf
