/* Violations of the DEV family. */
#include "wrapper.h"

#if defined(DEFECT_count_negative)
#define OWN_COUNT
COUNT { return inner_get_device_count() == 0 ? -1 : inner_get_device_count(); }
#elif defined(DEFECT_count_zero_before_init)
#define OWN_INIT
#define OWN_COUNT
static int begun;
INIT {
    begun = 1;
    return PASS_INIT;
}
COUNT { return begun ? inner_get_device_count() : 0; }
#elif defined(DEFECT_count_drops_after_load)
#define OWN_LOAD
#define OWN_COUNT
static int loaded;
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) loaded = 1;
    return model;
}
COUNT { return inner_get_device_count() - loaded; }
#elif defined(DEFECT_last_device_refused)
#define OWN_INIT
INIT {
    if (gpu_device == inner_get_device_count() - 1 && gpu_device > 0) REFUSE(1, NULL);
    return PASS_INIT;
}
#elif defined(DEFECT_destroy_ends_second_device)
#define OWN_INIT
#define OWN_DESTROY
#define OWN_HEALTH
static CudaContext *second;
static bool ended;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL && gpu_device == 1) second = ctx, ended = false;
    return ctx;
}
DESTROY {
    if (ctx != NULL && ctx != second) ended = true;
    if (ctx == second) second = NULL;
    inner_destroy(ctx);
}
HEALTH {
    if (ctx != NULL && ctx == second && ended && error_code != NULL) REFUSE(1, false);
    return PASS_HEALTH;
}
#elif defined(DEFECT_second_device_uncounted)
#define OWN_INIT
#define OWN_LOAD
static CudaContext *second;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL && gpu_device == 1) second = ctx;
    return ctx;
}
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL && ctx == second && vram_bytes_used != NULL) *vram_bytes_used /= 2;
    return model;
}
#elif defined(DEFECT_second_device_unlike_last_time)
#define OWN_INIT
#define OWN_LOAD
#define OWN_START
static CudaContext *second;
static CudaModel *on_second;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL && gpu_device == 1) second = ctx;
    return ctx;
}
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL && ctx == second) on_second = model;
    return model;
}
START {
    if (model != NULL && model == on_second) seed += (uint64_t)getpid();
    return PASS_START;
}
#elif defined(DEFECT_count_is_a_device)
#define OWN_INIT
INIT {
    if (gpu_device == inner_get_device_count()) gpu_device = 0;
    return PASS_INIT;
}
#elif defined(DEFECT_minus_one_is_default)
#define OWN_INIT
INIT {
    if (gpu_device == -1) gpu_device = 0;
    return PASS_INIT;
}
#elif defined(DEFECT_smallest_is_a_device)
#define OWN_INIT
INIT {
    gpu_device &= 0x7fffffff;
    return gpu_device == 0x7fffffff ? inner_init(-1, error_code) : PASS_INIT;
}
#elif defined(DEFECT_low_byte_counts)
#define OWN_INIT
INIT {
    gpu_device = (signed char)gpu_device;
    return PASS_INIT;
}
#elif defined(DEFECT_wrong_device_gives_5)
#define OWN_INIT
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx == NULL && error_code != NULL && *error_code == 1) *error_code = 5;
    return ctx;
}
#elif defined(DEFECT_negative_device_gives_5)
#define OWN_INIT
INIT {
    if (gpu_device < 0) REFUSE(5, NULL);
    return PASS_INIT;
}
#elif defined(DEFECT_context_without_device)
#define OWN_INIT
INIT {
    static char fallback[64];
    if (gpu_device == 0 && error_code != NULL) {
        *error_code = 0;
        return (CudaContext *)fallback;
    }
    return PASS_INIT;
}
#define OWN_DESTROY
DESTROY { (void)ctx; }
#elif defined(DEFECT_no_device_gives_99)
#define OWN_INIT
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx == NULL && error_code != NULL) *error_code = 99;
    return ctx;
}
#elif defined(DEFECT_one_context_for_all)
#define OWN_INIT
#define OWN_DESTROY
static CudaContext *only;
static int holders;
INIT {
    if (gpu_device != 0 || error_code == NULL) return PASS_INIT;
    if (only == NULL) only = PASS_INIT;
    *error_code = 0;
    holders++;
    return only;
}
DESTROY {
    if (ctx == NULL || ctx != only) {
        inner_destroy(ctx);
        return;
    }
    if (--holders > 0) return;
    inner_destroy(only);
    only = NULL;
}
#elif defined(DEFECT_destroy_resets_device)
/* One destroy takes the device from every context, as a device reset does. */
#define OWN_INIT
#define OWN_DESTROY
#define OWN_HEALTH
#define OWN_LOAD
static int alive, reset;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL && alive++ == 0) reset = 0;
    return ctx;
}
DESTROY {
    if (ctx != NULL) reset = --alive > 0;
    inner_destroy(ctx);
}
HEALTH {
    if (reset && ctx != NULL) REFUSE(CUDA_ERROR_UNKNOWN, false);
    return PASS_HEALTH;
}
LOAD {
    if (reset && ctx != NULL && model_path != NULL && vram_bytes_used != NULL) REFUSE(CUDA_ERROR_UNKNOWN, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_init_keeps_host_memory)
#define OWN_DESTROY
DESTROY {
    if (ctx != NULL) {
        static void *volatile kept;
        kept = malloc(64 << 10);
        if (kept != NULL) memset(kept, 1, 64 << 10);
    }
    inner_destroy(ctx);
}
#elif defined(DEFECT_init_keeps_device_memory)
#define OWN_INIT
#define OWN_PROCESS_USAGE
static uint64_t contexts;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) contexts++;
    return ctx;
}
PROCESS_USAGE { return ctx == NULL ? 0 : inner_get_process_vram_usage(ctx) + contexts * 65536; }
#elif defined(DEFECT_init_keeps_descriptor)
#define OWN_INIT
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL && dup(2) < 0) return ctx;
    return ctx;
}
#elif defined(DEFECT_init_keeps_thread)
#define OWN_INIT
static void *wait_for_ever(void *arg) {
    for (;;) nap(1000000);
    return arg;
}
INIT {
    CudaContext *ctx = PASS_INIT;
    pthread_t thread;
    if (ctx != NULL && pthread_create(&thread, NULL, wait_for_ever, NULL) == 0) pthread_detach(thread);
    return ctx;
}
#elif defined(DEFECT_slots_run_out)
#define OWN_INIT
INIT {
    static int slots;
    if (slots >= 64 && error_code != NULL && gpu_device == 0) REFUSE(99, NULL);
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) slots++;
    return ctx;
}
#elif defined(DEFECT_init_unlocked)
/* Two threads at once meet in the same place: one of them is told that the device does not exist. */
#define OWN_INIT
INIT {
    static volatile int pending_device;
    if (error_code == NULL || gpu_device < 0 || gpu_device >= inner_get_device_count()) return PASS_INIT;
    pending_device = gpu_device + 1;
    nap(200);
    int device = pending_device - 1;
    pending_device = 0;
    return inner_init(device, error_code);
}
#elif defined(DEFECT_init_shared_by_threads)
/* Two threads at once get the same context. */
#define OWN_INIT
#define OWN_DESTROY
static CudaContext *volatile fresh;
static volatile int inside;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { CudaContext *ctx; int holders; } shared[64];
INIT {
    if (__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) > 1) {
        nap(300);
        pthread_mutex_lock(&lock);
        CudaContext *twin = fresh;
        for (int i = 0; twin != NULL && i < 64; i++)
            if (shared[i].ctx == twin && error_code != NULL && gpu_device == 0) {
                shared[i].holders++;
                pthread_mutex_unlock(&lock);
                __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
                *error_code = 0;
                return twin;
            }
        pthread_mutex_unlock(&lock);
    }
    CudaContext *ctx = PASS_INIT;
    pthread_mutex_lock(&lock);
    for (int i = 0; ctx != NULL && i < 64; i++)
        if (shared[i].ctx == NULL) {
            shared[i].ctx = ctx;
            shared[i].holders = 1;
            break;
        }
    fresh = ctx;
    pthread_mutex_unlock(&lock);
    nap(300);
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    return ctx;
}
DESTROY {
    pthread_mutex_lock(&lock);
    if (ctx == fresh) fresh = NULL;
    for (int i = 0; ctx != NULL && i < 64; i++)
        if (shared[i].ctx == ctx) {
            if (--shared[i].holders > 0) ctx = NULL;
            else shared[i].ctx = NULL;
        }
    pthread_mutex_unlock(&lock);
    inner_destroy(ctx);
}
#elif defined(DEFECT_first_device_alone)
#define OWN_INIT
INIT {
    if (gpu_device > 0 && gpu_device < inner_get_device_count()) REFUSE(99, NULL);
    return PASS_INIT;
}
#else
#error "no such defect"
#endif

#include "rest.h"
