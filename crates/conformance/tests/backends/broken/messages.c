/* Violations of the MSG family. */
#include "wrapper.h"
#define OWN_MESSAGE

#if defined(DEFECT_null_for_negative)
MESSAGE { return error_code < 0 ? NULL : inner_error_message(error_code); }
#elif defined(DEFECT_null_for_42)
MESSAGE { return error_code == 42 ? NULL : inner_error_message(error_code); }
#elif defined(DEFECT_crash_for_smallest)
MESSAGE {
    static const char *const table[] = {"success", "one", "two", "three", "four", "five", "six", "seven", "eight"};
    /* The absolute value of INT_MIN is negative still. */
    int positive = error_code < 0 ? (int)(0u - (unsigned)error_code) : error_code;
    if (positive < 0) crash();
    return error_code >= 0 && error_code < 9 ? table[error_code] : "unknown error";
}
#elif defined(DEFECT_null_between_8_and_99)
MESSAGE {
    static const char *const table[100] = {"success", "one", "two", "three", "four", "five", "six", "seven", "eight", [99] = "unknown error"};
    return error_code >= 0 && error_code < 100 ? table[error_code] : table[99];
}
#elif defined(DEFECT_empty_for_6)
MESSAGE { return error_code == 6 ? "" : inner_error_message(error_code); }
#elif defined(DEFECT_latin1_for_7)
MESSAGE { return error_code == 7 ? "Ger\xe4tespeicher verloren" : inner_error_message(error_code); }
#elif defined(DEFECT_unfinished_utf8_for_undefined)
MESSAGE { return error_code > 99 ? "unknown \xe2\x82" : inner_error_message(error_code); }
#elif defined(DEFECT_one_buffer)
MESSAGE {
    static char buffer[128];
    snprintf(buffer, sizeof buffer, "%s", inner_error_message(error_code));
    return buffer;
}
#elif defined(DEFECT_new_each_time)
MESSAGE { return strdup(inner_error_message(error_code)); }
#elif defined(DEFECT_changes_after_failed_load)
#define OWN_LOAD
static char detail[512] = "the model file cannot be used";
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == NULL && model_path != NULL) snprintf(detail, sizeof detail, "the model file cannot be used: %.300s", model_path);
    return model;
}
MESSAGE { return error_code == 3 ? detail : inner_error_message(error_code); }
#elif defined(DEFECT_other_pointer_after_destroy)
#define OWN_DESTROY
static int destroyed;
static const char other[] = "unknown error";
DESTROY {
    if (ctx != NULL) destroyed = 1;
    inner_destroy(ctx);
}
MESSAGE { return destroyed && error_code == 99 ? other : inner_error_message(error_code); }
#elif defined(DEFECT_two_alike)
MESSAGE { return inner_error_message(error_code == 6 ? 4 : error_code); }
#elif defined(DEFECT_undefined_has_no_99)
MESSAGE {
    if (error_code < 0) return "negative code";
    return inner_error_message(error_code);
}
#elif defined(DEFECT_rebuilt_each_call)
/* The same pointer and the same bytes for one thread; half a message for two. */
MESSAGE {
    static char buffers[10][96];
    static const int codes[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 99};
    int at = 9;
    for (int i = 0; i < 10; i++)
        if (codes[i] == error_code) at = i;
    const char *text = inner_error_message(codes[at]);
    memset(buffers[at], 0, sizeof buffers[at]);
    nap(20);
    strcpy(buffers[at], text);
    nap(20);
    return buffers[at];
}
#elif defined(DEFECT_null_when_busy)
MESSAGE {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (pthread_mutex_trylock(&lock) != 0) return NULL;
    nap(20);
    const char *text = inner_error_message(error_code);
    pthread_mutex_unlock(&lock);
    return text;
}
#elif defined(DEFECT_built_by_two)
MESSAGE {
    static char **volatile table;
    if (table == NULL) {
        char **fresh = (char **)calloc(100, sizeof *fresh);
        table = fresh;
        for (int i = 0; i < 100; i++) {
            nap(20);
            fresh[i] = strdup(inner_error_message(i));
        }
    }
    return table[error_code >= 0 && error_code < 99 ? error_code : 99];
}
#elif defined(DEFECT_success_is_unknown)
MESSAGE { return inner_error_message(error_code == 0 ? 99 : error_code); }
#else
#error "no such defect"
#endif

#include "rest.h"
