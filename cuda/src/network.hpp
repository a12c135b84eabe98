// SPDX-License-Identifier: Apache-2.0 OR MIT
/// What a decoder of any known architecture is made of: the adapters fill it in, and `Step` runs it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"

namespace worker {

struct HyperParameters;
class Weights;

/// One block: attention and feed-forward, each with its norm before it and its residual around it.
struct Layer {
    kernels::Norm attention_norm;
    /// Three matrices of one input, or one of all their rows (query, key, value), alone in `query`.
    kernels::Matrix query;
    std::optional<kernels::Matrix> key;
    std::optional<kernels::Matrix> value;
    kernels::Matrix attention_output;
    kernels::Norm feed_forward_norm;
    /// Gate of a SwiGLU; where there is none, `up` is followed by a GELU.
    std::optional<kernels::Matrix> gate;
    kernels::Matrix up;
    kernels::Matrix down;
};

struct Network {
    kernels::Matrix embedding;
    /// Learned positions.
    std::optional<kernels::Matrix> positions;
    kernels::RopeStyle rope = kernels::RopeStyle::None;
    /// (rotary / 2), or nullptr.
    const float* rope_factors = nullptr;
    std::vector<Layer> layers;
    kernels::Norm output_norm;
    kernels::Matrix output;
};

/// A model family: how its metadata and tensors become a network (M0-W-1212 to M0-W-1215).
struct Adapter {
    /// Value of `general.architecture`.
    const char* name;
    /// Key, after the name, of the epsilon of its norms.
    const char* epsilon_key;
    /// Refuses numbers that the family does not have.
    void (*check)(const HyperParameters& parameters);
    /// Refuses tensors that are missing or of another shape.
    Network (*build)(const HyperParameters& parameters, int vocabulary, const Weights& weights);
};

/// Adapter of `architecture`; refuses an unknown one.
const Adapter& adapter_of(const std::string& architecture);

extern const Adapter llama_adapter;
extern const Adapter qwen2_adapter;
extern const Adapter phi3_adapter;
extern const Adapter gpt2_adapter;

}  // namespace worker
