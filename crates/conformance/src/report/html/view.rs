//! What the page shows, in the shape that its template reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use minijinja::{Value, context};
use worker_contract::Source;

use crate::report::about;
use crate::report::plain::{block, line};
use crate::verdict::{
    Case, CaseKind, Conformance, End, Failure, RequirementResult, RunResult, Status, StepResult, StepStatus,
    Verdict,
};
use crate::waiver::Holds;

/// Failures of one requirement that are shown.
const SHOWN: usize = 8;
/// Failures of one requirement that are shown with their scenario.
const WITH_STEPS: usize = 2;
/// Scenarios in the list of the slowest.
const SLOWEST: usize = 20;

/// The whole page.
pub fn of(result: &RunResult) -> Value {
    let cases: Vec<Value> =
        result.cases.iter().enumerate().map(|(at, case)| case_of(result, at, case)).collect();
    let places: HashMap<&str, usize> =
        result.cases.iter().enumerate().map(|(at, case)| (case.place.as_str(), at)).collect();
    let name = result.profile.as_ref().and_then(|profile| profile.name.as_deref());
    let checks: u64 = result.requirements.iter().map(|one| one.checks).sum();
    let facts: Vec<Value> =
        about::facts(result).into_iter().map(|(name, text)| context! { name, text => line(&text) }).collect();
    let reached = result.coverage.iter().filter(|row| !row.outcomes.is_empty()).count();
    context! {
        name => line(name.unwrap_or(&result.library.file)),
        verdict => verdict(result.verdict),
        level => result.level.word(),
        contract => line(&result.contract.version),
        counts => context! {
            pass => result.count(Status::Pass),
            fail => result.count(Status::Fail),
            open => result.count(Status::NotVerified),
            waived => result.count(Status::Waived),
        },
        scenarios => result.scenarios,
        checks,
        seconds => format!("{:.1}", result.seconds),
        waiver_problems => result.waiver_problems.iter().map(|text| line(text)).collect::<Vec<_>>(),
        facts,
        families => families(result, &cases, &places),
        trace => trace(result, &cases),
        features => features(result, &cases),
        times => times(result),
        slowest => slowest(result),
        latency => latency(result),
        coverage => coverage(result),
        reached,
        waivers => waivers(result),
        suite => line(&result.suite.version),
        schema => line(&result.schema_version),
    }
}

fn verdict(verdict: Verdict) -> Value {
    let (symbol, class) = match verdict {
        Verdict::Conformant => ("✔", "pass"),
        Verdict::NonConformant => ("✘", "fail"),
        Verdict::Incomplete => ("?", "open"),
    };
    context! { word => verdict.word(), symbol, class }
}

/// Symbol, word and class: never by colour alone.
fn status(one: &RequirementResult) -> (&'static str, &'static str, &'static str) {
    match one.status {
        Status::Pass => ("✔", "pass", "pass"),
        Status::Fail => ("✘", "fail", "fail"),
        Status::NotVerified if !one.applies => ("–", "does not apply", "none"),
        Status::NotVerified => ("?", "not verified", "open"),
        Status::Waived => ("~", "waived", "waived"),
    }
}

fn ending(result: &RunResult, case: &Case) -> (&'static str, &'static str, &'static str) {
    let counted = result.counted(case).next().is_some();
    match case.end {
        _ if counted => ("✘", "fail", "fail"),
        _ if !case.findings.is_empty() && result.level == Conformance::Core => {
            ("~", "found what does not count", "waived")
        }
        _ if !case.findings.is_empty() => ("~", "waived", "waived"),
        End::Complete => ("✔", "pass", "pass"),
        End::CutShort | End::Blocked => ("?", "stopped", "open"),
        End::OutOfReach => ("?", "out of reach", "open"),
        End::NotApplicable => ("–", "does not apply", "none"),
    }
}

fn anchor(at: usize) -> String {
    format!("case-{}", at + 1)
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

fn step(one: &StepResult) -> Value {
    let status = match one.status {
        StepStatus::Passed => "passed",
        StepStatus::Failed => "failed",
        StepStatus::Stopped => "stopped",
        StepStatus::Skipped => "skipped",
    };
    let table: Vec<Vec<String>> =
        one.table.iter().map(|row| row.iter().map(|cell| line(cell)).collect()).collect();
    context! {
        keyword => line(&one.keyword),
        text => line(&one.text),
        docstring => one.docstring.as_deref().map(block),
        table,
        status,
    }
}

fn case_of(result: &RunResult, at: usize, case: &Case) -> Value {
    let (symbol, word, class) = ending(result, case);
    let steps: Vec<Value> = case.scenario.iter().flat_map(|scenario| &scenario.steps).map(step).collect();
    let families: BTreeSet<&str> = case.requirements.iter().map(|id| id.family()).collect();
    let shown: BTreeSet<&str> = result.requirements.iter().map(|one| one.id.as_str()).collect();
    let ids: Vec<&str> =
        case.requirements.iter().map(|id| id.as_str()).filter(|id| shown.contains(id)).collect();
    let findings: Vec<Value> = case
        .findings
        .iter()
        .map(|found| {
            context! {
                id => found.requirement.as_str(),
                level => found.level.to_string(),
                call => line(&found.call),
                expected => line(&found.expected),
                observed => line(&found.observed),
            }
        })
        .collect();
    context! {
        anchor => anchor(at),
        number => at + 1,
        place => line(&case.place),
        name => line(case.scenario.as_ref().map_or(&case.place, |scenario| &scenario.name)),
        rule => case.scenario.as_ref().and_then(|scenario| scenario.rule.as_deref()).map(line),
        symbol, word, class, steps, ids, findings,
        families => families.into_iter().collect::<Vec<_>>().join(" "),
        reason => case.reason.as_deref().map(line),
        time => time(case.seconds),
    }
}

fn own(result: &RunResult, id: worker_contract::RequirementId, cases: &[Value]) -> Vec<Value> {
    let all = result.cases.iter().zip(cases).filter(|(case, _)| case.requirements.contains(&id));
    all.map(|(_, view)| view.clone()).collect()
}

fn families(result: &RunResult, cases: &[Value], places: &HashMap<&str, usize>) -> Vec<Value> {
    let mut families: Vec<(&str, Vec<Value>)> = Vec::new();
    for one in &result.requirements {
        let view = requirement(result, one, cases, places);
        match families.last_mut() {
            Some((family, all)) if *family == one.id.family() => all.push(view),
            _ => families.push((one.id.family(), vec![view])),
        }
    }
    families.into_iter().map(|(name, requirements)| context! { name, requirements }).collect()
}

fn requirement(
    result: &RunResult,
    one: &RequirementResult,
    cases: &[Value],
    places: &HashMap<&str, usize>,
) -> Value {
    let (symbol, word, class) = status(one);
    let failure = |(number, failure): (usize, &Failure)| {
        let at = places.get(failure.scenario.as_str()).copied();
        let case = at.filter(|at| number < WITH_STEPS && result.cases[*at].scenario.is_some());
        context! {
            key => format!("again-{}-{}", one.id, number + 1),
            anchor => at.map(anchor),
            case => case.map(|at| cases[at].clone()),
            scenario => line(&failure.scenario),
            level => failure.level.to_string(),
            call => line(&failure.call),
            expected => line(&failure.expected),
            observed => line(&failure.observed),
            rerun => line(&failure.rerun),
            waived => failure.waived,
        }
    };
    let program = result.reproducers.iter().find(|reproducer| reproducer.requirement == one.id);
    let source = match one.source {
        Source::Seed => "the interface definition or the worker spec",
        Source::Clarification => "a clarification of the lock",
    };
    context! {
        id => one.id.as_str(),
        level => one.level.to_string(),
        symbol, word, class, source,
        text => line(&one.text),
        spec => one.spec.iter().map(|spec| line(spec)).collect::<Vec<_>>(),
        checks => one.checks,
        verified_by => one.id.requirement().verified_by.as_str(),
        reason => one.reason.as_deref().map(line),
        notes => one.notes.iter().map(|note| line(note)).collect::<Vec<_>>(),
        failures => one.failures.iter().take(SHOWN).enumerate().map(failure).collect::<Vec<_>>(),
        more => one.failures.len().saturating_sub(SHOWN),
        program => program.map(|it| context! { place => line(&it.place), c => block(&it.c) }),
        cases => own(result, one.id, cases),
    }
}

fn trace(result: &RunResult, cases: &[Value]) -> Vec<Value> {
    let mut references: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for one in &result.requirements {
        let (symbol, word, class) = status(one);
        let row =
            context! { id => one.id.as_str(), symbol, word, class, cases => own(result, one.id, cases) };
        let none = ["no reference: a clarification".to_owned()];
        let specs = if one.spec.is_empty() { &none[..] } else { &one.spec };
        for spec in specs {
            references.entry(line(spec)).or_default().push(row.clone());
        }
    }
    references.into_iter().map(|(name, rows)| context! { name, rows }).collect()
}

/// Where a case stands: its feature file, or what else it is.
fn group(case: &Case) -> (String, String) {
    match (&case.scenario, case.kind) {
        (Some(scenario), _) => (line(&scenario.file), line(&scenario.feature)),
        (None, CaseKind::Generated) => ("generated".to_owned(), "Generated programs".to_owned()),
        (None, _) => ("checks".to_owned(), "Looks at the library".to_owned()),
    }
}

fn features(result: &RunResult, cases: &[Value]) -> Vec<Value> {
    let mut groups: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for (case, view) in result.cases.iter().zip(cases) {
        groups.entry(group(case)).or_default().push(view.clone());
    }
    let groups = groups.into_iter().enumerate();
    groups
        .map(|(at, ((file, name), cases))| context! { anchor => format!("feature-{}", at + 1), file, name, cases })
        .collect()
}

fn share(seconds: f64, most: f64) -> String {
    format!("{:.1}", if most > 0.0 { 100.0 * seconds / most } else { 0.0 })
}

fn times(result: &RunResult) -> Vec<Value> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for case in result.cases.iter().filter(|case| case.scenario.is_some()) {
        *sums.entry(group(case).0).or_default() += case.seconds;
    }
    let most = sums.values().copied().fold(0.0, f64::max);
    let row = |(name, seconds): (String, f64)| {
        context! { name, seconds => format!("{seconds:.2}"), share => share(seconds, most) }
    };
    sums.into_iter().map(row).collect()
}

fn slowest(result: &RunResult) -> Vec<Value> {
    let mut all: Vec<(usize, &Case)> =
        result.cases.iter().enumerate().filter(|(_, case)| case.scenario.is_some()).collect();
    all.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds));
    let most = all.first().map_or(0.0, |(_, case)| case.seconds);
    let row = |(at, case): &(usize, &Case)| {
        context! {
            anchor => anchor(*at),
            name => line(&case.name()),
            seconds => format!("{:.3}", case.seconds),
            share => share(case.seconds, most),
        }
    };
    all.iter().take(SLOWEST).map(row).collect()
}

fn latency(result: &RunResult) -> Vec<Value> {
    let micros = |nanos: u64| {
        let micros = nanos as f64 / 1000.0;
        if micros < 100.0 { format!("{micros:.1}") } else { format!("{micros:.0}") }
    };
    let row = |one: &crate::verdict::Latency| {
        let values = [one.min_ns, one.p50_ns, one.p90_ns, one.p99_ns, one.max_ns].map(micros);
        context! { function => one.function.name(), calls => one.calls, values => values.to_vec() }
    };
    result.latency.iter().map(row).collect()
}

fn coverage(result: &RunResult) -> Vec<Value> {
    let mut rows = Vec::new();
    for group in result.coverage.chunk_by(|a, b| a.function == b.function) {
        for (at, row) in group.iter().enumerate() {
            let told: Vec<String> =
                row.outcomes.iter().map(|(outcome, calls)| format!("{} {calls}", line(outcome))).collect();
            // The first row's heading goes for all of them.
            let span = if at == 0 { group.len() } else { 0 };
            let (function, state) = (row.function.name(), line(&row.state));
            rows.push(context! { function, span, state, outcomes => told.join(", ") });
        }
    }
    rows
}

fn waivers(result: &RunResult) -> Vec<Value> {
    let row = |waiver: &crate::waiver::GivenWaiver| {
        let holds = match waiver.holds {
            Holds::Yes => "yes",
            Holds::Expired => "expired",
            Holds::Elsewhere => "for another library or device",
        };
        let is_web = waiver.link.starts_with("https://") || waiver.link.starts_with("http://");
        context! {
            of => line(&waiver.name()),
            reason => line(&waiver.reason),
            link => line(&waiver.link),
            href => is_web.then(|| line(&waiver.link)),
            expires => line(&waiver.expires),
            holds,
            from => line(&waiver.from),
        }
    };
    result.waivers.iter().map(row).collect()
}
