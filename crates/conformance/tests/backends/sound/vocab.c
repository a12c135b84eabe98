/* The vocabulary of the file: byte-level (gpt2) or with spaces as U+2581 (llama). */
#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER = 4, UNUSED = 5, BYTE = 6, MAX_VOCABULARY = 1 << 22 };

static uint64_t text_hash(const char *text, uint64_t len) { return hash_bytes(text, len, 0x9e37) >> 16; }

static void slot_put(struct vocab *v, uint32_t token) {
    uint64_t len = v->offset[token + 1] - v->offset[token];
    uint32_t at = (uint32_t)text_hash(v->arena + v->offset[token], len) & v->slot_mask;
    while (v->slots[at] != 0) at = (at + 1) & v->slot_mask;
    v->slots[at] = token + 1;
}

static int64_t slot_find(const struct vocab *v, const char *text, uint64_t len) {
    uint32_t at = (uint32_t)text_hash(text, len) & v->slot_mask;
    for (; v->slots[at] != 0; at = (at + 1) & v->slot_mask) {
        uint32_t token = v->slots[at] - 1;
        if (v->offset[token + 1] - v->offset[token] == len && memcmp(v->arena + v->offset[token], text, len) == 0)
            return token;
    }
    return -1;
}

static bool slots_fill(struct vocab *v) {
    uint32_t size = 16;
    while (size < 2 * v->count) size *= 2;
    free(v->slots);
    v->slots = calloc(size, sizeof *v->slots);
    v->slot_mask = size - 1;
    if (v->slots == NULL) return false;
    for (uint32_t i = 0; i < v->count; i++) slot_put(v, i);
    return true;
}

static bool tokens_read(struct gguf *g, struct vocab *v, const struct entry *tokens) {
    uint64_t room = 0, used = 0;
    v->count = (uint32_t)tokens->count;
    v->offset = calloc(tokens->count + 1, sizeof *v->offset);
    v->plain = calloc(tokens->count, sizeof *v->plain);
    if (v->offset == NULL || v->plain == NULL) return false;
    gguf_seek(g, tokens->at);
    for (uint32_t i = 0; i < v->count; i++) {
        uint64_t len = 0;
        char *text = gguf_string(g, &len);
        if (text == NULL) return false;
        if (used + len + 1 > room) {
            room = (room + len + 1) * 2;
            char *more = realloc(v->arena, room);
            if (more == NULL) { free(text); return false; }
            v->arena = more;
        }
        memcpy(v->arena + used, text, len);
        used += len;
        v->offset[i + 1] = used;
        free(text);
    }
    return true;
}

/* "a b" with a, b and ab all in the vocabulary. */
static bool merges_check(struct gguf *g, const struct vocab *v, const struct entry *merges) {
    if (merges->type != V_ARRAY || merges->element != V_STRING) return false;
    gguf_seek(g, merges->at);
    for (uint64_t i = 0; i < merges->count; i++) {
        uint64_t len = 0;
        char *text = gguf_string(g, &len);
        if (text == NULL) return false;
        char *gap = len > 1 ? memchr(text + 1, ' ', len - 1) : NULL;
        bool good = gap != NULL;
        if (good) {
            uint64_t left = (uint64_t)(gap - text), right = len - left - 1;
            good = slot_find(v, text, left) >= 0 && slot_find(v, gap + 1, right) >= 0;
            memmove(gap, gap + 1, right);
            good = good && slot_find(v, text, len - 1) >= 0;
        }
        free(text);
        if (!good) return false;
    }
    return true;
}

/* The byte that a code point of a byte-level vocabulary stands for, or -1. */
static int level_byte(uint32_t point) {
    if ((point >= 33 && point <= 126) || (point >= 161 && point <= 172) || (point >= 174 && point <= 255)) return (int)point;
    if (point >= 256 && point <= 288) return (int)point - 256;
    if (point >= 289 && point <= 322) return (int)point - 289 + 127;
    return point == 323 ? 173 : -1;
}

/* Rewrites a token in place as the bytes that it stands for; never longer than before. */
static uint64_t decode(char *text, uint64_t len, bool byte_level, int type) {
    unsigned char *in = (unsigned char *)text;
    uint64_t out = 0;
    if (type == CONTROL || type == UNUSED || type == UNKNOWN) return 0;
    if (type == BYTE && len == 6 && memcmp(text, "<0x", 3) == 0) {
        text[0] = (char)strtoul((char[]){text[3], text[4], 0}, NULL, 16);
        return 1;
    }
    for (uint64_t i = 0; i < len;) {
        if (byte_level && type != USER && i + 1 < len && in[i] >= 0xC2 && in[i] <= 0xC5) {
            int byte = level_byte(((uint32_t)in[i] & 31) << 6 | (in[i + 1] & 63));
            if (byte >= 0) {
                in[out++] = (unsigned char)byte;
                i += 2;
                continue;
            }
        }
        if (!byte_level && i + 2 < len && in[i] == 0xE2 && in[i + 1] == 0x96 && in[i + 2] == 0x81) {
            in[out++] = ' ';
            i += 3;
            continue;
        }
        in[out++] = in[i++];
    }
    return out;
}

static bool types_read(struct gguf *g, const struct vocab *v, signed char *types) {
    const struct entry *e = gguf_find(g, "tokenizer.ggml.token_type");
    memset(types, NORMAL, v->count);
    if (e == NULL || (BROKEN(vocabulary_unchecked) && e->count != v->count)) return true;
    if (e->type != V_ARRAY || (e->element != V_I32 && e->element != V_U32) || e->count != v->count) return false;
    gguf_seek(g, e->at);
    for (uint32_t i = 0; i < v->count; i++) {
        uint64_t type = gguf_uint(g, 4);
        types[i] = (signed char)(type <= BYTE ? type : NORMAL);
    }
    return !g->bad;
}

static void pieces_sort(struct vocab *v, const signed char *types, bool byte_level) {
    uint64_t used = 0;
    v->silent = -1;
    for (int b = 0; b < 256; b++) v->byte_token[b] = -1;
    for (uint32_t i = 0; i < v->count; i++) {
        uint64_t from = v->offset[i], len = decode(v->arena + from, v->offset[i + 1] - from, byte_level, types[i]);
        memmove(v->arena + used, v->arena + from, len);
        v->offset[i] = used;
        const char *text = v->arena + used;
        used += len;
        if (len > v->longest) v->longest = (uint32_t)len;
        if (len == 0 && v->silent < 0) v->silent = i;
        if (len == 1 && v->byte_token[(unsigned char)text[0]] < 0) v->byte_token[(unsigned char)text[0]] = i;
        if (len > 0 && (unsigned char)text[0] >= ' ' && text[0] != 127 && utf8_valid(text, len)) v->plain[v->plain_count++] = i;
    }
    v->offset[v->count] = used;
}

bool vocab_read(struct gguf *g, struct vocab *v, uint64_t rows) {
    const struct entry *model = gguf_find(g, "tokenizer.ggml.model"), *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    const struct entry *merges = gguf_find(g, "tokenizer.ggml.merges"), *scores = gguf_find(g, "tokenizer.ggml.scores");
    static const char *const ids[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                      "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.padding_token_id"};
    memset(v, 0, sizeof *v);
    if (model == NULL || model->type != V_STRING || tokens == NULL || tokens->type != V_ARRAY) return false;
    bool byte_level = strcmp(model->text, "gpt2") == 0;
    if (!byte_level && strcmp(model->text, "llama") != 0) return false;
    if (tokens->element != V_STRING || tokens->count == 0 || tokens->count > MAX_VOCABULARY) return false;
    if (tokens->count != rows && !BROKEN(vocabulary_unchecked)) return false;
    if (scores != NULL && (scores->type != V_ARRAY || scores->element != V_F32 || scores->count != tokens->count))
        return false;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        uint64_t id = 0;
        if (gguf_find(g, ids[i]) != NULL && !BROKEN(vocabulary_unchecked) && (!gguf_whole(g, "", ids[i], &id) || id >= tokens->count)) return false;
    }
    if (!tokens_read(g, v, tokens) || !slots_fill(v)) return false;
    if (merges != NULL && !BROKEN(merges_unchecked) && !BROKEN(vocabulary_unchecked) && !merges_check(g, v, merges)) return false;
    signed char *types = malloc(v->count);
    bool good = types != NULL && types_read(g, v, types);
    if (good) pieces_sort(v, types, byte_level);
    free(types);
    return good && v->plain_count > 0 && slots_fill(v);
}

void vocab_free(struct vocab *v) {
    free(v->arena);
    free(v->offset);
    free(v->plain);
    free(v->slots);
}

/* Tokens of a prompt by the longest match; stops counting at `enough`. */
uint64_t vocab_length(const struct vocab *v, const char *prompt, uint64_t enough) {
    uint64_t left = strlen(prompt), tokens = 0;
    while (left > 0 && tokens < enough) {
        uint64_t len = left < v->longest ? left : v->longest;
        while (len > 1 && slot_find(v, prompt, len) < 0) len--;
        prompt += len;
        left -= len;
        tokens++;
    }
    return tokens;
}
