/* A model without a transformer: eight candidates with hashed logits, drawn as a real sampler would. */
#include <math.h>

#include "parts.h"

enum { CANDIDATES = 8 };

uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

uint64_t hash_bytes(const void *bytes, uint64_t len, uint64_t h) {
    const unsigned char *b = bytes;
    uint64_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word = 0;
        for (int k = 0; k < 8; k++) word |= (uint64_t)b[i + (uint64_t)k] << 8 * k;
        h = (h ^ word) * 0x100000001b3ull;
        h ^= h >> 29;
    }
    for (; i < len; i++) h = (h ^ b[i]) * 0x100000001b3ull;
    return mix(h ^ len);
}

/* A byte that leads on: the text is then full of characters that are split over tokens. */
static int next_byte(const struct hold *hold, uint64_t r) {
    static const unsigned char leads[] = {0xC3, 0xCE, 0xD0, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xF0, 0xF0};
    if (hold->len == 0) return leads[r % sizeof leads];
    if (hold->len == 1 && hold->bytes[0] == 0xF0) return 0x9F;
    if (hold->len == 1 && hold->bytes[0] == 0xE0) return 0xA0 + (int)(r % 32);
    if (hold->len == 1 && hold->bytes[0] == 0xED) return 0x80 + (int)(r % 32);
    if (hold->len == 1 && hold->bytes[0] == 0xF4) return 0x80 + (int)(r % 16);
    return 0x80 + (int)(r % 64);
}

static uint32_t candidate(const struct vocab *v, const struct hold *hold, uint64_t r) {
    uint64_t dice = r >> 32;
    if (hold->len > 0 ? dice % 16 != 0 : dice % 4 == 0) {
        int64_t token = v->byte_token[next_byte(hold, r & 0xffffffff)];
        if (token >= 0) return (uint32_t)token;
    }
    if (dice % 64 == 1) return (uint32_t)(mix(r) % v->count);
    return v->plain[mix(r) % v->plain_count];
}

uint32_t choose(const struct vocab *v, const struct hold *hold, uint64_t history, float temperature, uint64_t seed,
                uint64_t index) {
    uint32_t token[CANDIDATES];
    double logit[CANDIDATES], weight[CANDIDATES], best = -1, total = 0;
    int at = 0;
    for (int i = 0; i < CANDIDATES; i++) {
        uint64_t r = mix(history + (uint64_t)i * 0x51ull);
        token[i] = candidate(v, hold, r);
        logit[i] = (double)(mix(r ^ 0xa5a5) >> 44) / (double)(1u << 18);
        if (logit[i] > best) {
            best = logit[i];
            at = i;
        }
    }
    if (!(temperature > 0)) return token[at];
    for (int i = 0; i < CANDIDATES; i++) {
        weight[i] = exp((logit[i] - best) / (double)temperature);
        total += weight[i];
    }
    if (SOUND_SEED_BITS < 64) seed &= (1ull << (SOUND_SEED_BITS % 64)) - 1;
    double draw = (double)(mix(mix(seed) ^ mix(index * 0x9e3779b9ull + 1)) >> 11) * 0x1p-53 * total;
    for (int i = 0; i < CANDIDATES; i++) {
        draw -= weight[i];
        if (draw < 0) return token[i];
    }
    return token[at];
}
