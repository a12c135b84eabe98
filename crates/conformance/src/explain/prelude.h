/* The toy library that the fragments of `explain` are parts of: what they may use without showing it. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker_ffi.h"

typedef enum { FINE = 0, NO_MEMORY = 2, NO_DEVICE = 100 } GpuStatus;

struct CudaContext {
    int device;
    _Atomic uint64_t used; /* bytes of device memory */
};

struct CudaModel {
    CudaContext* context;
    void* weights;
    uint64_t bytes;
    int context_length;
    int vocabulary;
    int jobs; /* open ones */
};

struct InferenceResult {
    CudaModel* model;
    int* tokens; /* the prompt's, a copy */
    int token_count;
    int max_tokens;
    float temperature;
    uint64_t random; /* state of the generator */
    void* cache;
    uint64_t cache_bytes;
    int produced;
    bool ended;
    char text[256]; /* of the token that is ready */
    bool ready;
    unsigned char held[4]; /* bytes of an unfinished code point */
    int held_count;
};

/* Writes a code, if the host wants it. */
static inline void report(int* error_code, CudaErrorCode code) {
    if (error_code != NULL) {
        *error_code = code;
    }
}

/* The runtime of the GPU. */
GpuStatus gpu_count(int* count);
GpuStatus gpu_use(int device); /* for the calling thread */
GpuStatus gpu_alloc(void** memory, uint64_t bytes);
void gpu_free(void* memory);
GpuStatus gpu_copy(void* to, const void* from, uint64_t bytes);
GpuStatus gpu_launch_forward(InferenceResult* job, float* logits);
GpuStatus gpu_launch_status(void); /* whether the last kernel was started; clears the answer */
GpuStatus gpu_wait(void);          /* whether it also ended well */

/* Parts of the library. */
CudaErrorCode read_model(CudaContext* context, const char* path, CudaModel* model);
bool is_utf8(const char* text);
int* tokenize(const CudaModel* model, const char* text, int* count);
CudaErrorCode next_text(InferenceResult* job); /* fills `text` and `ready`, or `ended` */
