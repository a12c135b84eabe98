// SPDX-License-Identifier: Apache-2.0 OR MIT
/// All tensors of a file in one allocation of device memory: matrices quantised as the file has them, vectors as
/// floats.
///
/// The table says where each tensor will lie before there is any memory, so that a model that does not fit is refused
/// before a byte of it is read (LOAD-04), and one whose shapes are wrong before it is copied.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "device_memory.hpp"
#include "gguf/header.hpp"
#include "kernels/kernels.hpp"

namespace worker {

class Context;

/// Where a tensor lies.
struct Placed {
    const gguf::TensorInfo* info;
    std::size_t offset;
    int rows;
    int columns;
    bool is_vector;
    /// Bytes of a row in the file, and in device memory.
    std::size_t file_row;
    std::size_t device_row;
};

class WeightTable {
   public:
    /// Lays all tensors of `header` out, in the order of the file. Keeps references to it.
    explicit WeightTable(const gguf::Header& header);

    std::size_t bytes() const noexcept { return layout_.bytes(); }
    /// In the order of the file.
    const std::vector<Placed>& tensors() const noexcept { return tensors_; }

    bool has(const std::string& name) const { return by_name_.contains(name); }
    /// Tensor `name` if it has this shape; else refuses the file.
    const Placed& matrix(const std::string& name, int rows, int columns) const;
    const Placed& vector(const std::string& name, int length) const;

   private:
    const Placed& find(const std::string& name) const;

    Layout layout_;
    std::vector<Placed> tensors_;
    std::unordered_map<std::string, std::size_t> by_name_;
};

/// The tensors of a table, seen in the allocation that holds them.
class Weights {
   public:
    Weights(const WeightTable& table, const std::byte* base) : table_(table), base_(base) {}

    bool has(const std::string& name) const { return table_.has(name); }
    kernels::Matrix matrix(const std::string& name, int rows, int columns) const;
    const float* vector(const std::string& name, int length) const;
    /// nullptr where the file has none.
    const float* optional_vector(const std::string& name, int length) const;
    /// Matrix `{name}.weight`, with `{name}.bias` where the file has one.
    kernels::Matrix linear(const std::string& name, int rows, int columns) const;

   private:
    const WeightTable& table_;
    const std::byte* base_;
};

/// Copies every tensor of `table` to `destination`, through pinned buffers of 1 MiB (M0-W-1222).
void upload(const Context& context, const gguf::File& file, const WeightTable& table, std::byte* destination);

}  // namespace worker
