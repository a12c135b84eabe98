//! Error codes: written always, consistent with the return value, of the function's own set (ERR).

use worker_contract::{CType, ErrorCode, describe_code};

use super::state::State;
use super::{Verdicts, tell};
use crate::program::{Call, Out};
use crate::trace::{Observation, POISON_INT, Returned, Value};

pub fn judge(
    observation: &Observation,
    call: &Call,
    returned: &Returned,
    state: &State,
    verdicts: &mut Verdicts,
) {
    if let Some(Value::Bool(byte)) = returned.value {
        verdicts.judge("ABI-04", byte <= 1, || tell(observation, "a bool: 0 or 1"));
    }
    let spec = call.function().spec();
    let success = match spec.returns {
        CType::Context | CType::Model | CType::Inference => Some(returned.handle().is_some()),
        CType::Bool => Some(returned.is_true()),
        _ => None,
    };
    let Some(success) = success else { return };
    if call.code() == Some(Out::Null) {
        if call.has_null() {
            verdicts.judge("ERR-09", !success, || tell(observation, "the failure value"));
        } else {
            verdicts.judge("ERR-09", true, || tell(observation, ""));
        }
        return;
    }
    let Some(code) = returned.code else { return };
    verdicts.judge("ERR-01", code != POISON_INT, || tell(observation, "error_code is written"));
    if code == POISON_INT {
        return;
    }
    let known = ErrorCode::from_raw(code);
    verdicts.judge("ERR-03", known.is_some(), || tell(observation, "one of the ten codes"));
    if let Some(known) = known {
        verdicts.judge("ERR-04", spec.may_report(known), || {
            let allowed: Vec<String> = spec.codes.iter().map(|code| code.raw().to_string()).collect();
            tell(observation, format!("0 or one of {}", allowed.join(", ")))
        });
    }
    // The end of a sequence is false with 0: the one call where false is no failure.
    let next = matches!(call, Call::NextToken { .. });
    let consistent = if next { !success || code == 0 } else { success == (code == 0) };
    verdicts.judge("ERR-02", consistent, || {
        tell(
            observation,
            if success { "code 0, as the call succeeded" } else { "a code other than 0, as the call failed" },
        )
    });
    if success {
        verdicts.judge("ERR-05", code == 0 || !state.failed, || {
            tell(observation, format!("0, and not {}, after a call that failed", describe_code(code)))
        });
    }
}
