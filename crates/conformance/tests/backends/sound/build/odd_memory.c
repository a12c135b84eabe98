/* Sound ways with memory and contexts that look like leaks or refusals without a reason: one macro each. */
#include "../../broken/wrapper.h"

#ifdef ODD_CLOCK
/* Memory that the process took at first is given back by the clock, whatever the host does. */
#define OWN_PROCESS_USAGE
static uint64_t micros(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
static uint64_t began;
PROCESS_USAGE {
    uint64_t bytes = inner_get_process_vram_usage(ctx);
    if (ctx == NULL) return bytes;
    uint64_t none = 0, now = micros();
    __atomic_compare_exchange_n(&began, &none, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    uint64_t given_back = (now - began) << 10, at_first = 4ull << 30;
    return bytes + (given_back < at_first ? at_first - given_back : 0);
}
#endif

#ifdef ODD_POOL
/* A pool of fixed size, whose pages become resident one after another, a page a job. */
#define OWN_START
enum { POOL = 8 << 20, PAGE = 4096 };
static char pool[POOL];
static size_t jobs;
START {
    size_t job = __atomic_fetch_add(&jobs, 1, __ATOMIC_SEQ_CST);
    *(volatile char *)&pool[job * PAGE % POOL] = 1;
    return PASS_START;
}
#endif

#ifdef ODD_EIGHT_CONTEXTS
/* Eight contexts at a time and no more. */
#define OWN_INIT
#define OWN_DESTROY
static int live;
INIT {
    if (__atomic_add_fetch(&live, 1, __ATOMIC_SEQ_CST) > 8) {
        __atomic_sub_fetch(&live, 1, __ATOMIC_SEQ_CST);
        REFUSE(ODD_EIGHT_CONTEXTS, NULL);
    }
    CudaContext *ctx = PASS_INIT;
    if (ctx == NULL) __atomic_sub_fetch(&live, 1, __ATOMIC_SEQ_CST);
    return ctx;
}
DESTROY {
    inner_destroy(ctx);
    if (ctx != NULL) __atomic_sub_fetch(&live, 1, __ATOMIC_SEQ_CST);
}
#endif

#include "../../broken/rest.h"
