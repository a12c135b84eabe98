/* What a C compiler makes of the types of the contract, for the C++ test to compare with. */
#include "types_in_c.h"

const size_t size_of_bool_in_c = sizeof(bool);
const size_t size_of_code_in_c = sizeof(CudaErrorCode);
const size_t size_of_handle_in_c = sizeof(CudaContext*);

int code_in_c(int number) {
    static const CudaErrorCode codes[] = {
        CUDA_SUCCESS,
        CUDA_ERROR_INVALID_DEVICE,
        CUDA_ERROR_OUT_OF_MEMORY,
        CUDA_ERROR_MODEL_LOAD_FAILED,
        CUDA_ERROR_INFERENCE_FAILED,
        CUDA_ERROR_INVALID_PARAMETER,
        CUDA_ERROR_KERNEL_LAUNCH_FAILED,
        CUDA_ERROR_VRAM_RESIDENCY_FAILED,
        CUDA_ERROR_DEVICE_NOT_FOUND,
        CUDA_ERROR_UNKNOWN,
    };
    return (int)codes[number];
}
