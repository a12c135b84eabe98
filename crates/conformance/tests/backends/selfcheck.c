/* Loads one library and one model, walks the good path and the plain refusals, and says what is wrong.
   selfcheck LIBRARY MODEL [OTHER_MODEL...]; exit 0 when nothing is wrong. It is no judge: it knows the suite's
   requirements only as far as a writer of these libraries needs, to see that the sound ones are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"

static __typeof__(cuda_init) *init;
static __typeof__(cuda_destroy) *destroy;
static __typeof__(cuda_get_device_count) *device_count;
static __typeof__(cuda_load_model) *load;
static __typeof__(cuda_unload_model) *unload;
static __typeof__(cuda_model_get_vram_usage) *model_usage;
static __typeof__(cuda_inference_start) *start;
static __typeof__(cuda_inference_next_token) *next;
static __typeof__(cuda_inference_free) *release;
static __typeof__(cuda_check_vram_residency) *resident;
static __typeof__(cuda_get_vram_usage) *usage;
static __typeof__(cuda_get_process_vram_usage) *process_usage;
static __typeof__(cuda_check_device_health) *health;
static __typeof__(cuda_error_message) *message;

static int wrong, settled;

static void check(int holds, const char *what) {
    if (!holds) {
        printf("  wrong: %s\n", what);
        wrong++;
    }
}
#define CHECK(condition) check(!!(condition), #condition)

static void *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        printf("  wrong: no symbol %s\n", name);
        exit(1);
    }
    return found;
}

static int text_is_utf8(const char *text) {
    const unsigned char *b = (const unsigned char *)text;
    while (*b) {
        int more = *b < 0x80 ? 0 : *b >= 0xC2 && *b < 0xE0 ? 1 : *b >= 0xE0 && *b < 0xF0 ? 2 : *b >= 0xF0 && *b < 0xF5 ? 3 : -1;
        unsigned char lead = *b++;
        if (more < 0) return 0;
        for (int i = 0; i < more; i++, b++) {
            if (*b < 0x80 || *b > 0xBF) return 0;
            if (i == 0 && ((lead == 0xE0 && *b < 0xA0) || (lead == 0xED && *b > 0x9F) || (lead == 0xF0 && *b < 0x90) ||
                           (lead == 0xF4 && *b > 0x8F)))
                return 0;
        }
    }
    return 1;
}

/* Runs a job to its end with the smallest buffer that each token takes; returns its text, or NULL where refused. */
static char *job(CudaModel *model, const char *prompt, int max_tokens, float temperature, uint64_t seed, int step, int *code) {
    int error = 77, index = -7, produced = 0;
    size_t used = 0, room = 1 << 20;
    InferenceResult *result = start(model, prompt, max_tokens, temperature, seed, &error);
    *code = error;
    CHECK((result != NULL) == (error == 0));
    if (result == NULL) return NULL;
    char *text = calloc(1, room);
    for (int size = step;;) {
        char *buffer = malloc((size_t)size);
        error = 77;
        if (next(result, buffer, size, &index, &error)) {
            CHECK(error == 0);
            CHECK(index == produced);
            CHECK(memchr(buffer, 0, (size_t)size) != NULL && text_is_utf8(buffer));
            size_t len = strlen(buffer);
            if (used + len + 1 < room) memcpy(text + used, buffer, len + 1);
            used += len;
            produced++;
            size = step;
        } else if (error == 5 && size < 1 << 20) size += step;
        else {
            free(buffer);
            break;
        }
        free(buffer);
    }
    if (error != 0) *code = error;
    CHECK(error == 0 || error == 2 || error == 4 || error == 5 || error == 99);
    CHECK(produced <= max_tokens);
    release(result);
    return text;
}

static void judge_model(CudaContext *ctx, const char *path, int show) {
    int code = 77, ignored = 0;
    uint64_t bytes = 0, before = process_usage(ctx);
    CudaModel *model = load(ctx, path, &bytes, &code);
    CHECK(model != NULL && code == 0);
    if (model == NULL) {
        printf("  load gave %d for %s\n", code, path);
        return;
    }
    CHECK(bytes > 0 && bytes == usage(model) && bytes == model_usage(model));
    CHECK(process_usage(ctx) >= bytes);
    CHECK(resident(model, &code) && code == 0);
    /* Whether calls without a place for their code fail or work is read both ways; they must bear it. */
    (void)resident(model, NULL);
    char *a = job(model, "The capital of France is", 40, 0.0f, 1, 256, &ignored);
    char *b = job(model, "The capital of France is", 40, -0.0f, UINT64_MAX, 1, &ignored);
    char *c = job(model, "The capital of France is", 12, 0.0f, 9, 64, &ignored);
    char *d = job(model, "Another prompt", 40, 0.0f, 1, 256, &ignored);
    char *e = job(model, "Another prompt", 40, 1.5f, 1, 256, &ignored);
    char *f = job(model, "Another prompt", 40, 1.5f, 1, 7, &ignored);
    char *h = job(model, "Another prompt", 24, 1.5f, 2, 256, &ignored);
    CHECK(a != NULL && b != NULL && strcmp(a, b) == 0);
    CHECK(c != NULL && a != NULL && strncmp(c, a, strlen(c)) == 0);
    CHECK(d != NULL && a != NULL && strcmp(a, d) != 0);
    CHECK(e != NULL && f != NULL && strcmp(e, f) == 0);
    CHECK(h != NULL && e != NULL && strncmp(h, e, strlen(h)) != 0);
    if (show && a != NULL && e != NULL) printf("  greedy: %s\n  sampled: %s\n", a, e);
    char *all[] = {a, b, c, d, e, f, h};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    static const char *const prompts[] = {"", "x", "\x01\x1b\x7f", "東京の天気", "👩‍👩‍👧 é", "مرحبا", "𐍈𝄞"};
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        char *text = job(model, prompts[i], 5, 0.7f, 3, 256, &code);
        CHECK(text != NULL || i == 0);
        free(text);
    }
    free(job(model, "\xff\xfe", 5, 0.0f, 0, 256, &code));
    free(job(model, "to the end", 2048, 2.0f, 1ull << 40, 256, &code));
    printf("  a job of 2048 tokens ended with %d\n", code);
    CHECK(start(model, NULL, 1, 0, 0, &code) == NULL && code == 5);
    CHECK(start(NULL, "x", 1, 0, 0, &code) == NULL && code == 5);
    CHECK(start(model, "x", 0, 0, 0, &code) == NULL && code == 5);
    CHECK(start(model, "x", 2049, 0, 0, &code) == NULL && code == 5);
    CHECK(start(model, "x", 1, NAN, 0, &code) == NULL && code == 5);
    CHECK(start(model, "x", 1, -0.001f, 0, &code) == NULL && code == 5);
    CHECK(start(model, "x", 1, 2.0001f, 0, &code) == NULL && code == 5);
    CHECK(start(model, "x", 1, INFINITY, 0, &code) == NULL && code == 5);
    release(start(model, "x", 1, 0, 0, NULL));
    CHECK(start(model, "x", 0, 0, 0, NULL) == NULL);
    char small[8];
    InferenceResult *result = start(model, "midway", 9, 0, 0, &code);
    CHECK(result != NULL && !next(result, NULL, 8, NULL, &code) && code == 5);
    CHECK(result != NULL && !next(result, small, 0, NULL, &code) && code == 5);
    CHECK(result != NULL && !next(result, small, -1, NULL, &code) && code == 5);
    if (result != NULL) (void)next(result, small, 8, NULL, NULL);
    release(result);
    CHECK(bytes == usage(model));
    unload(model);
    if (getenv("SELFCHECK_NOISE") == NULL) CHECK(process_usage(ctx) == before || !settled);
    settled = 1;
}

int main(int argc, char **argv) {
    int code = 77;
    uint64_t bytes = 5;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc < 3) return 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    printf("%s\n", argv[1]);
    if (library == NULL) {
        printf("  wrong: %s\n", dlerror());
        return 1;
    }
#define GET(to, name) *(void **)&to = symbol(library, #name)
    GET(init, cuda_init);
    GET(destroy, cuda_destroy);
    GET(device_count, cuda_get_device_count);
    GET(load, cuda_load_model);
    GET(unload, cuda_unload_model);
    GET(model_usage, cuda_model_get_vram_usage);
    GET(start, cuda_inference_start);
    GET(next, cuda_inference_next_token);
    GET(release, cuda_inference_free);
    GET(resident, cuda_check_vram_residency);
    GET(usage, cuda_get_vram_usage);
    GET(process_usage, cuda_get_process_vram_usage);
    GET(health, cuda_check_device_health);
    GET(message, cuda_error_message);
    for (int i = -3; i < 102; i++) CHECK(message(i) != NULL && message(i)[0] != 0 && message(i) == message(i));
    CHECK(message(INT_MIN) != NULL && message(INT_MAX) != NULL);
    destroy(NULL);
    unload(NULL);
    release(NULL);
    CHECK(usage(NULL) == 0 && model_usage(NULL) == 0 && process_usage(NULL) == 0);
    CHECK(!resident(NULL, &code) && code == 5);
    CHECK(!health(NULL, &code) && code == 5);
    CHECK(!next(NULL, NULL, 0, NULL, &code) && code == 5);
    CHECK(load(NULL, argv[2], &bytes, &code) == NULL && code == 5);
    int count = device_count();
    CHECK(init(count, &code) == NULL && (count > 0 ? code == 1 : code == 8 || code == 1));
    CHECK(init(-1, &code) == NULL && code != 0);
    destroy(init(0, NULL));
    CHECK(init(-1, NULL) == NULL);
    for (int device = 0; device < count; device++) {
        CudaContext *ctx = init(device, &code), *other = init(device, &code);
        CHECK(ctx != NULL && code == 0 && other != NULL && ctx != other);
        CHECK(health(ctx, &code) && code == 0);
        CHECK(load(ctx, "/nonexistent", &bytes, &code) == NULL && code == 3 && (bytes == 5 || bytes == 0));
        CHECK(load(ctx, "/tmp", &bytes, &code) == NULL && code == 3);
        CHECK(load(ctx, argv[2], NULL, &code) == NULL && code == 5);
        for (int i = 2; i < argc; i++) judge_model(ctx, argv[i], device == 0 && getenv("SELFCHECK_SHOW") != NULL);
        destroy(other);
        destroy(ctx);
    }
    CHECK(dlclose(library) == 0);
    if (wrong == 0) printf("  nothing wrong\n");
    return wrong > 0;
}
