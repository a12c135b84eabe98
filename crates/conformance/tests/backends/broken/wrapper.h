/* Signatures and forwards for libraries that are sound inside and broken in one exported function. */
#ifndef BACKENDS_WRAPPER_H
#define BACKENDS_WRAPPER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif
extern __typeof__(cuda_init) inner_init;
extern __typeof__(cuda_destroy) inner_destroy;
extern __typeof__(cuda_get_device_count) inner_get_device_count;
extern __typeof__(cuda_load_model) inner_load_model;
extern __typeof__(cuda_unload_model) inner_unload_model;
extern __typeof__(cuda_model_get_vram_usage) inner_model_get_vram_usage;
extern __typeof__(cuda_inference_start) inner_inference_start;
extern __typeof__(cuda_inference_next_token) inner_inference_next_token;
extern __typeof__(cuda_inference_free) inner_inference_free;
extern __typeof__(cuda_check_vram_residency) inner_check_vram_residency;
extern __typeof__(cuda_get_vram_usage) inner_get_vram_usage;
extern __typeof__(cuda_get_process_vram_usage) inner_get_process_vram_usage;
extern __typeof__(cuda_check_device_health) inner_check_device_health;
extern __typeof__(cuda_error_message) inner_error_message;
#ifdef __cplusplus
}
#endif

#define INIT CudaContext *cuda_init(int gpu_device, int *error_code)
#define DESTROY void cuda_destroy(CudaContext *ctx)
#define COUNT int cuda_get_device_count(void)
#define LOAD CudaModel *cuda_load_model(CudaContext *ctx, const char *model_path, uint64_t *vram_bytes_used, int *error_code)
#define UNLOAD void cuda_unload_model(CudaModel *model)
#define MODEL_USAGE uint64_t cuda_model_get_vram_usage(CudaModel *model)
#define START                                                                                                          \
    InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, float temperature,     \
                                          uint64_t seed, int *error_code)
#define NEXT                                                                                                           \
    bool cuda_inference_next_token(InferenceResult *result, char *token_out, int token_buffer_size, int *token_index,  \
                                   int *error_code)
#define FREE void cuda_inference_free(InferenceResult *result)
#define RESIDENT bool cuda_check_vram_residency(CudaModel *model, int *error_code)
#define USAGE uint64_t cuda_get_vram_usage(CudaModel *model)
#define PROCESS_USAGE uint64_t cuda_get_process_vram_usage(CudaContext *ctx)
#define HEALTH bool cuda_check_device_health(CudaContext *ctx, int *error_code)
#define MESSAGE const char *cuda_error_message(int error_code)

#define PASS_INIT inner_init(gpu_device, error_code)
#define PASS_LOAD inner_load_model(ctx, model_path, vram_bytes_used, error_code)
#define PASS_START inner_inference_start(model, prompt, max_tokens, temperature, seed, error_code)
#define PASS_NEXT inner_inference_next_token(result, token_out, token_buffer_size, token_index, error_code)
#define PASS_RESIDENT inner_check_vram_residency(model, error_code)
#define PASS_HEALTH inner_check_device_health(ctx, error_code)

/* Refuses as a sound function would; a NULL code is borne. */
#define REFUSE(code, value)                                                                                            \
    do {                                                                                                               \
        if (error_code != NULL) *error_code = (code);                                                                  \
        return (value);                                                                                                \
    } while (0)

/* A crash that no optimiser takes away. */
static inline void crash(void) { *(volatile int *)8 = 1; }
static inline void nap(long us) {
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&left, NULL);
}

#endif
