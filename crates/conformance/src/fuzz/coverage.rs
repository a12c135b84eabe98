//! Which states and transitions of the contract programs reached: function, state before the call, outcome.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use worker_contract::Function;

use crate::oracle::State;
use crate::program::{Call, Handle, Out, Slot};
use crate::trace::{Observation, Outcome, Returned, Value};
use crate::verdict::StateRow;

/// Counts of the transitions reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    reached: BTreeMap<(Function, &'static str), BTreeMap<String, u64>>,
}

/// All states in which a function can be called, in the order of a life.
pub fn states(function: Function) -> &'static [&'static str] {
    match function {
        Function::Init => &["no context", "beside another context"],
        Function::Destroy => &["NULL", "a context"],
        Function::GetDeviceCount => &["any time"],
        Function::LoadModel => &["NULL argument", "an empty context", "beside another model"],
        Function::UnloadModel => &["NULL", "a model"],
        Function::ModelGetVramUsage | Function::GetVramUsage => &["NULL", "at rest", "with an open job"],
        Function::InferenceStart => &["NULL argument", "an idle model", "a used model", "beside another job"],
        Function::InferenceNextToken => &[
            "NULL argument",
            "no room",
            "at the beginning",
            "midway",
            "after a refusal",
            "after the end",
            "after an error",
        ],
        Function::InferenceFree => {
            &["NULL", "at once", "midway", "after a refusal", "after the end", "after an error"]
        }
        Function::CheckVramResidency => &["NULL", "at rest", "with an open job"],
        Function::GetProcessVramUsage => &["NULL", "an empty context", "with a model"],
        Function::CheckDeviceHealth => &["NULL", "an empty context", "with a model"],
        Function::ErrorMessage => &["a code", "no code"],
    }
}

impl Coverage {
    /// Counts a call.
    pub fn observe(&mut self, observation: &Observation, state: &State) {
        let Some(call) = observation.call() else { return };
        let Some(outcome) = outcome(&observation.outcome) else { return };
        let key = (call.function(), before(call, state));
        *self.reached.entry(key).or_default().entry(outcome).or_default() += 1;
    }

    /// Adds what another program reached.
    pub fn absorb(&mut self, other: &Coverage) {
        for (key, outcomes) in &other.reached {
            let here = self.reached.entry(*key).or_default();
            for (outcome, count) in outcomes {
                *here.entry(outcome.clone()).or_default() += count;
            }
        }
    }

    /// Transitions reached: pairs of state and outcome.
    pub fn transitions(&self) -> usize {
        self.reached.values().map(BTreeMap::len).sum()
    }

    /// States reached, of all there are.
    pub fn states(&self) -> (usize, usize) {
        (self.reached.len(), Function::ALL.into_iter().map(|function| states(function).len()).sum())
    }

    /// The table as reports have it: every state there is, reached or not.
    pub fn rows(&self) -> Vec<StateRow> {
        let row = |function: Function, state: &&'static str| StateRow {
            function,
            state: (*state).to_owned(),
            outcomes: self.reached.get(&(function, *state)).cloned().unwrap_or_default(),
        };
        Function::ALL
            .into_iter()
            .flat_map(|one| states(one).iter().map(move |state| row(one, state)))
            .collect()
    }

    /// The table for people.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for function in Function::ALL {
            for (at, state) in states(function).iter().enumerate() {
                let name = if at == 0 { function.name() } else { "" };
                let outcomes = match self.reached.get(&(function, state)) {
                    Some(outcomes) => {
                        let told: Vec<String> =
                            outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
                        told.join(", ")
                    }
                    None => "-".to_owned(),
                };
                let _ = writeln!(text, "  {name:<27} {state:<22} {outcomes}");
            }
        }
        let (reached, all) = self.states();
        let _ = writeln!(text, "  {reached} of {all} states, {} transitions", self.transitions());
        text
    }
}

/// The outcome in a word or two; `None` for a call that was not made.
fn outcome(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Returned(returned) => Some(told(returned)),
        Outcome::Died(_) => Some("the process died".to_owned()),
        _ => None,
    }
}

fn told(returned: &Returned) -> String {
    let code = || match returned.written_code() {
        Some(code) => code.to_string(),
        None => "no code".to_owned(),
    };
    match &returned.value {
        None => "returned".to_owned(),
        Some(Value::Handle(0)) => format!("NULL/{}", code()),
        Some(Value::Handle(_)) => format!("handle/{}", code()),
        Some(Value::Bool(0)) => format!("false/{}", code()),
        Some(Value::Bool(_)) => format!("true/{}", code()),
        Some(Value::Bytes(0)) => "0 bytes".to_owned(),
        Some(Value::Bytes(_)) => "bytes".to_owned(),
        Some(Value::Int(_)) => "count".to_owned(),
        Some(Value::Message(_, Some(_))) => "message".to_owned(),
        Some(Value::Message(_, None)) => "NULL".to_owned(),
    }
}

/// The state that a call meets.
fn before(call: &Call, state: &State) -> &'static str {
    let busy = |model: Handle| if state.busy(model) { "with an open job" } else { "at rest" };
    let loaded = |ctx: Handle| if state.loaded(ctx) { "with a model" } else { "an empty context" };
    match call {
        Call::Init { .. } if state.contexts.is_empty() => "no context",
        Call::Init { .. } => "beside another context",
        Call::DeviceCount => "any time",
        Call::ErrorMessage { code } if worker_contract::ErrorCode::from_raw(*code).is_some() => "a code",
        Call::ErrorMessage { .. } => "no code",
        Call::LoadModel { .. } | Call::Start { .. } | Call::NextToken { .. } if call.has_null() => {
            "NULL argument"
        }
        _ if call.handle() == Some(Handle::Null) => "NULL",
        Call::LoadModel { ctx, .. } if state.loaded(*ctx) => "beside another model",
        Call::LoadModel { .. } => "an empty context",
        Call::Destroy { .. } => "a context",
        Call::UnloadModel { .. } => "a model",
        Call::ModelVramUsage { model } | Call::VramUsage { model } | Call::CheckResidency { model, .. } => {
            busy(*model)
        }
        Call::ProcessVramUsage { ctx } | Call::CheckHealth { ctx, .. } => loaded(*ctx),
        Call::Start { model, .. } if state.busy(*model) => "beside another job",
        Call::Start { model, .. } => {
            let used = matches!(model, Handle::Slot(Slot(n)) if state.used.contains(n));
            if used { "a used model" } else { "an idle model" }
        }
        Call::NextToken { buffer, .. } if buffer.size <= 0 && buffer.pointer == Out::Given => "no room",
        Call::NextToken { result, .. } | Call::Free { result } => {
            let fresh = if matches!(call, Call::Free { .. }) { "at once" } else { "at the beginning" };
            match state.job(*result) {
                Some(job) if job.failed => "after an error",
                Some(job) if job.ended => "after the end",
                Some(job) if job.refused > 0 => "after a refusal",
                Some(job) if job.given > 0 => "midway",
                _ => fresh,
            }
        }
    }
}
