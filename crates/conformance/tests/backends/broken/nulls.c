/* Violations of the NULL family. */
#include "wrapper.h"

#if defined(DEFECT_destroy_null_crashes)
#define OWN_DESTROY
DESTROY {
    if (ctx == NULL) crash();
    inner_destroy(ctx);
}
#elif defined(DEFECT_unload_null_crashes)
#define OWN_UNLOAD
UNLOAD {
    if (model == NULL) crash();
    inner_unload_model(model);
}
#elif defined(DEFECT_third_free_null_crashes)
#define OWN_FREE
FREE {
    static int nulls;
    if (result == NULL && ++nulls >= 3) crash();
    inner_inference_free(result);
}
#elif defined(DEFECT_destroy_null_ends_device)
#define OWN_DESTROY
#define OWN_HEALTH
static int ended;
DESTROY {
    if (ctx == NULL) ended = 1;
    inner_destroy(ctx);
}
HEALTH {
    if (ended && ctx != NULL) REFUSE(CUDA_ERROR_UNKNOWN, false);
    return PASS_HEALTH;
}
#elif defined(DEFECT_null_context_gives_99)
#define OWN_LOAD
LOAD {
    if (ctx == NULL) REFUSE(99, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_null_context_gives_1)
#define OWN_LOAD
LOAD {
    if (ctx == NULL) REFUSE(1, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_null_path_gives_3)
#define OWN_LOAD
LOAD {
    if (ctx != NULL && model_path == NULL) REFUSE(3, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_null_usage_loads)
#define OWN_LOAD
LOAD {
    uint64_t spare = 0;
    return inner_load_model(ctx, model_path, vram_bytes_used == NULL ? &spare : vram_bytes_used, error_code);
}
#elif defined(DEFECT_null_usage_crashes_after_load)
#define OWN_LOAD
LOAD {
    uint64_t spare = 0;
    CudaModel *model = inner_load_model(ctx, model_path, &spare, error_code);
    if (model != NULL) *vram_bytes_used = spare;
    else if (vram_bytes_used == NULL && error_code != NULL) *error_code = 5;
    return model;
}
#elif defined(DEFECT_null_usage_is_judged_last)
/* A missing file with a NULL place: the content is judged before the pointer. */
#define OWN_LOAD
LOAD {
    uint64_t spare = 0;
    if (vram_bytes_used == NULL && ctx != NULL && model_path != NULL && error_code != NULL) {
        CudaModel *model = inner_load_model(ctx, model_path, &spare, error_code);
        if (model == NULL) return NULL;
        inner_unload_model(model);
    }
    return PASS_LOAD;
}
#elif defined(DEFECT_null_model_gives_4)
#define OWN_START
START {
    if (model == NULL) REFUSE(4, NULL);
    return PASS_START;
}
#elif defined(DEFECT_null_prompt_is_empty)
#define OWN_START
START {
    if (prompt == NULL) prompt = "";
    return PASS_START;
}
#elif defined(DEFECT_null_prompt_crashes)
#define OWN_START
START {
    if (model != NULL && prompt == NULL) crash();
    return PASS_START;
}
#elif defined(DEFECT_null_result_is_end)
#define OWN_NEXT
NEXT {
    if (result == NULL) REFUSE(0, false);
    return PASS_NEXT;
}
#elif defined(DEFECT_null_result_gives_4)
#define OWN_NEXT
NEXT {
    if (result == NULL) REFUSE(4, false);
    return PASS_NEXT;
}
#elif defined(DEFECT_null_out_skips_token)
#define OWN_NEXT
NEXT {
    char spare[4096];
    if (result != NULL && token_out == NULL) {
        token_out = spare;
        token_buffer_size = sizeof spare;
    }
    return PASS_NEXT;
}
#elif defined(DEFECT_null_out_consumes_token)
#define OWN_NEXT
NEXT {
    char spare[4096];
    int code = 0;
    if (result != NULL && token_out == NULL) {
        (void)inner_inference_next_token(result, spare, sizeof spare, NULL, &code);
        REFUSE(5, false);
    }
    return PASS_NEXT;
}
#elif defined(DEFECT_null_index_crashes)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more && token_index == NULL) crash();
    return more;
}
#elif defined(DEFECT_null_index_refused)
#define OWN_NEXT
NEXT {
    if (token_index == NULL) REFUSE(5, false);
    return PASS_NEXT;
}
#elif defined(DEFECT_null_usage_query_all_ones)
#define OWN_USAGE
USAGE { return model == NULL ? UINT64_MAX : inner_get_vram_usage(model); }
#elif defined(DEFECT_null_process_usage_crashes)
#define OWN_PROCESS_USAGE
PROCESS_USAGE {
    if (ctx == NULL) crash();
    return inner_get_process_vram_usage(ctx);
}
#elif defined(DEFECT_null_process_usage_is_last)
#define OWN_INIT
#define OWN_PROCESS_USAGE
static int used;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) used = 1;
    return ctx;
}
PROCESS_USAGE { return ctx == NULL && used ? 4096 : inner_get_process_vram_usage(ctx); }
#elif defined(DEFECT_null_model_is_resident)
#define OWN_RESIDENT
RESIDENT {
    if (model == NULL) REFUSE(0, true);
    return PASS_RESIDENT;
}
#elif defined(DEFECT_null_context_gives_health_1)
#define OWN_HEALTH
HEALTH {
    if (ctx == NULL) REFUSE(1, false);
    return PASS_HEALTH;
}
#elif defined(DEFECT_path_and_usage_null_crash)
#define OWN_LOAD
LOAD {
    if (ctx != NULL && model_path == NULL && vram_bytes_used == NULL) crash();
    return PASS_LOAD;
}
#elif defined(DEFECT_all_null_crash_next)
#define OWN_NEXT
NEXT {
    if (result == NULL && token_out == NULL && token_index == NULL && error_code == NULL) crash();
    return PASS_NEXT;
}
#elif defined(DEFECT_live_result_two_nulls_crash)
#define OWN_NEXT
NEXT {
    if (result != NULL && token_out == NULL && token_index != NULL && error_code == NULL) crash();
    return PASS_NEXT;
}
#elif defined(DEFECT_null_index_written_at_end)
#define OWN_NEXT
NEXT {
    int code = 0;
    bool more = inner_inference_next_token(result, token_out, token_buffer_size, token_index, &code);
    if (!more && code == 0 && result != NULL && token_index == NULL) crash();
    REFUSE(code, more);
}
#elif defined(DEFECT_range_before_null)
/* A wrong range beside a NULL: 4, where 5 is due for either. */
#define OWN_START
START {
    if (prompt == NULL && max_tokens > 2048) REFUSE(4, NULL);
    return PASS_START;
}
#else
#error "no such defect"
#endif

#include "rest.h"
