// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Reads little-endian values one after the other, through a buffer, never past the end of the file.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "gguf/file.hpp"

namespace worker::gguf {

static_assert(std::endian::native == std::endian::little, "GGUF is read as the machine stores numbers");

class Cursor {
   public:
    explicit Cursor(const File& file) : file_(file) {}

    std::uint64_t position() const noexcept { return position_; }

    /// Throws unless `items` more items of `bytes_each` exist; asked before anything is allocated for them.
    void require(std::uint64_t items, std::uint64_t bytes_each = 1) const;
    /// Passes over `items` items of `bytes_each`.
    void skip(std::uint64_t items, std::uint64_t bytes_each);

    /// The next number.
    template <class T>
    T number() {
        T value;
        fill(std::as_writable_bytes(std::span(&value, 1)));
        return value;
    }

    /// A string: its length, then that many bytes of UTF-8.
    std::string string();

   private:
    void fill(std::span<std::byte> out);

    const File& file_;
    std::uint64_t position_ = 0;
    std::vector<std::byte> window_;
    std::uint64_t window_start_ = 0;
};

}  // namespace worker::gguf
