// SPDX-License-Identifier: Apache-2.0 OR MIT
/// `phi3`: as `llama`, with query, key and value in one matrix, gate and up in another, and with rotary positions that
/// pair the halves of a head.
#include "architecture/parts.hpp"

namespace worker {

namespace {

Network build(const HyperParameters& parameters, int vocabulary, const Weights& weights) {
    Network network = rotary_frame(parameters, vocabulary, weights, kernels::RopeStyle::Halves);
    const int all = parameters.query_width() + 2 * parameters.kv_width();
    for (int i = 0; i < parameters.layers; ++i) {
        Layer layer;
        layer.attention_norm = rms_norm(weights, block(i, "attn_norm"), parameters);
        layer.query = weights.linear(block(i, "attn_qkv"), all, parameters.width);
        layer.attention_output = weights.linear(block(i, "attn_output"), parameters.width, parameters.query_width());
        layer.feed_forward_norm = rms_norm(weights, block(i, "ffn_norm"), parameters);
        const kernels::Matrix fused = weights.linear(block(i, "ffn_up"), 2 * parameters.feed_forward, parameters.width);
        layer.gate = kernels::part(fused, 0, parameters.feed_forward);
        layer.up = kernels::part(fused, parameters.feed_forward, parameters.feed_forward);
        layer.down = weights.linear(block(i, "ffn_down"), parameters.width, parameters.feed_forward);
        network.layers.push_back(layer);
    }
    return network;
}

}  // namespace

const Adapter phi3_adapter = {"phi3", "attention.layer_norm_rms_epsilon", check_rotary, build};

}  // namespace worker
