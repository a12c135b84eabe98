//! What defects make of messages.

use std::ffi::{CStr, c_char};

use super::{Defect, crowded, marked, on};

/// What `cuda_error_message` gives instead of the right message of `number`.
pub(crate) fn spoilt(number: i32, right: &'static CStr) -> *const c_char {
    let undefined = !(0..=8).contains(&number) && number != 99;
    if (on(Defect::NoMessageForIntMin) && number == i32::MIN)
        || (on(Defect::NoMessageAbove200) && (200..=300).contains(&number))
    {
        return std::ptr::null();
    }
    let text = match number {
        6 if on(Defect::EmptyMessage) => c"",
        7 if on(Defect::LatinMessage) => c"les poids ne sont plus r\xe9sidents",
        6 if on(Defect::TwinMessages) => c"the inference cannot go on",
        3 if (on(Defect::MessageAfterDestroy) || on(Defect::MessageAfterFailure)) && marked() => {
            c"the model could not be loaded"
        }
        _ if on(Defect::OtherMessage) && undefined => c"no such code",
        _ if on(Defect::MessageRace) && crowded() => c"unknown error",
        _ => right,
    };
    if on(Defect::FreshMessage) { text.to_owned().into_raw() } else { text.as_ptr() }
}
