/* Two functions chosen by the loader (STT_GNU_IFUNC), one weak, one an alias: function symbols all the same. */
#include "../../broken/wrapper.h"

#define OWN_COUNT
static int count_for_this_processor(void) { return inner_get_device_count(); }
static int (*choose_count(void))(void) { return count_for_this_processor; }
int cuda_get_device_count(void) __attribute__((ifunc("choose_count")));

#define OWN_MESSAGE
static const char *message_for_this_processor(int error_code) { return inner_error_message(error_code); }
static const char *(*choose_message(void))(int) { return message_for_this_processor; }
const char *cuda_error_message(int error_code) __attribute__((ifunc("choose_message")));

#define OWN_USAGE
#define OWN_MODEL_USAGE
uint64_t cuda_model_get_vram_usage(CudaModel *model) { return inner_model_get_vram_usage(model); }
uint64_t cuda_get_vram_usage(CudaModel *model) __attribute__((alias("cuda_model_get_vram_usage")));

#define OWN_HEALTH
__attribute__((weak)) bool cuda_check_device_health(CudaContext *ctx, int *error_code) { return PASS_HEALTH; }

#include "../../broken/rest.h"
