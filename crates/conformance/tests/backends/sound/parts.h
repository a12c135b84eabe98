/* What the parts of the sound library know of one another. */
#ifndef BACKENDS_PARTS_H
#define BACKENDS_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "knobs.h"

/* gguf.c: the container, checked without a thought for what is inside. */
enum value_type { V_U8, V_I8, V_U16, V_I16, V_U32, V_I32, V_F32, V_BOOL, V_STRING, V_ARRAY, V_U64, V_I64, V_F64, V_END };

struct entry {
    char *key;
    uint32_t type;
    uint64_t number;       /* integers and bools; negative ones keep their sign bit */
    double real;           /* floats */
    char *text;            /* strings, NUL-terminated */
    uint32_t element;      /* arrays: type, count, offset of the first element */
    uint64_t count, at;
};

struct tensor {
    char *name;
    uint32_t dims;
    uint64_t shape[4];
    uint32_t type;
    uint64_t offset, bytes;
};

struct gguf {
    int fd;
    uint64_t size, pos, data_at, alignment;
    bool bad, narrow; /* narrow: lengths of 32 bits, as version 1 had them */
    uint64_t entry_count, tensor_count;
    struct entry *entries;
    struct tensor *tensors;
    uint64_t tensor_bytes;
    unsigned char window[16384];
    uint64_t window_at, window_len;
};

bool gguf_open(struct gguf *g, const char *path);
void gguf_close(struct gguf *g);
const struct entry *gguf_find(const struct gguf *g, const char *key);
const struct tensor *gguf_tensor(const struct gguf *g, const char *name);
bool gguf_whole(const struct gguf *g, const char *prefix, const char *key, uint64_t *out);
void gguf_seek(struct gguf *g, uint64_t at);
char *gguf_string(struct gguf *g, uint64_t *len);
uint64_t gguf_uint(struct gguf *g, int bytes);

/* arch.c: hyper-parameters and the tensors that they call for. */
struct hyper {
    uint64_t context, width, layers, ff, heads, kv_heads, head_dim, vocabulary;
};
bool arch_check(const struct gguf *g, struct hyper *h);

/* vocab.c: pieces of text; how many of them a prompt takes. */
struct vocab {
    uint32_t count, longest;
    char *arena;
    uint64_t *offset;          /* (count + 1) into arena */
    uint32_t *plain;           /* tokens of whole characters */
    uint32_t plain_count;
    int64_t byte_token[256];   /* token of exactly this byte, or -1 */
    int64_t silent;            /* a token without text, or -1 */
    uint32_t *slots, slot_mask;
};
bool vocab_read(struct gguf *g, struct vocab *v, uint64_t rows);
void vocab_free(struct vocab *v);
uint64_t vocab_length(const struct vocab *v, const char *prompt, uint64_t enough);

/* text.c: bytes in, whole characters out. */
struct hold {
    unsigned char bytes[4];
    int len;
};
int utf8_state(const unsigned char *bytes, int len); /* 1 a character, 0 the start of one, -1 neither */
bool utf8_valid(const char *text, uint64_t len);
uint64_t hold_push(struct hold *hold, const char *bytes, uint64_t len, char *out);

/* generate.c: a choice of token that depends on weights, prompt and history, and on nothing else. */
uint64_t mix(uint64_t x);
uint64_t hash_bytes(const void *bytes, uint64_t len, uint64_t h);
uint32_t choose(const struct vocab *v, const struct hold *hold, uint64_t history, float temperature, uint64_t seed,
                uint64_t index);

/* device.c: the ledger of device memory, delays, and what the process keeps after first use. */
extern const int device_count;
bool ledger_take(int device, uint64_t bytes);
void ledger_give(int device, uint64_t bytes);
uint64_t ledger_used(int device);
uint64_t ledger_total(void);
uint64_t device_bytes(void);
void first_use(void);
void pause_ms(int ms);
bool fault(const char *name, uint64_t index);

/* lane.c: the thread that does the work, where it is not the caller's. */
struct lane;
struct lane *lane_open(void);
void lane_close(struct lane *lane);
void lane_run(struct lane *lane, void (*work)(void *), void *arg);

/* handle.c: what the caller holds in his hand. */
enum handle_kind { H_CONTEXT, H_MODEL, H_RESULT };
void *handle_make(enum handle_kind kind, void *thing);
void *handle_open(enum handle_kind kind, void *handle);
void handle_drop(enum handle_kind kind, void *handle);

/* objects.c: contexts, models, results. */
struct context {
    int device;
    struct lane *lane;
    int models, jobs;
    int busy;
};
struct model {
    struct context *context;
    struct hyper hyper;
    struct vocab vocab;
    unsigned char *weights;
    uint64_t weight_bytes, weight_hash, vram, kv, overhead;
    int jobs, mapped_fd;
};
struct result {
    struct model *model;
    uint64_t history, prompt_tokens, produced, kv, seed, empties;
    int max_tokens, failed;
    float temperature;
    bool ended, pending;
    uint64_t text_len;
    char *text;
    struct hold hold;
};
int model_load(struct context *c, const char *path, struct model **out);
void model_free(struct model *m);
int result_start(struct model *m, const char *prompt, int max_tokens, float temperature, uint64_t seed,
                 struct result **out);
/* 1 a token, 0 the end, negative: minus the code. */
int result_next(struct result *r, char *out, int size, int *index);
void result_free(struct result *r);

#endif
