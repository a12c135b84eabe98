/* The fourteen functions as these libraries declare them: written from the contract's text, or its own headers on demand. */
#ifndef BACKENDS_ABI_H
#define BACKENDS_ABI_H

#include <stdbool.h>
#include <stdint.h>

/* Sound sources that stand behind a wrapper carry inner names, so that the wrapper can export the real ones. */
#ifdef INNER
#define cuda_init inner_init
#define cuda_destroy inner_destroy
#define cuda_get_device_count inner_get_device_count
#define cuda_load_model inner_load_model
#define cuda_unload_model inner_unload_model
#define cuda_model_get_vram_usage inner_model_get_vram_usage
#define cuda_inference_start inner_inference_start
#define cuda_inference_next_token inner_inference_next_token
#define cuda_inference_free inner_inference_free
#define cuda_check_vram_residency inner_check_vram_residency
#define cuda_get_vram_usage inner_get_vram_usage
#define cuda_get_process_vram_usage inner_get_process_vram_usage
#define cuda_check_device_health inner_check_device_health
#define cuda_error_message inner_error_message
#endif

/* Everything is built with hidden visibility; these fourteen alone are let out. */
#if defined(INNER) && !defined(INNER_EXPORTED)
#define EXPORTED
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

#ifdef WORKER_CONTRACT_HEADERS
#ifndef INNER
#pragma GCC visibility push(default)
#endif
#include "worker_ffi.h"
#ifndef INNER
#pragma GCC visibility pop
#endif
#else

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CudaContext CudaContext;
typedef struct CudaModel CudaModel;
typedef struct InferenceResult InferenceResult;

typedef enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_DEVICE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_MODEL_LOAD_FAILED = 3,
    CUDA_ERROR_INFERENCE_FAILED = 4,
    CUDA_ERROR_INVALID_PARAMETER = 5,
    CUDA_ERROR_KERNEL_LAUNCH_FAILED = 6,
    CUDA_ERROR_VRAM_RESIDENCY_FAILED = 7,
    CUDA_ERROR_DEVICE_NOT_FOUND = 8,
    CUDA_ERROR_UNKNOWN = 99
} CudaErrorCode;

EXPORTED CudaContext *cuda_init(int gpu_device, int *error_code);
EXPORTED void cuda_destroy(CudaContext *ctx);
EXPORTED int cuda_get_device_count(void);
EXPORTED CudaModel *cuda_load_model(CudaContext *ctx, const char *model_path, uint64_t *vram_bytes_used,
                                    int *error_code);
EXPORTED void cuda_unload_model(CudaModel *model);
EXPORTED uint64_t cuda_model_get_vram_usage(CudaModel *model);
EXPORTED InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens,
                                               float temperature, uint64_t seed, int *error_code);
EXPORTED bool cuda_inference_next_token(InferenceResult *result, char *token_out, int token_buffer_size,
                                        int *token_index, int *error_code);
EXPORTED void cuda_inference_free(InferenceResult *result);
EXPORTED bool cuda_check_vram_residency(CudaModel *model, int *error_code);
EXPORTED uint64_t cuda_get_vram_usage(CudaModel *model);
EXPORTED uint64_t cuda_get_process_vram_usage(CudaContext *ctx);
EXPORTED bool cuda_check_device_health(CudaContext *ctx, int *error_code);
EXPORTED const char *cuda_error_message(int error_code);

#ifdef __cplusplus
}
#endif
#endif
#endif
