/* Simulated device memory, byte by byte, and what a runtime keeps for the process after its first use. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "parts.h"

const int device_count = SOUND_DEVICES;
static uint64_t used[SOUND_DEVICES + 1];
static pthread_mutex_t ledger_lock = PTHREAD_MUTEX_INITIALIZER;
static bool first_used;
static int kept_fd = -1;
static char *kept_bytes;
static void *reserved = MAP_FAILED;

/* Another size than the built-in one, so that a host without 24 GiB models can still fill a device. */
uint64_t device_bytes(void) {
    const char *text = getenv("FAKE_DEVICE_BYTES");
    uint64_t bytes = text == NULL ? 0 : strtoull(text, NULL, 10);
    return bytes > 0 ? bytes : SOUND_DEVICE_BYTES;
}

bool ledger_take(int device, uint64_t bytes) {
    pthread_mutex_lock(&ledger_lock);
    uint64_t all = device_bytes();
    bool fits = used[device] <= all && bytes <= all - used[device];
    if (fits) used[device] += bytes;
    pthread_mutex_unlock(&ledger_lock);
    return fits;
}

void ledger_give(int device, uint64_t bytes) {
    pthread_mutex_lock(&ledger_lock);
    used[device] -= bytes;
    pthread_mutex_unlock(&ledger_lock);
}

static uint64_t extras(void) {
    uint64_t noise = 0;
    if (SOUND_NOISE_BYTES > 0) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        noise = mix((uint64_t)now.tv_nsec) % (SOUND_NOISE_BYTES + 1ull) / 4096 * 4096;
    }
    return SOUND_OVERHEAD_BYTES + (first_used ? (uint64_t)SOUND_LAZY_OVERHEAD_BYTES : 0) + noise;
}

uint64_t ledger_used(int device) {
    pthread_mutex_lock(&ledger_lock);
    uint64_t bytes = used[device] + extras();
    pthread_mutex_unlock(&ledger_lock);
    return bytes;
}

uint64_t ledger_total(void) {
    pthread_mutex_lock(&ledger_lock);
    uint64_t bytes = extras();
    for (int i = 0; i < SOUND_DEVICES; i++) bytes += used[i];
    pthread_mutex_unlock(&ledger_lock);
    return bytes;
}

void pause_ms(int ms) {
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (ms > 0 && nanosleep(&left, &left) != 0) {}
}

static void *idle(void *arg) {
    for (;;) pause_ms(1000);
    return arg;
}

static void start_thread(void) {
    sigset_t all, before;
    pthread_t thread;
    /* The host's signals are not for our threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (pthread_create(&thread, NULL, idle, NULL) == 0) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The first load of the process: what a real runtime sets up once and keeps. */
void first_use(void) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (!first_used) {
        pause_ms(SOUND_FIRST_MS);
        if (SOUND_FIRST_USE_CACHE) {
            kept_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
            kept_bytes = malloc(20 << 20);
            if (kept_fd >= 0 && kept_bytes != NULL) memset(kept_bytes, 1, 20 << 20);
        }
        if (SOUND_RESERVED_GIB > 0) {
            reserved = mmap(NULL, (size_t)SOUND_RESERVED_GIB << 30, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        }
        for (int i = 0; i < SOUND_POOL_THREADS; i++) start_thread();
        pthread_mutex_lock(&ledger_lock);
        first_used = true;
        pthread_mutex_unlock(&ledger_lock);
    }
    pthread_mutex_unlock(&lock);
}

/* What was kept for the process goes with the library. */
__attribute__((destructor)) static void at_unload(void) {
    if (kept_fd >= 0) close(kept_fd);
    free(kept_bytes);
    if (reserved != MAP_FAILED) munmap(reserved, (size_t)SOUND_RESERVED_GIB << 30);
}

#if SOUND_IDLE_THREAD
__attribute__((constructor)) static void at_load(void) { start_thread(); }
#endif

/* Injected conditions: FAKE_FAULT, or the text of the file that FAKE_FAULT_FILE names, read at each event.
   "launch@3" strikes at index 3, "launch" at every index; several are separated by spaces. */
bool fault(const char *name, uint64_t index) {
    char text[256] = {0};
    const char *path = getenv("FAKE_FAULT_FILE"), *given = getenv("FAKE_FAULT");
    if (path != NULL) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
            close(fd);
        }
    } else if (given != NULL) strncpy(text, given, sizeof text - 1);
    else return false;
    size_t len = strlen(name);
    for (char *rest = NULL, *word = strtok_r(text, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
        if (strncmp(word, name, len) != 0) continue;
        if (word[len] == 0) return true;
        if (word[len] == '@' && strtoull(word + len + 1, NULL, 10) == index) return true;
    }
    return false;
}
