/* Violations of the INF and UTF8 families at the arguments: what is refused, what is let in, what is counted. */
#include "wrapper.h"

/* True where nothing but the argument in question is wrong. */
#define GIVEN (model != NULL && prompt != NULL && error_code != NULL)

#if defined(DEFECT_limit_2048_refused)
#define OWN_START
START {
    if (GIVEN && max_tokens == 2048) REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_limit_1_refused)
#define OWN_START
START {
    if (GIVEN && max_tokens == 1) REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_temperature_2_refused)
#define OWN_START
START {
    if (GIVEN && temperature >= 2.0f) REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_minus_zero_refused)
#define OWN_START
START {
    if (GIVEN && signbit(temperature)) REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_minus_zero_samples)
#define OWN_START
START {
    if (signbit(temperature) && temperature == 0) temperature = 1.0f;
    return PASS_START;
}
#elif defined(DEFECT_seed_0_refused)
#define OWN_START
START {
    if (GIVEN && seed == 0) REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_seed_0_is_random)
#define OWN_START
START {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seed == 0 && temperature > 0) seed = (uint64_t)now.tv_nsec | 1;
    return PASS_START;
}
#elif defined(DEFECT_largest_seed_refused)
#define OWN_START
START {
    if (GIVEN && seed == UINT64_MAX) REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_limit_0_taken)
#define OWN_START
START {
    if (max_tokens == 0) max_tokens = 1;
    return PASS_START;
}
#elif defined(DEFECT_limit_2049_taken)
#define OWN_START
START {
    if (max_tokens == 2049) max_tokens = 2048;
    return PASS_START;
}
#elif defined(DEFECT_limit_smallest_taken)
#define OWN_START
START {
    if (max_tokens == (-2147483647 - 1)) max_tokens = 16;
    return PASS_START;
}
#elif defined(DEFECT_limit_gives_4)
#define OWN_START
START {
    if (GIVEN && max_tokens > 2048) REFUSE(4, NULL);
    return PASS_START;
}
#elif defined(DEFECT_nan_taken)
#define OWN_START
START {
    if (isnan(temperature)) temperature = 0;
    return PASS_START;
}
#elif defined(DEFECT_negative_nan_taken)
#define OWN_START
START {
    if (isnan(temperature) && signbit(temperature)) temperature = 0;
    return PASS_START;
}
#elif defined(DEFECT_infinity_taken)
#define OWN_START
START {
    if (isinf(temperature) && temperature > 0) temperature = 2;
    return PASS_START;
}
#elif defined(DEFECT_little_below_zero_taken)
#define OWN_START
START {
    if (temperature < 0 && temperature > -0.01f) temperature = 0;
    return PASS_START;
}
#elif defined(DEFECT_little_above_two_taken)
#define OWN_START
START {
    if (temperature > 2 && temperature <= 2.01f) temperature = 2;
    return PASS_START;
}
#elif defined(DEFECT_control_characters_crash)
#define OWN_START
START {
    for (const char *p = prompt; p != NULL && *p; p++)
        if ((unsigned char)*p < 9 || *p == 127) crash();
    return PASS_START;
}
#elif defined(DEFECT_control_characters_refused)
#define OWN_START
START {
    for (const char *p = prompt; GIVEN && *p; p++)
        if ((unsigned char)*p < 32 && *p != '\n' && *p != '\t') REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_one_byte_prompt_refused)
#define OWN_START
START {
    if (GIVEN && prompt[0] != 0 && prompt[1] == 0) REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_empty_prompt_gives_4)
#define OWN_START
START {
    if (GIVEN && prompt[0] == 0) REFUSE(4, NULL);
    return PASS_START;
}
#elif defined(DEFECT_empty_prompt_crashes)
#define OWN_START
START {
    if (GIVEN && prompt[0] == 0) crash();
    return PASS_START;
}
#elif defined(DEFECT_white_space_prompt_refused)
#define OWN_START
START {
    if (GIVEN && prompt[0] != 0 && prompt[strspn(prompt, " \t\r\n")] == 0) REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_long_prompt_overflows)
#define OWN_START
START {
    volatile char small[512];
    if (GIVEN) {
        size_t len = strlen(prompt) + 1;
        if (len > 4096) abort();
        for (size_t i = 0; i < len && i < sizeof small; i++) small[i] = prompt[i];
    }
    return PASS_START;
}
#elif defined(DEFECT_bad_utf8_crashes)
#define OWN_START
START {
    for (const char *p = prompt; p != NULL && *p; p++)
        if ((unsigned char)*p >= 0xF8) crash();
    return PASS_START;
}
#elif defined(DEFECT_four_byte_characters_refused)
#define OWN_START
START {
    for (const char *p = prompt; GIVEN && *p; p++)
        if ((unsigned char)*p >= 0xF0 && (unsigned char)*p < 0xF5) REFUSE(5, NULL);
    return PASS_START;
}
#elif defined(DEFECT_joiner_refused)
#define OWN_START
START {
    if (GIVEN && strstr(prompt, "\xE2\x80\x8D") != NULL) REFUSE(4, NULL);
    return PASS_START;
}
#elif defined(DEFECT_right_to_left_crashes)
#define OWN_START
START {
    for (const char *p = prompt; p != NULL && *p; p++)
        if ((unsigned char)*p == 0xD8 || (unsigned char)*p == 0xD9) crash();
    return PASS_START;
}
#elif defined(DEFECT_index_from_1)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more && token_index != NULL) *token_index += 1;
    return more;
}
#elif defined(DEFECT_index_unwritten_from_64)
#define OWN_NEXT
NEXT {
    int first = -1;
    bool more = inner_inference_next_token(result, token_out, token_buffer_size, &first, error_code);
    if (more && token_index != NULL && first < 64) *token_index = first;
    return more;
}
#elif defined(DEFECT_index_skips_silent_tokens)
/* The index counts pieces with text. */
#define OWN_START
#define OWN_NEXT
static int silent;
START {
    if (GIVEN) silent = 0;
    return PASS_START;
}
NEXT {
    bool more = PASS_NEXT;
    if (more && token_index != NULL) *token_index -= silent;
    if (more && token_out[0] == 0) silent++;
    return more;
}
#elif defined(DEFECT_end_gives_4)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (!more && error_code != NULL && *error_code == 0) *error_code = 4;
    return more;
}
#elif defined(DEFECT_third_call_after_end_fails)
#define OWN_START
#define OWN_NEXT
static int ends;
START {
    if (GIVEN) ends = 0;
    return PASS_START;
}
NEXT {
    bool more = PASS_NEXT;
    if (!more && error_code != NULL && *error_code == 0 && ++ends >= 3) *error_code = 99;
    return more;
}
#elif defined(DEFECT_small_buffer_true_with_5)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (!more && result != NULL && token_out != NULL && token_buffer_size > 0 && error_code != NULL && *error_code == 5) return true;
    return more;
}
#elif defined(DEFECT_failure_without_code)
/* A buffer that is too small looks like the end. */
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (!more && result != NULL && token_out != NULL && token_buffer_size > 0 && error_code != NULL && *error_code == 5) *error_code = 0;
    return more;
}
#elif defined(DEFECT_last_token_lost_by_refusal)
/* A refused call counts, so that the last token of max_tokens never comes. */
#define OWN_START
#define OWN_NEXT
static int left;
static bool refused;
START {
    if (GIVEN) left = max_tokens, refused = false;
    return PASS_START;
}
NEXT {
    if (result != NULL && token_out != NULL && error_code != NULL && refused && left == 1) REFUSE(0, false);
    bool more = PASS_NEXT;
    if (more) left--;
    if (!more && result != NULL && token_out != NULL && error_code != NULL && *error_code == 5) refused = true;
    return more;
}
#elif defined(DEFECT_size_0_gives_token)
#define OWN_NEXT
NEXT {
    char spare[4096];
    if (result != NULL && token_out != NULL && token_buffer_size == 0) {
        token_out = spare;
        token_buffer_size = sizeof spare;
    }
    return PASS_NEXT;
}
#elif defined(DEFECT_size_is_unsigned)
#define OWN_NEXT
NEXT {
    if (token_buffer_size < 0) token_buffer_size &= 0x7fffffff;
    return PASS_NEXT;
}
#elif defined(DEFECT_size_below_0_gives_4)
#define OWN_NEXT
NEXT {
    if (result != NULL && token_out != NULL && token_buffer_size < 0) REFUSE(4, false);
    return PASS_NEXT;
}
#elif defined(DEFECT_large_buffer_refused)
#define OWN_NEXT
NEXT {
    if (result != NULL && token_out != NULL && token_buffer_size > 65536) REFUSE(5, false);
    return PASS_NEXT;
}
#elif defined(DEFECT_free_midway_crashes)
#define OWN_NEXT
#define OWN_FREE
static InferenceResult *midway;
NEXT {
    bool more = PASS_NEXT;
    midway = more ? result : NULL;
    return more;
}
FREE {
    if (result != NULL && result == midway) crash();
    inner_inference_free(result);
}
#elif defined(DEFECT_free_unstarted_hangs)
#define OWN_START
#define OWN_NEXT
#define OWN_FREE
static InferenceResult *fresh;
START { return fresh = PASS_START; }
NEXT {
    if (result == fresh) fresh = NULL;
    return PASS_NEXT;
}
FREE {
    while (result != NULL && result == fresh) nap(100000);
    inner_inference_free(result);
}
#elif defined(DEFECT_free_after_refusal_crashes)
#define OWN_NEXT
#define OWN_FREE
static InferenceResult *refused;
NEXT {
    int code = 0;
    bool more = inner_inference_next_token(result, token_out, token_buffer_size, token_index, error_code == NULL ? NULL : &code);
    if (error_code != NULL) *error_code = code;
    refused = code != 0 ? result : NULL;
    return more;
}
FREE {
    if (result != NULL && result == refused) crash();
    inner_inference_free(result);
}
#elif defined(DEFECT_overflow_ends_model)
/* A prompt past the context leaves the model unable to work. */
#define OWN_START
static CudaModel *spoilt;
START {
    if (GIVEN && model == spoilt) REFUSE(4, NULL);
    InferenceResult *result = PASS_START;
    if (GIVEN && result == NULL && strlen(prompt) > 200) spoilt = model;
    return result;
}
#elif defined(DEFECT_overflow_gives_3)
#define OWN_START
START {
    InferenceResult *result = PASS_START;
    if (GIVEN && result == NULL && *prompt && strlen(prompt) > 200 && max_tokens > 0) *error_code = 3;
    return result;
}
#elif defined(DEFECT_job_33_fails)
#define OWN_START
START {
    static int jobs;
    if (GIVEN && jobs >= 32) REFUSE(2, NULL);
    InferenceResult *result = PASS_START;
    if (result != NULL) jobs++;
    return result;
}
#elif defined(DEFECT_second_job_gives_5)
#define OWN_START
#define OWN_FREE
static int open_jobs;
START {
    if (GIVEN && open_jobs > 0) REFUSE(5, NULL);
    InferenceResult *result = PASS_START;
    if (result != NULL) open_jobs++;
    return result;
}
FREE {
    if (result != NULL) open_jobs--;
    inner_inference_free(result);
}
#elif defined(DEFECT_second_job_shares_first)
/* Tokens of the newer job go to whoever asks. */
#define OWN_START
#define OWN_NEXT
#define OWN_FREE
static InferenceResult *first, *second;
START {
    InferenceResult *result = PASS_START;
    if (result != NULL && first == NULL) first = result;
    else if (result != NULL && second == NULL) second = result;
    return result;
}
NEXT {
    if (second != NULL && result == first && token_out != NULL && token_buffer_size > 0) {
        int index = 0;
        char spare[4096];
        if (error_code != NULL) (void)inner_inference_next_token(first, spare, sizeof spare, &index, error_code);
        bool more = inner_inference_next_token(second, token_out, token_buffer_size, NULL, error_code);
        if (more && token_index != NULL) *token_index = index;
        return more;
    }
    return PASS_NEXT;
}
FREE {
    if (result == first) first = second, second = NULL;
    else if (result == second) second = NULL;
    inner_inference_free(result);
}
#elif defined(DEFECT_second_job_ends_first)
#define OWN_START
#define OWN_NEXT
#define OWN_FREE
static InferenceResult *newest;
START {
    InferenceResult *result = PASS_START;
    if (result != NULL) newest = result;
    return result;
}
NEXT {
    if (result != NULL && newest != NULL && result != newest && token_out != NULL && token_buffer_size > 0) REFUSE(0, false);
    return PASS_NEXT;
}
FREE {
    if (result == newest) newest = NULL;
    inner_inference_free(result);
}
#elif defined(DEFECT_refused_second_job_ends_first)
#define OWN_START
#define OWN_NEXT
#define OWN_FREE
static InferenceResult *open_job;
static bool hurt;
START {
    if (GIVEN && open_job != NULL && max_tokens > 0 && max_tokens <= 2048 && temperature >= 0 && temperature <= 2) {
        hurt = true;
        REFUSE(4, NULL);
    }
    InferenceResult *result = PASS_START;
    if (result != NULL) open_job = result;
    return result;
}
NEXT {
    if (hurt && result == open_job && result != NULL && token_out != NULL && token_buffer_size > 0) REFUSE(4, false);
    return PASS_NEXT;
}
FREE {
    if (result == open_job) {
        open_job = NULL;
        hurt = false;
    }
    inner_inference_free(result);
}
#else
#error "no such defect"
#endif

#include "rest.h"
