//! What the contract permits a call to give, as far as the arguments and the state tell: success, a refusal, or either.

use std::fmt;

use worker_contract::{Level, describe_code};

use super::state::{Facts, State};
use super::{Verdicts, id, tell};
use crate::program::{Call, Device, Handle, Out, Text};
use crate::trace::{Observation, Returned};

/// What a call must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A handle, or true.
    Success {
        /// Who says so.
        requirement: &'static str,
    },
    /// The failure value and one of these codes.
    Refused {
        /// Who says so.
        requirement: &'static str,
        /// Codes permitted.
        codes: &'static [i32],
    },
    /// Success, or the failure value and one of these codes.
    Either {
        /// Who says so.
        requirement: &'static str,
        /// Codes permitted with the failure value.
        codes: &'static [i32],
        /// What is refused, for the note on which way the library took; empty if that is not worth one.
        what: &'static str,
    },
    /// The arguments alone do not tell.
    Open,
}

use Expected::{Either, Open, Refused, Success};

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |codes: &[i32]| codes.iter().map(|&code| describe_code(code)).collect::<Vec<_>>().join(" or ");
        match self {
            Success { .. } => f.write_str("success, with code 0"),
            Refused { codes, .. } => write!(f, "the failure value with {}", list(codes)),
            Either { codes, .. } => write!(f, "success, or the failure value with {}", list(codes)),
            Open => f.write_str("any result the function may give"),
        }
    }
}

/// Contexts that have to work at the same time: one for each of the threads of DEV-07. A device has no room for any
/// number of them.
const CONTEXTS: usize = 8;

/// What the contract permits for a call.
pub fn expected(call: &Call, facts: &Facts, state: &State) -> Expected {
    match by_arguments(call, facts, state) {
        // Without a place for its code a good call may work, or give the failure value: ERR-09 is read both ways.
        Success { .. } | Either { what: "", .. } if call.code() == Some(Out::Null) => {
            Either { requirement: "ERR-09", codes: &[], what: "a good call without error_code" }
        }
        other => other,
    }
}

fn by_arguments(call: &Call, facts: &Facts, state: &State) -> Expected {
    let several = nulls(call) > 1;
    let null = |requirement| {
        let requirement = if several { "NULL-08" } else { requirement };
        Refused { requirement, codes: &[5] }
    };
    match call {
        Call::Init { device: Device::Id(device), .. } => match state.devices(facts) {
            None => Open,
            Some(0) => Refused { requirement: "DEV-04", codes: &[8, 1] },
            Some(count) if !(0..count).contains(device) => Refused { requirement: "DEV-03", codes: &[1] },
            Some(_) if facts.faulty => Open,
            Some(_) if state.contexts.is_empty() => Success { requirement: "DEV-02" },
            Some(_) if state.contexts.len() < CONTEXTS => Success { requirement: "DEV-05" },
            Some(_) => Either { requirement: "DEV-05", codes: &[8, 99], what: "" },
        },
        Call::LoadModel { .. } if call.has_null() => null("NULL-02"),
        Call::LoadModel { ctx, path: Text::Bytes(path), .. } => {
            if facts.faulty || !facts.models.contains_key(path) {
                Open
            } else if state.loaded(*ctx) {
                Either { requirement: "LOAD-12", codes: &[2, 99], what: "a second model in one context" }
            } else if !state.models.is_empty() {
                // Other contexts' models may leave the device too little memory.
                Either { requirement: "LOAD-01", codes: &[2], what: "" }
            } else {
                Success { requirement: "LOAD-01" }
            }
        }
        Call::Start { .. } if call.has_null() => null("NULL-03"),
        Call::Start { max_tokens, .. } if !(1..=2048).contains(max_tokens) => {
            Refused { requirement: "INF-02", codes: &[5] }
        }
        Call::Start { temperature, .. } if !(0.0..=2.0).contains(temperature) => {
            Refused { requirement: "INF-03", codes: &[5] }
        }
        Call::Start { model, prompt: Text::Bytes(prompt), max_tokens, .. } => {
            let Some(known) = state.model(*model).and_then(|model| model.facts.as_ref()) else { return Open };
            let prompt = seen(prompt);
            if facts.faulty || std::str::from_utf8(prompt).is_err() {
                return Open;
            }
            let (busy, empty) = (state.busy(*model), prompt.is_empty());
            let long = !known.has_room(prompt, *max_tokens);
            // Where several refusals are permitted, each brings its codes.
            if busy && (empty || long) {
                let codes = &[2, 4, 5, 99];
                Either {
                    requirement: "INF-15",
                    codes,
                    what: "a second job on one model that may be refused anyway",
                }
            } else if busy {
                Either { requirement: "INF-15", codes: &[4, 2, 99], what: "a second job on one model" }
            } else if empty && long {
                let codes = &[2, 4, 5, 99];
                Either {
                    requirement: "INF-13",
                    codes,
                    what: "an empty prompt with a job that may pass the context length",
                }
            } else if empty {
                Either { requirement: "INF-04", codes: &[5, 99], what: "the empty prompt" }
            } else if long {
                let codes = &[2, 4, 5, 99];
                Either { requirement: "INF-13", codes, what: "a job that may pass the context length" }
            } else if !state.jobs.is_empty() || state.models.len() > 1 {
                // So may other models and their jobs.
                Either { requirement: "INF-01", codes: &[2], what: "" }
            } else {
                Success { requirement: "INF-01" }
            }
        }
        // NULL is a wrong buffer too, which the end of a sequence may outweigh.
        Call::NextToken { result, .. }
            if call.has_null() && state.job(*result).is_some_and(|job| job.ended) =>
        {
            Refused { requirement: "NULL-04", codes: &[5, 0] }
        }
        Call::NextToken { .. } if call.has_null() => null("NULL-04"),
        Call::CheckResidency { model: Handle::Null, .. } | Call::CheckHealth { ctx: Handle::Null, .. } => {
            Refused { requirement: "NULL-07", codes: &[5] }
        }
        Call::CheckResidency { .. } if !facts.faulty => Success { requirement: "HEALTH-01" },
        Call::CheckHealth { .. } if !facts.faulty => Success { requirement: "HEALTH-02" },
        _ => Open,
    }
}

/// Judges the result against [`expected`].
pub fn judge(
    observation: &Observation,
    call: &Call,
    returned: &Returned,
    facts: &Facts,
    state: &State,
    verdicts: &mut Verdicts,
) {
    if let (Call::DeviceCount, Some(crate::trace::Value::Int(count))) = (call, &returned.value) {
        let known = state.devices(facts);
        verdicts.judge("DEV-01", *count >= 0 && known.is_none_or(|known| known == *count), || {
            let same = known.map_or("0 or more".to_owned(), |known| format!("{known}, as at every call"));
            tell(observation, same)
        });
    }
    if call.bind().is_none() && !matches!(returned.value, Some(crate::trace::Value::Bool(_))) {
        return;
    }
    let success = returned.handle().is_some() || returned.is_true();
    let code = returned.written_code();
    let expected = expected(call, facts, state);
    // Passed and not written: whatever the refusal is for, it does not say so.
    let silent = call.code() == Some(Out::Given) && code.is_none();
    let permitted = |codes: &[i32]| !silent && code.is_none_or(|code| codes.contains(&code));
    match expected {
        // Beside other threads, models that are being loaded may fill the device before they are there.
        Success { .. } if !success && observation.thread != 0 && code == Some(2) => {}
        Success { requirement } => {
            verdicts.judge(requirement, success, || tell(observation, expected.to_string()));
        }
        Refused { requirement, codes } => {
            verdicts
                .judge(requirement, !success && permitted(codes), || tell(observation, expected.to_string()));
            if nulls(call) > 0 {
                verdicts.judge("NULL-08", !success, || tell(observation, "the failure value"));
            }
            if requirement == "DEV-04" && !success && code == Some(1) {
                verdicts
                    .note(requirement, "without a device, cuda_init reports CUDA_ERROR_INVALID_DEVICE (1)");
            }
        }
        Either { requirement, codes, what } => {
            verdicts
                .judge(requirement, success || permitted(codes), || tell(observation, expected.to_string()));
            if what.is_empty() {
                return not_utf8(observation, call, returned, state, verdicts);
            }
            if !success && call.code() == Some(Out::Null) && requirement != "ERR-09" {
                // Refused for want of a place for the code, perhaps: that tells nothing about this choice.
                return;
            }
            verdicts.note(
                requirement,
                match code {
                    _ if success => format!("{what} is accepted"),
                    Some(code) => format!("{what} is refused with {}", describe_code(code)),
                    None => format!("{what} is refused"),
                },
            );
        }
        Open => {}
    }
    not_utf8(observation, call, returned, state, verdicts);
}

/// A prompt that is not UTF-8: refusing it with 5 is a SHOULD, not refusing it is harmless if the text is valid.
fn not_utf8(
    observation: &Observation,
    call: &Call,
    returned: &Returned,
    state: &State,
    verdicts: &mut Verdicts,
) {
    let Call::Start { model, prompt: Text::Bytes(prompt), max_tokens, .. } = call else { return };
    let Some(known) = state.model(*model) else { return };
    let prompt = seen(prompt);
    if std::str::from_utf8(prompt).is_ok() {
        return;
    }
    // Where the job may be refused for other reasons as well, the library may see those first.
    let long = known.facts.as_ref().is_none_or(|facts| !facts.has_room(prompt, *max_tokens));
    let beside = !state.jobs.is_empty() || state.models.len() > 1;
    let codes: &[i32] = if long || beside { &[2, 4, 5, 99] } else { &[5] };
    let refused =
        returned.handle().is_none() && returned.written_code().is_none_or(|code| codes.contains(&code));
    verdicts.judge_at(id("INF-05"), Level::Should, refused, || {
        tell(observation, "NULL with CUDA_ERROR_INVALID_PARAMETER (5), as the prompt is not UTF-8")
    });
    let what = if returned.handle().is_some() { "accepted" } else { "refused" };
    verdicts.note("INF-05", format!("a prompt that is not UTF-8 is {what}"));
}

/// What a library sees of a prompt: a NUL ends it.
fn seen(prompt: &[u8]) -> &[u8] {
    prompt.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// How many pointers are NULL that must not be.
fn nulls(call: &Call) -> usize {
    let handle = usize::from(call.handle() == Some(Handle::Null));
    let null = |out| usize::from(out == Out::Null);
    handle
        + match call {
            Call::LoadModel { path, vram, .. } => usize::from(*path == Text::Null) + null(*vram),
            Call::Start { prompt, .. } => usize::from(*prompt == Text::Null),
            Call::NextToken { buffer, .. } => null(buffer.pointer),
            _ => 0,
        }
}
