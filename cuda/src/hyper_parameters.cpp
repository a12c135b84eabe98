// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Reading and checking of hyper-parameters.
#include "hyper_parameters.hpp"

#include <cstdint>

#include "gguf/metadata.hpp"
#include "status.hpp"

namespace worker {

namespace {

/// Largest value of any dimension: far above real models, low enough that a product of two fits 64 bits, and that no
/// sum of some of them overflows.
constexpr int dimension_limit = 1 << 28;
constexpr int layer_limit = 4096;
/// What the attention kernels hold of a head at most.
constexpr int head_limit = 256;

float positive(const gguf::Metadata& metadata, const std::string& key, float absent) {
    const auto number = metadata.real(key);
    if (number && !(*number > 0)) refuse("key `" + key + "` is not positive");
    return number.value_or(absent);
}

float rope_factor(const gguf::Metadata& metadata, const std::string& prefix) {
    const std::string* type = metadata.text(prefix + "rope.scaling.type");
    if (type != nullptr && *type == "none") return 1;
    if (type != nullptr && *type != "linear") refuse("rotary scaling `" + *type + "` is not supported");
    return positive(metadata, prefix + "rope.scaling.factor", positive(metadata, prefix + "rope.scale_linear", 1));
}

}  // namespace

HyperParameters read_hyper_parameters(const gguf::Metadata& metadata, const std::string& architecture,
                                      const char* epsilon_key) {
    const std::string prefix = architecture + ".";
    const auto required = [&](const char* key, int limit) { return metadata.positive(prefix + key, limit); };
    const auto optional = [&](const char* key, int absent) {
        return metadata.positive_or(prefix + key, dimension_limit, absent);
    };
    HyperParameters parameters;
    parameters.architecture = architecture;
    parameters.width = required("embedding_length", dimension_limit);
    parameters.heads = required("attention.head_count", dimension_limit);
    if (parameters.width % parameters.heads != 0) refuse("the heads do not divide the width");
    parameters.kv_heads = optional("attention.head_count_kv", parameters.heads);
    if (parameters.heads % parameters.kv_heads != 0) refuse("the key heads do not divide the heads");
    const int default_size = parameters.width / parameters.heads;
    parameters.head_size = optional("attention.key_length", default_size);
    if (optional("attention.value_length", default_size) != parameters.head_size) {
        refuse("value heads unlike the key heads are not supported");
    }
    if (parameters.head_size > head_limit || parameters.head_size % 2 != 0) refuse("this head size is not supported");
    if (static_cast<std::int64_t>(parameters.heads) * parameters.head_size > dimension_limit) {
        refuse("the heads are too many");
    }
    if (optional("expert_count", 1) > 1) refuse("mixtures of experts are not supported");
    const auto epsilon = metadata.real(prefix + epsilon_key);
    if (!epsilon) refuse("key `" + prefix + epsilon_key + "` is missing");
    if (!(*epsilon >= 0 && *epsilon < 1)) refuse("the epsilon of the norms is out of range");
    parameters.epsilon = *epsilon;
    parameters.layers = required("block_count", layer_limit);
    parameters.context = required("context_length", dimension_limit);
    parameters.feed_forward = required("feed_forward_length", dimension_limit);
    parameters.rotary = optional("rope.dimension_count", parameters.head_size);
    parameters.rope_base = positive(metadata, prefix + "rope.freq_base", 10'000);
    parameters.rope_factor = rope_factor(metadata, prefix);
    return parameters;
}

}  // namespace worker
