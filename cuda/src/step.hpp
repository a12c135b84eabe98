// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Enqueues the work of one step: new tokens through all layers, and the next token drawn.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/kernels.hpp"

namespace worker {

class Model;
struct JobMemory;

/// Fills the job's table of rotary angles.
void enqueue_angles(const Model& model, const JobMemory& memory, cudaStream_t stream);

/// Runs the `count` tokens that `memory.tokens` holds, at `*memory.position` and on; keys and values go to the cache,
/// and where `logits` is set, logits of the last token to `memory.logits`.
void enqueue_tokens(const Model& model, const JobMemory& memory, int count, kernels::Phase phase, bool logits,
                    cudaStream_t stream);

/// Draws the next token into `memory.tokens[0]`; where `advance` is set, `*memory.position` grows by one.
void enqueue_draw(const Model& model, const JobMemory& memory, bool advance, cudaStream_t stream);

}  // namespace worker
