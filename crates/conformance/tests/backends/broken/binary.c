/* Violations of the ABI family: the symbol table, what the file needs, what happens as it comes and goes. */
#include "wrapper.h"

#include <dlfcn.h>
#include <fcntl.h>

#if defined(DEFECT_message_missing)
#define OWN_MESSAGE
#elif defined(DEFECT_health_missing)
#define OWN_HEALTH
#elif defined(DEFECT_all_but_init_missing)
#define OWN_DESTROY
#define OWN_COUNT
#define OWN_LOAD
#define OWN_UNLOAD
#define OWN_MODEL_USAGE
#define OWN_START
#define OWN_NEXT
#define OWN_FREE
#define OWN_RESIDENT
#define OWN_USAGE
#define OWN_PROCESS_USAGE
#define OWN_HEALTH
#define OWN_MESSAGE
#elif defined(DEFECT_message_mangled)
#define OWN_MESSAGE
EXPORTED const char *mangled_message(int error_code) __asm__("_Z18cuda_error_messagei");
const char *mangled_message(int error_code) { return inner_error_message(error_code); }
#elif defined(DEFECT_count_hidden)
#define OWN_COUNT
__attribute__((visibility("hidden"), used)) int hidden_count(void) __asm__("cuda_get_device_count");
int hidden_count(void) { return inner_get_device_count(); }
#elif defined(DEFECT_usage_local)
#define OWN_USAGE
__attribute__((used)) static uint64_t cuda_get_vram_usage_local(CudaModel *model) { return inner_get_vram_usage(model); }
#elif defined(DEFECT_message_is_data)
#define OWN_MESSAGE
EXPORTED extern const char *(*message_pointer)(int) __asm__("cuda_error_message");
const char *(*message_pointer)(int) = inner_error_message;
#elif defined(DEFECT_name_with_capital)
#define OWN_DESTROY
EXPORTED void cuda_Destroy(CudaContext *ctx);
void cuda_Destroy(CudaContext *ctx) { inner_destroy(ctx); }
#elif defined(DEFECT_exports_cuda_debug)
EXPORTED int cuda_debug(void);
int cuda_debug(void) { return 0; }
#elif defined(DEFECT_exports_runtime_function)
EXPORTED int cudaGetLastError(void);
int cudaGetLastError(void) { return 0; }
#elif defined(DEFECT_exports_driver_function)
EXPORTED int cuInit(unsigned flags);
int cuInit(unsigned flags) { return (int)flags; }
#elif defined(DEFECT_exports_cublas_data)
EXPORTED extern int cublasDefaultMode;
int cublasDefaultMode = 1;
#elif defined(DEFECT_exports_mangled)
EXPORTED int launch(int grid) __asm__("_ZN6worker6launchEi");
int launch(int grid) { return grid; }
#elif defined(DEFECT_symbol_unresolved)
extern int cudaGetDeviceCount(int *count);
#define OWN_HEALTH
HEALTH {
    int count = 0;
    if (ctx != NULL && cudaGetDeviceCount(&count) != 0) REFUSE(1, false);
    return PASS_HEALTH;
}
#elif defined(DEFECT_data_unresolved)
extern int cudart_version;
#define OWN_COUNT
COUNT { return cudart_version > 0 ? inner_get_device_count() : 0; }
#elif defined(DEFECT_same_but_flags)
/* Nothing is wrong here; the linker's flags are. */
#elif defined(DEFECT_load_needs_device)
__attribute__((constructor)) static void look_for_device(void) {
    if (access("/dev/fake_accelerator0", F_OK) != 0) abort();
}
#elif defined(DEFECT_text_relocation)
__asm__(".pushsection .text\n"
        "text_relocation_site:\n"
        "movabs $inner_get_device_count, %rax\n"
        "jmp *%rax\n"
        ".popsection\n");
#elif defined(DEFECT_unload_crashes)
__attribute__((destructor)) static void at_unload(void) { crash(); }
#elif defined(DEFECT_unload_crashes_after_use)
#define OWN_INIT
static int used;
INIT {
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL) used = 1;
    return ctx;
}
__attribute__((destructor)) static void at_unload(void) {
    if (used) crash();
}
#elif defined(DEFECT_thread_outlives_code)
#define OWN_INIT
static void *run_on(void *arg) {
    for (volatile uint64_t turns = 0;; turns++)
        if (turns % 1024 == 0) nap(1000);
    return arg;
}
INIT {
    static int begun;
    pthread_t thread;
    CudaContext *ctx = PASS_INIT;
    if (ctx != NULL && !begun++ && pthread_create(&thread, NULL, run_on, NULL) == 0) pthread_detach(thread);
    return ctx;
}
#elif defined(DEFECT_exit_handler_outlives_code)
#define OWN_INIT
static void at_exit(int status, void *arg) {
    (void)status;
    (void)arg;
}
INIT {
    static int begun;
    CudaContext *ctx = PASS_INIT;
    /* Unlike atexit, on_exit knows of no library: the handler stays when the code has gone. */
    if (ctx != NULL && !begun++) on_exit(at_exit, NULL);
    return ctx;
}
#elif defined(DEFECT_thread_key_outlives_code)
#define OWN_LOAD
static pthread_key_t key;
static void at_thread_end(void *value) { free(value); }
LOAD {
    static int begun;
    CudaModel *model = PASS_LOAD;
    if (model != NULL && !begun++ && pthread_key_create(&key, at_thread_end) == 0) pthread_setspecific(key, malloc(16));
    return model;
}
#elif defined(DEFECT_second_load_has_no_device)
/* The mark lies outside the library, so that it outlives it. */
#define OWN_INIT
#define OWN_COUNT
static int second;
__attribute__((constructor)) static void look(void) {
    void *at = mmap((void *)0x200000000000ull, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    second = at == MAP_FAILED;
}
COUNT { return second ? 0 : inner_get_device_count(); }
INIT {
    if (second && error_code != NULL) REFUSE(8, NULL);
    return PASS_INIT;
}
#elif defined(DEFECT_load_crashes)
__attribute__((constructor)) static void at_load(void) { crash(); }
#elif defined(DEFECT_load_exits)
__attribute__((constructor)) static void at_load(void) { exit(0); }
#elif defined(DEFECT_load_hangs)
__attribute__((constructor)) static void at_load(void) {
    for (;;) nap(1000000);
}
#elif defined(DEFECT_unload_hangs)
__attribute__((destructor)) static void at_unload(void) {
    for (;;) nap(1000000);
}
#elif defined(DEFECT_signature_usage)
#define OWN_USAGE
#elif defined(DEFECT_signature_start)
#define OWN_START
#elif defined(DEFECT_signature_residency)
#define OWN_RESIDENT
#elif defined(DEFECT_signature_health)
#define OWN_HEALTH
#elif defined(DEFECT_signature_init)
#define OWN_INIT
#else
#error "no such defect"
#endif

#include "rest.h"
