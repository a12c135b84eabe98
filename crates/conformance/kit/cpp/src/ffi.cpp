// The 14 functions of the contract: they judge arguments, report codes, and let no exception pass.
#include <cstring>
#include <new>

#include "backend.hpp"

using my_backend::Device;
using my_backend::Failure;

namespace {

// The code is written at every call, 0 included, and only if the host wants it (ERR-01, ERR-09).
void report(int* error_code, CudaErrorCode code) noexcept {
    if (error_code != nullptr) {
        *error_code = code;
    }
}

// Runs a body; whatever it throws becomes a code, and the failure value comes back (ERR-08). `no_memory` is what this
// function may say when the host's memory is short: not every one has CUDA_ERROR_OUT_OF_MEMORY in its set (ERR-04).
template <typename Value, typename Body>
Value guarded(int* error_code, Value failure, CudaErrorCode no_memory, Body body) noexcept {
    try {
        const Value value = body();
        report(error_code, CUDA_SUCCESS);
        return value;
    } catch (const Failure& what) {
        report(error_code, what.code());
    } catch (const std::bad_alloc&) {
        report(error_code, no_memory);
    } catch (...) {
        report(error_code, CUDA_ERROR_UNKNOWN);
    }
    return failure;
}

void require(bool condition) {
    if (!condition) {
        throw Failure(CUDA_ERROR_INVALID_PARAMETER);
    }
}

}  // namespace

CudaContext* cuda_init(int gpu_device, int* error_code) {
    return guarded<CudaContext*>(error_code, nullptr, CUDA_ERROR_UNKNOWN, [&] {
        Device* device = Device::of(gpu_device);
        if (device == nullptr) {
            throw Failure(Device::count() == 0 ? CUDA_ERROR_DEVICE_NOT_FOUND : CUDA_ERROR_INVALID_DEVICE);
        }
        return new CudaContext{*device};
    });
}

void cuda_destroy(CudaContext* ctx) { delete ctx; }

int cuda_get_device_count(void) { return Device::count(); }

CudaModel* cuda_load_model(CudaContext* ctx, const char* model_path, uint64_t* vram_bytes_used, int* error_code) {
    return guarded<CudaModel*>(error_code, nullptr, CUDA_ERROR_OUT_OF_MEMORY, [&] {
        require(ctx != nullptr && model_path != nullptr && vram_bytes_used != nullptr);
        *vram_bytes_used = 0;
        auto* model = new CudaModel(*ctx, model_path);
        *vram_bytes_used = model->usage();
        return model;
    });
}

void cuda_unload_model(CudaModel* model) { delete model; }

uint64_t cuda_model_get_vram_usage(CudaModel* model) { return model == nullptr ? 0 : model->usage(); }

InferenceResult* cuda_inference_start(CudaModel* model, const char* prompt, int max_tokens, float temperature,
                                      uint64_t seed, int* error_code) {
    return guarded<InferenceResult*>(error_code, nullptr, CUDA_ERROR_OUT_OF_MEMORY, [&] {
        // NULL first, then ranges, then content. A comparison with NaN is false.
        require(model != nullptr && prompt != nullptr);
        require(max_tokens >= 1 && max_tokens <= 2048);
        require(temperature >= 0.0F && temperature <= 2.0F);
        return new InferenceResult(*model, prompt, max_tokens, temperature, seed);
    });
}

bool cuda_inference_next_token(InferenceResult* result, char* token_out, int token_buffer_size, int* token_index,
                               int* error_code) {
    return guarded<bool>(error_code, false, CUDA_ERROR_OUT_OF_MEMORY, [&] {
        require(result != nullptr && token_out != nullptr && token_buffer_size > 0);
        result->advance();
        if (result->next == nullptr) {
            return false;  // with CUDA_SUCCESS: the end of the sequence, now and at every later call (INF-07)
        }
        const std::size_t size = result->next->size() + 1;
        require(size <= static_cast<std::size_t>(token_buffer_size));  // the token stays for the next call (INF-10)
        std::memcpy(token_out, result->next->c_str(), size);
        if (token_index != nullptr) {
            *token_index = result->produced;
        }
        result->produced += 1;
        result->next.reset();
        return true;
    });
}

void cuda_inference_free(InferenceResult* result) { delete result; }

bool cuda_check_vram_residency(CudaModel* model, int* error_code) {
    return guarded<bool>(error_code, false, CUDA_ERROR_UNKNOWN, [&] {
        require(model != nullptr);
        if (!model->is_resident()) {
            throw Failure(CUDA_ERROR_VRAM_RESIDENCY_FAILED);
        }
        return true;
    });
}

uint64_t cuda_get_vram_usage(CudaModel* model) { return cuda_model_get_vram_usage(model); }

uint64_t cuda_get_process_vram_usage(CudaContext* ctx) { return ctx == nullptr ? 0 : ctx->device.used(); }

bool cuda_check_device_health(CudaContext* ctx, int* error_code) {
    return guarded<bool>(error_code, false, CUDA_ERROR_UNKNOWN, [&] {
        require(ctx != nullptr);
        if (!ctx->device.is_healthy()) {
            throw Failure(CUDA_ERROR_INVALID_DEVICE);
        }
        return true;
    });
}

// String literals: static, never NULL, and the same at every call (MSG-01 to MSG-06).
const char* cuda_error_message(int error_code) {
    switch (error_code) {
        case CUDA_SUCCESS: return "success";
        case CUDA_ERROR_INVALID_DEVICE: return "no such device, or it no longer works";
        case CUDA_ERROR_OUT_OF_MEMORY: return "not enough device memory";
        case CUDA_ERROR_MODEL_LOAD_FAILED: return "the model file cannot be loaded";
        case CUDA_ERROR_INFERENCE_FAILED: return "the generation failed";
        case CUDA_ERROR_INVALID_PARAMETER: return "a parameter is NULL or out of range";
        case CUDA_ERROR_KERNEL_LAUNCH_FAILED: return "a kernel could not be launched";
        case CUDA_ERROR_VRAM_RESIDENCY_FAILED: return "weights are no longer in device memory";
        case CUDA_ERROR_DEVICE_NOT_FOUND: return "there is no device";
        default: return "unknown error";
    }
}
