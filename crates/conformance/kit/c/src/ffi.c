/* The 14 functions of the contract: they judge arguments, report codes, and leave the work to the other files. */
#include <stdlib.h>
#include <string.h>

#include "backend.h"

/* The code is written at every call, 0 included, and only if the host wants it (ERR-01, ERR-09). */
static void report(int* error_code, CudaErrorCode code) {
    if (error_code != NULL) {
        *error_code = code;
    }
}

CudaContext* cuda_init(int gpu_device, int* error_code) {
    Device* device = device_of(gpu_device);
    if (device == NULL) {
        report(error_code, device_count() == 0 ? CUDA_ERROR_DEVICE_NOT_FOUND : CUDA_ERROR_INVALID_DEVICE);
        return NULL;
    }
    CudaContext* context = calloc(1, sizeof *context);
    if (context == NULL) {
        report(error_code, CUDA_ERROR_UNKNOWN); /* cuda_init has no code for memory (ERR-04) */
        return NULL;
    }
    context->device = device;
    report(error_code, CUDA_SUCCESS);
    return context;
}

void cuda_destroy(CudaContext* ctx) { free(ctx); }

int cuda_get_device_count(void) { return device_count(); }

CudaModel* cuda_load_model(CudaContext* ctx, const char* model_path, uint64_t* vram_bytes_used, int* error_code) {
    if (ctx == NULL || model_path == NULL || vram_bytes_used == NULL) {
        report(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return NULL;
    }
    CudaModel* model = NULL;
    CudaErrorCode code = model_load(ctx, model_path, &model);
    *vram_bytes_used = code == CUDA_SUCCESS ? model->weights : 0;
    report(error_code, code);
    return model;
}

void cuda_unload_model(CudaModel* model) {
    if (model != NULL) {
        model_unload(model);
    }
}

uint64_t cuda_model_get_vram_usage(CudaModel* model) { return model == NULL ? 0 : model->weights; }

InferenceResult* cuda_inference_start(CudaModel* model, const char* prompt, int max_tokens, float temperature,
                                      uint64_t seed, int* error_code) {
    /* NULL first, then ranges, then content. A comparison with NaN is false, hence the `!`. */
    if (model == NULL || prompt == NULL || max_tokens < 1 || max_tokens > 2048 ||
        !(temperature >= 0.0F && temperature <= 2.0F)) {
        report(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return NULL;
    }
    InferenceResult* job = NULL;
    report(error_code, job_start(model, prompt, max_tokens, temperature, seed, &job));
    return job;
}

bool cuda_inference_next_token(InferenceResult* result, char* token_out, int token_buffer_size, int* token_index,
                               int* error_code) {
    if (result == NULL || token_out == NULL || token_buffer_size <= 0) {
        report(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return false;
    }
    CudaErrorCode code = job_advance(result);
    if (code != CUDA_SUCCESS || !result->has_next) {
        report(error_code, code); /* with CUDA_SUCCESS: the end of the sequence, now and at every later call (INF-07) */
        return false;
    }
    size_t size = strlen(result->next) + 1;
    if (size > (size_t)token_buffer_size) {
        report(error_code, CUDA_ERROR_INVALID_PARAMETER); /* the token stays for the next call (INF-10) */
        return false;
    }
    memcpy(token_out, result->next, size);
    if (token_index != NULL) {
        *token_index = result->produced;
    }
    result->produced += 1;
    result->has_next = false;
    report(error_code, CUDA_SUCCESS);
    return true;
}

void cuda_inference_free(InferenceResult* result) {
    if (result != NULL) {
        job_end(result);
    }
}

bool cuda_check_vram_residency(CudaModel* model, int* error_code) {
    CudaErrorCode code = model == NULL              ? CUDA_ERROR_INVALID_PARAMETER
                         : model_is_resident(model) ? CUDA_SUCCESS
                                                    : CUDA_ERROR_VRAM_RESIDENCY_FAILED;
    report(error_code, code);
    return code == CUDA_SUCCESS;
}

uint64_t cuda_get_vram_usage(CudaModel* model) { return cuda_model_get_vram_usage(model); }

uint64_t cuda_get_process_vram_usage(CudaContext* ctx) {
    return ctx == NULL ? 0 : atomic_load(&ctx->device->memory_used);
}

bool cuda_check_device_health(CudaContext* ctx, int* error_code) {
    CudaErrorCode code = ctx == NULL                      ? CUDA_ERROR_INVALID_PARAMETER
                         : device_is_healthy(ctx->device) ? CUDA_SUCCESS
                                                          : CUDA_ERROR_INVALID_DEVICE;
    report(error_code, code);
    return code == CUDA_SUCCESS;
}

/* String literals: static, never NULL, and the same at every call (MSG-01 to MSG-06). */
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
