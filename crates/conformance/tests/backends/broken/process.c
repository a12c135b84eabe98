/* Violations of the PROC family: what a library leaves behind in the process that lent it room. */
#include "wrapper.h"

#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <sys/stat.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* What is done where the library is used first for real work. */
static void once(void);
__attribute__((unused)) static void at_first_load(void) {
    static int begun;
    if (!begun++) once();
}
#define ONCE_AT_LOAD                                                                                                   \
    LOAD {                                                                                                             \
        CudaModel *model = PASS_LOAD;                                                                                  \
        if (model != NULL) at_first_load();                                                                            \
        return model;                                                                                                  \
    }

#if defined(DEFECT_prints_at_init)
#define OWN_INIT
static void once(void) { fprintf(stderr, "fake backend: device ready\n"); }
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) at_first_load();
    return ctx;
}
#elif defined(DEFECT_prints_on_failed_load)
#define OWN_LOAD
static void once(void) {}
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == NULL && error_code != NULL && *error_code == 3) {
        printf("cannot load the model\n");
        fflush(stdout);
    }
    return model;
}
#elif defined(DEFECT_prints_unflushed)
/* Held in stdio's buffer until somebody else's flush. */
#define OWN_FREE
static void once(void) {}
FREE {
    if (result != NULL) printf(".");
    inner_inference_free(result);
}
#elif defined(DEFECT_prints_at_unload)
static void once(void) {}
__attribute__((destructor)) static void farewell(void) {
    static const char text[] = "fake backend: goodbye\n";
    if (write(2, text, sizeof text - 1) < 0) return;
}
#elif defined(DEFECT_prints_at_load)
static void once(void) {}
__attribute__((constructor)) static void greeting(void) {
    static const char text[] = "fake backend: hello\n";
    if (write(1, text, sizeof text - 1) < 0) return;
}
#elif defined(DEFECT_ignores_sigpipe)
#define OWN_LOAD
static void once(void) { signal(SIGPIPE, SIG_IGN); }
ONCE_AT_LOAD
#elif defined(DEFECT_handles_sigint)
#define OWN_INIT
static void stop(int number) { (void)number; }
static void once(void) { signal(SIGINT, stop); }
INIT {
    at_first_load();
    return PASS_INIT;
}
#elif defined(DEFECT_handles_sigterm_at_load)
static void stop(int number) { _exit(128 + number); }
static void once(void) { signal(SIGTERM, stop); }
__attribute__((constructor)) static void install(void) { at_first_load(); }
#elif defined(DEFECT_blocks_signals)
#define OWN_START
static void once(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}
START {
    InferenceResult *result = PASS_START;
    if (result != NULL) at_first_load();
    return result;
}
#elif defined(DEFECT_rounds_down)
#define OWN_NEXT
static void once(void) { fesetround(FE_DOWNWARD); }
NEXT {
    bool more = PASS_NEXT;
    if (more) at_first_load();
    return more;
}
#elif defined(DEFECT_flushes_denormals)
#define OWN_LOAD
static void once(void) {
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#else
    fesetround(FE_UPWARD);
#endif
}
ONCE_AT_LOAD
#elif defined(DEFECT_traps_floating_point)
#define OWN_INIT
static void once(void) { feenableexcept(FE_DIVBYZERO); }
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) at_first_load();
    return ctx;
}
#elif defined(DEFECT_sets_locale)
#define OWN_LOAD
static void once(void) { setlocale(LC_ALL, "C.UTF-8"); }
ONCE_AT_LOAD
#elif defined(DEFECT_sets_thread_locale)
#define OWN_LOAD
static void once(void) { uselocale(newlocale(LC_NUMERIC_MASK, "C.UTF-8", (locale_t)0)); }
ONCE_AT_LOAD
#elif defined(DEFECT_changes_directory)
#define OWN_LOAD
static void once(void) {
    if (chdir("/") != 0) return;
}
ONCE_AT_LOAD
#elif defined(DEFECT_changes_directory_on_failure)
#define OWN_LOAD
static void once(void) {
    if (chdir("/tmp") != 0) return;
}
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == NULL && error_code != NULL && *error_code == 3) once();
    return model;
}
#elif defined(DEFECT_sets_umask)
#define OWN_INIT
static void once(void) { umask(077); }
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) at_first_load();
    return ctx;
}
#elif defined(DEFECT_sets_environment)
#define OWN_INIT
static void once(void) { setenv("FAKE_DEVICE_ORDER", "PCI_BUS_ID", 1); }
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) at_first_load();
    return ctx;
}
#elif defined(DEFECT_clears_environment)
#define OWN_LOAD
static void once(void) { unsetenv("HOME"); }
ONCE_AT_LOAD
#elif defined(DEFECT_descriptor_each_load)
#define OWN_LOAD
static void once(void) {}
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return model;
    return model;
}
#elif defined(DEFECT_descriptor_each_job)
#define OWN_FREE
static void once(void) {}
FREE {
    int ends[2];
    if (result != NULL && pipe(ends) == 0) close(ends[0]);
    inner_inference_free(result);
}
#else
#error "no such defect"
#endif

#include "rest.h"
