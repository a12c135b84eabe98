// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Small random models of every architecture, with a byte-level vocabulary of 259 tokens.
#pragma once

#include <random>

#include "gguf_writer.hpp"

namespace worker::tests {

constexpr std::uint32_t width = 64;
constexpr std::uint32_t feed_forward = 96;
constexpr std::uint32_t context_length = 96;

inline std::string printable(unsigned byte) {
    const auto itself = [](unsigned b) { return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae; };
    unsigned code = byte;
    if (!itself(byte)) {
        code = 0x100;
        for (unsigned before = 0; before < byte; ++before) code += itself(before) ? 0 : 1;
    }
    std::string out;
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else {
        out += static_cast<char>(0xc0 | code >> 6);
        out += static_cast<char>(0x80 | (code & 0x3f));
    }
    return out;
}

inline void add_vocabulary(Writer& writer) {
    std::vector<std::string> tokens = {"<|endoftext|>"};
    for (unsigned byte = 0; byte < 256; ++byte) tokens.push_back(printable(byte));
    tokens.push_back("he");
    tokens.push_back(printable(' ') + "he");
    std::vector<std::int32_t> kinds(tokens.size(), 1);
    kinds[0] = 3;
    writer.set("tokenizer.ggml.model", string("gpt2"))
        .set("tokenizer.ggml.pre", string("gpt-2"))
        .set("tokenizer.ggml.tokens", strings(tokens))
        .set("tokenizer.ggml.token_type", numbers(5, kinds))
        .set("tokenizer.ggml.merges", strings({"h e", printable(' ') + " he"}))
        .set("tokenizer.ggml.bos_token_id", u32(0))
        .set("tokenizer.ggml.eos_token_id", u32(0));
}

constexpr std::uint64_t vocabulary_size = 259;

/// Numbers that differ from tensor to tensor, and are the same in every run.
inline std::vector<float> noise(const std::string& name, std::size_t count, float scale) {
    std::seed_seq seed(name.begin(), name.end());
    std::mt19937 generator(seed);
    std::vector<float> values(count);
    for (float& x : values) {
        x = (static_cast<float>(generator() >> 8) * 0x1.0p-24F - 0.5F) * scale;
    }
    return values;
}

inline void add_tensor(Writer& writer, const std::string& name, std::vector<std::uint64_t> dimensions) {
    std::size_t count = 1;
    for (const std::uint64_t axis : dimensions) count *= axis;
    const float scale = dimensions.size() == 2 && name.find("embd") == std::string::npos ? 0.5F : 2.0F;
    writer.floats(name, dimensions, noise(name, count, scale));
}

/// A model of `architecture` with two layers, F32.
inline Writer tiny_model(const std::string& architecture) {
    const bool is_gpt2 = architecture == "gpt2";
    Writer writer;
    add_vocabulary(writer);
    const std::string prefix = architecture + ".";
    writer.set("general.architecture", string(architecture))
        .set(prefix + "block_count", u32(2))
        .set(prefix + "context_length", u32(context_length))
        .set(prefix + "embedding_length", u32(width))
        .set(prefix + "feed_forward_length", u32(feed_forward))
        .set(prefix + "attention.head_count", u32(4))
        .set(prefix + (is_gpt2 ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"), f32(1e-5F));
    if (!is_gpt2) writer.set(prefix + "attention.head_count_kv", u32(2));
    const auto norm = [&](const std::string& name) {
        add_tensor(writer, name + ".weight", {width});
        if (is_gpt2) add_tensor(writer, name + ".bias", {width});
    };
    const auto linear = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns, bool biased) {
        add_tensor(writer, name + ".weight", {columns, rows});
        if (biased) add_tensor(writer, name + ".bias", {rows});
    };
    add_tensor(writer, "token_embd.weight", {width, vocabulary_size});
    if (is_gpt2) add_tensor(writer, "position_embd.weight", {width, context_length});
    norm("output_norm");
    for (int layer = 0; layer < 2; ++layer) {
        const std::string block = "blk." + std::to_string(layer) + ".";
        norm(block + "attn_norm");
        norm(block + "ffn_norm");
        if (is_gpt2) {
            linear(block + "attn_qkv", 3 * width, width, true);
        } else if (architecture == "phi3") {
            linear(block + "attn_qkv", 2 * width, width, false);
        } else {
            linear(block + "attn_q", width, width, architecture == "qwen2");
            linear(block + "attn_k", width / 2, width, architecture == "qwen2");
            linear(block + "attn_v", width / 2, width, architecture == "qwen2");
        }
        linear(block + "attn_output", width, width, is_gpt2);
        if (architecture == "llama" || architecture == "qwen2") {
            linear(block + "ffn_gate", feed_forward, width, false);
        }
        linear(block + "ffn_up", architecture == "phi3" ? 2 * feed_forward : feed_forward, width, is_gpt2);
        linear(block + "ffn_down", width, feed_forward, is_gpt2);
    }
    return writer;
}

constexpr const char* architectures[] = {"llama", "qwen2", "phi3", "gpt2"};

}  // namespace worker::tests
