/* Violations of the FAULT family: the conditions of FAKE_FAULT, reported wrongly. */
#include "wrapper.h"

#if defined(DEFECT_no_cache_memory_gives_4)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    if (result == NULL && error_code != NULL && *error_code == 2) *error_code = 4;
    return result;
}
#elif defined(DEFECT_no_cache_memory_crashes)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    if (result == NULL && error_code != NULL && *error_code == 2) crash();
    return result;
}
#elif defined(DEFECT_launch_failure_gives_4) || defined(DEFECT_kernel_failure_gives_6) || defined(DEFECT_no_memory_in_job_gives_99) || \
    defined(DEFECT_kernel_failure_is_end) || defined(DEFECT_launch_failure_gives_text)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more || error_code == NULL) return more;
#if defined(DEFECT_launch_failure_gives_4)
    if (*error_code == 6) *error_code = 4;
#elif defined(DEFECT_kernel_failure_gives_6)
    if (*error_code == 4) *error_code = 6;
#elif defined(DEFECT_no_memory_in_job_gives_99)
    if (*error_code == 2) *error_code = 99;
#elif defined(DEFECT_kernel_failure_is_end)
    if (*error_code == 4) *error_code = 0;
#else
    if (*error_code == 6) {
        *error_code = 0;
        token_out[0] = 0;
        return true;
    }
#endif
    return more;
}
#elif defined(DEFECT_lost_weights_unseen)
#define OWN_RESIDENT
RESIDENT {
    if (model != NULL && error_code != NULL) REFUSE(0, true);
    return PASS_RESIDENT;
}
#elif defined(DEFECT_sick_device_gives_99)
#define OWN_HEALTH
HEALTH {
    bool good = PASS_HEALTH;
    if (!good && error_code != NULL && *error_code == 1) *error_code = 99;
    return good;
}
#elif defined(DEFECT_fault_ends_model)
#define OWN_NEXT
#define OWN_START
static int struck;
NEXT {
    bool more = PASS_NEXT;
    if (!more && error_code != NULL && (*error_code == 6 || *error_code == 4 || *error_code == 2)) struck = 1;
    return more;
}
START {
    if (struck && model != NULL && prompt != NULL && error_code != NULL) REFUSE(4, NULL);
    return PASS_START;
}
#elif defined(DEFECT_fault_changes_next_job)
#define OWN_NEXT
#define OWN_START
static int struck;
NEXT {
    bool more = PASS_NEXT;
    if (!more && error_code != NULL && (*error_code == 6 || *error_code == 4 || *error_code == 2)) struck = 1;
    return more;
}
START {
    static char other[1 << 16];
    if (struck && model != NULL && prompt != NULL && strlen(prompt) + 2 < sizeof other) {
        snprintf(other, sizeof other, "%s.", prompt);
        prompt = other;
        struck = 0;
    }
    return PASS_START;
}
#elif defined(DEFECT_sickness_lasts)
#define OWN_HEALTH
HEALTH {
    static int sick;
    bool good = PASS_HEALTH;
    if (!good && error_code != NULL && *error_code == 1) sick = 1;
    if (good && sick) REFUSE(1, false);
    return good;
}
#else
#error "no such defect"
#endif

#include "rest.h"
