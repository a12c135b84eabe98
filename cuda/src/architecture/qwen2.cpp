// SPDX-License-Identifier: Apache-2.0 OR MIT
/// `qwen2`: as `llama`, with biases of query, key and value, and with rotary positions that pair the halves of a head.
#include "architecture/parts.hpp"

namespace worker {

namespace {

Network build(const HyperParameters& parameters, int vocabulary, const Weights& weights) {
    Network network = rotary_frame(parameters, vocabulary, weights, kernels::RopeStyle::Halves);
    for (int i = 0; i < parameters.layers; ++i) {
        Layer layer = separate_block(parameters, weights, i);
        if (layer.query.bias == nullptr || layer.key->bias == nullptr || layer.value->bias == nullptr) {
            refuse("a bias of `" + block(i, "attn_q") + "` to `attn_v` is missing");
        }
        network.layers.push_back(layer);
    }
    return network;
}

}  // namespace

const Adapter qwen2_adapter = {"qwen2", "attention.layer_norm_rms_epsilon", check_rotary, build};

}  // namespace worker
