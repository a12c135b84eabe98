/* Runs work on the caller's thread, on one thread a context, or on one that is born with the library. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "parts.h"

struct lane {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void (*work)(void *);
    void *arg;
    bool waiting, stopping;
};

#if SOUND_LANE
static void *lane_main(void *arg) {
    struct lane *lane = arg;
    pthread_mutex_lock(&lane->lock);
    while (!lane->stopping) {
        if (lane->work == NULL) {
            pthread_cond_wait(&lane->changed, &lane->lock);
            continue;
        }
        pthread_mutex_unlock(&lane->lock);
        lane->work(lane->arg);
        pthread_mutex_lock(&lane->lock);
        lane->work = NULL;
        lane->waiting = false;
        pthread_cond_broadcast(&lane->changed);
    }
    pthread_mutex_unlock(&lane->lock);
    return NULL;
}

static struct lane *lane_new(void) {
    struct lane *lane = calloc(1, sizeof *lane);
    sigset_t all, before;
    if (lane == NULL) return NULL;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&lane->thread, NULL, lane_main, lane);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(lane);
        return NULL;
    }
    return lane;
}

static void lane_delete(struct lane *lane) {
    pthread_mutex_lock(&lane->lock);
    lane->stopping = true;
    pthread_cond_broadcast(&lane->changed);
    pthread_mutex_unlock(&lane->lock);
    pthread_join(lane->thread, NULL);
    free(lane);
}
#endif

#if SOUND_LANE == 2
/* As CUDA itself, this library knows nothing of fork: in a child the thread is gone, and a call waits for ever. */
static struct lane *only;
static pid_t born_in;
__attribute__((constructor)) static void lane_begin(void) {
    born_in = getpid();
    only = lane_new();
}
__attribute__((destructor)) static void lane_end(void) {
    if (only != NULL && getpid() == born_in) lane_delete(only);
}
#endif

struct lane *lane_open(void) {
#if SOUND_LANE == 1
    return lane_new();
#elif SOUND_LANE == 2
    return only;
#else
    static struct lane none;
    return &none;
#endif
}

void lane_close(struct lane *lane) {
#if SOUND_LANE == 1
    lane_delete(lane);
#else
    (void)lane;
#endif
}

void lane_run(struct lane *lane, void (*work)(void *), void *arg) {
#if SOUND_LANE
    pthread_mutex_lock(&lane->lock);
    while (lane->waiting) pthread_cond_wait(&lane->changed, &lane->lock);
    lane->waiting = true;
    lane->arg = arg;
    lane->work = work;
    pthread_cond_broadcast(&lane->changed);
    while (lane->work == work && lane->arg == arg && lane->waiting) pthread_cond_wait(&lane->changed, &lane->lock);
    pthread_mutex_unlock(&lane->lock);
#else
    (void)lane;
    work(arg);
#endif
}
