/* Violations of the MEM family: caller memory written too wide, read too far, or kept. */
#include "wrapper.h"

#if defined(DEFECT_byte_past_buffer)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more) token_out[token_buffer_size] = 0;
    return more;
}
#elif defined(DEFECT_byte_past_exact_fit)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    size_t len = more ? strlen(token_out) : 0;
    if (more && (int)len + 1 == token_buffer_size) token_out[len + 1] = 0;
    return more;
}
#elif defined(DEFECT_buffer_cleared_to_64)
#define OWN_NEXT
NEXT {
    if (token_out != NULL && token_buffer_size > 0 && result != NULL) memset(token_out, 0, 64);
    return PASS_NEXT;
}
#elif defined(DEFECT_byte_before_buffer)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more) token_out[-1] = ' ';
    return more;
}
#elif defined(DEFECT_size_0_writes_nul)
#define OWN_NEXT
NEXT {
    if (token_out != NULL && token_buffer_size <= 0) token_out[0] = 0;
    return PASS_NEXT;
}
#elif defined(DEFECT_padded_to_four)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    size_t len = more ? strlen(token_out) + 1 : 0;
    while (more && len % 4 != 0) token_out[len++] = 0;
    return more;
}
#elif defined(DEFECT_wide_init_code)
#define OWN_INIT
INIT {
    CudaContext *ctx = PASS_INIT;
    if (error_code != NULL) {
        int64_t wide = *error_code;
        memcpy(error_code, &wide, 8);
    }
    return ctx;
}
#elif defined(DEFECT_wide_health_code)
#define OWN_HEALTH
HEALTH {
    bool good = PASS_HEALTH;
    int64_t wide = good ? 0 : 5;
    if (error_code != NULL && good) memcpy(error_code, &wide, 8);
    return good;
}
#elif defined(DEFECT_wide_failed_start_code)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    if (result == NULL && error_code != NULL) {
        int64_t wide = *error_code;
        memcpy(error_code, &wide, 8);
    }
    return result;
}
#elif defined(DEFECT_wide_index)
#define OWN_NEXT
NEXT {
    int64_t wide = 0;
    int index = 0;
    bool more = inner_inference_next_token(result, token_out, token_buffer_size, &index, error_code);
    wide = index;
    if (more && token_index != NULL) memcpy(token_index, &wide, 8);
    return more;
}
#elif defined(DEFECT_narrow_usage)
#define OWN_LOAD
LOAD {
    uint64_t spare = 0;
    CudaModel *model = inner_load_model(ctx, model_path, vram_bytes_used == NULL ? NULL : &spare, error_code);
    if (model != NULL) memcpy(vram_bytes_used, &spare, 4);
    return model;
}
#elif defined(DEFECT_wide_usage)
#define OWN_LOAD
LOAD {
    uint64_t pair[2] = {0, 0};
    CudaModel *model = inner_load_model(ctx, model_path, vram_bytes_used == NULL ? NULL : pair, error_code);
    if (model != NULL) memcpy(vram_bytes_used, pair, 16);
    return model;
}
#elif defined(DEFECT_narrow_code)
#define OWN_RESIDENT
RESIDENT {
    int code = 0;
    bool good = inner_check_vram_residency(model, error_code == NULL ? NULL : &code);
    if (error_code != NULL) memcpy(error_code, &code, 1);
    return good;
}
#elif defined(DEFECT_prompt_read_by_words)
#define OWN_START
START {
    if (model != NULL && prompt != NULL) {
        volatile uint64_t sum = 0;
        size_t len = strlen(prompt);
        for (size_t i = 0; i <= len; i += 8) {
            uint64_t word;
            memcpy(&word, prompt + i, 8);
            sum += word;
        }
    }
    return PASS_START;
}
#elif defined(DEFECT_prompt_read_before_first)
/* Looks whether it is at the start of a line. */
#define OWN_START
START {
    if (model != NULL && prompt != NULL) {
        volatile char before = prompt[-1];
        (void)before;
    }
    return PASS_START;
}
#elif defined(DEFECT_prompt_read_one_past)
#define OWN_START
START {
    if (model != NULL && prompt != NULL) {
        volatile char last = prompt[strlen(prompt) + 1];
        (void)last;
    }
    return PASS_START;
}
#elif defined(DEFECT_path_read_one_past)
#define OWN_LOAD
LOAD {
    if (ctx != NULL && model_path != NULL) {
        volatile char last = model_path[strlen(model_path) + 1];
        (void)last;
    }
    return PASS_LOAD;
}
#elif defined(DEFECT_prompt_lowercased)
#define OWN_START
START {
    char *own = (char *)(uintptr_t)prompt;
    for (char *p = own; model != NULL && p != NULL && *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p + 32);
    return PASS_START;
}
#elif defined(DEFECT_prompt_cut_and_mended)
/* The text is put back before the return; a page that may not be written tells. */
#define OWN_START
START {
    char *own = (char *)(uintptr_t)prompt;
    if (model != NULL && own != NULL && own[0] != 0) {
        volatile char first = own[0];
        *(volatile char *)own = 0;
        *(volatile char *)own = first;
    }
    return PASS_START;
}
#elif defined(DEFECT_path_cut_and_mended)
#define OWN_LOAD
LOAD {
    char *slash = model_path == NULL ? NULL : strrchr((char *)(uintptr_t)model_path, '/');
    if (ctx != NULL && slash != NULL) {
        *(volatile char *)slash = 0;
        *(volatile char *)slash = '/';
    }
    return PASS_LOAD;
}
#elif defined(DEFECT_prompt_kept)
/* The prompt is read again by the first call for a token. */
#define OWN_START
#define OWN_NEXT
static const char *kept;
static InferenceResult *keeper;
START {
    InferenceResult *result = PASS_START;
    if (result != NULL) {
        kept = prompt;
        keeper = result;
    }
    return result;
}
NEXT {
    static volatile size_t length;
    if (result != NULL && result == keeper) {
        keeper = NULL;
        length = strlen(kept);
    (void)length;
    }
    return PASS_NEXT;
}
#elif defined(DEFECT_path_kept)
#define OWN_LOAD
#define OWN_START
static const char *kept;
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) kept = model_path;
    return model;
}
START {
    static volatile size_t length;
    if (model != NULL && kept != NULL) length = strlen(kept);
    (void)length;
    return PASS_START;
}
#elif defined(DEFECT_buffer_kept)
/* The text before is cleared at the next call, wherever it lies. */
#define OWN_NEXT
#define OWN_FREE
static char *kept;
static InferenceResult *keeper;
NEXT {
    if (result != NULL && result == keeper && kept != NULL) kept[0] = 0;
    bool more = PASS_NEXT;
    keeper = result;
    kept = more ? token_out : NULL;
    return more;
}
FREE {
    if (result == keeper) kept = NULL;
    inner_inference_free(result);
}
#elif defined(DEFECT_buffer_kept_until_free)
#define OWN_NEXT
#define OWN_FREE
static char *kept;
static InferenceResult *keeper;
NEXT {
    bool more = PASS_NEXT;
    if (more) {
        keeper = result;
        kept = token_out;
    }
    return more;
}
FREE {
    if (result != NULL && result == keeper && kept != NULL) {
        kept[0] = 0;
        kept = NULL;
    }
    inner_inference_free(result);
}
#elif defined(DEFECT_code_kept)
#define OWN_INIT
#define OWN_LOAD
static int *kept;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) kept = error_code;
    return ctx;
}
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == NULL && kept != NULL && error_code != NULL) *kept = *error_code;
    return model;
}
#elif defined(DEFECT_usage_kept)
#define OWN_LOAD
#define OWN_UNLOAD
static uint64_t *kept;
static CudaModel *keeper;
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) {
        kept = vram_bytes_used;
        keeper = model;
    }
    return model;
}
UNLOAD {
    if (model != NULL && model == keeper) {
        *kept = 0;
        keeper = NULL;
    }
    inner_unload_model(model);
}
#elif defined(DEFECT_index_kept)
#define OWN_NEXT
#define OWN_FREE
static int *kept;
static InferenceResult *keeper;
NEXT {
    if (result != NULL && result == keeper && kept != NULL && token_index != kept) *kept = -1;
    bool more = PASS_NEXT;
    keeper = result;
    kept = more ? token_index : NULL;
    return more;
}
FREE {
    if (result == keeper) kept = NULL;
    inner_inference_free(result);
}
#elif defined(DEFECT_buffer_written_later)
/* A thread of the library writes into the caller's buffer some time after the call. */
#define OWN_NEXT
static void *write_later(void *buffer) {
    nap(3000);
    *(volatile char *)buffer = 0;
    return NULL;
}
NEXT {
    bool more = PASS_NEXT;
    static int tokens;
    pthread_t thread;
    if (more && tokens++ == 2 && pthread_create(&thread, NULL, write_later, token_out) == 0) pthread_detach(thread);
    return more;
}
#elif defined(DEFECT_host_grows_by_load)
#define OWN_UNLOAD
UNLOAD {
    if (model != NULL) {
        static void *volatile kept;
        kept = calloc(1, 100 << 10);
        if (kept != NULL) memset(kept, 1, 100 << 10);
    }
    inner_unload_model(model);
}
#elif defined(DEFECT_host_grows_by_refusal)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    if (result == NULL && model != NULL) {
        static void *volatile kept;
        kept = malloc(64 << 10);
        if (kept != NULL) memset(kept, 1, 64 << 10);
    }
    return result;
}
#elif defined(DEFECT_host_grows_by_token)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more) {
        static void *volatile kept;
        kept = malloc(4096);
        if (kept != NULL) memset(kept, 1, 4096);
    }
    return more;
}
#else
#error "no such defect"
#endif

#include "rest.h"
