// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Layout of a job's memory.
#include "job_memory.hpp"

#include <algorithm>
#include <type_traits>

#include "model.hpp"

namespace worker {

JobMemory::JobMemory(Model& model, int positions, int tokens_at_once)
    : capacity(positions), batch(std::min(tokens_at_once, prompt_chunk)) {
    const HyperParameters& parameters = model.parameters();
    const int vocabulary = model.network().output.rows;
    const auto rows = static_cast<std::size_t>(batch);
    const auto query = static_cast<std::size_t>(parameters.query_width());
    const auto kv = static_cast<std::size_t>(parameters.kv_width());
    const auto cells = static_cast<std::size_t>(parameters.layers) * static_cast<std::size_t>(capacity);
    const bool turns = model.network().rope != kernels::RopeStyle::None;

    const int widest = std::max({parameters.width, parameters.query_width(), parameters.feed_forward});
    const std::size_t scratch = kernels::attention_scratch_bytes(batch, parameters.heads, capacity);
    // Gone through twice: to measure, and then to say where each part lies.
    const auto parts = [&](auto add) {
        add(keys, cells, kv * sizeof *keys);
        add(values, cells, kv * sizeof *values);
        if (turns) add(angles, capacity, static_cast<std::size_t>(parameters.rotary / 2) * sizeof *angles);
        add(tokens, rows, sizeof *tokens);
        add(position, 1, sizeof *position);
        add(draw, 1, sizeof *draw);
        add(stream, rows, static_cast<std::size_t>(parameters.width) * sizeof *stream);
        add(projections, rows, (query + 2 * kv) * sizeof *projections);
        add(attended, rows, query * sizeof *attended);
        add(hidden, rows, static_cast<std::size_t>(parameters.feed_forward) * sizeof *hidden);
        add(logits, vocabulary, sizeof *logits);
        add(workspace, kernels::workspace_bytes(batch, widest), 1);
        if (scratch != 0) add(attention_scratch, scratch, 1);
        add(sample_scratch, kernels::sample_scratch_bytes(vocabulary), 1);
    };
    Layout measured;
    parts(
        [&](auto*&, auto items, std::size_t bytes_each) { measured.add(static_cast<std::size_t>(items), bytes_each); });
    buffer = DeviceBuffer(model.context().ledger(), measured.bytes());
    Layout placed;
    parts([&](auto*& pointer, auto items, std::size_t bytes_each) {
        void* const part = buffer.data() + placed.add(static_cast<std::size_t>(items), bytes_each);
        pointer = static_cast<std::remove_reference_t<decltype(pointer)>>(part);
    });
}

}  // namespace worker
