// SPDX-License-Identifier: Apache-2.0 OR MIT
/// `llama`: root mean square norms, rotary positions of neighbouring elements, grouped queries, SwiGLU.
#include "architecture/parts.hpp"

namespace worker {

namespace {

Network build(const HyperParameters& parameters, int vocabulary, const Weights& weights) {
    Network network = rotary_frame(parameters, vocabulary, weights, kernels::RopeStyle::Interleaved);
    for (int i = 0; i < parameters.layers; ++i) network.layers.push_back(separate_block(parameters, weights, i));
    return network;
}

}  // namespace

const Adapter llama_adapter = {"llama", "attention.layer_norm_rms_epsilon", check_rotary, build};

}  // namespace worker
