/* One generation. So far every job says the same words: prompt, weights, temperature and seed are yours to use. */
#include <stdio.h>
#include <stdlib.h>

#include "backend.h"

static const char* const WORDS[] = {"nothing", " is", " computed", " yet", "."};
enum { WORD_COUNT = sizeof WORDS / sizeof WORDS[0] };

/* Bytes of the character that begins here; 0 if none does. */
static int length_of(const unsigned char* at) {
    if (at[0] < 0x80) {
        return 1;
    }
    int length = at[0] >= 0xc2 && at[0] <= 0xdf   ? 2
                 : at[0] >= 0xe0 && at[0] <= 0xef ? 3
                 : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                  : 0;
    for (int i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) { /* the NUL as well: nothing is read past it (MEM-03) */
            return 0;
        }
    }
    /* Longer than needed, surrogates, past U+10FFFF. */
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
        (at[0] == 0xf4 && at[1] > 0x8f)) {
        return 0;
    }
    return length;
}

static bool is_utf8(const char* text) {
    const unsigned char* at = (const unsigned char*)text;
    while (*at != 0) {
        int length = length_of(at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

/*
 * TODO INF-01: tokenise the prompt, reserve the KV cache (FAULT-01: CUDA_ERROR_OUT_OF_MEMORY when there is none), and
 * refuse what passes the context length (INF-13). Keep no pointer to the prompt: it is gone after the return (MEM-04).
 */
CudaErrorCode job_start(CudaModel* model, const char* prompt, int max_tokens, float temperature, uint64_t seed,
                        InferenceResult** job) {
    if (!is_utf8(prompt)) {
        return CUDA_ERROR_INVALID_PARAMETER; /* INF-05 */
    }
    InferenceResult* made = calloc(1, sizeof *made);
    if (made == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    made->model = model;
    made->max_tokens = max_tokens;
    made->temperature = temperature;
    made->seed = seed;
    *job = made;
    return CUDA_SUCCESS;
}

/*
 * TODO DET-01, DET-06: run the model, and choose a token: the likeliest at temperature 0, one drawn with `seed` above.
 * TODO UTF8-02: a token may end inside a code point; hold its bytes back until the call that completes it.
 */
CudaErrorCode job_advance(InferenceResult* job) {
    if (job->has_next || job->produced >= job->max_tokens) {
        return CUDA_SUCCESS;
    }
    snprintf(job->next, sizeof job->next, "%s", WORDS[job->produced % WORD_COUNT]);
    job->has_next = true;
    return CUDA_SUCCESS;
}

void job_end(InferenceResult* job) { free(job); }
