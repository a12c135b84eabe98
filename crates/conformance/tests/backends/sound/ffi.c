/* The fourteen functions: NULL first, then ranges, then the work; a code is written on every return. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../abi.h"
#include "parts.h"

#if SOUND_HANDLES != 0 || SOUND_UNFORGIVING
#define MAKE(kind, thing) handle_make(kind, thing)
#define OPEN(kind, handle) handle_open(kind, handle)
#define DROP(kind, handle) handle_drop(kind, handle)
#else
#define MAKE(kind, thing) (thing)
#define OPEN(kind, handle) ((void *)(handle))
#define DROP(kind, handle) ((void)(handle))
#endif

/* A constant array of constant text: nothing to build, nothing to race for. */
static const struct { int code; const char *text; } messages[] = {
    {CUDA_SUCCESS, "success"},
    {CUDA_ERROR_INVALID_DEVICE, "no such device, or the device is not well"},
    {CUDA_ERROR_OUT_OF_MEMORY, "not enough device memory"},
    {CUDA_ERROR_MODEL_LOAD_FAILED, "the model file cannot be used"},
    {CUDA_ERROR_INFERENCE_FAILED, "inference failed"},
    {CUDA_ERROR_INVALID_PARAMETER, "a parameter is NULL or out of range"},
    {CUDA_ERROR_KERNEL_LAUNCH_FAILED, "a kernel could not be launched"},
    {CUDA_ERROR_VRAM_RESIDENCY_FAILED, "weights are no longer in device memory"},
    {CUDA_ERROR_DEVICE_NOT_FOUND, "this machine has no device"},
    {CUDA_ERROR_UNKNOWN, "unknown error"},
};

static int done(int *error_code, int code) {
    if (error_code != NULL) *error_code = code;
    return code;
}

/* Only a mutating call claims its context; reads may run beside one another. */
static void claim(struct context *c) {
#if SOUND_UNFORGIVING
    if (__atomic_exchange_n(&c->busy, 1, __ATOMIC_ACQ_REL)) abort();
#else
    (void)c;
#endif
}

static void release(struct context *c) {
#if SOUND_UNFORGIVING
    __atomic_store_n(&c->busy, 0, __ATOMIC_RELEASE);
#else
    (void)c;
#endif
}

static void deep_stack(void) {
#if SOUND_STACK_BYTES
    volatile char room[SOUND_STACK_BYTES];
    for (size_t i = 0; i < sizeof room; i += 4096) room[i] = 1;
#endif
}

/* A library may change the state of the process inside a call, if it puts it back. */
struct surroundings {
    fenv_t floating;
    sigset_t signals;
    locale_t locale;
    locale_t own;
};

static void enter(struct surroundings *s) {
    pause_ms(SOUND_CALL_MS);
    deep_stack();
    if (!SOUND_RESTORES) return;
    sigset_t all;
    sigfillset(&all);
    feholdexcept(&s->floating);
    fesetround(FE_TOWARDZERO);
    pthread_sigmask(SIG_BLOCK, &all, &s->signals);
    s->own = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    s->locale = uselocale(s->own);
}

static void leave(struct surroundings *s) {
    if (!SOUND_RESTORES) return;
    uselocale(s->locale);
    freelocale(s->own);
    pthread_sigmask(SIG_SETMASK, &s->signals, NULL);
    fesetenv(&s->floating);
}

#if SOUND_FORK_REFUSED
static pid_t loaded_in;
__attribute__((constructor)) static void remember_process(void) { loaded_in = getpid(); }
#endif

CudaContext *cuda_init(int gpu_device, int *error_code) {
    if (error_code == NULL) return NULL;
    if (device_count == 0) {
        done(error_code, SOUND_NO_DEVICE_CODE);
        return NULL;
    }
    if (gpu_device < 0 || gpu_device >= device_count) {
        done(error_code, CUDA_ERROR_INVALID_DEVICE);
        return NULL;
    }
#if SOUND_FORK_REFUSED
    if (getpid() != loaded_in) {
        done(error_code, CUDA_ERROR_UNKNOWN);
        return NULL;
    }
#endif
    struct context *c = calloc(1, sizeof *c);
    struct lane *lane = c == NULL ? NULL : lane_open();
    CudaContext *handle = lane == NULL ? NULL : (CudaContext *)MAKE(H_CONTEXT, c);
    if (handle == NULL) {
        if (lane != NULL) lane_close(lane);
        free(c);
        done(error_code, CUDA_ERROR_UNKNOWN);
        return NULL;
    }
    c->device = gpu_device;
    c->lane = lane;
    done(error_code, CUDA_SUCCESS);
    return handle;
}

void cuda_destroy(CudaContext *ctx) {
    if (ctx == NULL) return;
    struct context *c = OPEN(H_CONTEXT, ctx);
    if (SOUND_UNFORGIVING && c->models > 0) abort();
    DROP(H_CONTEXT, ctx);
    lane_close(c->lane);
    free(c);
}

int cuda_get_device_count(void) { return device_count; }

struct load_work {
    struct context *context;
    const char *path;
    struct model *model;
    int code;
};

static void load_work(void *arg) {
    struct load_work *w = arg;
    struct surroundings s;
    enter(&s);
    w->code = model_load(w->context, w->path, &w->model);
    leave(&s);
}

static uint64_t usage(struct model *m) { return m->vram + (SOUND_KV_IN_MODEL ? m->kv : 0); }

CudaModel *cuda_load_model(CudaContext *ctx, const char *model_path, uint64_t *vram_bytes_used, int *error_code) {
    if (error_code == NULL) return NULL;
    if (ctx == NULL || model_path == NULL || vram_bytes_used == NULL) {
        done(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return NULL;
    }
    struct load_work w = {OPEN(H_CONTEXT, ctx), model_path, NULL, 0};
    claim(w.context);
    if (SOUND_SECOND_MODEL && w.context->models > 0) w.code = SOUND_SECOND_MODEL;
    else lane_run(w.context->lane, load_work, &w);
    CudaModel *handle = w.code == 0 ? (CudaModel *)MAKE(H_MODEL, w.model) : NULL;
    if (w.code == 0 && handle == NULL) {
        model_free(w.model);
        w.code = CUDA_ERROR_UNKNOWN;
    }
    release(w.context);
    if (w.code == 0) *vram_bytes_used = usage(w.model) + (BROKEN(reported_usage_differs) ? 4096 : 0);
    else if (SOUND_ZERO_ON_FAILED_LOAD) *vram_bytes_used = 0;
    done(error_code, w.code);
    return handle;
}

void cuda_unload_model(CudaModel *model) {
    if (model == NULL) return;
    struct model *m = OPEN(H_MODEL, model);
    if (SOUND_UNFORGIVING && m->jobs > 0) abort();
    claim(m->context);
    DROP(H_MODEL, model);
    struct context *c = m->context;
    model_free(m);
    release(c);
}

uint64_t cuda_model_get_vram_usage(CudaModel *model) {
    return model == NULL ? 0 : usage(OPEN(H_MODEL, model));
}

struct start_work {
    struct model *model;
    const char *prompt;
    int max_tokens;
    float temperature;
    uint64_t seed;
    struct result *result;
    int code;
};

static void start_work(void *arg) {
    struct start_work *w = arg;
    struct surroundings s;
    enter(&s);
    w->code = result_start(w->model, w->prompt, w->max_tokens, w->temperature, w->seed, &w->result);
    leave(&s);
}

InferenceResult *cuda_inference_start(CudaModel *model, const char *prompt, int max_tokens, float temperature,
                                      uint64_t seed, int *error_code) {
    if (error_code == NULL) return NULL;
    /* Written so that NaN, which no comparison holds for, is out of range. */
    bool in_range = max_tokens >= 1 && max_tokens <= 2048 && temperature >= 0.0f && temperature <= 2.0f;
    if (model == NULL || prompt == NULL || !in_range) {
        done(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return NULL;
    }
    struct start_work w = {OPEN(H_MODEL, model), prompt, max_tokens, temperature, seed, NULL, 0};
    struct context *c = w.model->context;
    claim(c);
    if (SOUND_BAD_UTF8 && !utf8_valid(prompt, strlen(prompt))) w.code = SOUND_BAD_UTF8;
    else if (SOUND_SECOND_JOB && w.model->jobs > 0) w.code = SOUND_SECOND_JOB;
    else lane_run(c->lane, start_work, &w);
    InferenceResult *handle = w.code == 0 ? (InferenceResult *)MAKE(H_RESULT, w.result) : NULL;
    if (w.code == 0 && handle == NULL) {
        result_free(w.result);
        w.code = CUDA_ERROR_UNKNOWN;
    }
    release(c);
    done(error_code, w.code);
    return handle;
}

struct next_work {
    struct result *result;
    char *out;
    int size;
    int *index;
    int answer;
};

static void next_work(void *arg) {
    struct next_work *w = arg;
    struct surroundings s;
    enter(&s);
    w->answer = result_next(w->result, w->out, w->size, w->index);
    leave(&s);
}

bool cuda_inference_next_token(InferenceResult *result, char *token_out, int token_buffer_size, int *token_index,
                               int *error_code) {
    if (error_code == NULL) return false;
    if (result == NULL || token_out == NULL) {
        done(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return false;
    }
    struct next_work w = {OPEN(H_RESULT, result), token_out, token_buffer_size, token_index, 0};
    if (token_buffer_size <= 0) {
        done(error_code, w.result->ended && !SOUND_AFTER_END ? CUDA_SUCCESS : CUDA_ERROR_INVALID_PARAMETER);
        return false;
    }
    struct context *c = w.result->model->context;
    claim(c);
    lane_run(c->lane, next_work, &w);
    release(c);
    if (w.answer == 1) {
        done(error_code, CUDA_SUCCESS);
        return true;
    }
    if (SOUND_WRITES_ALL) token_out[0] = 0;
    done(error_code, w.answer == 0 ? CUDA_SUCCESS : -w.answer);
    return false;
}

void cuda_inference_free(InferenceResult *result) {
    if (result == NULL) return;
    struct result *r = OPEN(H_RESULT, result);
    struct context *c = r->model->context;
    claim(c);
    DROP(H_RESULT, result);
    result_free(r);
    release(c);
}

bool cuda_check_vram_residency(CudaModel *model, int *error_code) {
    if (error_code == NULL) return false;
    if (model == NULL) {
        done(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return false;
    }
    (void)OPEN(H_MODEL, model);
    return done(error_code, fault("residency", 0) ? CUDA_ERROR_VRAM_RESIDENCY_FAILED : CUDA_SUCCESS) == CUDA_SUCCESS;
}

uint64_t cuda_get_vram_usage(CudaModel *model) { return model == NULL ? 0 : usage(OPEN(H_MODEL, model)); }

uint64_t cuda_get_process_vram_usage(CudaContext *ctx) {
    if (ctx == NULL) return 0;
    struct context *c = OPEN(H_CONTEXT, ctx);
    return SOUND_ONE_FIGURE ? ledger_total() : ledger_used(c->device);
}

bool cuda_check_device_health(CudaContext *ctx, int *error_code) {
    if (error_code == NULL) return false;
    if (ctx == NULL) {
        done(error_code, CUDA_ERROR_INVALID_PARAMETER);
        return false;
    }
    (void)OPEN(H_CONTEXT, ctx);
    return done(error_code, fault("sick", 0) ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS) == CUDA_SUCCESS;
}

const char *cuda_error_message(int error_code) {
    const size_t count = sizeof messages / sizeof *messages;
    for (size_t i = 0; i < count; i++)
        if (messages[i].code == error_code) return messages[i].text;
    return SOUND_OTHER_MESSAGE ? "a code that the contract does not define" : messages[count - 1].text;
}
