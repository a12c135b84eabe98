//! A case: one scenario played on the library, and what its findings mean for a test.

use std::sync::Arc;

use libtest_mimic::{Completion, Failed, Trial};
use worker_conformance::suite::{self, Case, Request, Silent};
use worker_conformance::verdict::{Conformance, Failure, RequirementResult, RunResult, Status};
use worker_contract::Level;

use crate::name::names;

/// Name of the case that looks at the file and loads it.
const LIBRARY: &str = "library::the_file_and_a_first_look";

/// All cases.
pub fn trials(request: Request) -> Result<Vec<Trial>, String> {
    let cases = suite::cases().map_err(|error| error.to_string())?;
    let request = Arc::new(request);
    let first = Arc::clone(&request);
    let mut trials = vec![Trial::test(LIBRARY, move || library(&first))];
    for (name, case) in names(&cases).into_iter().zip(cases) {
        let request = Arc::clone(&request);
        trials.push(Trial::ignorable_test(name, move || play(&request, &case)));
    }
    Ok(trials)
}

/// What is judged without a scenario.
fn library(request: &Request) -> Result<(), Failed> {
    let only =
        ["ABI-01", "ABI-02", "ABI-03", "ABI-04", "ABI-05"].into_iter().filter_map(|id| id.parse().ok());
    let result = suite::run(&Request { only: only.collect(), ..request.clone() }, Box::new(Silent))?;
    let failures = broken(&result, |failure| !failure.scenario.starts_with("features/"));
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}

fn play(request: &Request, case: &Case) -> Result<Completion, Failed> {
    // The line with its colon is one scenario, or one row of an outline.
    let at = case.place.split(": ").next().unwrap_or(&case.place);
    let request = Request { scenario: Some(format!("{at}:")), ..request.clone() };
    let result = suite::run(&request, Box::new(Silent))?;
    let failures = broken(&result, |failure| failure.scenario == case.place);
    if !failures.is_empty() {
        return Err(failures.into());
    }
    let own = |one: &&RequirementResult| case.tags.contains(&one.id) && one.status == Status::NotVerified;
    let Some(open) = result.requirements.iter().find(own) else { return Ok(Completion::Completed) };
    let reason = format!("{} is not verified: {}", open.id, open.reason.as_deref().unwrap_or_default());
    let injected = open.id.requirement().needs.is_none() || request.profile.faults.contains_key(&open.id);
    let counts = request.level == Conformance::Strict || open.level == Level::Must && injected;
    if open.applies && counts { Err(reason.into()) } else { Ok(Completion::ignored_with(reason)) }
}

/// The failures that count, as text; empty if there are none.
fn broken(result: &RunResult, wanted: impl Fn(&Failure) -> bool) -> String {
    let mut text = String::new();
    let counts = |level: Level| level == Level::Must || result.level == Conformance::Strict;
    let failing = result.requirements.iter().filter(|one| one.status == Status::Fail && counts(one.level));
    for one in failing {
        for failure in one.failures.iter().filter(|failure| counts(failure.level) && wanted(failure)) {
            text += &format!("{} ({}) {}\n", one.id, one.level, one.id.requirement().text);
            text += &format!("  call      {}\n  expected  {}\n", failure.call, failure.expected);
            text += &format!("  observed  {}\n  again     {}\n", failure.observed, failure.rerun);
            text += &format!("  why       worker-conformance explain {}\n", one.id);
        }
    }
    text
}
