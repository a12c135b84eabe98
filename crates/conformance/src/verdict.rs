//! What a run found: a status for each requirement, and one verdict over all.

use serde::Serialize;
use worker_contract::{Level, RequirementId};

use crate::exit_code::ExitCode;
use crate::oracle::Note;

/// How much of the contract a library must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Conformance {
    /// Every MUST.
    Core,
    /// Every MUST and every SHOULD.
    Strict,
}

/// What became of one requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The scenario, as `features/file.feature:line: name`; or the check.
    pub scenario: String,
    /// How binding the broken part is.
    pub level: Level,
    /// The call.
    pub call: String,
    /// What the contract asks for.
    pub expected: String,
    /// What happened.
    pub observed: String,
    /// The command that runs just this again.
    pub rerun: String,
}

/// One requirement and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct RequirementResult {
    /// The requirement.
    pub id: RequirementId,
    /// How binding it is.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which way the library took where the contract leaves a choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The verdict over all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Conformant => ExitCode::Conformant,
            Verdict::NonConformant => ExitCode::NonConformant,
            Verdict::Incomplete => ExitCode::Incomplete,
        }
    }
}

/// The version of the contract.
#[derive(Debug, Clone, Serialize)]
pub struct Contract {
    /// As in the lock.
    pub version: String,
}

/// The file that was tested.
#[derive(Debug, Clone, Serialize)]
pub struct TestedLibrary {
    /// Where it lies.
    pub path: String,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// How often a function reported a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    /// The function.
    pub function: &'static str,
    /// What it wrote to `error_code`.
    pub code: i32,
    /// In how many calls.
    pub calls: u64,
}

/// The result of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunResult {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<crate::fuzz::share::Generated>,
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
        // Fault injection is never asked of a backend at level core, unless its profile offers it.
        let asked = |result: &RequirementResult| {
            let needs = result.id.requirement().needs.is_some();
            counts(result)
                && result.applies
                && (!needs || level == Conformance::Strict || injected.contains(&result.id))
        };
        if requirements.iter().any(|result| asked(result) && result.status == Status::NotVerified) {
            return Verdict::Incomplete;
        }
        Verdict::Conformant
    }

    /// How many requirements have a status.
    pub fn count(&self, status: Status) -> usize {
        self.requirements.iter().filter(|result| result.status == status).count()
    }
}

impl From<&Note> for String {
    fn from(note: &Note) -> Self {
        note.text.clone()
    }
}
