/* Reads a GGUF v3 header through a small window and believes nothing that it says. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

enum { MAX_TENSORS = 9999, MAX_ENTRIES = 65536, MAX_STRING = 16 << 20, MAX_HEADER = 256 << 20, MAX_DEPTH = 4096 };

void gguf_seek(struct gguf *g, uint64_t at) {
    if (at > g->size || at > MAX_HEADER) g->bad = true;
    else g->pos = at;
}

static bool fetch(struct gguf *g, void *out, uint64_t len) {
    unsigned char *to = out;
    if (g->bad || len > g->size - g->pos || g->pos + len > MAX_HEADER) {
        g->bad = true;
        return false;
    }
    while (len > 0) {
        if (g->pos < g->window_at || g->pos >= g->window_at + g->window_len) {
            ssize_t got = pread(g->fd, g->window, sizeof g->window, (off_t)g->pos);
            if (got <= 0) {
                g->bad = true;
                return false;
            }
            g->window_at = g->pos;
            g->window_len = (uint64_t)got;
        }
        uint64_t have = g->window_at + g->window_len - g->pos;
        uint64_t now = have < len ? have : len;
        memcpy(to, g->window + (g->pos - g->window_at), now);
        g->pos += now;
        to += now;
        len -= now;
    }
    return true;
}

uint64_t gguf_uint(struct gguf *g, int bytes) {
    unsigned char raw[8] = {0};
    uint64_t value = 0;
    if (!fetch(g, raw, (uint64_t)bytes)) return 0;
    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | raw[i];
    return value;
}

static uint64_t length(struct gguf *g) {
    if (g->narrow) return gguf_uint(g, 4);
    return BROKEN(lengths_of_32_bits) ? (uint32_t)gguf_uint(g, 8) : gguf_uint(g, 8);
}

char *gguf_string(struct gguf *g, uint64_t *len) {
    *len = length(g);
    if (BROKEN(string_trusted) && !g->bad && *len > g->size) {
        char *big = malloc(*len);
        memset(big, 0, *len);
        return big;
    }
    if (BROKEN(sums_wrap) && !g->bad && *len > g->size && g->pos + *len <= g->size) {
        gguf_seek(g, g->pos + *len);
        *len = 0;
        return calloc(1, 1);
    }
    if (BROKEN(long_texts_refused) && *len > 4095) g->bad = true;
    if (g->bad || *len > g->size - g->pos || *len > MAX_STRING) {
        g->bad = true;
        return NULL;
    }
    char *text = malloc(*len + 1);
    if (text == NULL || !fetch(g, text, *len)) {
        free(text);
        g->bad = true;
        return NULL;
    }
    text[*len] = 0;
    return text;
}

static int value_bytes(uint32_t type) {
    static const int bytes[V_END] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < V_END ? bytes[type] : 0;
}

/* Arrays may nest; the counts still to read lie on a stack of our own, so that depth costs no recursion. */
static void skip_array(struct gguf *g, uint32_t element, uint64_t count) {
    struct { uint32_t element; uint64_t left; } *stack = malloc(sizeof *stack * MAX_DEPTH);
    int depth = 1;
    if (stack == NULL) { g->bad = true; return; }
    stack[0].element = element;
    stack[0].left = count;
    while (depth > 0 && !g->bad) {
        uint32_t type = stack[depth - 1].element;
        uint64_t left = stack[depth - 1].left;
        if (type >= V_END) { g->bad = true; break; }
        if (BROKEN(list_bytes_wrap) && type != V_STRING && type != V_ARRAY) {
            uint64_t bytes = left * (uint64_t)value_bytes(type);
            if (bytes <= g->size - g->pos) {
                gguf_seek(g, g->pos + bytes);
                depth--;
                continue;
            }
        }
        if (left > g->size - g->pos) {
            if (BROKEN(array_trusted)) {
                uint64_t want = left < (3ull << 30) / 8 ? left * 8 : 3ull << 30;
                volatile char *big = malloc(want);
                for (uint64_t at = 0; big != NULL && at < want; at += 4096) big[at] = 1;
                pause_ms(50);
                free((void *)big);
            }
            g->bad = true;
            break;
        }
        if (left == 0) { depth--; continue; }
        if (type == V_STRING) {
            uint64_t len = length(g);
            if (g->bad || len > g->size - g->pos) { g->bad = true; break; }
            gguf_seek(g, g->pos + len);
            stack[depth - 1].left--;
        } else if (type == V_ARRAY) {
            if (BROKEN(nested_refused)) g->bad = true;
            stack[depth - 1].left--;
            uint32_t inner = (uint32_t)gguf_uint(g, 4);
            uint64_t inner_count = length(g);
            if (depth == MAX_DEPTH) { g->bad = true; break; }
            stack[depth].element = inner;
            stack[depth].left = inner_count;
            depth++;
        } else {
            uint64_t each = (uint64_t)value_bytes(type);
            if (left > (g->size - g->pos) / each) { g->bad = true; break; }
            gguf_seek(g, g->pos + left * each);
            depth--;
        }
    }
    free(stack);
}

static void read_entry(struct gguf *g, struct entry *e) {
    uint64_t len = 0;
    e->key = gguf_string(g, &len);
    e->type = (uint32_t)gguf_uint(g, 4);
    if (BROKEN(unknown_types_skipped) && !g->bad && e->type >= V_END) return;
    if (BROKEN(small_integers_refused) && (e->type == V_I8 || e->type == V_I16)) g->bad = true;
    if (g->bad || len == 0 || len > 65535 || strlen(e->key) != len || e->type >= V_END) {
        if (BROKEN(unknown_type_aborts) && !g->bad && e->type >= V_END) abort();
        g->bad = true;
        return;
    }
    if (e->type == V_STRING) {
        e->text = gguf_string(g, &len);
    } else if (e->type == V_ARRAY) {
        e->element = (uint32_t)gguf_uint(g, 4);
        e->count = length(g);
        e->at = g->pos;
        if (!g->bad) skip_array(g, e->element, e->count);
    } else {
        uint64_t raw = gguf_uint(g, value_bytes(e->type));
        e->number = raw;
        if (e->type == V_F32) {
            uint32_t bits = (uint32_t)raw;
            float value;
            memcpy(&value, &bits, 4);
            e->real = value;
        } else if (e->type == V_F64) memcpy(&e->real, &raw, 8);
        else if (e->type == V_I8) e->number = (uint64_t)(int8_t)raw;
        else if (e->type == V_I16) e->number = (uint64_t)(int16_t)raw;
        else if (e->type == V_I32) e->number = (uint64_t)(int32_t)raw;
    }
}

/* Elements and bytes of a block of each type that this library can keep in its memory. */
static bool block_of(uint32_t type, uint64_t *elements, uint64_t *bytes) {
    static const struct { uint32_t type, elements, bytes; } known[] = {
        {0, 1, 4}, {1, 1, 2}, {30, 1, 2}, {2, 32, 18}, {3, 32, 20}, {6, 32, 22}, {7, 32, 24}, {8, 32, 34},
        {10, 256, 84}, {11, 256, 110}, {12, 256, 144}, {13, 256, 176}, {14, 256, 210}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (SOUND_K_TYPES_ONLY && type != 0 && type < 10) break;
        if (SOUND_K_TYPES_ONLY && type == 30) break;
        if (known[i].type == type) {
            *elements = known[i].elements;
            *bytes = known[i].bytes;
            return true;
        }
    }
    if (BROKEN(unknown_quantisation_taken)) {
        *elements = 256;
        *bytes = 1;
        return true;
    }
    return false;
}

static void read_tensor(struct gguf *g, struct tensor *t) {
    uint64_t len = 0, elements = 0, bytes = 0, product = 1, blocks = 0;
    t->name = gguf_string(g, &len);
    t->dims = (uint32_t)gguf_uint(g, 4);
    uint32_t beyond = 0;
    if (BROKEN(dimensions_beyond_four_dropped) && t->dims > 4 && t->dims < 64) {
        beyond = t->dims - 4;
        t->dims = 4;
    }
    if (g->bad || len == 0 || len > 64 || strlen(t->name) != len || t->dims < 1 || t->dims > 4) {
        g->bad = true;
        return;
    }
    for (int i = 0; i < 4; i++) t->shape[i] = 1;
    for (uint32_t i = 0; i < t->dims; i++) {
        t->shape[i] = length(g);
        if (BROKEN(product_wraps)) {
            product *= t->shape[i];
            continue;
        }
        if (BROKEN(zero_dimensions_taken) && t->shape[i] == 0) {
            product = 0;
            continue;
        }
        if (t->shape[i] == 0 || t->shape[i] > (1ull << 48) || __builtin_mul_overflow(product, t->shape[i], &product)) {
            if (BROKEN(dimensions_trusted) && !g->bad) {
                volatile char *small = malloc(64);
                for (uint64_t k = 0; k < (1ull << 40); k += 4096) small[k] = 0;
            }
            g->bad = true;
            return;
        }
    }
    for (uint32_t i = 0; i < beyond; i++) length(g);
    t->type = (uint32_t)gguf_uint(g, 4);
    t->offset = gguf_uint(g, 8);
    if (BROKEN(offsets_of_32_bits)) t->offset = (uint32_t)t->offset;
    if (BROKEN(tensor_type_of_8_bits)) t->type &= 255;
    if (g->bad || !block_of(t->type, &elements, &bytes) || t->shape[0] % elements != 0) {
        if (BROKEN(unknown_quantisation_taken) && !g->bad) {
            t->bytes = 1;
            return;
        }
        g->bad = true;
        return;
    }
    blocks = product / elements;
    if (__builtin_mul_overflow(blocks, bytes, &t->bytes)) g->bad = true;
}

static int by_key(const void *a, const void *b) {
    return strcmp((*(const struct entry *const *)a)->key, (*(const struct entry *const *)b)->key);
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const struct tensor *const *)a)->name, (*(const struct tensor *const *)b)->name);
}

static int by_offset(const void *a, const void *b) {
    const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool no_doubles(const struct gguf *g) {
    bool good = true;
    const struct entry **e = malloc(sizeof *e * (g->entry_count + 1));
    const struct tensor **t = malloc(sizeof *t * (g->tensor_count + 1));
    if (e == NULL || t == NULL) good = false;
    if (good) {
        for (uint64_t i = 0; i < g->entry_count; i++) e[i] = &g->entries[i];
        for (uint64_t i = 0; i < g->tensor_count; i++) t[i] = &g->tensors[i];
        qsort(e, g->entry_count, sizeof *e, by_key);
        for (uint64_t i = 1; i < g->entry_count; i++)
            if (!BROKEN(double_keys_taken) && strcmp(e[i - 1]->key, e[i]->key) == 0) good = false;
        qsort(t, g->tensor_count, sizeof *t, by_name);
        for (uint64_t i = 1; i < g->tensor_count; i++)
            if (!BROKEN(double_tensors_taken) && strcmp(t[i - 1]->name, t[i]->name) == 0) good = false;
        qsort(t, g->tensor_count, sizeof *t, by_offset);
        for (uint64_t i = 1; i < g->tensor_count; i++)
            if (!BROKEN(overlap_taken) && !BROKEN(unaligned_taken) && !BROKEN(unknown_quantisation_taken) && !BROKEN(double_tensors_taken) &&
                t[i - 1]->offset + t[i - 1]->bytes > t[i]->offset)
                good = false;
    }
    free(e);
    free(t);
    return good;
}

static bool read_header(struct gguf *g) {
    unsigned char magic[4] = {0};
    fetch(g, magic, 4);
    uint64_t version = gguf_uint(g, 4);
    g->narrow = BROKEN(version_1_taken) && version == 1;
    uint64_t tensors = length(g), entries = length(g);
    if (g->bad || memcmp(magic, "GGUF", 4) != 0) return false;
    if (version != 3 && !g->narrow && !(BROKEN(version_2_taken) && version == 2) && !(BROKEN(any_version_taken))) return false;
    if (BROKEN(entry_count_spins) && entries > MAX_ENTRIES)
        for (volatile uint64_t i = 0; i < entries; i++) {}
    if (tensors == 0 || tensors > MAX_TENSORS || entries > MAX_ENTRIES) return false;
    g->entries = calloc(entries + 1, sizeof *g->entries);
    g->tensors = calloc(tensors, sizeof *g->tensors);
    if (g->entries == NULL || g->tensors == NULL) return false;
    for (uint64_t i = 0; i < entries && !g->bad; i++) {
        g->entry_count = i + 1;
        read_entry(g, &g->entries[i]);
    }
    for (uint64_t i = 0; i < tensors && !g->bad; i++) {
        g->tensor_count = i + 1;
        read_tensor(g, &g->tensors[i]);
    }
    if (g->bad) return false;
    g->alignment = 32;
    const struct entry *alignment = gguf_find(g, "general.alignment");
    if (alignment != NULL) {
        if (alignment->type != V_U32 || alignment->number == 0 || alignment->number % 8 != 0) return false;
        if (BROKEN(alignment_fixed) && alignment->number != 32) return false;
        g->alignment = alignment->number;
    }
    g->data_at = (g->pos + g->alignment - 1) / g->alignment * g->alignment;
    return true;
}

static bool check_data(struct gguf *g) {
    for (uint64_t i = 0; i < g->tensor_count; i++) {
        struct tensor *t = &g->tensors[i];
        uint64_t end = 0;
        if (!BROKEN(unaligned_taken) && t->offset % g->alignment != 0) return false;
        if (__builtin_add_overflow(t->offset, t->bytes, &end) || __builtin_add_overflow(end, g->data_at, &end)) {
            if (!BROKEN(offsets_unchecked)) return false;
        }
        if (end > g->size && !BROKEN(offsets_unchecked) && !BROKEN(truncation_taken)) return false;
        if (t->offset >= g->size && !BROKEN(offsets_unchecked)) return false;
        if (__builtin_add_overflow(g->tensor_bytes, t->bytes, &g->tensor_bytes)) return false;
    }
    return true;
}

bool gguf_open(struct gguf *g, const char *path) {
    struct stat info;
    memset(g, 0, sizeof *g);
    /* O_NONBLOCK: a path that names a pipe must not stop the caller. */
    g->fd = open(path, (BROKEN(opens_for_writing) ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (g->fd < 0) return false;
    if (fstat(g->fd, &info) != 0 || !S_ISREG(info.st_mode)) return false;
    g->size = (uint64_t)info.st_size;
    return read_header(g) && check_data(g) && no_doubles(g);
}

void gguf_close(struct gguf *g) {
    for (uint64_t i = 0; i < g->entry_count; i++) {
        free(g->entries[i].key);
        free(g->entries[i].text);
    }
    for (uint64_t i = 0; i < g->tensor_count; i++) free(g->tensors[i].name);
    free(g->entries);
    free(g->tensors);
    if (g->fd >= 0) close(g->fd);
}

const struct entry *gguf_find(const struct gguf *g, const char *key) {
    for (uint64_t i = 0; i < g->entry_count; i++)
        if (strcmp(g->entries[i].key, key) == 0) return &g->entries[i];
    return NULL;
}

const struct tensor *gguf_tensor(const struct gguf *g, const char *name) {
    for (uint64_t i = 0; i < g->tensor_count; i++)
        if (strcmp(g->tensors[i].name, name) == 0) return &g->tensors[i];
    return NULL;
}

/* A whole number that is not negative, of any integer type. */
bool gguf_whole(const struct gguf *g, const char *prefix, const char *key, uint64_t *out) {
    char name[128];
    size_t used = strlen(prefix), more = strlen(key);
    if (used + more + 1 > sizeof name) return false;
    memcpy(name, prefix, used);
    memcpy(name + used, key, more + 1);
    const struct entry *e = gguf_find(g, name);
    if (e == NULL || e->type == V_F32 || e->type == V_F64 || e->type == V_BOOL || e->type == V_STRING ||
        e->type == V_ARRAY)
        return false;
    if (e->number > INT64_MAX) return false;
    *out = e->number;
    return true;
}
