// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The table of tensors, and views of it.
#include "weights.hpp"

#include <algorithm>
#include <limits>

#include "status.hpp"

namespace worker {

namespace {

/// The axes that count: trailing ones of length one carry nothing.
std::size_t used_axes(const std::vector<std::uint64_t>& dimensions) {
    std::size_t used = dimensions.size();
    while (used > 1 && dimensions[used - 1] == 1) --used;
    return used;
}

Placed measure(const std::string& name, const gguf::TensorInfo& info) {
    constexpr std::uint64_t most = std::numeric_limits<int>::max();
    const std::uint64_t columns = info.dimensions[0];
    std::uint64_t rows = 1;
    for (std::size_t axis = 1; axis < info.dimensions.size(); ++axis) {
        if (info.dimensions[axis] > most) refuse("tensor `" + name + "` is too large");
        rows *= info.dimensions[axis];
        if (rows > most) refuse("tensor `" + name + "` is too large");
    }
    // Rows are padded, and some kernels count bytes of them in 32 bits.
    if (columns > most / 8) refuse("tensor `" + name + "` is too large");
    Placed placed{&info, 0, static_cast<int>(rows), static_cast<int>(columns), used_axes(info.dimensions) == 1, 0, 0};
    placed.file_row = static_cast<std::size_t>(info.bytes / rows);
    const auto stored = placed.is_vector ? kernels::TensorType::F32 : info.type;
    placed.device_row = kernels::packed_row_bytes(stored, placed.columns);
    return placed;
}

}  // namespace

WeightTable::WeightTable(const gguf::Header& header) {
    std::vector<const std::pair<const std::string, gguf::TensorInfo>*> order;
    order.reserve(header.tensors.size());
    for (const auto& tensor : header.tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(),
              [](const auto* a, const auto* b) { return a->second.offset < b->second.offset; });
    for (const auto* tensor : order) {
        Placed placed = measure(tensor->first, tensor->second);
        placed.offset = layout_.add(static_cast<std::size_t>(placed.rows), placed.device_row);
        by_name_.emplace(tensor->first, tensors_.size());
        tensors_.push_back(placed);
    }
}

const Placed& WeightTable::find(const std::string& name) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) refuse("tensor `" + name + "` is missing");
    return tensors_[found->second];
}

const Placed& WeightTable::matrix(const std::string& name, int rows, int columns) const {
    const Placed& placed = find(name);
    const auto& dimensions = placed.info->dimensions;
    const bool same =
        dimensions.size() >= 2 && used_axes(dimensions) <= 2 && placed.rows == rows && placed.columns == columns;
    if (!same) refuse("tensor `" + name + "` has another shape than the metadata say");
    return placed;
}

const Placed& WeightTable::vector(const std::string& name, int length) const {
    const Placed& placed = find(name);
    if (!placed.is_vector || placed.columns != length) {
        refuse("tensor `" + name + "` has another shape than the metadata say");
    }
    return placed;
}

kernels::Matrix Weights::matrix(const std::string& name, int rows, int columns) const {
    const Placed& placed = table_.matrix(name, rows, columns);
    // A matrix of one row is held as a vector is: as floats.
    const auto type = placed.is_vector ? kernels::TensorType::F32 : placed.info->type;
    return kernels::matrix(type, rows, columns, base_ + placed.offset);
}

const float* Weights::vector(const std::string& name, int length) const {
    return reinterpret_cast<const float*>(base_ + table_.vector(name, length).offset);
}

const float* Weights::optional_vector(const std::string& name, int length) const {
    return has(name) ? vector(name, length) : nullptr;
}

kernels::Matrix Weights::linear(const std::string& name, int rows, int columns) const {
    kernels::Matrix weight = matrix(name + ".weight", rows, columns);
    weight.bias = optional_vector(name + ".bias", rows);
    return weight;
}

}  // namespace worker
