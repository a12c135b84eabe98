/* Libraries that take the process with them: signals, exits, jumps. */
#include "../broken/wrapper.h"

#include <setjmp.h>
#include <sys/resource.h>

#if defined(DEFECT_segv_in_load_of_null)
#define OWN_LOAD
LOAD {
    if (model_path == NULL) crash();
    return PASS_LOAD;
}
#elif defined(DEFECT_segv_in_load)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) crash();
    return model;
}
#elif defined(DEFECT_abort_in_start)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    if (result != NULL) abort();
    return result;
}
#elif defined(DEFECT_abort_in_unload)
#define OWN_UNLOAD
UNLOAD {
    if (model != NULL) abort();
}
#elif defined(DEFECT_exit_0_in_init)
#define OWN_INIT
INIT {
    (void)gpu_device;
    (void)error_code;
    exit(0);
}
#elif defined(DEFECT_quick_exit_in_load)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == NULL && model_path != NULL && ctx != NULL) _exit(1);
    return model;
}
#elif defined(DEFECT_quick_exit_0_in_next)
#define OWN_NEXT
NEXT {
    static int tokens;
    bool more = PASS_NEXT;
    if (more && ++tokens == 5) _exit(0);
    return more;
}
#elif defined(DEFECT_exec_in_health)
#define OWN_HEALTH
HEALTH {
    char name[] = "true";
    char *arguments[] = {name, NULL};
    if (ctx != NULL) execv("/bin/true", arguments);
    return PASS_HEALTH;
}
#elif defined(DEFECT_jump_from_next)
/* Back into a call that returned long ago. */
#define OWN_INIT
#define OWN_NEXT
static jmp_buf place;
INIT {
    volatile int jumped = 0;
    CudaContext *ctx = PASS_INIT;
    if (setjmp(place) != 0) jumped = 1;
    if (jumped && error_code != NULL) *error_code = 99;
    return jumped ? NULL : ctx;
}
NEXT {
    static int tokens;
    bool more = PASS_NEXT;
    if (more && ++tokens == 3) longjmp(place, 1);
    return more;
}
#elif defined(DEFECT_stack_overflow_in_start)
#define OWN_START
static int deeper(volatile char *above, int depth) {
    volatile char here[4096];
    here[0] = above[0];
    return depth < 0 ? here[0] : deeper(here, depth + 1) + here[0];
}
START {
    char seed_byte = 1;
    if (model != NULL && prompt != NULL && strlen(prompt) > 40) max_tokens += deeper(&seed_byte, 0) & 0;
    return PASS_START;
}
#elif defined(DEFECT_divides_by_zero)
#define OWN_START
START {
    volatile int zero = max_tokens;
    if (model != NULL && zero == 0) zero = 7 / zero;
    return PASS_START;
}
#elif defined(DEFECT_illegal_instruction)
#define OWN_HEALTH
HEALTH {
    if (ctx != NULL) __builtin_trap();
    return PASS_HEALTH;
}
#elif defined(DEFECT_bus_error)
#define OWN_UNLOAD
UNLOAD {
    if (model != NULL) raise(SIGBUS);
    inner_unload_model(model);
}
#elif defined(DEFECT_kills_itself)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) raise(SIGKILL);
    return model;
}
#elif defined(DEFECT_stops_itself)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) raise(SIGSTOP);
    return model;
}
#elif defined(DEFECT_exit_from_thread)
/* The call has long returned when the process ends. */
#define OWN_LOAD
static void *end_later(void *arg) {
    nap(2000);
    _exit(0);
    return arg;
}
LOAD {
    CudaModel *model = PASS_LOAD;
    pthread_t thread;
    if (model != NULL) pthread_create(&thread, NULL, end_later, NULL);
    return model;
}
#elif defined(DEFECT_crash_from_thread)
#define OWN_START
static void *crash_later(void *arg) {
    nap(1000);
    crash();
    return arg;
}
START {
    InferenceResult *result = PASS_START;
    pthread_t thread;
    if (result != NULL) pthread_create(&thread, NULL, crash_later, NULL);
    return result;
}
#elif defined(DEFECT_thread_exit)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more) pthread_exit(NULL);
    return more;
}
#elif defined(DEFECT_smashes_callers_stack)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    volatile char *above = (volatile char *)__builtin_frame_address(0) + 16;
    for (int i = 0; result != NULL && i < 4096; i++) above[i] = 0x41;
    return result;
}
#elif defined(DEFECT_frees_callers_heap)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more) free(token_out);
    return more;
}
#elif defined(DEFECT_crash_swallowed)
/* A handler of the library turns a crash into a clean exit. */
#define OWN_INIT
#define OWN_NEXT
static void swallow(int number) {
    (void)number;
    _exit(0);
}
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) signal(SIGSEGV, swallow);
    return ctx;
}
NEXT {
    if (result == NULL && error_code == NULL) crash();
    return PASS_NEXT;
}
#elif defined(DEFECT_crash_skipped)
/* A handler jumps out of the fault, and the call says that all is well. */
#define OWN_NEXT
static sigjmp_buf place;
static void skip(int number) {
    (void)number;
    siglongjmp(place, 1);
}
NEXT {
    static struct sigaction action;
    action.sa_handler = skip;
    sigaction(SIGSEGV, &action, NULL);
    if (sigsetjmp(place, 1) != 0) return true;
    if (result != NULL && token_out != NULL && token_buffer_size > 0) memset(token_out, 0, (size_t)token_buffer_size + 1);
    return PASS_NEXT;
}
#elif defined(DEFECT_alarm_rings)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) ualarm(20000, 0);
    return model;
}
#elif defined(DEFECT_lowers_limits)
#define OWN_INIT
INIT {
    CudaContext *ctx = PASS_INIT;
    struct rlimit limit = {3, 3};
    if (ctx != NULL) setrlimit(RLIMIT_NOFILE, &limit);
    return ctx;
}
#else
#error "no such defect"
#endif

#include "../broken/rest.h"
