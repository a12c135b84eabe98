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

#ifdef ODD_LINGER
/* A thread watches each context. Destroy tells it to end and does not wait: thread, memory and descriptor are gone 50 ms later. */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#define OWN_INIT
#define OWN_DESTROY
struct watch {
    CudaContext *ctx;
    struct watch *next;
    int descriptor;
    bool stop;
};
static struct watch *watches;
static pthread_mutex_t watches_lock = PTHREAD_MUTEX_INITIALIZER;
static void rest_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}
static void *watch(void *arg) {
    struct watch *one = arg;
    while (!__atomic_load_n(&one->stop, __ATOMIC_SEQ_CST)) rest_ms(5);
    rest_ms(50);
    close(one->descriptor);
    free(one);
    return NULL;
}
INIT {
    CudaContext *ctx = PASS_INIT;
    struct watch *one = ctx == NULL ? NULL : calloc(1, sizeof *one);
    if (one == NULL) return ctx;
    sigset_t all, before;
    pthread_t thread;
    one->ctx = ctx;
    one->descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (pthread_create(&thread, NULL, watch, one) == 0) {
        pthread_detach(thread);
        pthread_mutex_lock(&watches_lock);
        one->next = watches;
        watches = one;
        pthread_mutex_unlock(&watches_lock);
    } else {
        close(one->descriptor);
        free(one);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ctx;
}
DESTROY {
    pthread_mutex_lock(&watches_lock);
    for (struct watch **at = &watches; *at != NULL; at = &(*at)->next) {
        if ((*at)->ctx != ctx) continue;
        struct watch *one = *at;
        *at = one->next;
        __atomic_store_n(&one->stop, true, __ATOMIC_SEQ_CST);
        break;
    }
    pthread_mutex_unlock(&watches_lock);
    inner_destroy(ctx);
}
#endif

#ifdef ODD_GARBAGE
/* What jobs leave is collected each time that it has reached 256 KiB, as by a runtime with a collector. */
#define OWN_FREE
static struct scrap {
    struct scrap *next;
    char rest[2000];
} *garbage;
static size_t scraps;
static pthread_mutex_t garbage_lock = PTHREAD_MUTEX_INITIALIZER;
FREE {
    inner_inference_free(result);
    pthread_mutex_lock(&garbage_lock);
    struct scrap *one = calloc(1, sizeof *one);
    if (one != NULL) {
        one->next = garbage;
        garbage = one;
    }
    if (++scraps == 128) {
        while (garbage != NULL) {
            struct scrap *next = garbage->next;
            free(garbage);
            garbage = next;
        }
        scraps = 0;
    }
    pthread_mutex_unlock(&garbage_lock);
}
#endif

#include "../../broken/rest.h"
