// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Opening and reading of model files.
#include "gguf/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "status.hpp"

namespace worker::gguf {

File::File(const char* path) : descriptor_(-1) {
    struct stat status = {};
    // Looked at before it is opened, because opening a device may have effects of its own.
    if (::stat(path, &status) != 0 || !S_ISREG(status.st_mode)) refuse("the path is no regular file");
    // The path may have become a FIFO since: without O_NONBLOCK the open would wait for a writer.
    do {
        descriptor_ = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (descriptor_ < 0 && errno == EINTR);
    if (descriptor_ < 0) refuse("the file cannot be opened");
    if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
        ::close(descriptor_);
        refuse("the path is no regular file");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
}

File::~File() { ::close(descriptor_); }

void File::read(std::span<std::byte> out, std::uint64_t offset) const {
    while (!out.empty()) {
        const ssize_t count = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) refuse("the file cannot be read to its end");
        out = out.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
}

}  // namespace worker::gguf
