// The sound library behind a shell of C++: exceptions thrown and caught inside, containers, statics with constructors.
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../broken/wrapper.h"

namespace {

class Refused : public std::runtime_error {
public:
    explicit Refused(int code) : std::runtime_error("refused"), code(code) {}
    int code;
};

std::mutex lock;
std::map<InferenceResult *, std::unique_ptr<std::vector<std::string>>> texts;

template <typename T> T *given(T *pointer) {
    if (pointer == nullptr) throw Refused(CUDA_ERROR_INVALID_PARAMETER);
    return pointer;
}

template <typename R, typename Work> R guarded(int *error_code, R failure, Work work) {
    try {
        R value = work(given(error_code));
        return value;
    } catch (const Refused &refused) {
        if (error_code != nullptr) *error_code = refused.code;
    } catch (...) {
        if (error_code != nullptr) *error_code = CUDA_ERROR_UNKNOWN;
    }
    return failure;
}

} // namespace

#define OWN_LOAD
LOAD {
    return guarded<CudaModel *>(error_code, nullptr, [&](int *code) {
        std::string path = given(model_path);
        CudaModel *model = inner_load_model(given(ctx), path.c_str(), given(vram_bytes_used), code);
        if (model == nullptr) throw Refused(*code);
        return model;
    });
}
#define OWN_START
START {
    return guarded<InferenceResult *>(error_code, nullptr, [&](int *code) {
        std::string text = given(prompt);
        InferenceResult *result = inner_inference_start(given(model), text.c_str(), max_tokens, temperature, seed, code);
        if (result == nullptr) throw Refused(*code);
        std::lock_guard<std::mutex> hold(lock);
        texts[result] = std::make_unique<std::vector<std::string>>();
        return result;
    });
}
#define OWN_NEXT
NEXT {
    return guarded<bool>(error_code, false, [&](int *code) {
        bool more = inner_inference_next_token(given(result), given(token_out), token_buffer_size, token_index, code);
        if (!more && *code != 0) throw Refused(*code);
        std::lock_guard<std::mutex> hold(lock);
        if (more) texts.at(result)->emplace_back(token_out);
        return more;
    });
}
#define OWN_FREE
FREE {
    if (result == nullptr) return;
    {
        std::lock_guard<std::mutex> hold(lock);
        texts.erase(result);
    }
    inner_inference_free(result);
}

#include "../../broken/rest.h"
