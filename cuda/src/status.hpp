// SPDX-License-Identifier: Apache-2.0 OR MIT
/// The codes of the contract as the library's own type, and the exception that carries one to `ffi.cpp`.
#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

namespace worker {

/// Numbers of `CudaErrorCode`; `ffi.cpp`, which alone sees the contract's header, asserts that they agree.
enum class Code : int {
    Success = 0,
    InvalidDevice = 1,
    OutOfMemory = 2,
    ModelLoadFailed = 3,
    InferenceFailed = 4,
    InvalidParameter = 5,
    KernelLaunchFailed = 6,
    VramResidencyFailed = 7,
    DeviceNotFound = 8,
    Unknown = 99,
};

/// Static text of any number; an undefined one has the text of `Unknown` (MSG-01 to MSG-05).
const char* message(int code) noexcept;

/// Why an operation failed. The text is for debuggers and tests; callers of the library see the code alone.
class Failure : public std::runtime_error {
   public:
    Failure(Code code, const std::string& what) : std::runtime_error(what), code_(code) {}
    Code code() const noexcept { return code_; }

   private:
    Code code_;
};

/// The file makes no model (LOAD-02, LOAD-03, LOAD-13).
[[noreturn]] void refuse(const std::string& why);

/// Throws unless `status` is success: `OutOfMemory` where memory is what lacks, else `otherwise`. Takes the error that
/// the runtime keeps for the thread, so that no later call finds it (ERR-05).
void check(cudaError_t status, Code otherwise, const char* what);

/// As `check`, for what was only enqueued: a refused launch is `KernelLaunchFailed`, an error that an earlier kernel
/// left behind `InferenceFailed`.
void check_launch(cudaError_t status, const char* what);

}  // namespace worker
