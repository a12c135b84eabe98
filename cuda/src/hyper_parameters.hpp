// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The numbers that fix a model's shapes, read from metadata and checked against one another.
#pragma once

#include <optional>
#include <string>

#include "kernels/kernels.hpp"

namespace worker::gguf {
class Metadata;
}

namespace worker {

struct HyperParameters {
    std::string architecture;
    int layers = 0;
    int context = 0;
    int width = 0;
    int feed_forward = 0;
    int heads = 0;
    int kv_heads = 0;
    int head_size = 0;
    float epsilon = 0;
    /// Elements of a head that turn, counted from its begin.
    int rotary = 0;
    float rope_base = 0;
    /// By how much positions are compressed.
    float rope_factor = 1;

    /// Elements of a query row.
    int query_width() const { return heads * head_size; }
    /// Elements of a key or value row.
    int kv_width() const { return kv_heads * head_size; }
};

/// Reads them; `epsilon_key` is the architecture's name for the epsilon of its norms.
HyperParameters read_hyper_parameters(const gguf::Metadata& metadata, const std::string& architecture,
                                      const char* epsilon_key);

}  // namespace worker
