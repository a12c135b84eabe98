// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The 14 functions of the ABI: NULL first, then ranges, then content; the code written at every call.
///
/// The only file that knows the contract's headers. Every exception ends here and becomes a code (ERR-08). Handles are
/// boxes around shared pointers, so that ends in the wrong order harm nobody.
#include "worker_ffi.h"

#include <cstring>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "context.hpp"
#include "job.hpp"
#include "kernels/fault.hpp"
#include "model.hpp"
#include "status.hpp"
#include "utf8.hpp"

using worker::Code;
using worker::Failure;
namespace fault = worker::fault;

static_assert(static_cast<int>(Code::Success) == CUDA_SUCCESS);
static_assert(static_cast<int>(Code::InvalidDevice) == CUDA_ERROR_INVALID_DEVICE);
static_assert(static_cast<int>(Code::OutOfMemory) == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(static_cast<int>(Code::ModelLoadFailed) == CUDA_ERROR_MODEL_LOAD_FAILED);
static_assert(static_cast<int>(Code::InferenceFailed) == CUDA_ERROR_INFERENCE_FAILED);
static_assert(static_cast<int>(Code::InvalidParameter) == CUDA_ERROR_INVALID_PARAMETER);
static_assert(static_cast<int>(Code::KernelLaunchFailed) == CUDA_ERROR_KERNEL_LAUNCH_FAILED);
static_assert(static_cast<int>(Code::VramResidencyFailed) == CUDA_ERROR_VRAM_RESIDENCY_FAILED);
static_assert(static_cast<int>(Code::DeviceNotFound) == CUDA_ERROR_DEVICE_NOT_FOUND);
static_assert(static_cast<int>(Code::Unknown) == CUDA_ERROR_UNKNOWN);

struct CudaContext {
    std::shared_ptr<worker::Context> context;
};
struct CudaModel {
    std::shared_ptr<worker::Model> model;
};
struct InferenceResult {
    worker::Job job;
};

namespace {

constexpr int most_tokens = 2048;
constexpr float highest_temperature = 2.0F;

/// Runs `body`, writes its code to `error_code` and gives its value, or `failure`. A code outside `own` becomes 99.
template <class T, class Body>
T answer(int* error_code, std::initializer_list<Code> own, T failure, Body body) noexcept {
    Code code = Code::Success;
    T value = failure;
    try {
        value = body();
    } catch (const Failure& error) {
        code = Code::Unknown;
        for (const Code known : own) {
            if (known == error.code()) code = known;
        }
    } catch (...) {
        code = Code::Unknown;
    }
    if (error_code != nullptr) *error_code = static_cast<int>(code);
    return value;
}

void require(bool holds, const char* what) {
    if (!holds) throw Failure(Code::InvalidParameter, what);
}

/// Ends `handle`; nothing that its destructors might throw crosses.
template <class T>
void release(T* handle) noexcept {
    delete handle;
}

std::uint64_t usage(const CudaModel* model) noexcept { return model == nullptr ? 0 : model->model->usage(); }

}  // namespace

extern "C" {

CudaContext* cuda_init(int gpu_device, int* error_code) {
    return answer(error_code, {Code::InvalidDevice, Code::DeviceNotFound}, static_cast<CudaContext*>(nullptr),
                  [&] { return new CudaContext{std::make_shared<worker::Context>(gpu_device)}; });
}

void cuda_destroy(CudaContext* ctx) { release(ctx); }

int cuda_get_device_count(void) { return worker::device_count(); }

CudaModel* cuda_load_model(CudaContext* ctx, const char* model_path, uint64_t* vram_bytes_used, int* error_code) {
    const auto own = {Code::OutOfMemory, Code::ModelLoadFailed, Code::InvalidParameter};
    return answer(error_code, own, static_cast<CudaModel*>(nullptr), [&] {
        require(ctx != nullptr && model_path != nullptr && vram_bytes_used != nullptr, "an argument is NULL");
        std::unique_ptr<CudaModel> model(new CudaModel{std::make_shared<worker::Model>(ctx->context, model_path)});
        *vram_bytes_used = model->model->usage();
        return model.release();
    });
}

void cuda_unload_model(CudaModel* model) { release(model); }

uint64_t cuda_model_get_vram_usage(CudaModel* model) { return usage(model); }

InferenceResult* cuda_inference_start(CudaModel* model, const char* prompt, int max_tokens, float temperature,
                                      uint64_t seed, int* error_code) {
    const auto own = {Code::OutOfMemory, Code::InferenceFailed, Code::InvalidParameter};
    return answer(error_code, own, static_cast<InferenceResult*>(nullptr), [&] {
        require(model != nullptr && prompt != nullptr, "an argument is NULL");
        require(max_tokens >= 1 && max_tokens <= most_tokens, "max_tokens is out of range");
        // Written so that a temperature that is no number is out of range as well.
        require(temperature >= 0 && temperature <= highest_temperature, "the temperature is out of range");
        require(worker::is_utf8(prompt), "the prompt is not UTF-8");
        const fault::Scope scope(fault::Site::Start);
        return new InferenceResult{worker::Job(model->model, prompt, max_tokens, temperature, seed)};
    });
}

bool cuda_inference_next_token(InferenceResult* result, char* token_out, int token_buffer_size, int* token_index,
                               int* error_code) {
    const auto own = {Code::OutOfMemory, Code::InferenceFailed, Code::InvalidParameter, Code::KernelLaunchFailed};
    return answer(error_code, own, false, [&] {
        require(result != nullptr && token_out != nullptr, "an argument is NULL");
        require(token_buffer_size > 0, "the buffer has no room");
        const worker::Produced* produced = result->job.peek();
        if (produced == nullptr) return false;
        require(produced->text.size() < static_cast<std::size_t>(token_buffer_size), "the buffer is too small");
        std::memcpy(token_out, produced->text.c_str(), produced->text.size() + 1);
        if (token_index != nullptr) *token_index = produced->index;
        result->job.take();
        return true;
    });
}

void cuda_inference_free(InferenceResult* result) { release(result); }

bool cuda_check_vram_residency(CudaModel* model, int* error_code) {
    return answer(error_code, {Code::InvalidParameter, Code::VramResidencyFailed}, false, [&] {
        require(model != nullptr, "an argument is NULL");
        model->model->context().enter();
        const fault::Scope scope(fault::Site::Residency);
        if (!model->model->is_resident()) throw Failure(Code::VramResidencyFailed, "weights have left device memory");
        return true;
    });
}

uint64_t cuda_get_vram_usage(CudaModel* model) { return usage(model); }

uint64_t cuda_get_process_vram_usage(CudaContext* ctx) {
    return ctx == nullptr ? 0 : ctx->context->ledger().device_bytes();
}

bool cuda_check_device_health(CudaContext* ctx, int* error_code) {
    return answer(error_code, {Code::InvalidDevice, Code::InvalidParameter}, false, [&] {
        require(ctx != nullptr, "an argument is NULL");
        const fault::Scope scope(fault::Site::Health);
        ctx->context->probe();
        return true;
    });
}

const char* cuda_error_message(int error_code) { return worker::message(error_code); }

}  // extern "C"
