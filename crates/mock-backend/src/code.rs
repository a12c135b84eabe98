//! The error codes of the ABI and their messages.

use std::ffi::CStr;

pub use worker_contract::ErrorCode;

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
        let messages: HashSet<_> = ErrorCode::ALL.iter().map(|code| message(code.raw())).collect();
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
