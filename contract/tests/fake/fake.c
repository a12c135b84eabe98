/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A small backend without a model, for the tests of the safe wrapper and of the guide: any file that opens is a
 * model, and every prompt is answered by one sentence. Some prompts make it break the contract in a way of their
 * name. It logs every call, for tests that watch the order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_ffi.h"

#define WEIGHTS 4096
#define KV_CACHE 512

struct CudaContext {
    int device;
    uint64_t used;
};

struct CudaModel {
    CudaContext* context;
    uint64_t used;
};

struct InferenceResult {
    CudaModel* model;
    char prompt[32];
    int made;
    int max_tokens;
};

static const char* const SENTENCE[] = {"One", " token", " at", " a", " time", ",", " \xf0\x9f\xa6\x80", "."};
static const int SENTENCE_LENGTH = sizeof SENTENCE / sizeof *SENTENCE;

static char calls[4096];

static void note(const char* call) {
    strncat(calls, call, sizeof calls - strlen(calls) - 1);
    strncat(calls, " ", sizeof calls - strlen(calls) - 1);
}

/* The calls so far, by short names; not part of the interface. */
const char* fake_calls(void) {
    return calls;
}

static void report(int* error_code, int code) {
    if (error_code != NULL) {
        *error_code = code;
    }
}

CudaContext* cuda_init(int gpu_device, int* error_code) {
    note("init");
    if (gpu_device != 0) {
        report(error_code, CUDA_ERROR_INVALID_DEVICE);
        return NULL;
    }
    CudaContext* ctx = calloc(1, sizeof *ctx);
    report(error_code, ctx == NULL ? CUDA_ERROR_UNKNOWN : CUDA_SUCCESS);
    return ctx;
}

void cuda_destroy(CudaContext* ctx) {
    note("destroy");
    free(ctx);
}

int cuda_get_device_count(void) {
    return 1;
}

CudaModel* cuda_load_model(CudaContext* ctx, const char* model_path, uint64_t* vram_bytes_used, int* error_code) {
    note("load");
    if (ctx == NULL || model_path == NULL || vram_bytes_used == NULL) {
        report(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return NULL;
    }
    FILE* file = fopen(model_path, "rb");
    if (file == NULL) {
        report(error_code, CUDA_ERROR_MODEL_LOAD_FAILED);
        return NULL;
    }
    fclose(file);
    CudaModel* model = calloc(1, sizeof *model);
    if (model == NULL) {
        report(error_code, CUDA_ERROR_UNKNOWN);
        return NULL;
    }
    model->context = ctx;
    model->used = WEIGHTS;
    ctx->used += WEIGHTS;
    *vram_bytes_used = WEIGHTS;
    report(error_code, CUDA_SUCCESS);
    return model;
}

void cuda_unload_model(CudaModel* model) {
    note("unload");
    if (model != NULL) {
        model->context->used -= WEIGHTS;
        free(model);
    }
}

uint64_t cuda_model_get_vram_usage(CudaModel* model) {
    return model == NULL ? 0 : model->used;
}

static bool is(const InferenceResult* result, const char* prompt) {
    return strcmp(result->prompt, prompt) == 0;
}

InferenceResult* cuda_inference_start(CudaModel* model, const char* prompt, int max_tokens, float temperature,
                                      uint64_t seed, int* error_code) {
    (void)seed;
    note("start");
    if (model == NULL || prompt == NULL || max_tokens < 1 || max_tokens > 2048 ||
        !(temperature >= 0.0f && temperature <= 2.0f)) {
        report(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return NULL;
    }
    if (strcmp(prompt, "defect: NULL with code 0") == 0) {
        report(error_code, CUDA_SUCCESS);
        return NULL;
    }
    if (strcmp(prompt, "defect: code left unwritten") == 0) {
        return NULL;
    }
    if (strcmp(prompt, "defect: undefined code") == 0) {
        report(error_code, 42);
        return NULL;
    }
    InferenceResult* result = calloc(1, sizeof *result);
    if (result == NULL) {
        report(error_code, CUDA_ERROR_UNKNOWN);
        return NULL;
    }
    strncpy(result->prompt, prompt, sizeof result->prompt - 1);
    result->model = model;
    result->max_tokens = max_tokens;
    model->used += KV_CACHE;
    model->context->used += KV_CACHE;
    report(error_code, CUDA_SUCCESS);
    return result;
}

/* The text of the token to come; NULL at the end of the sequence. */
static const char* text_of(const InferenceResult* result) {
    static char text[128 * 1024];
    if (is(result, "long token") || is(result, "defect: loses tokens") || is(result, "huge token")) {
        size_t length = is(result, "huge token") ? sizeof text - 1 : 9000;
        memset(text, 'x', length);
        text[length] = '\0';
        return result->made < 2 ? text : NULL;
    }
    if (is(result, "defect: bad UTF-8")) {
        return "\xff";
    }
    if (is(result, "defect: never ends")) {
        return "x";
    }
    return result->made < SENTENCE_LENGTH ? SENTENCE[result->made] : NULL;
}

bool cuda_inference_next_token(InferenceResult* result, char* token_out, int token_buffer_size, int* token_index,
                               int* error_code) {
    if (result == NULL || token_out == NULL || token_buffer_size <= 0) {
        report(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return false;
    }
    if (is(result, "failing kernel") && result->made == 2) {
        report(error_code, CUDA_ERROR_INFERENCE_FAILED);
        return false;
    }
    const char* text = text_of(result);
    if (text == NULL || (result->made == result->max_tokens && !is(result, "defect: never ends"))) {
        report(error_code, CUDA_SUCCESS);
        return false;
    }
    size_t size = strlen(text) + 1;
    if (size > (size_t)token_buffer_size) {
        result->made += is(result, "defect: loses tokens") ? 1 : 0;
        report(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return false;
    }
    if (!is(result, "defect: writes no text")) {
        memcpy(token_out, text, size);
    }
    if (token_index != NULL) {
        *token_index = result->made;
    }
    result->made += 1;
    report(error_code, CUDA_SUCCESS);
    return true;
}

void cuda_inference_free(InferenceResult* result) {
    note("free");
    if (result != NULL) {
        result->model->used -= KV_CACHE;
        result->model->context->used -= KV_CACHE;
        free(result);
    }
}

bool cuda_check_vram_residency(CudaModel* model, int* error_code) {
    report(error_code, model == NULL ? CUDA_ERROR_INVALID_PARAMETER : CUDA_SUCCESS);
    return model != NULL;
}

uint64_t cuda_get_vram_usage(CudaModel* model) {
    return cuda_model_get_vram_usage(model);
}

uint64_t cuda_get_process_vram_usage(CudaContext* ctx) {
    return ctx == NULL ? 0 : ctx->used;
}

bool cuda_check_device_health(CudaContext* ctx, int* error_code) {
    report(error_code, ctx == NULL ? CUDA_ERROR_INVALID_PARAMETER : CUDA_SUCCESS);
    return ctx != NULL;
}

const char* cuda_error_message(int error_code) {
    switch (error_code) {
        case CUDA_SUCCESS: return "success";
        case CUDA_ERROR_INVALID_DEVICE: return "no such device";
        case CUDA_ERROR_OUT_OF_MEMORY: return "out of device memory";
        case CUDA_ERROR_MODEL_LOAD_FAILED: return "the model cannot be loaded";
        case CUDA_ERROR_INFERENCE_FAILED: return "the generation failed";
        case CUDA_ERROR_INVALID_PARAMETER: return "invalid parameter";
        case CUDA_ERROR_KERNEL_LAUNCH_FAILED: return "a kernel did not start";
        case CUDA_ERROR_VRAM_RESIDENCY_FAILED: return "weights are not resident";
        case CUDA_ERROR_DEVICE_NOT_FOUND: return "no device";
        default: return "unknown error";
    }
}
