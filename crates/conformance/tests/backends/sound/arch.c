/* Which tensors a llama or a gpt2 must bring, and of which shape. */
#include <stdio.h>
#include <string.h>

#include "parts.h"

/* Checks one tensor; a second size of 0 stands for a vector. */
static bool has(const struct gguf *g, const char *name, uint64_t first, uint64_t second) {
    const struct tensor *t = gguf_tensor(g, name);
    if (t == NULL) return BROKEN(missing_tensor_taken);
    if (BROKEN(shapes_unchecked)) return true;
    if (BROKEN(larger_shapes_taken) && t->shape[0] >= first && t->shape[1] >= second) return true;
    if (BROKEN(dimensions_swapped) && second != 0 && t->shape[0] == second && t->shape[1] == first) return true;
    uint64_t want = second == 0 ? 1 : second;
    if (second == 0 && t->type != 0 && t->type != 1 && t->type != 30 && !BROKEN(unknown_quantisation_taken)) return false;
    return t->shape[0] == first && t->shape[1] == want && t->shape[2] == 1 && t->shape[3] == 1;
}

static bool part(const struct gguf *g, uint64_t layer, const char *name, uint64_t first, uint64_t second) {
    char full[64];
    if (BROKEN(last_layer_unchecked) && layer > 0) return true;
    snprintf(full, sizeof full, "blk.%llu.%s", (unsigned long long)layer, name);
    return has(g, full, first, second);
}

static bool llama_layer(const struct gguf *g, const struct hyper *h, uint64_t i) {
    uint64_t q = h->heads * h->head_dim, kv = h->kv_heads * h->head_dim;
    return part(g, i, "attn_norm.weight", h->width, 0) && part(g, i, "attn_q.weight", h->width, q) &&
           part(g, i, "attn_k.weight", h->width, kv) && part(g, i, "attn_v.weight", h->width, kv) &&
           part(g, i, "attn_output.weight", q, h->width) && part(g, i, "ffn_norm.weight", h->width, 0) &&
           part(g, i, "ffn_gate.weight", h->width, h->ff) && part(g, i, "ffn_up.weight", h->width, h->ff) &&
           part(g, i, "ffn_down.weight", h->ff, h->width);
}

static bool gpt2_layer(const struct gguf *g, const struct hyper *h, uint64_t i) {
    return part(g, i, "attn_norm.weight", h->width, 0) && part(g, i, "attn_norm.bias", h->width, 0) &&
           part(g, i, "attn_qkv.weight", h->width, 3 * h->width) && part(g, i, "attn_qkv.bias", 3 * h->width, 0) &&
           part(g, i, "attn_output.weight", h->width, h->width) && part(g, i, "attn_output.bias", h->width, 0) &&
           part(g, i, "ffn_norm.weight", h->width, 0) && part(g, i, "ffn_norm.bias", h->width, 0) &&
           part(g, i, "ffn_up.weight", h->width, h->ff) && part(g, i, "ffn_up.bias", h->ff, 0) &&
           part(g, i, "ffn_down.weight", h->ff, h->width) && part(g, i, "ffn_down.bias", h->width, 0);
}

static bool number(const struct gguf *g, const char *arch, const char *key, uint64_t limit, uint64_t *out) {
    if (!gguf_whole(g, arch, key, out)) {
        if (!BROKEN(hyper_defaults) || strcmp(key, ".context_length") != 0) return false;
        *out = 512;
    }
    if (BROKEN(zero_heads_divides) && strcmp(key, ".attention.head_count") == 0) return true;
    if (BROKEN(hyper_of_32_bits)) *out = (uint32_t)*out;
    if (BROKEN(zero_heads_are_key_heads) && *out == 0 && strcmp(key, ".attention.head_count") == 0 &&
        !gguf_whole(g, arch, ".attention.head_count_kv", out))
        return false;
    return *out > 0 && *out <= limit;
}

static bool hyper_read(const struct gguf *g, const char *arch, struct hyper *h) {
    if (!number(g, arch, ".context_length", 1u << 30, &h->context) ||
        !number(g, arch, ".embedding_length", 1u << 24, &h->width) ||
        !number(g, arch, ".block_count", 1u << 14, &h->layers) ||
        !number(g, arch, ".feed_forward_length", 1ull << 40, &h->ff) ||
        !number(g, arch, ".attention.head_count", 1u << 16, &h->heads))
        return false;
    h->kv_heads = h->heads;
    char key[64];
    snprintf(key, sizeof key, "%s.attention.head_count_kv", arch);
    if (gguf_find(g, key) != NULL && !number(g, arch, ".attention.head_count_kv", h->heads, &h->kv_heads)) return false;
    if (BROKEN(zero_heads_divides)) {
        volatile uint64_t heads = h->heads;
        h->head_dim = h->width / heads;
    }
    if (BROKEN(uneven_heads_taken) && (h->width % h->heads != 0 || h->heads % h->kv_heads != 0)) {
        h->head_dim = 0;
        return true;
    }
    if (h->width % h->heads != 0 || h->heads % h->kv_heads != 0) return false;
    h->head_dim = h->width / h->heads;
    snprintf(key, sizeof key, "%s.attention.key_length", arch);
    if (gguf_find(g, key) != NULL && !number(g, arch, ".attention.key_length", 1u << 16, &h->head_dim)) return false;
    uint64_t rope = h->head_dim;
    snprintf(key, sizeof key, "%s.rope.dimension_count", arch);
    if (gguf_find(g, key) != NULL && !number(g, arch, ".rope.dimension_count", h->head_dim, &rope)) return false;
    return true;
}

bool arch_check(const struct gguf *g, struct hyper *h) {
    const struct entry *name = gguf_find(g, "general.architecture");
    const char *arch = name != NULL && name->type == V_STRING ? name->text : NULL;
    if (arch == NULL && BROKEN(missing_architecture_taken)) arch = "llama";
    if (arch == NULL) return false;
    bool llama = strcmp(arch, "llama") == 0, gpt2 = strcmp(arch, "gpt2") == 0;
    if (BROKEN(architecture_by_prefix) && strncmp(arch, "llama", 5) == 0) {
        arch = "llama";
        llama = true;
    }
    if (BROKEN(gpt2_refused) && gpt2) return false;
    if (!llama && !gpt2) {
        if (!BROKEN(unknown_architecture_taken)) return false;
        arch = "llama";
        llama = true;
        /* Hyper-parameters may lie under the unknown name or under llama's; either is taken. */
        if (!hyper_read(g, name->text, h) && !hyper_read(g, arch, h)) return false;
    } else if (!hyper_read(g, arch, h)) return false;
    const struct tensor *embedding = gguf_tensor(g, "token_embd.weight");
    if (embedding == NULL) return false;
    h->vocabulary = embedding->shape[1];
    if (BROKEN(uneven_heads_taken) && h->head_dim == 0) {
        h->head_dim = 1;
        return true;
    }
    uint64_t declared = 0;
    char key[64];
    snprintf(key, sizeof key, "%s.vocab_size", arch);
    if (gguf_find(g, key) != NULL && !BROKEN(vocabulary_unchecked) &&
        (!gguf_whole(g, arch, ".vocab_size", &declared) || declared != h->vocabulary))
        return false;
    if (!has(g, "token_embd.weight", h->width, h->vocabulary) || !has(g, "output_norm.weight", h->width, 0)) return false;
    if (BROKEN(tied_output_refused) && gguf_tensor(g, "output.weight") == NULL) return false;
    if (gguf_tensor(g, "output.weight") != NULL && !has(g, "output.weight", h->width, h->vocabulary)) return false;
    if (gpt2 && (!has(g, "output_norm.bias", h->width, 0) || !has(g, "position_embd.weight", h->width, h->context)))
        return false;
    for (uint64_t i = 0; i < h->layers; i++)
        if (!(llama ? llama_layer(g, h, i) : gpt2_layer(g, h, i))) return false;
    return true;
}
