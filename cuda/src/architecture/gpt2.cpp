// SPDX-License-Identifier: Apache-2.0 OR MIT
/// `gpt2`: layer norms, learned positions, query, key and value in one matrix, GELU.
#include "architecture/parts.hpp"

namespace worker {

namespace {

void check(const HyperParameters& parameters) {
    if (parameters.query_width() != parameters.width)
        refuse("a head size other than width over heads is not supported");
    if (parameters.kv_heads != parameters.heads) refuse("grouped queries are not supported");
}

Network build(const HyperParameters& parameters, int vocabulary, const Weights& weights) {
    const int width = parameters.width;
    Network network;
    network.embedding = weights.matrix("token_embd.weight", vocabulary, width);
    network.positions = weights.matrix("position_embd.weight", parameters.context, width);
    network.output_norm = layer_norm(weights, "output_norm", parameters);
    network.output = output(parameters, vocabulary, weights);
    for (int i = 0; i < parameters.layers; ++i) {
        Layer layer;
        layer.attention_norm = layer_norm(weights, block(i, "attn_norm"), parameters);
        layer.query = weights.linear(block(i, "attn_qkv"), 3 * width, width);
        layer.attention_output = weights.linear(block(i, "attn_output"), width, width);
        layer.feed_forward_norm = layer_norm(weights, block(i, "ffn_norm"), parameters);
        layer.up = weights.linear(block(i, "ffn_up"), parameters.feed_forward, width);
        layer.down = weights.linear(block(i, "ffn_down"), width, parameters.feed_forward);
        network.layers.push_back(layer);
    }
    return network;
}

}  // namespace

const Adapter gpt2_adapter = {"gpt2", "attention.layer_norm_epsilon", check, build};

}  // namespace worker
