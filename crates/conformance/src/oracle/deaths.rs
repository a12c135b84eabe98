//! A process that ends during a call: ERR-08, and whatever the manner of its end breaks besides.

use super::expect::{self, Expected};
use super::state::{Facts, State};
use super::{Verdicts, tell};
use crate::program::{Call, Handle};
use crate::trace::{Cause, Event, Observation, Outcome, Region, Site};

pub fn judge(observation: &Observation, facts: &Facts, state: &State, verdicts: &mut Verdicts) {
    let Outcome::Died(death) = &observation.outcome else { return };
    if matches!(death.cause, Cause::Patience(_)) {
        // Slow is not broken; what was to be shown stays open.
        return;
    }
    let call = match &observation.event {
        Event::Call(call) => Some(call),
        Event::Open => {
            verdicts.judge("ABI-03", false, || tell(observation, "loads, and the process goes on"));
            return;
        }
        Event::Close => {
            verdicts.judge("ABI-06", false, || tell(observation, "can be unloaded when no handle lives"));
            return;
        }
        Event::Exit if death.cause == Cause::Exited(0) => return,
        _ => None,
    };
    verdicts.judge("ERR-08", false, || tell(observation, "the call returns, and the process goes on"));
    let Some(call) = call else { return };
    // Whatever the call should have given, it did not give.
    if let Expected::Refused { requirement, .. } = expect::expected(call, facts, state) {
        verdicts.judge(requirement, false, || {
            tell(observation, expect::expected(call, facts, state).to_string())
        });
    }
    if matches!(call, Call::Free { result: Handle::Slot(_) }) {
        verdicts.judge("INF-11", false, || tell(observation, "a job can be freed at any point"));
    }
    if call.has_null() {
        verdicts.judge("NULL-08", false, || tell(observation, "returns the failure value"));
    }
    if call.code() == Some(crate::program::Out::Null) {
        verdicts.judge("ERR-09", false, || tell(observation, "does without error_code"));
    }
    let Cause::Signal { fault: Some(fault), .. } = &death.cause else { return };
    let (requirement, expected) = match &fault.site {
        Site::Released { region } => {
            ("MEM-04", format!("{} is not used after the call that it was passed to", region.parameter()))
        }
        Site::Caller { region: region @ (Region::Prompt | Region::Path), .. } => {
            ("MEM-03", format!("{} is not written, nor read past its NUL", region.parameter()))
        }
        Site::Caller { region: Region::Buffer, .. } => {
            ("MEM-01", "nothing is written outside token_out[0 .. token_buffer_size)".to_owned())
        }
        Site::Caller { region, .. } => {
            ("MEM-02", format!("{} is written at its exact width", region.parameter()))
        }
        Site::Null | Site::Elsewhere => return,
    };
    verdicts.judge(requirement, false, || tell(observation, expected));
}
