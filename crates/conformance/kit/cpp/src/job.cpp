// One generation. So far every job says the same words: prompt, weights, temperature and seed are yours to use.
#include <array>

#include "backend.hpp"

namespace my_backend {
namespace {

constexpr std::array<const char*, 5> WORDS = {"nothing", " is", " computed", " yet", "."};

// Bytes of the character that begins `text`; 0 if none does.
std::size_t length_of(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = at(0);
    if (first < 0x80) {
        return 1;
    }
    const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                               : first >= 0xe0 && first <= 0xef ? 3
                               : first >= 0xf0 && first <= 0xf4 ? 4
                                                                : 0;
    if (length == 0 || text.size() < length) {
        return 0;
    }
    for (std::size_t i = 1; i < length; i++) {
        if ((at(i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    // Longer than needed, surrogates, past U+10FFFF.
    const bool wrong = (first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f) ||
                       (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f);
    return wrong ? 0 : length;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t length = length_of(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace my_backend

// TODO INF-01: tokenise the prompt, reserve the KV cache (FAULT-01: CUDA_ERROR_OUT_OF_MEMORY when there is none), and
// refuse what passes the context length (INF-13). Keep no pointer to the prompt: it is gone after the return (MEM-04).
InferenceResult::InferenceResult(CudaModel& its_model, std::string_view prompt, int most, float heat,
                                 std::uint64_t start)
    : model(its_model), max_tokens(most), temperature(heat), seed(start) {
    if (!my_backend::is_utf8(prompt)) {
        throw my_backend::Failure(CUDA_ERROR_INVALID_PARAMETER);  // INF-05
    }
}

// TODO DET-01, DET-06: run the model, and choose a token: the likeliest at temperature 0, one drawn with `seed` above.
// TODO UTF8-02: a token may end inside a code point; hold its bytes back until the call that completes it.
void InferenceResult::advance() {
    if (next == nullptr && produced < max_tokens) {
        next = std::make_unique<std::string>(
            my_backend::WORDS[static_cast<std::size_t>(produced) % my_backend::WORDS.size()]);
    }
}
