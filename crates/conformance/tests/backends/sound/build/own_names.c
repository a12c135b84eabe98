/* The contract's types under names of the author's own: the same signatures, spelled otherwise in the debug information. */
#define EXPORTED __attribute__((visibility("default")))

typedef unsigned long u64;
typedef int i32;
typedef i32 status;
struct CudaContext;
struct CudaModel;
struct InferenceResult;
typedef struct CudaContext *context;
typedef struct CudaModel *model;
typedef struct InferenceResult *job;
typedef const char *text;

extern context inner_init(i32 device, status *code);
extern void inner_destroy(context c);
extern i32 inner_get_device_count(void);
extern model inner_load_model(context c, text path, u64 *bytes, status *code);
extern void inner_unload_model(model m);
extern u64 inner_model_get_vram_usage(model m);
extern job inner_inference_start(model m, text prompt, i32 limit, float warmth, u64 seed, status *code);
extern _Bool inner_inference_next_token(job j, char *out, i32 size, i32 *index, status *code);
extern void inner_inference_free(job j);
extern _Bool inner_check_vram_residency(model m, status *code);
extern u64 inner_get_vram_usage(model m);
extern u64 inner_get_process_vram_usage(context c);
extern _Bool inner_check_device_health(context c, status *code);
extern text inner_error_message(status code);

EXPORTED context cuda_init(i32 device, status *code) { return inner_init(device, code); }
EXPORTED void cuda_destroy(context c) { inner_destroy(c); }
EXPORTED i32 cuda_get_device_count(void) { return inner_get_device_count(); }
EXPORTED model cuda_load_model(context c, text path, u64 *bytes, status *code) { return inner_load_model(c, path, bytes, code); }
EXPORTED void cuda_unload_model(model m) { inner_unload_model(m); }
EXPORTED u64 cuda_model_get_vram_usage(model m) { return inner_model_get_vram_usage(m); }
EXPORTED job cuda_inference_start(model m, text prompt, i32 limit, float warmth, u64 seed, status *code) {
    return inner_inference_start(m, prompt, limit, warmth, seed, code);
}
EXPORTED _Bool cuda_inference_next_token(job j, char *out, i32 size, i32 *index, status *code) {
    return inner_inference_next_token(j, out, size, index, code);
}
EXPORTED void cuda_inference_free(job j) { inner_inference_free(j); }
EXPORTED _Bool cuda_check_vram_residency(model m, status *code) { return inner_check_vram_residency(m, code); }
EXPORTED u64 cuda_get_vram_usage(model m) { return inner_get_vram_usage(m); }
EXPORTED u64 cuda_get_process_vram_usage(context c) { return inner_get_process_vram_usage(c); }
EXPORTED _Bool cuda_check_device_health(context c, status *code) { return inner_check_device_health(c, code); }
EXPORTED text cuda_error_message(status code) { return inner_error_message(code); }
