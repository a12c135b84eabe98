// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Injected faults through the ABI: the code of each, and the same text once it has cleared (FAULT-01 to FAULT-07).
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tiny_model.hpp"
#include "worker_ffi.h"

namespace worker::tests {
namespace {

constexpr const char* variable = "WORKER_CUDA_FAULTS";

class Fault : public testing::Test {
   protected:
    void SetUp() override {
#ifndef WORKER_CUDA_FAULTS
        GTEST_SKIP() << "faults are compiled out";
#endif
        if (cuda_get_device_count() == 0) GTEST_SKIP() << "this machine has no device";
        context = cuda_init(0, nullptr);
        ASSERT_NE(context, nullptr);
        const TemporaryFile file(tiny_model("llama").bytes());
        std::uint64_t bytes = 0;
        model = cuda_load_model(context, file.path(), &bytes, nullptr);
        ASSERT_NE(model, nullptr);
        expected = generate();
    }

    void TearDown() override {
        ::unsetenv(variable);
        cuda_unload_model(model);
        cuda_destroy(context);
    }

    InferenceResult* start(int* code) const { return cuda_inference_start(model, "the heart", 8, 1.0F, 7, code); }

    /// Tokens joined, until the end or a failure, whose code is left in `code`.
    std::string rest(InferenceResult* job, int& code) const {
        std::string text;
        char token[256];
        int index = 0;
        while (cuda_inference_next_token(job, token, sizeof token, &index, &code)) {
            text += token;
            text += '|';
        }
        return text;
    }

    std::string generate() const {
        int code = -1;
        InferenceResult* job = start(&code);
        EXPECT_EQ(code, CUDA_SUCCESS);
        const std::string text = rest(job, code);
        EXPECT_EQ(code, CUDA_SUCCESS);
        cuda_inference_free(job);
        return text;
    }

    CudaContext* context = nullptr;
    CudaModel* model = nullptr;
    std::string expected;
};

TEST_F(Fault, NoMemoryForTheCacheIsCode2) {
    ::setenv(variable, "kv_alloc", 1);
    const std::uint64_t before = cuda_get_process_vram_usage(context);
    int code = -1;
    EXPECT_EQ(start(&code), nullptr);
    EXPECT_EQ(code, CUDA_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(cuda_get_process_vram_usage(context), before);
    ::unsetenv(variable);
    EXPECT_EQ(generate(), expected);
}

TEST_F(Fault, AStepThatFailsHasTheCodeOfItsCauseAndGoesOnOnceItClears) {
    const std::pair<const char*, int> faults[] = {{"kernel_launch", CUDA_ERROR_KERNEL_LAUNCH_FAILED},
                                                  {"kernel_exec", CUDA_ERROR_INFERENCE_FAILED},
                                                  {"oom", CUDA_ERROR_OUT_OF_MEMORY}};
    for (const auto& [kind, wanted] : faults) {
        for (const char* token : {"@token=0", "@token=1", "@token=2", "@token=5"}) {
            ::setenv(variable, (std::string(kind) + token).c_str(), 1);
            int code = -1;
            InferenceResult* job = start(&code);
            ASSERT_EQ(code, CUDA_SUCCESS);
            std::string text = rest(job, code);
            EXPECT_EQ(code, wanted) << kind << token;
            EXPECT_EQ(rest(job, code), "");
            EXPECT_EQ(code, wanted) << kind << token;
            EXPECT_TRUE(cuda_check_device_health(context, &code));
            ::unsetenv(variable);
            EXPECT_EQ(generate(), expected) << kind << token;
            // The step that failed is done again, with the random number that it had.
            text += rest(job, code);
            EXPECT_EQ(code, CUDA_SUCCESS);
            EXPECT_EQ(text, expected) << kind << token;
            cuda_inference_free(job);
        }
    }
}

TEST_F(Fault, WeightsThatHaveLeftAreCode7) {
    ::setenv(variable, "residency", 1);
    int code = -1;
    EXPECT_FALSE(cuda_check_vram_residency(model, &code));
    EXPECT_EQ(code, CUDA_ERROR_VRAM_RESIDENCY_FAILED);
    ::unsetenv(variable);
    EXPECT_TRUE(cuda_check_vram_residency(model, &code));
    EXPECT_EQ(code, CUDA_SUCCESS);
    EXPECT_EQ(generate(), expected);
}

TEST_F(Fault, ASickDeviceIsCode1) {
    ::setenv(variable, "device_sick", 1);
    int code = -1;
    EXPECT_FALSE(cuda_check_device_health(context, &code));
    EXPECT_EQ(code, CUDA_ERROR_INVALID_DEVICE);
    ::unsetenv(variable);
    EXPECT_TRUE(cuda_check_device_health(context, &code));
    EXPECT_EQ(code, CUDA_SUCCESS);
    EXPECT_EQ(generate(), expected);
}

}  // namespace
}  // namespace worker::tests
