//! The ten error codes of the contract, with their numbers and names.

#![forbid(unsafe_code)]

use std::fmt;

use serde::{Deserialize, Serialize};

/// What became of a call: `CudaErrorCode` of `worker_errors.h`.
///
/// Serialised under its C name. Spec: M0-W-1500, M0-W-1501. Requirements: ERR-03, ERR-04.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(i32)]
pub enum ErrorCode {
    /// The call did what it was asked to do.
    #[serde(rename = "CUDA_SUCCESS")]
    Success = 0,
    /// No device has that number, or the device no longer works.
    #[serde(rename = "CUDA_ERROR_INVALID_DEVICE")]
    InvalidDevice = 1,
    /// Device memory does not suffice.
    #[serde(rename = "CUDA_ERROR_OUT_OF_MEMORY")]
    OutOfMemory = 2,
    /// The model file cannot be read, is malformed, or is not supported.
    #[serde(rename = "CUDA_ERROR_MODEL_LOAD_FAILED")]
    ModelLoadFailed = 3,
    /// A generation cannot start or go on.
    #[serde(rename = "CUDA_ERROR_INFERENCE_FAILED")]
    InferenceFailed = 4,
    /// A pointer is NULL that may not be, or a value lies outside its range.
    #[serde(rename = "CUDA_ERROR_INVALID_PARAMETER")]
    InvalidParameter = 5,
    /// The device refused to start a kernel.
    #[serde(rename = "CUDA_ERROR_KERNEL_LAUNCH_FAILED")]
    KernelLaunchFailed = 6,
    /// Weights are no longer in device memory.
    #[serde(rename = "CUDA_ERROR_VRAM_RESIDENCY_FAILED")]
    VramResidencyFailed = 7,
    /// The machine has no device at all.
    #[serde(rename = "CUDA_ERROR_DEVICE_NOT_FOUND")]
    DeviceNotFound = 8,
    /// Anything else.
    #[serde(rename = "CUDA_ERROR_UNKNOWN")]
    Unknown = 99,
}

impl ErrorCode {
    /// All ten, in numerical order.
    pub const ALL: [Self; 10] = [
        Self::Success,
        Self::InvalidDevice,
        Self::OutOfMemory,
        Self::ModelLoadFailed,
        Self::InferenceFailed,
        Self::InvalidParameter,
        Self::KernelLaunchFailed,
        Self::VramResidencyFailed,
        Self::DeviceNotFound,
        Self::Unknown,
    ];

    /// The code with this number, or `None` if the contract defines none.
    #[must_use]
    pub fn from_raw(raw: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.raw() == raw)
    }

    /// The number that crosses the boundary.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self as i32
    }

    /// The name of the C enumerator.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "CUDA_SUCCESS",
            Self::InvalidDevice => "CUDA_ERROR_INVALID_DEVICE",
            Self::OutOfMemory => "CUDA_ERROR_OUT_OF_MEMORY",
            Self::ModelLoadFailed => "CUDA_ERROR_MODEL_LOAD_FAILED",
            Self::InferenceFailed => "CUDA_ERROR_INFERENCE_FAILED",
            Self::InvalidParameter => "CUDA_ERROR_INVALID_PARAMETER",
            Self::KernelLaunchFailed => "CUDA_ERROR_KERNEL_LAUNCH_FAILED",
            Self::VramResidencyFailed => "CUDA_ERROR_VRAM_RESIDENCY_FAILED",
            Self::DeviceNotFound => "CUDA_ERROR_DEVICE_NOT_FOUND",
            Self::Unknown => "CUDA_ERROR_UNKNOWN",
        }
    }

    /// The code with this C name, or `None` if the contract defines none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.raw())
    }
}

/// A code in words, defined or not: `CUDA_ERROR_OUT_OF_MEMORY (2)`, `undefined code 42`.
#[must_use]
pub fn describe_code(raw: i32) -> String {
    match ErrorCode::from_raw(raw) {
        Some(code) => code.to_string(),
        None => format!("undefined code {raw}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings;

    #[test]
    fn numbers_and_names_lead_back_to_their_code() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_raw(code.raw()), Some(code));
            assert_eq!(ErrorCode::from_name(code.name()), Some(code));
        }
        assert_eq!(ErrorCode::from_raw(9), None);
        assert_eq!(ErrorCode::from_raw(-1), None);
        assert_eq!(ErrorCode::from_name("CUDA_ERROR"), None);
    }

    #[test]
    fn serialised_names_are_the_c_names() {
        for code in ErrorCode::ALL {
            let yaml = serde_yaml::to_string(&code).unwrap();
            assert_eq!(yaml.trim(), code.name());
            assert_eq!(serde_yaml::from_str::<ErrorCode>(&yaml).unwrap(), code);
        }
    }

    #[test]
    fn numbers_are_those_of_the_header() {
        let of_header = [
            bindings::CudaErrorCode_CUDA_SUCCESS,
            bindings::CudaErrorCode_CUDA_ERROR_INVALID_DEVICE,
            bindings::CudaErrorCode_CUDA_ERROR_OUT_OF_MEMORY,
            bindings::CudaErrorCode_CUDA_ERROR_MODEL_LOAD_FAILED,
            bindings::CudaErrorCode_CUDA_ERROR_INFERENCE_FAILED,
            bindings::CudaErrorCode_CUDA_ERROR_INVALID_PARAMETER,
            bindings::CudaErrorCode_CUDA_ERROR_KERNEL_LAUNCH_FAILED,
            bindings::CudaErrorCode_CUDA_ERROR_VRAM_RESIDENCY_FAILED,
            bindings::CudaErrorCode_CUDA_ERROR_DEVICE_NOT_FOUND,
            bindings::CudaErrorCode_CUDA_ERROR_UNKNOWN,
        ];
        assert_eq!(ErrorCode::ALL.map(|code| i64::from(code.raw())), of_header.map(i64::from));
    }

    #[test]
    fn descriptions_name_defined_codes_and_own_up_to_others() {
        assert_eq!(describe_code(2), "CUDA_ERROR_OUT_OF_MEMORY (2)");
        assert_eq!(describe_code(42), "undefined code 42");
    }
}
