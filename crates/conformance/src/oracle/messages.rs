//! `cuda_error_message`: never NULL, static, readable, and one text a code (MSG).

use worker_contract::ErrorCode;

use super::state::State;
use super::{Verdicts, tell};
use crate::program::Call;
use crate::trace::{Observation, Returned, Value};

pub fn judge(
    observation: &Observation,
    call: &Call,
    returned: &Returned,
    state: &State,
    verdicts: &mut Verdicts,
) {
    let (Call::ErrorMessage { code }, Some(Value::Message(address, text))) = (call, &returned.value) else {
        return;
    };
    verdicts.judge("MSG-01", text.is_some(), || tell(observation, "a message, for any int"));
    let Some(bytes) = text else {
        if ErrorCode::from_raw(*code).is_some() {
            verdicts.judge("MSG-04", false, || tell(observation, "a message that no other code has"));
        }
        return;
    };
    let readable = !bytes.is_empty() && std::str::from_utf8(bytes).is_ok();
    verdicts.judge("MSG-02", readable, || tell(observation, "non-empty, NUL-terminated UTF-8"));
    if let Some(known) = state.messages.get(code) {
        verdicts.judge("MSG-03", known.0 == *address && known.1 == *bytes, || {
            let expected =
                format!("the pointer and bytes of before: {:#x} \"{}\"", known.0, known.1.escape_ascii());
            let (call, expected, _) = tell(observation, expected);
            (call, expected, format!("{address:#x} \"{}\"", bytes.escape_ascii()))
        });
    }
    // What lay at this address for another code has to lie there still.
    let overwritten = state.texts.get(address).filter(|(other, text)| other != code && text != bytes);
    verdicts.judge("MSG-03", overwritten.is_none(), || {
        let (other, text) = overwritten.cloned().unwrap_or_default();
        let expected =
            format!("{address:#x} still holds \"{}\", the message of {other}", text.escape_ascii());
        let (call, expected, _) = tell(observation, expected);
        (call, expected, format!("{address:#x} \"{}\"", bytes.escape_ascii()))
    });
    let same_text = |other: i32| state.messages.get(&other).is_some_and(|known| known.1 == *bytes);
    match ErrorCode::from_raw(*code) {
        Some(_) => {
            let twin =
                ErrorCode::ALL.into_iter().find(|other| other.raw() != *code && same_text(other.raw()));
            verdicts.judge("MSG-04", twin.is_none(), || {
                tell(observation, format!("another message than {}", twin.map_or("", ErrorCode::name)))
            });
        }
        None => {
            if let Some(unknown) = state.messages.get(&99) {
                verdicts.judge("MSG-05", same_text(99), || {
                    tell(observation, format!("the message of 99: \"{}\"", unknown.1.escape_ascii()))
                });
            }
        }
    }
}
