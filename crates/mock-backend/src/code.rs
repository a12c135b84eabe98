//! The ten error codes of the ABI and their messages.

use std::ffi::CStr;

/// Outcome of a call, numbered as the interface lock numbers it (ERR-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ErrorCode {
    /// The call did what it was asked.
    Success = 0,
    /// No such device, or the device does not work.
    InvalidDevice = 1,
    /// The device has no room for weights, KV cache or activations.
    OutOfMemory = 2,
    /// The file is missing, unreadable, malformed or not supported.
    ModelLoadFailed = 3,
    /// The job cannot go on.
    InferenceFailed = 4,
    /// A NULL pointer, or a value outside its range.
    InvalidParameter = 5,
    /// A kernel did not launch.
    KernelLaunchFailed = 6,
    /// Weights are no longer resident.
    VramResidencyFailed = 7,
    /// The machine has no device.
    DeviceNotFound = 8,
    /// Anything else.
    Unknown = 99,
}

impl ErrorCode {
    /// All ten, in numeric order.
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

    /// Number on the wire.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// Message of `number`; every undefined number has the message of [`ErrorCode::Unknown`] (MSG-01 to MSG-05).
pub fn message(number: i32) -> &'static CStr {
    match number {
        0 => c"the call succeeded",
        1 => c"the device is not valid or does not work",
        2 => c"the device has no memory left for this",
        3 => c"the model cannot be loaded",
        4 => c"the inference cannot go on",
        5 => c"a parameter is NULL or out of range",
        6 => c"a kernel did not launch",
        7 => c"the weights are no longer resident on the device",
        8 => c"no device was found",
        _ => c"unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ten_codes_have_ten_messages() {
        let messages: HashSet<_> = ErrorCode::ALL.iter().map(|code| message(code.number())).collect();
        assert_eq!(messages.len(), 10);
        assert!(messages.iter().all(|text| text.to_str().is_ok_and(|text| !text.is_empty())));
    }

    #[test]
    fn an_undefined_code_has_the_message_of_unknown_at_the_same_address() {
        for number in [-1, 9, 98, 100, i32::MIN, i32::MAX] {
            assert_eq!(message(number).as_ptr(), message(99).as_ptr());
        }
    }
}
