//! What a run found: a status for each requirement, and one verdict over all.

mod case;
pub mod latency;
mod merge;
mod subject;
mod sum_up;

use serde::{Deserialize, Serialize};
use worker_contract::{Function, Level, RequirementId, Source};

use crate::exit_code::ExitCode;
use crate::waiver::GivenWaiver;
pub use case::{Case, CaseKind, Choice, End, Found, ScenarioText, Shard, StepResult, StepStatus};
pub use latency::Latency;
pub use merge::{MergeError, merge};
pub use subject::{Contract, Machine, ProfileFacts, Selection, Suite, TestedLibrary, hex, sha256};

/// The version of the report's shape: the first number changes when a reader of the old shape would be misled.
pub const SCHEMA_VERSION: &str = "1.1";

/// Seconds in whole microseconds: so short a number is the same after it was written and read.
pub fn rounded(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// How much of the contract a library must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Conformance {
    /// Every MUST.
    Core,
    /// Every MUST and every SHOULD.
    Strict,
}

/// What became of one requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Judged, and never found broken.
    Pass,
    /// Broken.
    Fail,
    /// Not judged, or not in full; the reason stands beside it.
    NotVerified,
    /// Broken or not verified, and excused by the profile.
    Waived,
}

/// Where a requirement was found broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Failure {
    /// The scenario, as `features/file.feature:line: name`; or the check.
    pub scenario: String,
    /// How binding the broken part is.
    #[cfg_attr(test, schemars(with = "String"))]
    pub level: Level,
    /// The call.
    pub call: String,
    /// What the contract asks for.
    pub expected: String,
    /// What happened.
    pub observed: String,
    /// The command that runs just this again.
    pub rerun: String,
    /// Whether a waiver excuses it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

/// One requirement and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequirementResult {
    /// The requirement.
    #[cfg_attr(test, schemars(with = "String"))]
    pub id: RequirementId,
    /// How binding it is.
    #[cfg_attr(test, schemars(with = "String"))]
    pub level: Level,
    /// What became of it.
    pub status: Status,
    /// Whether it says anything about this library on this machine: DEV-04 does not where there are devices.
    pub applies: bool,
    /// Judgements made.
    pub checks: u64,
    /// Where it was found broken, or broken in a part that this level does not ask for.
    pub failures: Vec<Failure>,
    /// Why it is not verified, or waived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which way the library took where the contract leaves a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The requirement in full sentences.
    pub text: String,
    /// Where it comes from: `seed` or `clarification`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub source: Source,
    /// Identifiers in the M0 worker spec.
    pub spec: Vec<String>,
}

/// The verdict over all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every requirement that counts is kept.
    Conformant,
    /// A requirement that counts is broken.
    NonConformant,
    /// None is broken, but one that counts was not verified.
    Incomplete,
}

impl Verdict {
    /// Its word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Conformant => "conformant",
            Verdict::NonConformant => "non-conformant",
            Verdict::Incomplete => "incomplete",
        }
    }
}

impl Conformance {
    /// Its word in reports and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Conformance::Core => "core",
            Conformance::Strict => "strict",
        }
    }
}

impl Status {
    /// Its word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::NotVerified => "not verified",
            Status::Waived => "waived",
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Conformant => ExitCode::Conformant,
            Verdict::NonConformant => ExitCode::NonConformant,
            Verdict::Incomplete => ExitCode::Incomplete,
        }
    }
}

/// How often a function reported a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CodeCount {
    /// The function.
    #[cfg_attr(test, schemars(with = "String"))]
    pub function: Function,
    /// What it wrote to `error_code`.
    pub code: i32,
    /// In how many calls.
    pub calls: u64,
}

/// The result of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunResult {
    /// The version of this shape, see [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// What was tested against.
    pub contract: Contract,
    /// What was tested.
    pub library: TestedLibrary,
    /// How much was asked for.
    pub level: Conformance,
    /// The verdict.
    pub verdict: Verdict,
    /// The requirements, in the order of the catalogue.
    pub requirements: Vec<RequirementResult>,
    /// Which function reported which code.
    pub codes: Vec<CodeCount>,
    /// Scenarios run.
    pub scenarios: usize,
    /// Seconds that the run took.
    pub seconds: f64,
    /// Generated programs played besides the scenarios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<crate::fuzz::share::Generated>,
    /// The suite that tested.
    pub suite: Suite,
    /// What was asked for.
    pub selection: Selection,
    /// When the run began, in UTC, as in RFC 3339.
    pub started: String,
    /// The machine.
    pub machine: Machine,
    /// What the suite was told about the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileFacts>,
    /// Waivers given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<GivenWaiver>,
    /// Waivers that must not stay as they are; each fails the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiver_problems: Vec<String>,
    /// Why no case could be played, if none could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// How long the scenarios' calls took, function by function.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<Latency>,
    /// In which states functions were called, and what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<StateRow>,
    /// C programs that show failures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reproducers: Vec<Reproducer>,
    /// Everything that was played.
    pub cases: Vec<Case>,
}

/// A function in a state, and what came of the calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StateRow {
    /// The function.
    #[cfg_attr(test, schemars(with = "String"))]
    pub function: Function,
    /// The state that the calls met.
    pub state: String,
    /// Calls by what came of them; empty if nothing called it in this state.
    pub outcomes: std::collections::BTreeMap<String, u64>,
}

/// A C program that shows a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reproducer {
    /// The requirement that it shows broken.
    #[cfg_attr(test, schemars(with = "String"))]
    pub requirement: RequirementId,
    /// The case that it comes from.
    pub place: String,
    /// How to build it, and the program.
    pub c: String,
    /// The same program for `worker-conformance replay`.
    pub yaml: String,
}

impl RunResult {
    /// The verdict that the requirements give.
    pub fn judge(
        requirements: &[RequirementResult],
        level: Conformance,
        injected: &[RequirementId],
    ) -> Verdict {
        let counts = |result: &RequirementResult| level == Conformance::Strict || result.level == Level::Must;
        if requirements.iter().any(|result| counts(result) && result.status == Status::Fail) {
            return Verdict::NonConformant;
        }
        let open = |one: &RequirementResult| one.status == Status::NotVerified;
        if requirements.iter().any(|one| Self::asks(one, level, injected) && open(one)) {
            return Verdict::Incomplete;
        }
        Verdict::Conformant
    }

    /// Fault injection is never asked of a backend at level core, unless its profile offers it.
    fn asks(one: &RequirementResult, level: Conformance, injected: &[RequirementId]) -> bool {
        let needs = one.id.requirement().needs.is_some();
        (level == Conformance::Strict || one.level == Level::Must)
            && one.applies
            && (!needs || level == Conformance::Strict || injected.contains(&one.id))
    }

    /// Whether a requirement counts at the level of the run.
    pub fn counts(&self, one: &RequirementResult) -> bool {
        self.level == Conformance::Strict || one.level == Level::Must
    }

    /// Whether the verdict waits for a requirement to be verified.
    pub fn is_asked(&self, one: &RequirementResult) -> bool {
        let injected = self.profile.as_ref().map_or(&[][..], |profile| &profile.faults);
        Self::asks(one, self.level, injected)
    }

    /// What was found in a case that counts at the level of the run and is not excused.
    pub fn counted<'r>(&'r self, case: &'r Case) -> impl Iterator<Item = &'r Found> {
        let strict = self.level == Conformance::Strict;
        case.findings.iter().filter(move |found| {
            (strict || found.level == Level::Must)
                && !self.waivers.iter().any(|waiver| waiver.excuses(found.requirement, case))
        })
    }

    /// How the run ends for a shell: a stale waiver fails it even where the library keeps everything.
    pub fn exit_code(&self) -> ExitCode {
        match self.verdict {
            Verdict::NonConformant => ExitCode::NonConformant,
            _ if !self.waiver_problems.is_empty() => ExitCode::CouldNotRun,
            verdict => verdict.into(),
        }
    }

    /// How many requirements have a status.
    pub fn count(&self, status: Status) -> usize {
        self.requirements.iter().filter(|result| result.status == status).count()
    }
}

/// Places in the order of their files and lines.
pub fn in_order(place: &str) -> (&str, u32, &str) {
    let (file, rest) = place.split_once(':').unwrap_or((place, ""));
    let line = rest.split(':').next().and_then(|line| line.parse().ok()).unwrap_or(0);
    (file, line, rest)
}
