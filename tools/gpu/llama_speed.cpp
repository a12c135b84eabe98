// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Measures llama.cpp on a model as `speed` measures a backend library; prints one JSON object.
///
/// Links against libllama alone. Decoding takes given tokens and reads no logits, as its own benchmark does, so that
/// choosing a token costs it nothing.

#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double median(std::vector<double> all) {
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
}

struct Run {
    llama_context* context;
    int vocabulary;

    void decode(std::vector<llama_token>& tokens) const {
        if (llama_decode(context, llama_batch_get_one(tokens.data(), static_cast<int>(tokens.size()))) != 0) {
            std::fputs("error: llama_decode failed\n", stderr);
            std::exit(1);
        }
        llama_synchronize(context);
    }

    /// Seconds for `prompt` tokens at once, then for `more` one by one.
    std::pair<double, double> generate(int prompt, int more) const {
        llama_memory_clear(llama_get_memory(context), true);
        std::vector<llama_token> tokens(static_cast<std::size_t>(prompt));
        for (int i = 0; i < prompt; ++i) tokens[static_cast<std::size_t>(i)] = (i * 7919 + 97) % (vocabulary - 8);
        Clock::time_point begin = Clock::now();
        decode(tokens);
        const double first = since(begin);
        begin = Clock::now();
        for (int i = 0; i < more; ++i) {
            std::vector<llama_token> one = {(i * 104729 + 11) % (vocabulary - 8)};
            decode(one);
        }
        return {first, since(begin)};
    }
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 4) {
        std::fputs("usage: llama_speed MODEL PROMPT_TOKENS TOKENS\n", stderr);
        return 2;
    }
    const int prompt = std::atoi(arguments[2]);
    const int tokens = std::atoi(arguments[3]);
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    llama_backend_init();
    ggml_backend_load_all();
    llama_model_params how = llama_model_default_params();
    how.n_gpu_layers = 999;
    double load = 0;
    llama_model* model = nullptr;
    for (int i = 0; i < 2; ++i) {
        if (model != nullptr) llama_model_free(model);
        const Clock::time_point begin = Clock::now();
        model = llama_model_load_from_file(arguments[1], how);
        load = since(begin);
        if (model == nullptr) {
            std::fprintf(stderr, "error: llama.cpp does not load `%s`\n", arguments[1]);
            return 1;
        }
    }
    llama_context_params with = llama_context_default_params();
    with.n_ctx = 2048;
    with.n_batch = 2048;
    with.n_ubatch = 512;
    const Run run = {llama_init_from_model(model, with), llama_vocab_n_tokens(llama_model_get_vocab(model))};
    if (run.context == nullptr) {
        std::fputs("error: llama.cpp makes no context\n", stderr);
        return 1;
    }
    run.generate(prompt, 16);
    std::vector<double> first;
    std::vector<double> prefill;
    std::vector<double> decode;
    for (int round = 0; round < 5; ++round) {
        first.push_back(run.generate(2, 0).first);
        prefill.push_back(run.generate(prompt, 0).first);
        decode.push_back(run.generate(2, tokens).second);
    }
    std::printf(
        "{\"load_warm_seconds\": %.4f, \"first_token_ms\": %.4f, \"prompt_ms\": %.4f, "
        "\"prompt_tokens_per_second\": %.1f, \"decode_ms_per_token\": %.5f, \"decode_tokens_per_second\": %.2f}\n",
        load, median(first) * 1e3, median(prefill) * 1e3, prompt / median(prefill), median(decode) * 1e3 / tokens,
        tokens / median(decode));
    llama_free(run.context);
    llama_model_free(model);
    return 0;
}
