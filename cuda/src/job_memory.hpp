// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The device memory of a job: KV cache, activations and what a step reads from token to token, in one allocation.
#pragma once

#include <cstdint>

#include "device_memory.hpp"
#include "kernels/kernels.hpp"

namespace worker {

class Model;

/// Tokens of a prompt that are run at once: each weight is read once for all of them.
constexpr int prompt_chunk = 256;

struct JobMemory {
    /// Room for `positions` positions, and activations of up to `tokens` tokens at once.
    JobMemory(Model& model, int positions, int tokens);

    int capacity;
    int batch;
    DeviceBuffer buffer;

    /// Halves: (layers, capacity, kv_width) each.
    std::uint16_t* keys = nullptr;
    std::uint16_t* values = nullptr;
    /// (capacity, rotary / 2); nullptr where the model has no rotary positions.
    float2* angles = nullptr;
    /// (batch): ids of the tokens of a step; a generated token stands in the first place.
    std::int32_t* tokens = nullptr;
    /// Position of the first token of a step.
    std::int32_t* position = nullptr;
    kernels::Draw* draw = nullptr;

    /// (batch, width): the residual stream.
    float* stream = nullptr;
    /// (batch, query_width), (batch, kv_width), (batch, kv_width): one after the other, or side by side in rows of all
    /// three where one matrix gives them.
    float* projections = nullptr;
    /// (batch, query_width).
    float* attended = nullptr;
    /// (batch, feed_forward).
    float* hidden = nullptr;
    /// (vocabulary), of one token.
    float* logits = nullptr;
    void* workspace = nullptr;
    float* attention_scratch = nullptr;
    void* sample_scratch = nullptr;
};

}  // namespace worker
