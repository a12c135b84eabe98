// Libraries in C++ whose exceptions leave through the boundary.
#include <exception>
#include <stdexcept>

#include "../broken/wrapper.h"

#if defined(DEFECT_throws_from_load)
#define OWN_LOAD
LOAD {
    CudaModel *model = PASS_LOAD;
    if (model == nullptr && ctx != nullptr && model_path != nullptr) throw std::runtime_error("cannot load the model");
    return model;
}
#elif defined(DEFECT_throws_int_from_next)
#define OWN_NEXT
NEXT {
    bool more = PASS_NEXT;
    if (more) throw 7;
    return more;
}
#elif defined(DEFECT_throws_on_large_prompt)
#define OWN_START
START {
    if (prompt != nullptr && strlen(prompt) > 300) throw std::length_error("prompt");
    return PASS_START;
}
#elif defined(DEFECT_terminates)
#define OWN_UNLOAD
UNLOAD {
    if (model != nullptr) std::terminate();
    inner_unload_model(model);
}
#elif defined(DEFECT_noexcept_throws)
#define OWN_INIT
static void refuse(int device) {
    if (device > 100000) throw std::invalid_argument("device");
}
static void judge(int device) noexcept { refuse(device); }
INIT {
    judge(gpu_device);
    return PASS_INIT;
}
#else
#error "no such defect"
#endif

#include "../broken/rest.h"
