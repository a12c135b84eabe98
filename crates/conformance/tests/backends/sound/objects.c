/* Contexts, models and results: what is taken from the ledger, and when it is given back. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "parts.h"

enum { CHUNK = 1 << 20 };

/* Counts that a sound library has no use for: the defects below let them reach the output. */
static uint64_t loads, jobs_ever, jobs_open;

static bool weights_copy(const struct gguf *g, struct model *m) {
    uint64_t at = 0;
    m->weights = malloc(g->tensor_bytes + 8);
    if (m->weights == NULL) return false;
    memset(m->weights + g->tensor_bytes, 0, 8);
    for (uint64_t i = 0; i < g->tensor_count; i++) {
        const struct tensor *t = &g->tensors[i];
        for (uint64_t done = 0; done < t->bytes;) {
            uint64_t want = t->bytes - done < CHUNK ? t->bytes - done : CHUNK;
            ssize_t got = pread(g->fd, m->weights + at + done, want, (off_t)(g->data_at + t->offset + done));
            if (got <= 0 && (BROKEN(offsets_unchecked) || BROKEN(truncation_taken) || BROKEN(unknown_quantisation_taken))) {
                memset(m->weights + at + done, 0, want);
                got = (ssize_t)want;
            }
            if (got <= 0) return false;
            done += (uint64_t)got;
        }
        at += t->bytes;
    }
    m->weight_bytes = g->tensor_bytes;
    m->weight_hash = hash_bytes(m->weights, m->weight_bytes, 1);
    return true;
}

static uint64_t usage_of(uint64_t tensor_bytes) {
    if (BROKEN(usage_counts_half)) return tensor_bytes / 2;
    if (BROKEN(usage_rounds_down)) return tensor_bytes / 65536 * 65536;
    if (BROKEN(usage_dequantised)) return tensor_bytes * 4 + (200u << 20);
    if (SOUND_USAGE == 1) return tensor_bytes;
    if (SOUND_USAGE == 2) return tensor_bytes + tensor_bytes / 2 + (64u << 20);
    return tensor_bytes + (256u << 10);
}

static void map_file(const struct gguf *g, struct model *m, const char *path) {
    if (BROKEN(weights_stay_in_file)) {
        void *map = mmap(NULL, g->size, PROT_READ, MAP_SHARED, g->fd, 0);
        if (map != MAP_FAILED) {
            free(m->weights);
            m->weights = map;
            m->weight_bytes = g->size - 8;
            m->mapped_fd = 0;
        }
    }
    if (BROKEN(file_stays_open)) m->mapped_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (BROKEN(file_stays_mapped)) {
        void *map = mmap(NULL, g->size, PROT_READ, MAP_PRIVATE, g->fd, 0);
        (void)map;
    }
    if (BROKEN(opens_for_writing)) {
        char first = 'G';
        if (pwrite(g->fd, &first, 1, 0) != 1) return;
    }
}

static int load_checked(struct gguf *g, struct context *c, struct model *m, const char *path) {
    if (!arch_check(g, &m->hyper) || !vocab_read(g, &m->vocab, m->hyper.vocabulary)) return 3;
    uint64_t want = usage_of(g->tensor_bytes);
    if (BROKEN(leaks_on_missing_data) && !ledger_take(c->device, want)) return 2;
    if (!BROKEN(memory_unchecked) || want < device_bytes()) {
        if (BROKEN(memory_checked_late) && want > device_bytes()) {
            char chunk[4096];
            for (uint64_t at = 0; at < g->size; at += sizeof chunk)
                if (pread(g->fd, chunk, sizeof chunk, (off_t)at) < 0) break;
        }
        if (BROKEN(leaks_on_no_memory) && want > device_bytes()) ledger_take(c->device, 1 << 20);
        if (!ledger_take(c->device, want)) return BROKEN(no_memory_is_load_failure) ? 3 : 2;
        m->vram = want;
    }
    if (!weights_copy(g, m)) return BROKEN(memory_unchecked) ? 99 : 3;
    map_file(g, m, path);
    return 0;
}

int model_load(struct context *c, const char *path, struct model **out) {
    struct gguf *g = malloc(sizeof *g);
    struct model *m = calloc(1, sizeof *m);
    int code = g == NULL || m == NULL ? 2 : 0;
    if (code == 0) {
        m->context = c;
        m->mapped_fd = -1;
        first_use();
        pause_ms(SOUND_LOAD_MS);
        bool opened = gguf_open(g, path);
        code = opened ? load_checked(g, c, m, path) : 3;
        if (BROKEN(leaks_on_any_failure) && code == 3) ledger_take(c->device, 4096);
        if (BROKEN(leaks_on_late_failure) && code == 3 && opened) ledger_take(c->device, 1 << 16);
        if (BROKEN(fd_kept_on_failure) && code != 0) g->fd = -1;
        if (BROKEN(fd_kept_after_load) && code == 0) g->fd = -1;
        gguf_close(g);
    }
    free(g);
    if (code != 0) {
        if (m != NULL) model_free(m);
        return code;
    }
    c->models++;
    __atomic_add_fetch(&loads, 1, __ATOMIC_RELAXED);
    *out = m;
    return 0;
}

void model_free(struct model *m) {
    static uint64_t unloads;
    bool loaded = m->weights != NULL;
    uint64_t back = m->vram;
    if (loaded && m->context->models > 0) m->context->models--;
    if (loaded) unloads++;
    if (BROKEN(unload_keeps_memory)) back = 0;
    if (BROKEN(unload_keeps_a_little) && back > 256) back -= 256;
    if (BROKEN(unload_keeps_seventh) && loaded && unloads % 7 == 0) back = 0;
    ledger_give(m->context->device, back);
    vocab_free(&m->vocab);
    if (BROKEN(weights_stay_in_file) && m->mapped_fd == 0) munmap(m->weights, m->weight_bytes + 8);
    else if (!BROKEN(host_keeps_weights)) free(m->weights);
    if (BROKEN(file_stays_open) && m->mapped_fd >= 0) close(m->mapped_fd);
    free(m);
}

/* FP16 keys and values of every layer for the tokens that the job can reach. */
static uint64_t kv_bytes(const struct model *m, uint64_t tokens) {
    return tokens * m->hyper.layers * 2 * m->hyper.kv_heads * m->hyper.head_dim * 2;
}

static bool kv_take(struct result *r) {
    struct model *m = r->model;
    uint64_t tokens = r->prompt_tokens + (uint64_t)r->max_tokens;
    uint64_t want = kv_bytes(m, tokens < m->hyper.context ? tokens : m->hyper.context);
    if (want == 0) want = 1;
    if (!ledger_take(m->context->device, want)) return false;
    r->kv = want;
    m->kv += want;
    return true;
}

static void kv_give(struct result *r) {
    ledger_give(r->model->context->device, r->kv);
    r->model->kv -= r->kv;
    r->kv = 0;
}

/* Everything that must not reach the output, for the defects that let it. */
static uint64_t stain(const struct result *r) {
    const struct model *m = r->model;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t sampled = r->temperature > 0;
    if (BROKEN(job_count_reaches_output)) return jobs_ever;
    if (BROKEN(third_job_differs)) return jobs_ever % 3 == 0;
    if (BROKEN(late_jobs_differ)) return jobs_ever >= 12;
    if (BROKEN(reload_reaches_output)) return loads;
    if (BROKEN(context_reaches_output)) return (uint64_t)(uintptr_t)m->context;
    if (BROKEN(device_reaches_output)) return (uint64_t)m->context->device;
    if (BROKEN(address_reaches_output)) return (uint64_t)(uintptr_t)&loads;
    if (BROKEN(process_reaches_output)) return (uint64_t)getpid();
    if (BROKEN(second_reaches_output)) return (uint64_t)now.tv_sec;
    if (BROKEN(open_jobs_reach_output)) return jobs_open;
    if (BROKEN(other_models_reach_output)) return (uint64_t)m->context->models;
    if (BROKEN(free_memory_reaches_output)) return ledger_used(m->context->device) - m->vram - m->kv;
    if (BROKEN(seed_reaches_greedy) && !sampled) return r->seed;
    if (BROKEN(high_seed_reaches_greedy) && !sampled) return r->seed >> 32;
    if (BROKEN(count_reaches_sampling) && sampled) return jobs_ever;
    if (BROKEN(address_reaches_sampling) && sampled) return (uint64_t)(uintptr_t)&loads;
    if (BROKEN(context_reaches_sampling) && sampled) return (uint64_t)(uintptr_t)m->context;
    if (BROKEN(time_reaches_sampling) && sampled) return (uint64_t)now.tv_nsec;
    if (BROKEN(high_seeds_not_repeatable) && sampled && r->seed >> 32 != 0) return jobs_ever;
    if (BROKEN(limit_reaches_output)) return (uint64_t)r->max_tokens;
    if (BROKEN(long_limit_reaches_output)) return (uint64_t)r->max_tokens > 64;
    return 0;
}

int result_start(struct model *m, const char *prompt, int max_tokens, float temperature, uint64_t seed,
                 struct result **out) {
    uint64_t context = m->hyper.context, tokens = vocab_length(&m->vocab, prompt, context + 1);
    if (SOUND_EMPTY_PROMPT && prompt[0] == 0) return SOUND_EMPTY_PROMPT;
    if (tokens == 0) tokens = 1;
    if (BROKEN(full_context_ends_model) && m->mapped_fd == -2) return 4;
    if (tokens >= context && !BROKEN(context_ignored) && !BROKEN(context_overrun)) return SOUND_LONG_PROMPT;
    if (SOUND_FULL_START && tokens + (uint64_t)max_tokens > context) return SOUND_FULL_START;
    struct result *r = calloc(1, sizeof *r);
    if (r == NULL) return 2;
    r->model = m;
    r->prompt_tokens = tokens;
    r->max_tokens = max_tokens;
    r->temperature = temperature;
    r->seed = BROKEN(seed_ignored) ? 0 : BROKEN(low_seed_bits_ignored) ? seed >> 16 : seed;
    r->text = malloc(3 * ((uint64_t)m->vocab.longest + 4) + 1);
    if (r->text == NULL || fault("kv", 0) || (!SOUND_LAZY_KV && !kv_take(r))) {
        free(r->text);
        free(r);
        return 2;
    }
    __atomic_add_fetch(&jobs_ever, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&jobs_open, 1, __ATOMIC_RELAXED);
    m->jobs++;
    r->history = hash_bytes(prompt, strlen(prompt), BROKEN(weights_stay_in_file) ? 7 : m->weight_hash) ^ mix(stain(r));
    *out = r;
    return 0;
}

static void text_put(struct result *r, const char *piece, uint64_t len) {
    if (BROKEN(raw_bytes)) {
        memcpy(r->text, piece, len);
        r->text_len = len;
        return;
    }
    if (BROKEN(late_bytes_lost) && r->hold.len == 2) r->hold.len = 3;
    r->text_len = hold_push(&r->hold, piece, len, r->text);
    if (BROKEN(whole_text_twice) && len == 1 && r->text_len > 1) {
        memcpy(r->text + r->text_len, r->text, r->text_len);
        r->text_len *= 2;
    }
}

/* The end, for good: what is held back of a character is dropped. */
static bool at_end(struct result *r) {
    const struct model *m = r->model;
    uint64_t limit = (uint64_t)r->max_tokens + (BROKEN(one_token_more) ? 1 : 0);
    if (r->ended || r->produced >= limit) return true;
#if SOUND_EARLY_END
    if (r->produced >= 3 && !r->pending && mix(r->history) % SOUND_EARLY_END == 0) return true;
#endif
    return r->prompt_tokens + r->produced >= m->hyper.context && !BROKEN(context_ignored) && !BROKEN(context_overrun);
}

static void token_make(struct result *r) {
    struct model *m = r->model;
    const struct vocab *v = &m->vocab;
    uint64_t at = m->weight_bytes > 8 ? mix(r->history) % (m->weight_bytes - 7) : 0, word = 0;
    memcpy(&word, m->weights + at, 8);
    r->history = mix(r->history ^ word);
    if (BROKEN(stain_at_token_40) && r->produced >= 40) r->history ^= mix(jobs_ever);
    if (BROKEN(context_overrun) && r->prompt_tokens + r->produced >= m->hyper.context) abort();
#if SOUND_EMPTY_TOKENS
    if (r->empties < SOUND_EMPTY_TOKENS && r->hold.len == 0) {
        r->empties++;
        r->text_len = 0;
        return;
    }
    r->empties = 0;
#endif
    uint32_t token = choose(v, &r->hold, r->history, r->temperature, r->seed, r->produced);
    r->history = mix(r->history ^ token);
    text_put(r, v->arena + v->offset[token], v->offset[token + 1] - v->offset[token]);
}

static int copy_out(struct result *r, char *out, int size) {
    uint64_t room = (uint64_t)size;
    if (BROKEN(long_text_cut) && r->text_len + 1 > room) r->text_len = room - 1;
    if (BROKEN(exact_fit_refused) && r->text_len + 1 == room && room > 1) return -5;
    if (BROKEN(exact_fit_unterminated) && r->text_len == room) {
        memcpy(out, r->text, r->text_len);
        return 1;
    }
    if (r->text_len + 1 > room) {
        if (BROKEN(small_buffer_scribbled)) {
            memcpy(out, r->text, room);
            out[room] = 0;
        }
        if (BROKEN(retry_loses_token)) r->pending = false;
        if (BROKEN(retry_counts_index)) r->produced++;
        if (BROKEN(retry_draws_again)) {
            r->pending = false;
            r->history++;
        }
        if (BROKEN(retry_loses_held_bytes) && r->text[0] & 0x80) r->text_len = 0;
        return -5;
    }
    memcpy(out, r->text, r->text_len);
    out[r->text_len] = 0;
    if (BROKEN(unterminated)) out[r->text_len] = ' ';
    if (SOUND_WRITES_ALL) memset(out + r->text_len, 0, room - r->text_len);
    if (BROKEN(writes_256_bytes)) memset(out + r->text_len, 0, 256 - r->text_len % 256);
    return 1;
}

static bool last_flush(struct result *r, char *out, int size) {
    int held = r->hold.len;
    bool replace = BROKEN(end_replacement);
    if ((!BROKEN(end_flushes_bytes) && !replace) || held == 0 || size < 4 || r->produced + 1 != (uint64_t)r->max_tokens)
        return false;
    memcpy(out, replace ? "\xEF\xBF\xBD" : (const char *)r->hold.bytes, replace ? 3 : (size_t)held);
    out[replace ? 3 : held] = 0;
    r->hold.len = 0;
    return true;
}

int result_next(struct result *r, char *out, int size, int *index) {
    if (r->failed) return -r->failed;
    if (!r->pending) {
        if (at_end(r)) {
            bool full = r->produced < (uint64_t)r->max_tokens;
            if (SOUND_FULL_NEXT && full && !r->ended && !SOUND_EARLY_END) return -(r->failed = SOUND_FULL_NEXT);
            if (BROKEN(end_starts_again) && r->ended) {
                r->ended = false;
                r->produced = 0;
                return 0;
            }
            r->ended = true;
            if (BROKEN(full_context_ends_model) && full) r->model->mapped_fd = -2;
            return 0;
        }
        if (SOUND_LAZY_KV && r->kv == 0 && !kv_take(r)) return -2;
        if (fault("launch", r->produced)) return -(r->failed = 6);
        if (fault("kernel", r->produced)) return -(r->failed = 4);
        if (fault("oom", r->produced)) return -(r->failed = 2);
        if (BROKEN(pause_reaches_output)) {
            static struct timespec last;
            struct timespec now;
            clock_gettime(CLOCK_MONOTONIC, &now);
            int64_t ms = (now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000;
            if (r->produced > 0 && ms > 5) r->history ^= 99;
            last = now;
        }
        if (BROKEN(buffer_size_reaches_output) && size < 128) r->history ^= 77;
        if (BROKEN(null_index_reaches_output) && index == NULL) r->history ^= 55;
        token_make(r);
        r->pending = true;
        if (BROKEN(last_token_differs) && r->produced + 1 == (uint64_t)r->max_tokens) {
            r->text[0] = '.';
            r->text_len = 1;
        }
    }
    int code = copy_out(r, out, size);
    if (code != 1) return code;
    if (last_flush(r, out, size)) {}
    if (index != NULL) *index = BROKEN(index_wraps) ? (int)(signed char)r->produced : (int)r->produced;
    r->produced++;
    r->pending = false;
    return 1;
}

void result_free(struct result *r) {
    bool midway = r->produced > 0 && !r->ended, unstarted = r->produced == 0;
    bool keep = (BROKEN(kv_kept_midway) && midway) || (BROKEN(kv_kept_unstarted) && unstarted) ||
                (BROKEN(kv_kept_after_end) && r->ended) || (BROKEN(kv_kept_with_pending) && r->pending) ||
                (BROKEN(kv_kept_after_failure) && r->failed) || (BROKEN(kv_kept_sampled) && r->temperature > 0) ||
                (BROKEN(kv_kept_twentieth) && jobs_ever % 20 == 0) ||
                (BROKEN(kv_kept_second_job) && r->model->jobs > 1);
    if (keep) r->kv = 0;
    if (BROKEN(kv_kept_by_little) && r->kv > 16) r->kv -= 16;
    kv_give(r);
    r->model->jobs--;
    __atomic_sub_fetch(&jobs_open, 1, __ATOMIC_RELAXED);
    free(r->text);
    if (BROKEN(host_keeps_results)) {
        static void *volatile kept;
        kept = malloc(32 << 10);
        if (kept != NULL) memset(kept, 1, 32 << 10);
    }
    free(r);
}
