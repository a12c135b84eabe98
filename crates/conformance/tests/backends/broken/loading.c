/* Violations of the LOAD family that the exported functions alone can commit. */
#include "wrapper.h"

#include <sys/stat.h>

#if defined(DEFECT_usage_zero_on_success)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) *vram_bytes_used = 0;
    return model;
}
#elif defined(DEFECT_path_ascii_only)
#define OWN_LOAD
LOAD {
    for (const char *p = model_path; ctx != NULL && p != NULL && vram_bytes_used != NULL && *p; p++)
        if ((unsigned char)*p > 126 || *p == ' ') REFUSE(3, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_path_cut_at_128)
#define OWN_LOAD
LOAD {
    char copy[128];
    if (model_path == NULL) return PASS_LOAD;
    snprintf(copy, sizeof copy, "%s", model_path);
    return inner_load_model(ctx, copy, vram_bytes_used, error_code);
}
#elif defined(DEFECT_path_symlink_refused)
#define OWN_LOAD
LOAD {
    struct stat found;
    if (ctx != NULL && model_path != NULL && vram_bytes_used != NULL && lstat(model_path, &found) == 0 &&
        S_ISLNK(found.st_mode))
        REFUSE(3, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_path_dots_refused)
#define OWN_LOAD
LOAD {
    if (ctx != NULL && model_path != NULL && vram_bytes_used != NULL && strstr(model_path, "/..") != NULL)
        REFUSE(3, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_path_over_1000_refused)
#define OWN_LOAD
LOAD {
    if (ctx != NULL && model_path != NULL && vram_bytes_used != NULL && strlen(model_path) > 1000) REFUSE(3, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_path_shared_by_threads)
#define OWN_LOAD
LOAD {
    static char copy[8192];
    if (model_path == NULL || strlen(model_path) >= sizeof copy) return PASS_LOAD;
    strcpy(copy, model_path);
    for (volatile int wait = 0; wait < 20000; wait++) {}
    return inner_load_model(ctx, copy, vram_bytes_used, error_code);
}
#elif defined(DEFECT_extension_required)
#define OWN_LOAD
LOAD {
    size_t len = model_path == NULL ? 0 : strlen(model_path);
    if (len > 0 && ctx != NULL && vram_bytes_used != NULL && (len < 5 || strcmp(model_path + len - 5, ".gguf") != 0)) REFUSE(5, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_missing_file_gives_5)
#define OWN_LOAD
LOAD {
    bool whole = ctx != NULL && model_path != NULL && vram_bytes_used != NULL && error_code != NULL;
    if (whole && *model_path && access(model_path, F_OK) != 0) REFUSE(5, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_directory_gives_99)
#define OWN_LOAD
LOAD {
    bool whole = ctx != NULL && model_path != NULL && vram_bytes_used != NULL && error_code != NULL;
    char inside[4096];
    if (whole) {
        snprintf(inside, sizeof inside, "%s/.", model_path);
        if (*model_path && access(inside, F_OK) == 0) REFUSE(99, NULL);
    }
    return PASS_LOAD;
}
#elif defined(DEFECT_empty_path_gives_2)
#define OWN_LOAD
LOAD {
    bool whole = ctx != NULL && model_path != NULL && vram_bytes_used != NULL && error_code != NULL;
    if (whole && *model_path == 0) REFUSE(2, NULL);
    return PASS_LOAD;
}
#elif defined(DEFECT_path_not_utf8_crashes)
#define OWN_LOAD
LOAD {
    for (const char *p = model_path; p != NULL && *p; p++)
        if ((unsigned char)*p >= 0xF5) crash();
    return PASS_LOAD;
}
#elif defined(DEFECT_second_model_gives_3)
#define OWN_LOAD
#define OWN_UNLOAD
static int models;
LOAD {
    if (models > 0 && ctx != NULL && model_path != NULL && vram_bytes_used != NULL && error_code != NULL) REFUSE(3, NULL);
    CudaModel *model = PASS_LOAD;
    if (model != NULL) models++;
    return model;
}
UNLOAD {
    if (model != NULL) models--;
    inner_unload_model(model);
}
#elif defined(DEFECT_second_model_is_the_first)
#define OWN_LOAD
#define OWN_UNLOAD
static CudaContext *owner;
static CudaModel *first;
static uint64_t bytes;
static int holders;
LOAD {
    if (first != NULL && ctx == owner && model_path != NULL && vram_bytes_used != NULL && error_code != NULL &&
        access(model_path, R_OK) == 0) {
        holders++;
        *vram_bytes_used = bytes;
        *error_code = 0;
        return first;
    }
    CudaModel *model = PASS_LOAD;
    if (model != NULL && first == NULL) {
        first = model;
        owner = ctx;
        bytes = *vram_bytes_used;
        holders = 1;
    }
    return model;
}
UNLOAD {
    if (model != NULL && model == first) {
        if (--holders > 0) return;
        first = NULL;
    }
    inner_unload_model(model);
}
#elif defined(DEFECT_second_model_changes_first)
/* The latest model's weights serve every job. */
#define OWN_LOAD
#define OWN_UNLOAD
#define OWN_START
static CudaModel *latest;
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) latest = model;
    return model;
}
UNLOAD {
    if (model == latest) latest = NULL;
    inner_unload_model(model);
}
START {
    static char other[1 << 16];
    if (model != NULL && latest != NULL && model != latest && prompt != NULL && strlen(prompt) + 3 < sizeof other) {
        snprintf(other, sizeof other, "%s!!", prompt);
        prompt = other;
    }
    return PASS_START;
}
#elif defined(DEFECT_second_unload_ends_first)
#define OWN_LOAD
#define OWN_UNLOAD
#define OWN_RESIDENT
static int models, gone;
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL && models++ == 0) gone = 0;
    return model;
}
UNLOAD {
    if (model != NULL) gone = --models > 0;
    inner_unload_model(model);
}
RESIDENT {
    if (gone && model != NULL) REFUSE(7, false);
    return PASS_RESIDENT;
}
#elif defined(DEFECT_load_41_fails)
#define OWN_LOAD
LOAD {
    static int loaded;
    bool whole = ctx != NULL && model_path != NULL && vram_bytes_used != NULL && error_code != NULL;
    if (whole && loaded >= 40) REFUSE(2, NULL);
    CudaModel *model = PASS_LOAD;
    if (model != NULL) loaded++;
    return model;
}
#elif defined(DEFECT_failed_load_keeps_a_mebibyte)
#define OWN_LOAD
#define OWN_PROCESS_USAGE
static uint64_t kept;
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == NULL && error_code != NULL && *error_code == 3) kept += 1 << 20;
    return model;
}
PROCESS_USAGE { return ctx == NULL ? 0 : inner_get_process_vram_usage(ctx) + kept; }
#elif defined(DEFECT_short_file_crashes)
#define OWN_LOAD
LOAD {
    FILE *file = ctx == NULL || model_path == NULL || vram_bytes_used == NULL ? NULL : fopen(model_path, "rb");
    if (file != NULL) {
        char head[24];
        size_t got = fread(head, 1, sizeof head, file);
        fclose(file);
        if (got >= 8 && got < sizeof head) crash();
    }
    return PASS_LOAD;
}
#elif defined(DEFECT_magic_unchecked_hangs)
#define OWN_LOAD
LOAD {
    FILE *file = ctx == NULL || model_path == NULL || vram_bytes_used == NULL ? NULL : fopen(model_path, "rb");
    if (file != NULL) {
        char head[4] = {0};
        size_t got = fread(head, 1, sizeof head, file);
        fclose(file);
        while (got == 4 && memcmp(head, "GGUF", 4) != 0) nap(100000);
    }
    return PASS_LOAD;
}
#elif defined(DEFECT_file_read_again)
/* A job looks into the file again and refuses where it is not what it was. */
#define OWN_LOAD
#define OWN_START
static char *path;
static long length;
static long length_now(void) {
    FILE *file = path == NULL ? NULL : fopen(path, "rb");
    if (file == NULL) return -1;
    long end = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    fclose(file);
    return end;
}
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model != NULL) {
        free(path);
        path = strdup(model_path);
        length = length_now();
    }
    return model;
}
START {
    if (model != NULL && prompt != NULL && error_code != NULL && length_now() != length) REFUSE(4, NULL);
    return PASS_START;
}
#elif defined(DEFECT_usage_is_file_size)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    FILE *file = model == NULL ? NULL : fopen(model_path, "rb");
    if (file != NULL) {
        if (fseek(file, 0, SEEK_END) == 0) *vram_bytes_used = (uint64_t)ftell(file);
        fclose(file);
    }
    return model;
}
#else
#error "no such defect"
#endif

#include "rest.h"
