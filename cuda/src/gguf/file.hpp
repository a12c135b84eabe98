// SPDX-License-Identifier: Apache-2.0 OR MIT
/// A regular file, read at positions and never mapped.
///
/// A file that somebody truncates while it is mapped raises SIGBUS at the next access: no bounds check prevents that,
/// and a library may not answer it with a signal handler of its own (PROC-02, ERR-08). A positioned read past a new end
/// is an ordinary error. Weights go through pinned staging buffers in any case, so that a mapping would save nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace worker::gguf {

class File {
   public:
    /// Opens `path`; refuses anything but a regular file (LOAD-02).
    explicit File(const char* path);
    ~File();
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    /// Bytes when it was opened.
    std::uint64_t size() const noexcept { return size_; }
    /// Fills `out` from byte `offset` on, or throws.
    void read(std::span<std::byte> out, std::uint64_t offset) const;

   private:
    int descriptor_;
    std::uint64_t size_ = 0;
};

}  // namespace worker::gguf
