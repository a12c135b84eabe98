// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The forward pass, written down as launches.
#include "step.hpp"

#include <cmath>

#include "job_memory.hpp"
#include "model.hpp"
#include "status.hpp"

namespace worker {

namespace {

using kernels::Phase;
using kernels::Product;

/// What the launches of one step have in common.
struct Pass {
    const HyperParameters& parameters;
    const Network& network;
    const JobMemory& memory;
    cudaStream_t stream;
    Phase phase;

    kernels::Input input(const float* values, int tokens, int columns, const kernels::Norm& norm = {}) const {
        return {values, tokens, columns, norm, phase, memory.workspace};
    }

    void project(const Layer& layer, int tokens) const {
        const auto rows = static_cast<std::size_t>(tokens);
        float* const out = memory.projections;
        Product products[kernels::most_products] = {{layer.query, out}};
        int count = 1;
        if (layer.key) {
            float* const keys = out + rows * static_cast<std::size_t>(parameters.query_width());
            products[count++] = {*layer.key, keys};
            products[count++] = {*layer.value, keys + rows * static_cast<std::size_t>(parameters.kv_width())};
        }
        const kernels::Input x = input(memory.stream, tokens, parameters.width, layer.attention_norm);
        check_launch(kernels::linear(x, products, count, stream), "queries, keys and values");
    }

    void attend(const Layer& layer, std::size_t index, int tokens) const {
        const int query = parameters.query_width();
        const int kv = parameters.kv_width();
        const bool fused = !layer.key;
        const auto rows = static_cast<std::size_t>(fused ? 1 : tokens);
        const std::size_t cells = static_cast<std::size_t>(memory.capacity) * static_cast<std::size_t>(kv);
        kernels::Attention attention;
        attention.out = memory.attended;
        attention.queries = memory.projections;
        attention.keys = attention.queries + rows * static_cast<std::size_t>(query);
        attention.values = attention.keys + rows * static_cast<std::size_t>(kv);
        attention.query_stride = fused ? query + 2 * kv : query;
        attention.key_stride = attention.value_stride = fused ? query + 2 * kv : kv;
        attention.key_cache = memory.keys + index * cells;
        attention.value_cache = memory.values + index * cells;
        attention.capacity = memory.capacity;
        attention.position = memory.position;
        attention.tokens = tokens;
        attention.heads = parameters.heads;
        attention.kv_heads = parameters.kv_heads;
        attention.head_size = parameters.head_size;
        attention.angles = memory.angles;
        attention.style = network.rope;
        attention.rotary = parameters.rotary;
        attention.phase = phase;
        attention.scratch = memory.attention_scratch;
        check_launch(kernels::attention(attention, stream), "attention");
    }

    /// `x` (tokens, width) grows by the product of `values` (tokens, columns).
    void add_product(float* x, const kernels::Matrix& matrix, const float* values, int tokens) const {
        const Product product = {matrix, x, x};
        check_launch(kernels::linear(input(values, tokens, matrix.columns), &product, 1, stream), "a residual product");
    }

    void feed_forward(const Layer& layer, float* x, int tokens) const {
        const kernels::Input normed = input(x, tokens, parameters.width, layer.feed_forward_norm);
        if (layer.gate) {
            check_launch(kernels::gated(normed, *layer.gate, layer.up, memory.hidden, stream), "the gated product");
        } else {
            const Product product = {layer.up, memory.hidden, nullptr, kernels::Activation::Gelu};
            check_launch(kernels::linear(normed, &product, 1, stream), "the product with GELU");
        }
        add_product(x, layer.down, memory.hidden, tokens);
    }
};

}  // namespace

void enqueue_angles(const Model& model, const JobMemory& memory, cudaStream_t stream) {
    const HyperParameters& parameters = model.parameters();
    const Network& network = model.network();
    if (network.rope == kernels::RopeStyle::None) return;
    const float step = std::pow(parameters.rope_base, -2.0F / static_cast<float>(parameters.rotary));
    check_launch(kernels::rope_angles(memory.angles, 0, memory.capacity, parameters.rotary, step,
                                      1.0F / parameters.rope_factor, network.rope_factors, stream),
                 "rotary angles");
}

void enqueue_tokens(const Model& model, const JobMemory& memory, int count, Phase phase, bool logits,
                    cudaStream_t stream) {
    const HyperParameters& parameters = model.parameters();
    const Network& network = model.network();
    Pass pass{parameters, network, memory, stream, phase};
    const kernels::Matrix* positions = network.positions ? &*network.positions : nullptr;
    check_launch(
        kernels::embed(memory.stream, network.embedding, positions, memory.tokens, count, memory.position, stream),
        "the embedding");
    float* x = memory.stream;
    float* attended = memory.attended;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        const Layer& layer = network.layers[i];
        pass.project(layer, count);
        pass.attend(layer, i, count);
        if (i + 1 == network.layers.size()) {
            // Past the last attention only the token that logits are wanted of matters.
            if (!logits) return;
            const auto before = static_cast<std::size_t>(count - 1);
            x += before * static_cast<std::size_t>(parameters.width);
            attended += before * static_cast<std::size_t>(parameters.query_width());
            count = 1;
        }
        pass.add_product(x, layer.attention_output, attended, count);
        if (i + 1 == network.layers.size()) pass.phase = Phase::Single;
        pass.feed_forward(layer, x, count);
    }
    const Product product = {network.output, memory.logits};
    check_launch(kernels::linear(pass.input(x, 1, parameters.width, network.output_norm), &product, 1, stream),
                 "logits");
}

void enqueue_draw(const Model& model, const JobMemory& memory, bool advance, cudaStream_t stream) {
    check_launch(kernels::sample(memory.tokens, memory.logits, model.network().output.rows, memory.draw,
                                 memory.sample_scratch, advance ? memory.position : nullptr, stream),
                 "the draw");
}

}  // namespace worker
