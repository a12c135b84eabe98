/* One function declared otherwise than the contract declares it: the debug information tells, a call need not. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

typedef struct CudaContext CudaContext;
typedef struct CudaModel CudaModel;
typedef struct InferenceResult InferenceResult;

extern CudaContext *inner_init(int gpu_device, int *error_code);
extern InferenceResult *inner_inference_start(CudaModel *model, const char *prompt, int max_tokens, float temperature,
                                              uint64_t seed, int *error_code);
extern bool inner_check_vram_residency(CudaModel *model, int *error_code);
extern uint64_t inner_get_vram_usage(CudaModel *model);
extern bool inner_check_device_health(CudaContext *ctx, int *error_code);

#if defined(DEFECT_usage_32_bits)
EXPORTED uint32_t cuda_get_vram_usage(CudaModel *model);
uint32_t cuda_get_vram_usage(CudaModel *model) { return (uint32_t)inner_get_vram_usage(model); }
#elif defined(DEFECT_usage_signed)
EXPORTED int64_t cuda_get_vram_usage(CudaModel *model);
int64_t cuda_get_vram_usage(CudaModel *model) { return (int64_t)inner_get_vram_usage(model); }
#elif defined(DEFECT_usage_is_a_double)
EXPORTED double cuda_get_vram_usage(CudaModel *model);
double cuda_get_vram_usage(CudaModel *model) { return (double)inner_get_vram_usage(model); }
#elif defined(DEFECT_seed_32_bits)
EXPORTED InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, float temperature,
                                               uint32_t seed, int *error_code);
InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, float temperature,
                                      uint32_t seed, int *error_code) {
    return inner_inference_start(model, prompt, max_tokens, temperature, seed, error_code);
}
#elif defined(DEFECT_seed_before_temperature)
/* Integers and floats travel in registers of their own, so no call tells the difference on this machine. */
EXPORTED InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, uint64_t seed,
                                               float temperature, int *error_code);
InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, uint64_t seed,
                                      float temperature, int *error_code) {
    return inner_inference_start(model, prompt, max_tokens, temperature, seed, error_code);
}
#elif defined(DEFECT_temperature_double)
EXPORTED InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, double temperature,
                                               uint64_t seed, int *error_code);
InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, double temperature,
                                      uint64_t seed, int *error_code) {
    float narrow;
    memcpy(&narrow, &temperature, sizeof narrow);
    return inner_inference_start(model, prompt, max_tokens, narrow, seed, error_code);
}
#elif defined(DEFECT_residency_int)
EXPORTED int cuda_check_vram_residency(CudaModel *model, int *error_code);
int cuda_check_vram_residency(CudaModel *model, int *error_code) { return inner_check_vram_residency(model, error_code); }
#elif defined(DEFECT_code_is_a_long)
EXPORTED bool cuda_check_device_health(CudaContext *ctx, long *error_code);
bool cuda_check_device_health(CudaContext *ctx, long *error_code) {
    int code = 0;
    bool good = inner_check_device_health(ctx, error_code == 0 ? 0 : &code);
    if (error_code != 0) *error_code = code;
    return good;
}
#elif defined(DEFECT_init_takes_flags)
EXPORTED CudaContext *cuda_init(int gpu_device, int *error_code, unsigned flags);
CudaContext *cuda_init(int gpu_device, int *error_code, unsigned flags) {
    (void)flags;
    return inner_init(gpu_device, error_code);
}
#elif defined(DEFECT_init_returns_int)
EXPORTED intptr_t cuda_init(int gpu_device, int *error_code);
intptr_t cuda_init(int gpu_device, int *error_code) { return (intptr_t)inner_init(gpu_device, error_code); }
#else
#error "no such defect"
#endif
