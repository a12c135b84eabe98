/* Libraries that do not come back, or that flood whoever waits. Whatever outlives its host ends by itself after a
   minute or two, so that a suite that misses it does no lasting harm. */
#include "../broken/wrapper.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>

enum { OUTLIVES_SECONDS = 90 };

#if defined(DEFECT_loops_in_next)
#define OWN_NEXT
NEXT {
    static int tokens;
    bool more = PASS_NEXT;
    if (more && ++tokens == 10)
        for (volatile int spin = 0;; spin = spin + 1) {}
    return more;
}
#elif defined(DEFECT_sleeps_in_init)
#define OWN_INIT
INIT {
    while (error_code != NULL && gpu_device >= 0) nap(1000000);
    return PASS_INIT;
}
#elif defined(DEFECT_loops_in_message)
#define OWN_MESSAGE
MESSAGE {
    int hash = error_code;
    while (error_code < 0 && hash != 5) hash = hash % 100;
    return inner_error_message(error_code);
}
#elif defined(DEFECT_deadlock_on_second_start)
#define OWN_START
START {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (model != NULL && prompt != NULL) pthread_mutex_lock(&lock);
    InferenceResult *result = PASS_START;
    if (result == NULL && model != NULL && prompt != NULL) pthread_mutex_unlock(&lock);
    return result;
}
#elif defined(DEFECT_tokens_without_end)
#define OWN_NEXT
NEXT {
    static int index;
    bool more = PASS_NEXT;
    if (more && token_index != NULL) index = *token_index;
    if (!more && result != NULL && token_out != NULL && token_buffer_size > 0 && error_code != NULL && *error_code == 0) {
        token_out[0] = 0;
        if (token_index != NULL) *token_index = ++index;
        return true;
    }
    return more;
}
#elif defined(DEFECT_hangs_and_ignores_sigterm)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    sigset_t all;
    if (model != NULL) {
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        signal(SIGTERM, SIG_IGN);
        for (;;) pause();
    }
    return model;
}
#elif defined(DEFECT_leaves_group_and_hangs)
/* Out of the process group that a runner would kill. */
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) {
        setpgid(0, 0);
        setsid();
        for (int i = 0; i < OUTLIVES_SECONDS; i++) nap(1000000);
        _exit(0);
    }
    return model;
}
#elif defined(DEFECT_hangs_when_process_ends)
#define OWN_INIT
static void at_end(void) {
    for (;;) nap(1000000);
}
INIT {
    static int begun;
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL && !begun++) atexit(at_end);
    return ctx;
}
#elif defined(DEFECT_output_without_end)
#define OWN_START
START {
    static char page[4096];
    memset(page, '#', sizeof page);
    while (model != NULL && prompt != NULL && write(1, page, sizeof page) > 0) {}
    return PASS_START;
}
#elif defined(DEFECT_error_output_without_end)
#define OWN_LOAD
static void *pour(void *arg) {
    static char line[] = "fake backend: warning, warning, warning, warning, warning, warning, warning, warning\n";
    while (write(2, line, sizeof line - 1) > 0) {}
    return arg;
}
LOAD {
    CudaModel *model = PASS_LOAD;
    pthread_t thread;
    if (model != NULL && pthread_create(&thread, NULL, pour, NULL) == 0) pthread_detach(thread);
    return model;
}
#elif defined(DEFECT_memory_without_end)
/* Ends by itself at 12 GiB, where a runner sets no limit and the machine has as much. */
#define OWN_START
START {
    for (int i = 0; model != NULL && prompt != NULL && i < 768; i++) {
        char *room = (char *)malloc(16 << 20);
        if (room != NULL) memset(room, 1, 16 << 20);
    }
    return PASS_START;
}
#elif defined(DEFECT_threads_without_end)
#define OWN_INIT
static void *wait_long(void *arg) {
    nap(60000000);
    return arg;
}
INIT {
    CudaContext *ctx = PASS_INIT;
    pthread_t thread;
    for (int i = 0; ctx != NULL && i < 2000; i++)
        if (pthread_create(&thread, NULL, wait_long, NULL) == 0) pthread_detach(thread);
    return ctx;
}
#elif defined(DEFECT_file_without_end)
/* Into the working directory; stops at 1 GiB and leaves no name behind. */
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    static char page[1 << 16];
    int file = model == NULL ? -1 : open("fake_backend_dump.tmp", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file >= 0) unlink("fake_backend_dump.tmp");
    for (int i = 0; file >= 0 && i < 1 << 14; i++)
        if (write(file, page, sizeof page) < 0) break;
    return model;
}
#elif defined(DEFECT_closes_standard_descriptors)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    for (int fd = 0; model != NULL && fd < 3; fd++) close(fd);
    return model;
}
#elif defined(DEFECT_closes_all_descriptors)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    for (int fd = 0; model != NULL && fd < 1024; fd++) close(fd);
    return model;
}
#elif defined(DEFECT_writes_to_all_descriptors)
/* What a runner reads from its child is then not what its child said. */
#define OWN_INIT
INIT {
    static const char junk[] = "{\"verdict\":\"pass\"}\n\0\xff\xff\xff\x7f";
    CudaContext *ctx = PASS_INIT;
    for (int fd = 3; ctx != NULL && fd < 64; fd++)
        if (write(fd, junk, sizeof junk) < 0) continue;
    return ctx;
}
#elif defined(DEFECT_reads_all_descriptors)
#define OWN_INIT
INIT {
    char junk[4096];
    CudaContext *ctx = PASS_INIT;
    for (int fd = 0; ctx != NULL && fd < 64; fd++) {
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0) continue;
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
        if (read(fd, junk, sizeof junk) < 0) continue;
    }
    return ctx;
}
#elif defined(DEFECT_redirects_output)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    int null = model == NULL ? -1 : open("/dev/null", O_WRONLY);
    if (null >= 0) {
        dup2(null, 1);
        dup2(null, 2);
        close(null);
    }
    return model;
}
#elif defined(DEFECT_leaves_child)
/* A child that holds every descriptor of its parent open. */
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    static int begun;
    if (model != NULL && !begun++ && fork() == 0) {
        for (int i = 0; i < OUTLIVES_SECONDS; i++) nap(1000000);
        _exit(0);
    }
    return model;
}
#elif defined(DEFECT_leaves_daemon)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    static int begun;
    if (model != NULL && !begun++) {
        pid_t child = fork();
        if (child == 0) {
            setsid();
            if (fork() == 0)
                for (int i = 0; i < OUTLIVES_SECONDS; i++) nap(1000000);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    return model;
}
#elif defined(DEFECT_leaves_zombies)
#define OWN_FREE
FREE {
    if (result != NULL && fork() == 0) _exit(0);
    inner_inference_free(result);
}
#elif defined(DEFECT_returns_twice)
/* Both parent and child come back from the call. */
#define OWN_INIT
INIT {
    static int begun;
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL && !begun++) fork();
    return ctx;
}
#elif defined(DEFECT_deletes_model)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) unlink(model_path);
    return model;
}
#elif defined(DEFECT_overwrites_model)
#define OWN_UNLOAD
#define OWN_LOAD
static char path[4096];
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) snprintf(path, sizeof path, "%s", model_path);
    return model;
}
UNLOAD {
    int file = model == NULL ? -1 : open(path, O_WRONLY);
    if (file >= 0 && pwrite(file, "XXXX", 4, 0) == 4) close(file);
    inner_unload_model(model);
}
#elif defined(DEFECT_fills_directory)
/* Small files without end in the working directory; stops at two thousand. */
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    static int made;
    char name[64];
    for (int i = 0; result != NULL && i < 100 && made < 2000; i++) {
        snprintf(name, sizeof name, "fake_backend_%d.tmp", made++);
        int file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (file >= 0) close(file);
    }
    return result;
}
#else
#error "no such defect"
#endif

#include "../broken/rest.h"
