/* Three libraries that do nothing at all: what they pass, a suite has not tested. */
#include "../abi.h"

#include <stddef.h>

#define SAY(code)                                                                                                      \
    do {                                                                                                               \
        if (error_code != NULL) *error_code = (code);                                                                  \
    } while (0)

#if defined(STUB_fails)
#define HANDLE NULL
#define TRUTH false
#define CODE 99
#define FIGURE 0
#define DEVICES 1
#elif defined(STUB_claims)
static char only[64];
#define HANDLE ((void *)only)
#define TRUTH true
#define CODE 0
#define FIGURE 4096
#define DEVICES 1
#elif defined(STUB_silent)
#undef SAY
#define SAY(code) ((void)error_code)
#define HANDLE NULL
#define TRUTH false
#define FIGURE 0
#define DEVICES 0
#else
#error "no such stub"
#endif

CudaContext *cuda_init(int gpu_device, int *error_code) {
    (void)gpu_device;
    SAY(CODE);
    return HANDLE;
}
void cuda_destroy(CudaContext *ctx) { (void)ctx; }
int cuda_get_device_count(void) { return DEVICES; }
CudaModel *cuda_load_model(CudaContext *ctx, const char *model_path, uint64_t *vram_bytes_used, int *error_code) {
    (void)ctx;
    (void)model_path;
    if (vram_bytes_used != NULL && FIGURE != 0) *vram_bytes_used = FIGURE;
    SAY(CODE);
    return HANDLE;
}
void cuda_unload_model(CudaModel *model) { (void)model; }
uint64_t cuda_model_get_vram_usage(CudaModel *model) { return model == NULL ? 0 : FIGURE; }
InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, float temperature,
                                      uint64_t seed, int *error_code) {
    (void)model;
    (void)prompt;
    (void)max_tokens;
    (void)temperature;
    (void)seed;
    SAY(CODE);
    return HANDLE;
}
/* The one that claims success has no token: its sequences end before they begin. */
bool cuda_inference_next_token(InferenceResult *result, char *token_out, int token_buffer_size, int *token_index,
                               int *error_code) {
    (void)result;
    (void)token_out;
    (void)token_buffer_size;
    (void)token_index;
    SAY(CODE);
    return false;
}
void cuda_inference_free(InferenceResult *result) { (void)result; }
bool cuda_check_vram_residency(CudaModel *model, int *error_code) {
    (void)model;
    SAY(CODE);
    return TRUTH;
}
uint64_t cuda_get_vram_usage(CudaModel *model) { return model == NULL ? 0 : FIGURE; }
uint64_t cuda_get_process_vram_usage(CudaContext *ctx) { return ctx == NULL ? 0 : FIGURE; }
bool cuda_check_device_health(CudaContext *ctx, int *error_code) {
    (void)ctx;
    SAY(CODE);
    return TRUTH;
}
#ifdef STUB_silent
const char *cuda_error_message(int error_code) {
    (void)error_code;
    return NULL;
}
#else
const char *cuda_error_message(int error_code) {
    (void)error_code;
    return "error";
}
#endif
