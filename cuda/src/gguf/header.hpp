// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The header of a GGUF v3 file, every count, size and offset checked: nothing in it points outside the file.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "gguf/metadata.hpp"
#include "kernels/kernels.hpp"

namespace worker::gguf {

class File;

/// One tensor as the header describes it.
struct TensorInfo {
    kernels::TensorType type;
    /// Elements along each axis, fastest first.
    std::vector<std::uint64_t> dimensions;
    /// First byte in the file.
    std::uint64_t offset;
    /// Bytes of the data.
    std::uint64_t bytes;
};

struct Header {
    Metadata metadata;
    std::unordered_map<std::string, TensorInfo> tensors;
    /// Sum over all tensors.
    std::uint64_t tensor_bytes = 0;
};

/// Reads and checks the header of `file` (LOAD-03, LOAD-13).
Header read_header(const File& file);

}  // namespace worker::gguf
