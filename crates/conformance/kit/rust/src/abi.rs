//! The codes of the contract, as `include/worker_errors.h` has them, and what puts one in words.

use std::ffi::CStr;

/// What became of a call. Success is `Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    InvalidDevice = 1,
    OutOfMemory = 2,
    ModelLoadFailed = 3,
    #[allow(dead_code, reason = "yours to report: FAULT-03")]
    InferenceFailed = 4,
    InvalidParameter = 5,
    #[allow(dead_code, reason = "yours to report: FAULT-02")]
    KernelLaunchFailed = 6,
    VramResidencyFailed = 7,
    DeviceNotFound = 8,
    Unknown = 99,
}

/// Literals: static, never NULL, and the same at every call (MSG-01 to MSG-06).
pub fn message(code: i32) -> &'static CStr {
    match code {
        0 => c"success",
        1 => c"no such device, or it no longer works",
        2 => c"not enough device memory",
        3 => c"the model file cannot be loaded",
        4 => c"the generation failed",
        5 => c"a parameter is NULL or out of range",
        6 => c"a kernel could not be launched",
        7 => c"weights are no longer in device memory",
        8 => c"there is no device",
        _ => c"unknown error",
    }
}
