//! A result as features, scenarios and steps, for the forms that know nothing else.

use std::collections::BTreeMap;

use super::plain::{block, line};
use crate::verdict::{Case, End, Found, RunResult, StepResult, StepStatus};

/// A feature and its scenarios.
pub struct Feature<'r> {
    /// `features/file.feature`; for what no scenario shows, `library`.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// Its scenarios.
    pub scenarios: Vec<Scenario<'r>>,
}

/// A scenario, or another case in the shape of one.
pub struct Scenario<'r> {
    /// The case.
    pub case: &'r Case,
    /// Its name.
    pub name: String,
    /// The rule around it.
    pub rule: Option<String>,
    /// Its line.
    pub line: usize,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// How a step went, in Cucumber's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Passed,
    /// Something that counts was found in it.
    Failed,
    /// It was not reached, or says nothing here.
    Skipped,
    /// It could not be made, so that something was not verified.
    Pending,
}

impl Outcome {
    /// In Cucumber's JSON.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
            Outcome::Pending => "pending",
        }
    }
}

/// A step.
pub struct Step {
    /// `Given`, `When`, `Then`, `And`, ...
    pub keyword: String,
    /// Its text.
    pub text: String,
    /// Its line.
    pub line: usize,
    /// Its text block.
    pub docstring: Option<String>,
    /// Its table.
    pub table: Vec<Vec<String>>,
    /// How it went.
    pub outcome: Outcome,
    /// What was found, or why it was not made.
    pub message: Option<String>,
    /// Nanoseconds that it took.
    pub nanos: u64,
}

/// The result as features, by file.
pub fn features(result: &RunResult) -> Vec<Feature<'_>> {
    let mut files: BTreeMap<String, Feature<'_>> = BTreeMap::new();
    for case in &result.cases {
        let (uri, name, scenario) = match &case.scenario {
            Some(text) => {
                let steps = text.steps.iter().enumerate().map(|(at, one)| step(result, case, at, one));
                let scenario = Scenario {
                    case,
                    name: line(&text.name),
                    rule: text.rule.as_deref().map(line),
                    line: text.line,
                    steps: steps.collect(),
                };
                (format!("features/{}", line(&text.file)), line(&text.feature), scenario)
            }
            None => ("library".to_owned(), "What no scenario shows".to_owned(), other(result, case)),
        };
        let feature = files.entry(uri.clone());
        feature.or_insert_with(|| Feature { uri, name, scenarios: Vec::new() }).scenarios.push(scenario);
    }
    files.into_values().collect()
}

fn told<'f>(found: impl Iterator<Item = &'f Found>) -> Option<String> {
    let all: Vec<String> = found
        .map(|one| {
            format!(
                "{} ({}): {}\nexpected {}\nobserved {}",
                one.requirement,
                one.level,
                line(&one.call),
                line(&one.expected),
                line(&one.observed)
            )
        })
        .collect();
    (!all.is_empty()).then(|| all.join("\n\n"))
}

fn step(result: &RunResult, case: &Case, at: usize, one: &StepResult) -> Step {
    // What was found while no step was under way stands at the last that was made.
    let last = case.scenario.as_ref().map_or(0, |text| {
        text.steps.iter().rposition(|step| step.status != StepStatus::Skipped).unwrap_or(0)
    });
    let here = |found: &&Found| found.step.unwrap_or(last) == at;
    let message = told(result.counted(case).filter(here));
    let reason = case.reason.as_deref().map(line);
    let (outcome, message) = match (one.status, message) {
        (_, Some(message)) => (Outcome::Failed, Some(message)),
        (StepStatus::Passed, None) => (Outcome::Passed, None),
        (StepStatus::Failed, None) if case.end == End::CutShort => {
            (Outcome::Skipped, Some("what was found is waived, or only a SHOULD".to_owned()))
        }
        (StepStatus::Failed, None) => (Outcome::Passed, None),
        (StepStatus::Stopped, None) if case.end == End::NotApplicable => (Outcome::Skipped, reason),
        (StepStatus::Stopped, None) => (Outcome::Pending, reason),
        (StepStatus::Skipped, None) => (Outcome::Skipped, None),
    };
    Step {
        keyword: one.keyword.clone(),
        text: line(&one.text),
        line: one.line,
        docstring: one.docstring.as_deref().map(block),
        table: one.table.iter().map(|row| row.iter().map(|cell| line(cell)).collect()).collect(),
        outcome,
        message,
        nanos: (one.seconds.clamp(0.0, 1e9) * 1e9) as u64,
    }
}

fn other<'r>(result: &RunResult, case: &'r Case) -> Scenario<'r> {
    let (outcome, message) = match (told(result.counted(case)), case.end) {
        (Some(message), _) => (Outcome::Failed, Some(message)),
        (None, End::Complete) => (Outcome::Passed, None),
        (None, _) => (Outcome::Skipped, case.reason.as_deref().map(line)),
    };
    let step = Step {
        keyword: "Then".to_owned(),
        text: "the contract is kept".to_owned(),
        line: 1,
        docstring: None,
        table: Vec::new(),
        outcome,
        message,
        nanos: (case.seconds.clamp(0.0, 1e9) * 1e9) as u64,
    };
    Scenario { case, name: line(&case.place), rule: None, line: 1, steps: vec![step] }
}
