//! A case: one scenario played on the library, and what its findings mean for a test.

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Completion, Failed, Trial};
use worker_conformance::fuzz::share::PROGRAMS;
use worker_conformance::suite::{self, Case, Request, Silent, Stage};
use worker_conformance::verdict::{Conformance, Failure, RequirementResult, RunResult, Status};
use worker_conformance::waiver;
use worker_contract::{Level, RequirementId};

use crate::name::names;

/// Name of the case that looks at the file and loads it.
const LIBRARY: &str = "library::the_file_and_a_first_look";
/// Name of the case that asks whether every waiver is still needed.
const WAIVERS: &str = "waivers::each_still_excuses_something";

/// All cases.
pub fn trials(request: Request) -> Result<Vec<Trial>, String> {
    let cases = suite::cases().map_err(|error| error.to_string())?;
    let request = Arc::new(request);
    let first = Arc::clone(&request);
    let second = Arc::clone(&request);
    let mut trials = vec![
        Trial::test(LIBRARY, move || library(&first)),
        Trial::ignorable_test(WAIVERS, move || waivers(&second)),
    ];
    // Set by the first scenario that is asked for, for all that this process plays.
    let stage = Arc::new(OnceLock::new());
    for (name, case) in names(&cases).into_iter().zip(cases) {
        let (request, stage) = (Arc::clone(&request), Arc::clone(&stage));
        trials.push(Trial::ignorable_test(name, move || play(&request, &stage, &case)));
    }
    Ok(trials)
}

/// The requirements that the file shows, or its first load.
fn file_alone() -> Vec<RequirementId> {
    ["ABI-01", "ABI-02", "ABI-03", "ABI-04", "ABI-05"].into_iter().filter_map(|id| id.parse().ok()).collect()
}

/// What is judged without a scenario.
fn library(request: &Request) -> Result<(), Failed> {
    let result = suite::run(&Request { only: file_alone(), ..request.clone() }, Box::new(Silent))?;
    let failures = broken(&result, |failure| !failure.scenario.starts_with("features/"));
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}

/// Whether a waiver is stale. That a requirement passes shows in the whole suite only, so that is played where there are
/// waivers: any scenario may break it, and any generated program.
fn waivers(request: &Request) -> Result<Completion, Failed> {
    if request.profile.waivers.is_empty() && waiver::beside(&request.library)?.is_empty() {
        return Ok(Completion::ignored_with("neither the profile nor a file beside the library has waivers"));
    }
    // What has expired shows without the scenarios.
    let short = Request { only: file_alone(), ..request.clone() };
    for request in [short, Request { programs: PROGRAMS, ..request.clone() }] {
        let result = suite::run(&request, Box::new(Silent))?;
        if !result.waiver_problems.is_empty() {
            return Err(format!("stale waivers:\n  {}", result.waiver_problems.join("\n  ")).into());
        }
    }
    Ok(Completion::Completed)
}

fn play(
    request: &Request,
    stage: &OnceLock<Result<Stage, String>>,
    case: &Case,
) -> Result<Completion, Failed> {
    // The line with its colon is one scenario, or one row of an outline.
    let at = case.place.split(": ").next().unwrap_or(&case.place);
    let request = Request { scenario: Some(format!("{at}:")), ..request.clone() };
    let stage = stage.get_or_init(|| Stage::set(&request).map_err(|error| error.to_string())).as_ref()?;
    let result = suite::run_on(stage, &request, Box::new(Silent))?;
    let failures = broken(&result, |failure| failure.scenario == case.place);
    if !failures.is_empty() {
        return Err(failures.into());
    }
    if result.scenarios == 0 {
        let why = broken(&result, |failure| !failure.scenario.starts_with("features/"));
        return Err(format!("the scenario was not played, as the library cannot be loaded\n{why}").into());
    }
    let Some(open) = open(&result, case) else { return Ok(Completion::Completed) };
    let reason = format!("{} is not verified: {}", open.id, open.reason.as_deref().unwrap_or_default());
    if result.is_asked(open) { Err(reason.into()) } else { Ok(Completion::ignored_with(reason)) }
}

/// The requirement that the scenario did not come to judge, because it was hindered or does not apply. That a scenario which was played to its end leaves one of its tags to its neighbours is no hindrance.
fn open<'r>(result: &'r RunResult, case: &Case) -> Option<&'r RequirementResult> {
    let hindered =
        |one: &RequirementResult| one.reason.as_ref().is_some_and(|reason| reason.starts_with(&case.place));
    let own = result.requirements.iter().filter(|one| case.tags.contains(&one.id));
    own.filter(|one| one.status == Status::NotVerified).find(|one| !one.applies || hindered(one))
}

/// The failures that count, as text; empty if there are none.
fn broken(result: &RunResult, wanted: impl Fn(&Failure) -> bool) -> String {
    let mut text = String::new();
    let counts = |level: Level| level == Level::Must || result.level == Conformance::Strict;
    let failing = result.requirements.iter().filter(|one| one.status == Status::Fail && counts(one.level));
    for one in failing {
        for failure in
            one.failures.iter().filter(|failure| counts(failure.level) && !failure.waived && wanted(failure))
        {
            text += &format!("{} ({}) {}\n", one.id, one.level, one.id.requirement().text);
            text += &format!("  call      {}\n  expected  {}\n", failure.call, failure.expected);
            text += &format!("  observed  {}\n  again     {}\n", failure.observed, failure.rerun);
            text += &format!("  why       worker-conformance explain {}\n", one.id);
        }
    }
    text
}
