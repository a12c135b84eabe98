/* Violations of the ERR family: codes left unwritten, wrong, kept too long, or missed when the caller gives no place. */
#include "wrapper.h"

#if defined(DEFECT_init_code_unwritten)
#define OWN_INIT
INIT {
    int code = 0;
    CudaContext *ctx = inner_init(gpu_device, error_code == NULL ? NULL : &code);
    if (ctx == NULL && error_code != NULL) *error_code = code;
    return ctx;
}
#elif defined(DEFECT_load_code_unwritten)
#define OWN_LOAD
LOAD {
    int code = 0;
    CudaModel *model = inner_load_model(ctx, model_path, vram_bytes_used, error_code == NULL ? NULL : &code);
    if (model == NULL && error_code != NULL) *error_code = code;
    return model;
}
#elif defined(DEFECT_start_code_unwritten)
#define OWN_START
START {
    int code = 0;
    InferenceResult *result = inner_inference_start(model, prompt, max_tokens, temperature, seed, error_code == NULL ? NULL : &code);
    if (result == NULL && error_code != NULL) *error_code = code;
    return result;
}
#elif defined(DEFECT_next_code_unwritten)
#define OWN_NEXT
NEXT {
    int code = 0;
    bool more = inner_inference_next_token(result, token_out, token_buffer_size, token_index, error_code == NULL ? NULL : &code);
    if (!more && error_code != NULL) *error_code = code;
    return more;
}
#elif defined(DEFECT_end_code_unwritten)
#define OWN_NEXT
NEXT {
    int code = 0;
    bool more = inner_inference_next_token(result, token_out, token_buffer_size, token_index, error_code == NULL ? NULL : &code);
    if ((more || code != 0) && error_code != NULL) *error_code = code;
    return more;
}
#elif defined(DEFECT_residency_code_unwritten)
#define OWN_RESIDENT
RESIDENT {
    int code = 0;
    bool good = inner_check_vram_residency(model, error_code == NULL ? NULL : &code);
    if (!good && error_code != NULL) *error_code = code;
    return good;
}
#elif defined(DEFECT_health_code_unwritten)
#define OWN_HEALTH
HEALTH {
    int code = 0;
    bool good = inner_check_device_health(ctx, error_code == NULL ? NULL : &code);
    if (!good && error_code != NULL) *error_code = code;
    return good;
}
#elif defined(DEFECT_null_context_code_unwritten)
#define OWN_LOAD
LOAD {
    if (ctx == NULL) return NULL;
    return PASS_LOAD;
}
#elif defined(DEFECT_null_result_code_unwritten)
#define OWN_NEXT
NEXT {
    if (result == NULL) return false;
    return PASS_NEXT;
}
#elif defined(DEFECT_small_buffer_code_unwritten)
#define OWN_NEXT
NEXT {
    int code = 0;
    bool more = inner_inference_next_token(result, token_out, token_buffer_size, token_index, error_code == NULL ? NULL : &code);
    if (error_code != NULL && !(code == 5 && result != NULL && token_out != NULL && token_buffer_size > 0)) *error_code = code;
    return more;
}
#elif defined(DEFECT_result_with_code)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    if (result != NULL) *error_code = CUDA_ERROR_UNKNOWN;
    return result;
}
#elif defined(DEFECT_no_model_without_code)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == NULL && error_code != NULL && *error_code == CUDA_ERROR_MODEL_LOAD_FAILED) *error_code = 0;
    return model;
}
#elif defined(DEFECT_resident_with_code)
#define OWN_RESIDENT
RESIDENT {
    bool good = PASS_RESIDENT;
    if (good) *error_code = CUDA_ERROR_VRAM_RESIDENCY_FAILED;
    return good;
}
#elif defined(DEFECT_unhealthy_without_code)
#define OWN_HEALTH
HEALTH {
    bool good = PASS_HEALTH;
    if (!good && error_code != NULL) *error_code = 0;
    return good;
}
#elif defined(DEFECT_token_with_code)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more && token_out[0] == 0) *error_code = CUDA_ERROR_UNKNOWN;
    return more;
}
#elif defined(DEFECT_negative_code)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (error_code != NULL && *error_code == 3) *error_code = -3;
    return model;
}
#elif defined(DEFECT_driver_code)
#define OWN_INIT
INIT {
    CudaContext *ctx = PASS_INIT;
    if (error_code != NULL && *error_code == 1) *error_code = 101;
    return ctx;
}
#elif defined(DEFECT_code_10)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    if (result == NULL && error_code != NULL && temperature > 2.0f) *error_code = 10;
    return result;
}
#elif defined(DEFECT_start_reports_load_failure)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    if (result == NULL && error_code != NULL && max_tokens > 2048) *error_code = 3;
    return result;
}
#elif defined(DEFECT_load_reports_no_device)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (error_code != NULL && *error_code == 3) *error_code = 8;
    return model;
}
#elif defined(DEFECT_next_reports_no_device)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (!more && error_code != NULL && *error_code == 5 && token_buffer_size == 1) *error_code = 1;
    return more;
}
#elif defined(DEFECT_load_code_sticks_to_start)
#define OWN_LOAD
#define OWN_START
static __thread int last;
LOAD {
    CudaModel *model = PASS_LOAD;
    last = error_code == NULL ? last : *error_code;
    return model;
}
START {
    InferenceResult *result = PASS_START;
    if (result != NULL && last != 0) {
        *error_code = CUDA_ERROR_UNKNOWN;
        last = 0;
    }
    return result;
}
#elif defined(DEFECT_any_failure_sticks_to_health)
#define OWN_START
#define OWN_HEALTH
static int failures;
START {
    InferenceResult *result = PASS_START;
    if (result == NULL) failures++;
    return result;
}
HEALTH {
    if (ctx != NULL && error_code != NULL && failures > 0) {
        failures = 0;
        REFUSE(CUDA_ERROR_UNKNOWN, false);
    }
    return PASS_HEALTH;
}
#elif defined(DEFECT_small_buffer_code_sticks)
#define OWN_NEXT
static __thread int last;
NEXT {
    bool more = PASS_NEXT;
    if (error_code == NULL) return more;
    if (more && last == 5) *error_code = 5;
    last = more ? 0 : *error_code;
    return more;
}
#elif defined(DEFECT_failed_load_ends_loading)
#define OWN_LOAD
static int failed;
LOAD {
    if (failed && ctx != NULL && model_path != NULL && vram_bytes_used != NULL) REFUSE(CUDA_ERROR_UNKNOWN, NULL);
    CudaModel *model = PASS_LOAD;
    if (error_code != NULL && *error_code == CUDA_ERROR_MODEL_LOAD_FAILED) failed = 1;
    return model;
}
#elif defined(DEFECT_third_refusal_ends_starting)
#define OWN_START
static int refused;
START {
    InferenceResult *result = NULL;
    if (refused < 3) result = PASS_START;
    else if (error_code != NULL) *error_code = model == NULL || prompt == NULL ? 5 : 4;
    if (result == NULL && model != NULL && prompt != NULL) refused++;
    return result;
}
#elif defined(DEFECT_refused_start_changes_next_job)
#define OWN_START
static uint64_t refused;
START {
    static char longer[1 << 16];
    if (refused && model != NULL && prompt != NULL && strlen(prompt) + 2 < sizeof longer) {
        snprintf(longer, sizeof longer, "%s ", prompt);
        prompt = longer;
    }
    InferenceResult *result = PASS_START;
    refused = result == NULL;
    return result;
}
#elif defined(DEFECT_failed_init_ends_health)
#define OWN_INIT
#define OWN_HEALTH
static int failed;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx == NULL && error_code != NULL && gpu_device == -1) failed = 1;
    return ctx;
}
HEALTH {
    if (failed && ctx != NULL) REFUSE(CUDA_ERROR_INVALID_DEVICE, false);
    return PASS_HEALTH;
}
#elif defined(DEFECT_usage_written_on_failure)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == NULL && ctx != NULL && model_path != NULL && vram_bytes_used != NULL) *vram_bytes_used = 12345;
    return model;
}
#elif defined(DEFECT_usage_written_on_no_memory)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == NULL && vram_bytes_used != NULL && error_code != NULL && *error_code == 2) *vram_bytes_used = 1ull << 42;
    return model;
}
#elif defined(DEFECT_null_code_crashes_init)
#define OWN_INIT
INIT {
    *(volatile int *)error_code = 0;
    return PASS_INIT;
}
#elif defined(DEFECT_null_code_crashes_load)
#define OWN_LOAD
LOAD {
    *(volatile int *)error_code = 0;
    return PASS_LOAD;
}
#elif defined(DEFECT_null_code_crashes_failed_start)
#define OWN_START
START {
    if (max_tokens < 1) *(volatile int *)error_code = 0;
    return PASS_START;
}
#elif defined(DEFECT_null_code_crashes_next)
#define OWN_NEXT
NEXT {
    *(volatile int *)error_code = 0;
    return PASS_NEXT;
}
#elif defined(DEFECT_null_code_crashes_residency)
#define OWN_RESIDENT
RESIDENT {
    if (model != NULL) *(volatile int *)error_code = 0;
    return PASS_RESIDENT;
}
#elif defined(DEFECT_null_code_crashes_health)
#define OWN_HEALTH
HEALTH {
    *(volatile int *)error_code = 0;
    return PASS_HEALTH;
}
#elif defined(DEFECT_null_code_leaks_model)
#define OWN_LOAD
LOAD {
    int code = 0;
    if (error_code != NULL) return PASS_LOAD;
    (void)inner_load_model(ctx, model_path, vram_bytes_used, &code);
    return NULL;
}
#elif defined(DEFECT_null_code_leaks_job)
#define OWN_START
START {
    int code = 0;
    if (error_code != NULL) return PASS_START;
    (void)inner_inference_start(model, prompt, max_tokens, temperature, seed, &code);
    return NULL;
}
#else
#error "no such defect"
#endif

#include "rest.h"
