// The headers of the contract in C++: function types, numbers, sizes, opaque handles, and agreement with C.

#include <array>
#include <cstdint>
#include <type_traits>

#include <gtest/gtest.h>

#include "types_in_c.h"
#include "worker_errors.h"
#include "worker_ffi.h"
#include "worker_types.h"

namespace {

template <typename Handle, typename = void>
struct IsComplete : std::false_type {};
template <typename Handle>
struct IsComplete<Handle, std::void_t<decltype(sizeof(Handle))>> : std::true_type {};

TEST(Headers, EveryFunctionHasTheTypeOfTheContract) {
    EXPECT_TRUE((std::is_same_v<decltype(cuda_init), CudaContext*(int, int*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_destroy), void(CudaContext*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_get_device_count), int()>));
    EXPECT_TRUE(
        (std::is_same_v<decltype(cuda_load_model), CudaModel*(CudaContext*, const char*, std::uint64_t*, int*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_unload_model), void(CudaModel*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_model_get_vram_usage), std::uint64_t(CudaModel*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_inference_start),
                                InferenceResult*(CudaModel*, const char*, int, float, std::uint64_t, int*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_inference_next_token), bool(InferenceResult*, char*, int, int*, int*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_inference_free), void(InferenceResult*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_check_vram_residency), bool(CudaModel*, int*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_get_vram_usage), std::uint64_t(CudaModel*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_get_process_vram_usage), std::uint64_t(CudaContext*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_check_device_health), bool(CudaContext*, int*)>));
    EXPECT_TRUE((std::is_same_v<decltype(cuda_error_message), const char*(int)>));
}

TEST(Headers, HandlesAreOpaqueAndDistinct) {
    EXPECT_FALSE(IsComplete<CudaContext>::value);
    EXPECT_FALSE(IsComplete<CudaModel>::value);
    EXPECT_FALSE(IsComplete<InferenceResult>::value);
    EXPECT_FALSE((std::is_convertible_v<CudaContext*, CudaModel*>));
    EXPECT_FALSE((std::is_convertible_v<CudaModel*, InferenceResult*>));
}

TEST(Headers, CodesHaveTheirNumbersInBothLanguages) {
    const std::array<int, 10> numbers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 99};
    const std::array<CudaErrorCode, 10> codes = {
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
    for (std::size_t at = 0; at < codes.size(); ++at) {
        EXPECT_EQ(static_cast<int>(codes.at(at)), numbers.at(at));
        EXPECT_EQ(code_in_c(static_cast<int>(at)), numbers.at(at));
    }
}

TEST(Headers, TypesHaveOneSizeInBothLanguages) {
    EXPECT_EQ(sizeof(bool), size_of_bool_in_c);
    EXPECT_EQ(sizeof(CudaErrorCode), size_of_code_in_c);
    EXPECT_EQ(sizeof(CudaContext*), size_of_handle_in_c);
    EXPECT_EQ(sizeof(int), 4U);
    EXPECT_EQ(sizeof(std::uint64_t), 8U);
    EXPECT_EQ(sizeof(float), 4U);
    EXPECT_EQ(sizeof(CudaErrorCode), 4U);
}

TEST(Headers, TheVersionIsThatOfTheLock) {
    EXPECT_EQ(WORKER_FFI_VERSION_MAJOR, 1);
    EXPECT_EQ(WORKER_FFI_VERSION_MINOR, 0);
}

}  // namespace
