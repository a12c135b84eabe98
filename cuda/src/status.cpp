// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Codes in words, and errors of the CUDA runtime as failures.
#include "status.hpp"

namespace worker {

const char* message(int code) noexcept {
    switch (static_cast<Code>(code)) {
        case Code::Success:
            return "success";
        case Code::InvalidDevice:
            return "no such GPU, or the GPU does not respond";
        case Code::OutOfMemory:
            return "the GPU has not enough free memory";
        case Code::ModelLoadFailed:
            return "the model file cannot be read or is not supported";
        case Code::InferenceFailed:
            return "the generation cannot start or go on";
        case Code::InvalidParameter:
            return "an argument is NULL or outside its range";
        case Code::KernelLaunchFailed:
            return "the GPU refused to start a kernel";
        case Code::VramResidencyFailed:
            return "weights are no longer in GPU memory";
        case Code::DeviceNotFound:
            return "this machine has no usable GPU";
        case Code::Unknown:
            break;
    }
    return "an unexpected error";
}

void refuse(const std::string& why) { throw Failure(Code::ModelLoadFailed, why); }

namespace {

[[noreturn]] void fail(cudaError_t status, Code code, const char* what) {
    cudaGetLastError();
    throw Failure(status == cudaErrorMemoryAllocation ? Code::OutOfMemory : code,
                  std::string(what) + ": " + cudaGetErrorString(status));
}

/// Errors of a kernel that ran, which the runtime reports at whatever comes next.
bool is_execution_error(cudaError_t status) {
    return status == cudaErrorIllegalAddress || status == cudaErrorLaunchFailure || (status > 701 && status < 800);
}

}  // namespace

void check(cudaError_t status, Code otherwise, const char* what) {
    if (status != cudaSuccess) fail(status, otherwise, what);
}

void check_launch(cudaError_t status, const char* what) {
    if (status == cudaSuccess) return;
    fail(status, is_execution_error(status) ? Code::InferenceFailed : Code::KernelLaunchFailed, what);
}

}  // namespace worker
