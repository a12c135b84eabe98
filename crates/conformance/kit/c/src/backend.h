/* What the parts of the backend share: devices, models, jobs. Nothing here is visible outside of the library. */
#ifndef MY_BACKEND_H
#define MY_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker_ffi.h"

/* One GPU. The figures of all contexts on it add up here. */
typedef struct {
    uint64_t memory;              /* bytes that it has */
    _Atomic uint64_t memory_used; /* bytes that models and jobs of this process hold */
} Device;

struct CudaContext {
    Device* device;
};

struct CudaModel {
    CudaContext* context;
    uint64_t weights; /* bytes of device memory that the weights take */
};

struct InferenceResult {
    CudaModel* model;
    int max_tokens;
    float temperature;
    uint64_t seed;
    int produced;   /* tokens given so far: the index of the next one */
    bool has_next;  /* a token is computed and waits for a buffer that it fits (INF-10) */
    char next[256]; /* its text */
};

/* device.c: the GPUs of this machine and their memory. */
int device_count(void);
Device* device_of(int number); /* NULL if there is none of that number */
bool device_take(Device* device, uint64_t bytes);
void device_give_back(Device* device, uint64_t bytes);
bool device_is_healthy(const Device* device);

/* gguf.c: reads a model file. A code, and the bytes of its tensors. */
CudaErrorCode gguf_read(const char* path, uint64_t* tensor_bytes);

/* model.c: weights in device memory. A code, and the model if it is CUDA_SUCCESS. */
CudaErrorCode model_load(CudaContext* context, const char* path, CudaModel** model);
void model_unload(CudaModel* model);
bool model_is_resident(const CudaModel* model);

/* job.c: one generation. */
CudaErrorCode job_start(CudaModel* model, const char* prompt, int max_tokens, float temperature, uint64_t seed,
                        InferenceResult** job);
CudaErrorCode job_advance(InferenceResult* job); /* computes `next`, unless the sequence has ended */
void job_end(InferenceResult* job);

#endif
