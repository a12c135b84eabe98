// SPDX-License-Identifier: Apache-2.0 OR MIT
/// What several families have alike: norms by root mean square, rotary positions, an output that may be the embedding.
#pragma once

#include <string>

#include "hyper_parameters.hpp"
#include "network.hpp"
#include "status.hpp"
#include "weights.hpp"

namespace worker {

inline std::string block(int layer, const char* part) { return "blk." + std::to_string(layer) + "." + part; }

inline kernels::Norm rms_norm(const Weights& weights, const std::string& name, const HyperParameters& parameters) {
    return {kernels::NormKind::RootMeanSquare, weights.vector(name + ".weight", parameters.width), nullptr,
            parameters.epsilon};
}

inline kernels::Norm layer_norm(const Weights& weights, const std::string& name, const HyperParameters& parameters) {
    return {kernels::NormKind::Layer, weights.vector(name + ".weight", parameters.width),
            weights.vector(name + ".bias", parameters.width), parameters.epsilon};
}

inline void check_rotary(const HyperParameters& parameters) {
    if (parameters.rotary > parameters.head_size || parameters.rotary % 2 != 0) {
        refuse("this number of rotary dimensions is not supported");
    }
}

/// The output matrix, or the embedding where the file has none.
inline kernels::Matrix output(const HyperParameters& parameters, int vocabulary, const Weights& weights) {
    const bool separate = weights.has("output.weight");
    return weights.matrix(separate ? "output.weight" : "token_embd.weight", vocabulary, parameters.width);
}

/// Everything outside the blocks of the families with root mean square norms and rotary positions.
inline Network rotary_frame(const HyperParameters& parameters, int vocabulary, const Weights& weights,
                            kernels::RopeStyle rope) {
    for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"}) {
        // They are chosen between by the length of the text; ignored, they would give wrong text.
        if (weights.has(name)) refuse("tensor `" + std::string(name) + "` is not supported");
    }
    Network network;
    network.embedding = weights.matrix("token_embd.weight", vocabulary, parameters.width);
    network.rope = rope;
    network.rope_factors = weights.optional_vector("rope_freqs.weight", parameters.rotary / 2);
    network.output_norm = rms_norm(weights, "output_norm", parameters);
    network.output = output(parameters, vocabulary, weights);
    return network;
}

/// A block with separate matrices, as `llama` and `qwen2` have it; biases where the file has them.
inline Layer separate_block(const HyperParameters& parameters, const Weights& weights, int index) {
    Layer layer;
    layer.attention_norm = rms_norm(weights, block(index, "attn_norm"), parameters);
    layer.query = weights.linear(block(index, "attn_q"), parameters.query_width(), parameters.width);
    layer.key = weights.linear(block(index, "attn_k"), parameters.kv_width(), parameters.width);
    layer.value = weights.linear(block(index, "attn_v"), parameters.kv_width(), parameters.width);
    layer.attention_output = weights.linear(block(index, "attn_output"), parameters.width, parameters.query_width());
    layer.feed_forward_norm = rms_norm(weights, block(index, "ffn_norm"), parameters);
    layer.gate = weights.linear(block(index, "ffn_gate"), parameters.feed_forward, parameters.width);
    layer.up = weights.linear(block(index, "ffn_up"), parameters.feed_forward, parameters.width);
    layer.down = weights.linear(block(index, "ffn_down"), parameters.width, parameters.feed_forward);
    return layer;
}

}  // namespace worker
