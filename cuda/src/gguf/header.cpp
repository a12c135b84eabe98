// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Reading of the header: magic, counts, metadata, tensor table.
#include "gguf/header.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "gguf/cursor.hpp"
#include "status.hpp"

namespace worker::gguf {

namespace {

constexpr std::uint32_t magic = 0x46554747;  // "GGUF"
constexpr std::uint32_t version = 3;
/// First refused tensor count (LOAD-03).
constexpr std::uint64_t tensor_limit = 10'000;
/// First refused metadata count: far above any real file, low enough to bound time.
constexpr std::uint64_t metadata_limit = 65'536;
constexpr std::uint64_t default_alignment = 32;
/// Longest tensor name that GGUF permits, in bytes.
constexpr std::size_t name_limit = 64;

struct Named {
    std::string name;
    TensorInfo info;
};

/// Whether the whole of it is understood, so that a model may consist of it. MXFP4 has kernels, and no model yet.
bool is_supported(std::uint32_t type) {
    const auto known = static_cast<kernels::TensorType>(type);
    return known != kernels::TensorType::MXFP4 && kernels::block_elements(known) != 0;
}

/// Bytes of a tensor; refuses an empty axis, an overflow, and rows that are no whole number of blocks.
std::uint64_t size(const std::string& name, kernels::TensorType type, const std::vector<std::uint64_t>& dimensions) {
    const auto block = static_cast<std::uint64_t>(kernels::block_elements(type));
    std::uint64_t elements = 1;
    bool good = dimensions[0] % block == 0;
    for (const std::uint64_t axis : dimensions) {
        constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
        good = good && axis != 0 && elements <= most / axis;
        elements *= axis;
    }
    const auto block_bytes = static_cast<std::uint64_t>(kernels::block_bytes(type));
    good = good && elements / block <= std::numeric_limits<std::uint64_t>::max() / block_bytes;
    if (!good) refuse("tensor `" + name + "` has impossible dimensions");
    return elements / block * block_bytes;
}

Named read_tensor(Cursor& cursor) {
    std::string name = cursor.string();
    if (name.empty() || name.size() > name_limit) refuse("a tensor name is empty or too long");
    const auto axes = cursor.number<std::uint32_t>();
    if (axes < 1 || axes > 4) refuse("tensor `" + name + "` has impossible dimensions");
    std::vector<std::uint64_t> dimensions(axes);
    for (std::uint64_t& axis : dimensions) axis = cursor.number<std::uint64_t>();
    const auto type = cursor.number<std::uint32_t>();
    const auto offset = cursor.number<std::uint64_t>();
    if (!is_supported(type)) refuse("tensor `" + name + "` has unknown type " + std::to_string(type));
    const auto known = static_cast<kernels::TensorType>(type);
    const std::uint64_t bytes = size(name, known, dimensions);
    return {std::move(name), {known, std::move(dimensions), offset, bytes}};
}

std::uint64_t alignment(const Metadata& metadata) {
    const std::uint64_t number = metadata.unsigned_integer("general.alignment").value_or(default_alignment);
    if (!std::has_single_bit(number) || number < 8 || number > 1U << 20) refuse("the alignment is not supported");
    return number;
}

/// Turns offsets into file positions; refuses data that is unaligned, past the end or shared.
void place(std::vector<Named>& tensors, std::uint64_t header_end, std::uint64_t alignment, std::uint64_t file_size) {
    const std::uint64_t start = (header_end + alignment - 1) / alignment * alignment;
    for (auto& [name, info] : tensors) {
        if (info.offset % alignment != 0) refuse("tensor `" + name + "` is not aligned");
        const bool inside =
            start <= file_size && info.offset <= file_size - start && info.bytes <= file_size - start - info.offset;
        if (!inside) refuse("tensor `" + name + "` reaches past the end of the file");
        info.offset += start;
    }
    std::vector<const Named*> order;
    order.reserve(tensors.size());
    for (const Named& tensor : tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(),
              [](const Named* a, const Named* b) { return a->info.offset < b->info.offset; });
    for (std::size_t i = 1; i < order.size(); ++i) {
        const TensorInfo& before = order[i - 1]->info;
        if (before.offset + before.bytes > order[i]->info.offset) {
            refuse("tensors `" + order[i - 1]->name + "` and `" + order[i]->name + "` overlap");
        }
    }
}

}  // namespace

Header read_header(const File& file) {
    Cursor cursor(file);
    if (cursor.number<std::uint32_t>() != magic) refuse("wrong magic");
    // A big-endian file shows here too.
    if (cursor.number<std::uint32_t>() != version) refuse("this version of GGUF is not supported");
    const auto tensor_count = cursor.number<std::uint64_t>();
    if (tensor_count >= tensor_limit) refuse("too many tensors");
    const auto metadata_count = cursor.number<std::uint64_t>();
    if (metadata_count >= metadata_limit) refuse("too many metadata entries");
    Header header{Metadata(cursor, metadata_count), {}, 0};
    std::vector<Named> tensors;
    for (std::uint64_t i = 0; i < tensor_count; ++i) tensors.push_back(read_tensor(cursor));
    place(tensors, cursor.position(), alignment(header.metadata), file.size());
    for (auto& [name, info] : tensors) {
        header.tensor_bytes += info.bytes;
        if (!header.tensors.emplace(name, std::move(info)).second) refuse("tensor `" + name + "` appears twice");
    }
    return header;
}

}  // namespace worker::gguf
