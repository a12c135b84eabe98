//! Judges a trace call by call: the invariants that hold in every program, whoever wrote it.

mod deaths;
mod errors;
mod expect;
mod jobs;
mod memory;
mod messages;
mod process;
pub mod reference;
mod state;
mod usage;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use worker_contract::{Function, Level, RequirementId};

use crate::trace::{Event, Observation, Outcome};
use crate::verdict::latency::Histogram;
pub use expect::Expected;
use reference::Reference;
pub use state::State;
pub use state::{AMPLE, Facts, ModelFacts};

/// A requirement that a library does not keep, and where this showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The requirement.
    pub requirement: RequirementId,
    /// How binding the part that is broken is: a MUST may have a part that is only a SHOULD.
    pub level: Level,
    /// The call, or what else was under way.
    pub call: String,
    /// What the contract asks for.
    pub expected: String,
    /// What happened.
    pub observed: String,
}

/// A choice that the contract leaves, and which way the library took it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    /// The requirement that leaves the choice.
    pub requirement: RequirementId,
    /// What the library does.
    pub text: String,
}

/// The judge of one session.
#[derive(Debug, Default)]
pub struct Oracle {
    facts: Facts,
    state: State,
    reference: Option<Reference>,
    verdicts: Verdicts,
}

/// What was judged so far.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Number of judgements for each requirement, good or bad.
    pub checks: BTreeMap<RequirementId, u64>,
    /// Requirements that are not kept, the first few times each.
    pub findings: Vec<Finding>,
    /// Choices taken.
    pub notes: Vec<Note>,
    /// How often each function reported each of its codes.
    pub codes: BTreeMap<(Function, i32), u64>,
    /// How long calls took.
    pub latency: BTreeMap<Function, Histogram>,
}

/// Findings kept for one requirement in one session.
const KEPT: usize = 3;

/// The identifier of a requirement of the catalogue.
///
/// # Panics
/// If there is none: the identifiers in this crate are fixed, and a test looks every one of them up.
pub fn id(name: &str) -> RequirementId {
    name.parse().unwrap_or_else(|error| panic!("{error}"))
}

impl Verdicts {
    /// Counts a judgement, and keeps the finding if it went wrong.
    pub fn judge(
        &mut self,
        requirement: &str,
        good: bool,
        finding: impl FnOnce() -> (String, String, String),
    ) {
        let requirement = id(requirement);
        self.judge_at(requirement, requirement.requirement().level, good, finding);
    }

    /// Like [`Self::judge`], for a part of a requirement that is less binding than the whole.
    pub fn judge_at(
        &mut self,
        requirement: RequirementId,
        level: Level,
        good: bool,
        finding: impl FnOnce() -> (String, String, String),
    ) {
        *self.checks.entry(requirement).or_default() += 1;
        if good || self.findings.iter().filter(|known| known.requirement == requirement).count() >= KEPT {
            return;
        }
        let (call, expected, observed) = finding();
        self.findings.push(Finding { requirement, level, call, expected, observed });
    }

    /// Keeps a note, once.
    pub fn note(&mut self, requirement: &str, text: impl Into<String>) {
        let note = Note { requirement: id(requirement), text: text.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds what another session gave.
    pub fn absorb(&mut self, other: Verdicts) {
        for (requirement, count) in other.checks {
            *self.checks.entry(requirement).or_default() += count;
        }
        for (cell, count) in other.codes {
            *self.codes.entry(cell).or_default() += count;
        }
        for (function, histogram) in other.latency {
            self.latency.entry(function).or_default().absorb(&histogram);
        }
        self.findings.extend(other.findings);
        for note in other.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }
}

/// The three texts of a finding about an observation.
fn tell(observation: &Observation, expected: impl Into<String>) -> (String, String, String) {
    (observation.event.to_string(), expected.into(), observation.outcome.to_string())
}

impl Oracle {
    /// A judge that knows these facts about models and devices.
    pub fn new(facts: Facts) -> Self {
        Self { facts, ..Self::default() }
    }

    /// Forgets what is known of a file, because another content lies there from now on. Models that are loaded already
    /// stay known.
    pub fn forget_file(&mut self, path: &[u8]) {
        self.facts.models.remove(path);
    }

    /// A judge that knows texts and refusals as well.
    pub fn with_reference(facts: Facts, reference: Reference) -> Self {
        Self { facts, reference: Some(reference), ..Self::default() }
    }

    /// Judges the next observation.
    pub fn observe(&mut self, observation: &Observation) {
        let Self { facts, state, reference, verdicts } = self;
        process::judge(observation, verdicts);
        match (&observation.event, &observation.outcome) {
            (Event::Open, Outcome::Done | Outcome::Failed(_)) => {
                let loaded = observation.outcome == Outcome::Done;
                verdicts.judge("ABI-03", loaded, || {
                    tell(observation, "loads with RTLD_NOW | RTLD_LOCAL and leaves nothing unresolved")
                });
                *state = State::default();
            }
            (_, Outcome::Died(_)) => deaths::judge(observation, facts, state, verdicts),
            (Event::Call(call), Outcome::Returned(returned)) => {
                verdicts.latency.entry(call.function()).or_default().record(observation.nanos);
                if let Some(code) = returned.written_code() {
                    *verdicts.codes.entry((call.function(), code)).or_default() += 1;
                }
                memory::judge(observation, call, returned, verdicts);
                errors::judge(observation, call, returned, state, verdicts);
                messages::judge(observation, call, returned, state, verdicts);
                expect::judge(observation, call, returned, facts, state, verdicts);
                jobs::judge(observation, call, returned, facts, state, verdicts);
                usage::judge(observation, call, returned, facts, state, verdicts);
                if let Some(reference) = reference {
                    reference.judge(observation, call, returned, facts, state, verdicts);
                }
                state.advance(call, returned, facts);
            }
            _ => {}
        }
    }

    /// The bits of a live context's handle.
    pub fn context_bits(&self, slot: crate::program::Slot) -> Option<u64> {
        self.state.contexts.get(&slot).copied()
    }

    /// What is known beyond single calls, if anything is.
    pub fn reference(&mut self) -> Option<&mut Reference> {
        self.reference.as_mut()
    }

    /// What the contract permits for the next call.
    pub fn expected(&self, call: &crate::program::Call) -> Expected {
        expect::expected(call, &self.facts, &self.state)
    }

    /// What is live in the session.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What was judged, so far.
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// What was judged, in the end.
    pub fn into_verdicts(self) -> Verdicts {
        self.verdicts
    }
}
