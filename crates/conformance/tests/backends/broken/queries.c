/* Violations of the VRAM, HEALTH and THR families. */
#include "wrapper.h"

#if defined(DEFECT_second_name_counts_cache)
/* The two names for one figure part while a job is open. */
#define OWN_START
#define OWN_FREE
#define OWN_USAGE
static int open_jobs;
START {
    InferenceResult *result = PASS_START;
    if (result != NULL) open_jobs++;
    return result;
}
FREE {
    if (result != NULL) open_jobs--;
    inner_inference_free(result);
}
USAGE { return model == NULL ? 0 : inner_get_vram_usage(model) + (open_jobs > 0 ? 1 << 16 : 0); }
#elif defined(DEFECT_second_name_in_pages)
#define OWN_USAGE
USAGE { return (inner_get_vram_usage(model) + 65535) / 65536 * 65536; }
#elif defined(DEFECT_usage_grows_by_asking)
#define OWN_USAGE
#define OWN_MODEL_USAGE
static uint64_t asked;
USAGE { return model == NULL ? 0 : inner_get_vram_usage(model) + asked++ / 8 * 256; }
MODEL_USAGE { return model == NULL ? 0 : inner_get_vram_usage(model) + asked / 8 * 256; }
#elif defined(DEFECT_usage_grows_by_jobs)
#define OWN_START
#define OWN_USAGE
#define OWN_MODEL_USAGE
static uint64_t jobs;
START {
    InferenceResult *result = PASS_START;
    if (result != NULL) jobs++;
    return result;
}
USAGE { return model == NULL ? 0 : inner_get_vram_usage(model) + jobs * 512; }
MODEL_USAGE { return model == NULL ? 0 : inner_get_vram_usage(model) + jobs * 512; }
#elif defined(DEFECT_usage_after_check_drops)
#define OWN_RESIDENT
#define OWN_USAGE
#define OWN_MODEL_USAGE
static int checked;
RESIDENT {
    bool good = PASS_RESIDENT;
    if (good) checked = 1;
    return good;
}
USAGE { return inner_get_vram_usage(model) >> checked; }
MODEL_USAGE { return inner_get_vram_usage(model) >> checked; }
#elif defined(DEFECT_process_counts_cache_only)
#define OWN_LOAD
#define OWN_UNLOAD
#define OWN_PROCESS_USAGE
static uint64_t weights;
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) weights += *vram_bytes_used;
    return model;
}
UNLOAD {
    weights -= inner_get_vram_usage(model);
    inner_unload_model(model);
}
PROCESS_USAGE { return ctx == NULL ? 0 : inner_get_process_vram_usage(ctx) - weights; }
#elif defined(DEFECT_process_forgets_second_model)
#define OWN_LOAD
#define OWN_UNLOAD
#define OWN_PROCESS_USAGE
static CudaModel *seen[64];
LOAD {
    CudaModel *model = PASS_LOAD;
    for (int i = 0; model != NULL && i < 64; i++)
        if (seen[i] == NULL) {
            seen[i] = model;
            break;
        }
    return model;
}
UNLOAD {
    for (int i = 0; i < 64; i++)
        if (seen[i] == model) seen[i] = NULL;
    inner_unload_model(model);
}
PROCESS_USAGE {
    uint64_t forgotten = 0;
    for (int i = 1; i < 64; i++) forgotten += inner_get_vram_usage(seen[i]);
    return ctx == NULL ? 0 : inner_get_process_vram_usage(ctx) - forgotten;
}
#elif defined(DEFECT_process_keeps_every_round)
#define OWN_UNLOAD
#define OWN_PROCESS_USAGE
static uint64_t unloads;
UNLOAD {
    if (model != NULL) unloads++;
    inner_unload_model(model);
}
PROCESS_USAGE { return ctx == NULL ? 0 : inner_get_process_vram_usage(ctx) + unloads * 2048; }
#elif defined(DEFECT_process_keeps_tenth_round)
#define OWN_UNLOAD
#define OWN_PROCESS_USAGE
static uint64_t unloads;
UNLOAD {
    if (model != NULL) unloads++;
    inner_unload_model(model);
}
PROCESS_USAGE { return ctx == NULL ? 0 : inner_get_process_vram_usage(ctx) + unloads / 10 * 65536; }
#elif defined(DEFECT_never_resident)
#define OWN_RESIDENT
RESIDENT {
    if (model != NULL) REFUSE(7, false);
    return PASS_RESIDENT;
}
#elif defined(DEFECT_not_resident_after_job)
#define OWN_FREE
#define OWN_RESIDENT
static int jobs;
FREE {
    if (result != NULL) jobs++;
    inner_inference_free(result);
}
RESIDENT {
    if (model != NULL && jobs > 0) REFUSE(7, false);
    return PASS_RESIDENT;
}
#elif defined(DEFECT_never_healthy)
#define OWN_HEALTH
HEALTH {
    if (ctx != NULL) REFUSE(1, false);
    return PASS_HEALTH;
}
#elif defined(DEFECT_unhealthy_with_model)
#define OWN_LOAD
#define OWN_UNLOAD
#define OWN_HEALTH
static int models;
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) models++;
    return model;
}
UNLOAD {
    if (model != NULL) models--;
    inner_unload_model(model);
}
HEALTH {
    if (ctx != NULL && models > 0) REFUSE(99, false);
    return PASS_HEALTH;
}
#elif defined(DEFECT_health_check_takes_token) || defined(DEFECT_residency_check_takes_token)
#define OWN_START
#define OWN_FREE
static InferenceResult *open_job;
START {
    InferenceResult *result = PASS_START;
    if (result != NULL) open_job = result;
    return result;
}
FREE {
    if (result == open_job) open_job = NULL;
    inner_inference_free(result);
}
static void take(void) {
    char spare[4096];
    int code = 0;
    if (open_job != NULL) (void)inner_inference_next_token(open_job, spare, sizeof spare, NULL, &code);
}
#ifdef DEFECT_health_check_takes_token
#define OWN_HEALTH
HEALTH {
    if (ctx != NULL) take();
    return PASS_HEALTH;
}
#else
#define OWN_RESIDENT
RESIDENT {
    if (model != NULL) take();
    return PASS_RESIDENT;
}
#endif
#elif defined(DEFECT_usage_query_changes_output)
/* Asking for the usage in the middle of a job repeats a token. */
#define OWN_NEXT
#define OWN_USAGE
static int asked;
static char last[4096];
USAGE {
    if (model != NULL) asked = 1;
    return inner_get_vram_usage(model);
}
NEXT {
    bool more = PASS_NEXT;
    if (more && asked && strlen(last) < (size_t)token_buffer_size) strcpy(token_out, last);
    asked = 0;
    if (more && strlen(token_out) < sizeof last) strcpy(last, token_out);
    return more;
}
#elif defined(DEFECT_count_zero_while_counting)
#define OWN_COUNT
COUNT {
    static volatile int count;
    count = 0;
    nap(50);
    for (int i = 0; i < inner_get_device_count(); i++) count++;
    return count;
}
#elif defined(DEFECT_message_and_count_deadlock)
#define OWN_COUNT
#define OWN_MESSAGE
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
COUNT {
    pthread_mutex_lock(&one);
    nap(100);
    pthread_mutex_lock(&two);
    int count = inner_get_device_count();
    pthread_mutex_unlock(&two);
    pthread_mutex_unlock(&one);
    return count;
}
MESSAGE {
    pthread_mutex_lock(&two);
    nap(100);
    pthread_mutex_lock(&one);
    const char *text = inner_error_message(error_code);
    pthread_mutex_unlock(&one);
    pthread_mutex_unlock(&two);
    return text;
}
#elif defined(DEFECT_usage_summed_in_place)
#define OWN_USAGE
USAGE {
    static volatile uint64_t sum;
    uint64_t all = inner_get_vram_usage(model);
    sum = 0;
    for (int i = 0; i < 16; i++) {
        sum += all / 16;
        if (i % 4 == 0) sched_yield();
    }
    sum += all % 16;
    return sum;
}
#elif defined(DEFECT_checks_share_a_flag)
#define OWN_RESIDENT
RESIDENT {
    static volatile int walking;
    if (model == NULL || error_code == NULL) return PASS_RESIDENT;
    if (walking) REFUSE(99, false);
    walking = 1;
    nap(100);
    walking = 0;
    return PASS_RESIDENT;
}
#elif defined(DEFECT_contexts_share_a_buffer)
/* One scratch buffer for the text of every context. */
#define OWN_NEXT
static char scratch[1 << 16];
NEXT {
    if (token_out == NULL || token_buffer_size <= 0 || token_buffer_size > (int)sizeof scratch) return PASS_NEXT;
    bool more = inner_inference_next_token(result, scratch, token_buffer_size, token_index, error_code);
    sched_yield();
    if (more) memcpy(token_out, scratch, strnlen(scratch, (size_t)token_buffer_size - 1) + 1);
    return more;
}
#elif defined(DEFECT_contexts_share_the_seed)
#define OWN_START
static volatile uint64_t shared_seed;
START {
    shared_seed = seed;
    nap(300);
    seed = shared_seed;
    return PASS_START;
}
#elif defined(DEFECT_jobs_exclude_other_contexts)
#define OWN_NEXT
NEXT {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (result == NULL || error_code == NULL) return PASS_NEXT;
    if (pthread_mutex_trylock(&lock) != 0) REFUSE(6, false);
    nap(100);
    bool more = PASS_NEXT;
    pthread_mutex_unlock(&lock);
    return more;
}
#elif defined(DEFECT_device_is_current_in_one_thread)
#define OWN_INIT
#define OWN_LOAD
#define OWN_START
static __thread int current = -1;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) current = gpu_device;
    return ctx;
}
LOAD {
    bool whole = ctx != NULL && model_path != NULL && vram_bytes_used != NULL && error_code != NULL;
    if (whole && current < 0) REFUSE(99, NULL);
    return PASS_LOAD;
}
START {
    if (model != NULL && prompt != NULL && error_code != NULL && current < 0 && max_tokens > 0 && max_tokens <= 2048 &&
        temperature >= 0 && temperature <= 2)
        REFUSE(4, NULL);
    return PASS_START;
}
#elif defined(DEFECT_load_on_other_thread_refused)
#define OWN_INIT
#define OWN_LOAD
static __thread bool opened;
INIT {
    opened = true;
    return PASS_INIT;
}
LOAD {
    if (!opened && ctx != NULL && model_path != NULL && vram_bytes_used != NULL) REFUSE(99, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_destroy_on_other_thread_crashes)
#define OWN_INIT
#define OWN_DESTROY
static __thread bool opened;
INIT {
    opened = true;
    return PASS_INIT;
}
DESTROY {
    if (!opened && ctx != NULL) abort();
    inner_destroy(ctx);
}
#elif defined(DEFECT_free_on_other_thread_crashes)
#define OWN_START
#define OWN_FREE
static __thread int started;
START {
    InferenceResult *result = PASS_START;
    if (result != NULL) started++;
    return result;
}
FREE {
    if (result != NULL && started == 0) crash();
    inner_inference_free(result);
}
#else
#error "no such defect"
#endif

#include "rest.h"
