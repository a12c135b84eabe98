/* Holds back the bytes of an unfinished character; bytes that can belong to none are dropped. */
#include "parts.h"

int utf8_state(const unsigned char *b, int len) {
    int want = 0;
    unsigned char low = 0x80, high = 0xBF;
    if (b[0] < 0x80) want = 1;
    else if (b[0] >= 0xC2 && b[0] <= 0xDF) want = 2;
    else if (b[0] >= 0xE0 && b[0] <= 0xEF) want = 3;
    else if (b[0] >= 0xF0 && b[0] <= 0xF4) want = 4;
    else return -1;
    if (b[0] == 0xE0) low = 0xA0;
    if (b[0] == 0xED) high = 0x9F;
    if (b[0] == 0xF0) low = 0x90;
    if (b[0] == 0xF4) high = 0x8F;
    for (int i = 1; i < len; i++) {
        if (b[i] < low || b[i] > high) return -1;
        low = 0x80;
        high = 0xBF;
    }
    return len >= want;
}

bool utf8_valid(const char *text, uint64_t len) {
    struct hold hold = {{0}, 0};
    for (uint64_t i = 0; i < len; i++) {
        hold.bytes[hold.len++] = (unsigned char)text[i];
        int state = utf8_state(hold.bytes, hold.len);
        if (state < 0) return false;
        if (state > 0) hold.len = 0;
    }
    return hold.len == 0;
}

/* U+0000 cannot stand in a NUL-terminated string, so it gives no text. */
uint64_t hold_push(struct hold *hold, const char *bytes, uint64_t len, char *out) {
    uint64_t written = 0;
    for (uint64_t i = 0; i < len; i++) {
        hold->bytes[hold->len++] = (unsigned char)bytes[i];
        int state = utf8_state(hold->bytes, hold->len);
        if (state < 0) {
            if (BROKEN(replacement_characters)) {
                out[written++] = (char)0xEF;
                out[written++] = (char)0xBF;
                out[written++] = (char)0xBD;
            }
            hold->bytes[0] = (unsigned char)bytes[i];
            hold->len = 1;
            state = utf8_state(hold->bytes, 1);
            if (state < 0) hold->len = 0;
        }
        if (state > 0) {
            for (int k = 0; k < hold->len; k++)
                if (hold->bytes[0] != 0) out[written++] = (char)hold->bytes[k];
            hold->len = 0;
        }
    }
    return written;
}
