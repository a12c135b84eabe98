//! Joins the shards of one run: the whole is worked out anew from all cases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use worker_contract::{Function, RequirementId};

use super::{Case, CaseKind, Reproducer, RunResult, StateRow, latency};
use crate::fuzz::share::{self, Generated};

/// Reports that are not the parts of one run.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One is no shard.
    #[error("`{}` is no part of a run: make it with `run --shard K/N`", .0.display())]
    Whole(PathBuf),
    /// Two differ in what all parts must share.
    #[error("`{}` and `{}` are not parts of one run: {what} differs, {one} and {other}", first.display(), second.display())]
    Differs {
        /// A report.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// What differs.
        what: &'static str,
        /// In the first.
        one: String,
        /// In the other.
        other: String,
    },
    /// The same part twice.
    #[error("`{}` and `{}` are both shard {shard}", first.display(), second.display())]
    Twice {
        /// A report.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// The part.
        shard: String,
    },
    /// Parts are missing.
    #[error("shards are missing: {}", .0.join(", "))]
    Missing(Vec<String>),
    /// Nothing was given.
    #[error("no report to merge")]
    Nothing,
}

/// Joins the shards; the paths are for messages.
///
/// # Errors
/// When they are not the parts of one run, each once.
pub fn merge(parts: Vec<(PathBuf, RunResult)>) -> Result<RunResult, MergeError> {
    complementary(&parts)?;
    let mut parts = parts;
    parts.sort_by_key(|(_, part)| part.selection.shard.map(|shard| shard.index));
    let results: Vec<RunResult> = parts.into_iter().map(|(_, result)| result).collect();
    let mut whole = results.first().cloned().ok_or(MergeError::Nothing)?;
    whole.selection.shard = None;
    whole.started = results.iter().map(|one| one.started.clone()).min().unwrap_or_default();
    whole.seconds = super::rounded(results.iter().map(|one| one.seconds).sum());
    whole.blocked = results.iter().find_map(|one| one.blocked.clone());
    whole.latency = latency::sum(results.iter().flat_map(|one| &one.latency));
    whole.coverage = coverage(&results);
    whole.generated = generated(&results);
    whole.cases = cases(&results);
    let mut shown = BTreeSet::new();
    let mut all: Vec<&Reproducer> = results.iter().flat_map(|one| &one.reproducers).collect();
    all.sort_by_key(|one| share::number(&one.place));
    whole.reproducers = all.into_iter().filter(|one| shown.insert(one.requirement)).cloned().collect();
    whole.sum_up();
    Ok(whole)
}

fn complementary(parts: &[(PathBuf, RunResult)]) -> Result<(), MergeError> {
    let (first_path, first) = parts.first().ok_or(MergeError::Nothing)?;
    let shared = |result: &RunResult| -> [(&'static str, String); 11] {
        let shard = result.selection.shard.map_or(0, |shard| shard.count);
        let profile = result.profile.as_ref().map_or("none", |profile| &profile.sha256);
        let machine = &result.machine;
        [
            ("the version of the contract", result.contract.version.clone()),
            ("the version of the suite", result.suite.version.clone()),
            ("what the suite asks", result.suite.sha256.clone()),
            ("the library", result.library.sha256.clone()),
            ("the level", result.level.word().to_owned()),
            ("the profile", profile.to_owned()),
            ("the number of shards", shard.to_string()),
            ("the number of generated programs", result.selection.programs.to_string()),
            ("the devices", format!("{:?} ({:?})", machine.devices, machine.device_count)),
            ("the driver", format!("{:?}", machine.driver)),
            ("the waivers", format!("{:?}", result.waivers)),
        ]
    };
    let mut seen: BTreeMap<u32, &PathBuf> = BTreeMap::new();
    for (path, part) in parts {
        let shard = part.selection.shard.ok_or_else(|| MergeError::Whole(path.clone()))?;
        let pairs = shared(first).into_iter().zip(shared(part));
        if let Some(((what, one), (_, other))) = pairs.into_iter().find(|(one, other)| one != other) {
            let (first, second) = (first_path.clone(), path.clone());
            return Err(MergeError::Differs { first, second, what, one, other });
        }
        if let Some(known) = seen.insert(shard.index, path) {
            let (first, second) = (known.clone(), path.clone());
            return Err(MergeError::Twice { first, second, shard: shard.to_string() });
        }
    }
    let count = first.selection.shard.map_or(0, |shard| shard.count);
    let missing: Vec<String> = (1..=count)
        .filter(|index| !seen.contains_key(index))
        .map(|index| format!("{index}/{count}"))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(MergeError::Missing(missing)) }
}

/// Looks at the library once, then the scenarios in order, then generated programs.
fn cases(results: &[RunResult]) -> Vec<Case> {
    let all = || results.iter().flat_map(|one| &one.cases);
    let of = |kind: CaseKind| all().filter(move |case| case.kind == kind);
    let mut cases: Vec<Case> = Vec::new();
    for check in of(CaseKind::Check) {
        match cases.iter_mut().find(|known| known.place == check.place) {
            // Every shard makes these; what one of them found counts.
            Some(known) if known.findings.len() < check.findings.len() => *known = check.clone(),
            Some(_) => {}
            None => cases.push(check.clone()),
        }
    }
    let mut scenarios: Vec<Case> = of(CaseKind::Scenario).cloned().collect();
    scenarios.sort_by(|a, b| super::in_order(&a.place).cmp(&super::in_order(&b.place)));
    cases.extend(scenarios);
    // In a whole run, a program that breaks what a scenario has found broken is no news.
    let known: BTreeSet<RequirementId> =
        cases.iter().flat_map(|case| &case.findings).map(|found| found.requirement).collect();
    let mut told = BTreeSet::new();
    let mut sum: Option<Case> = None;
    // The lowest number of each sort is told, as in a whole run.
    let mut generated: Vec<&Case> = of(CaseKind::Generated).collect();
    generated.sort_by_key(|case| share::number(&case.place));
    for case in generated {
        let mut case = case.clone();
        if case.findings.is_empty() {
            match &mut sum {
                Some(sum) => {
                    for (id, checks) in case.checks {
                        *sum.checks.entry(id).or_default() += checks;
                    }
                }
                None => sum = Some(case),
            }
            continue;
        }
        case.findings.retain(|found| !known.contains(&found.requirement));
        case.findings.retain(|found| told.insert((found.requirement, found.call.clone())));
        if !case.findings.is_empty() {
            cases.push(case);
        }
    }
    cases.extend(sum);
    cases
}

fn coverage(results: &[RunResult]) -> Vec<StateRow> {
    let mut at: BTreeMap<(Function, &str), usize> = BTreeMap::new();
    let mut rows: Vec<StateRow> = Vec::new();
    for row in results.iter().flat_map(|one| &one.coverage) {
        let index = *at.entry((row.function, row.state.as_str())).or_insert_with(|| {
            rows.push(StateRow { outcomes: BTreeMap::new(), ..row.clone() });
            rows.len() - 1
        });
        for (outcome, calls) in &row.outcomes {
            *rows[index].outcomes.entry(outcome.clone()).or_default() += calls;
        }
    }
    rows
}

fn generated(results: &[RunResult]) -> Option<Generated> {
    let all: Vec<&Generated> = results.iter().filter_map(|one| one.generated.as_ref()).collect();
    let reasons: BTreeSet<&str> = all.iter().filter_map(|one| one.reason.as_deref()).collect();
    Some(Generated {
        programs: all.iter().map(|one| one.programs).sum(),
        seed: all.first()?.seed,
        reason: (!reasons.is_empty()).then(|| reasons.into_iter().collect::<Vec<_>>().join("; ")),
    })
}

#[cfg(test)]
mod tests {
    use worker_contract::catalogue;

    use super::*;
    use crate::report::{json, sample};
    use crate::verdict::Shard;

    /// The sample, cut into parts.
    fn parts(count: u32) -> Vec<(PathBuf, RunResult)> {
        let whole = sample::result();
        let part = |index: u32| {
            let mut part = whole.clone();
            part.selection.shard = Some(Shard { index, count });
            let mine = |case: &Case| case.kind == CaseKind::Check || Shard { index, count }.has(&case.place);
            part.cases.retain(mine);
            if index > 1 {
                part.latency.clear();
                part.coverage.iter_mut().for_each(|row| row.outcomes.clear());
            }
            if let Some(generated) = &mut part.generated {
                generated.programs /= u64::from(count);
            }
            part.seconds /= f64::from(count);
            part.sum_up();
            (PathBuf::from(format!("{index}.json")), part)
        };
        (1..=count).map(part).collect()
    }

    #[test]
    fn parts_make_the_whole_in_any_order() {
        let mut whole = sample::result();
        whole.cases.sort_by(|a, b| {
            (a.kind != CaseKind::Check, super::super::in_order(&a.place))
                .cmp(&(b.kind != CaseKind::Check, super::super::in_order(&b.place)))
        });
        whole.sum_up();
        for count in [1, 2, 4] {
            let mut all = parts(count);
            all.reverse();
            let merged = merge(all).unwrap();
            assert_eq!(json::render(&merged), json::render(&whole), "{count}");
        }
    }

    #[test]
    fn of_what_two_shards_found_alike_the_lowest_number_is_told() {
        let mut all = parts(2);
        let found = all[0].1.cases.iter().flat_map(|case| &case.findings).next().unwrap().clone();
        let id = catalogue().iter().map(|one| one.id).find(|id| {
            !all.iter()
                .flat_map(|(_, part)| &part.cases)
                .flat_map(|case| &case.findings)
                .any(|f| f.requirement == *id)
        });
        let generated = |number: u64| {
            let finding = crate::verdict::Found { requirement: id.unwrap(), step: None, ..found.clone() };
            let like = sample::result().cases[0].clone();
            let place = share::place(number);
            Case { place, kind: CaseKind::Generated, findings: vec![finding], ..like }
        };
        let reproducer = |number: u64| Reproducer {
            requirement: id.unwrap(),
            place: share::place(number),
            c: String::new(),
            yaml: String::new(),
        };
        for (part, number) in [(0, 639), (1, 39)] {
            all[part].1.cases.push(generated(number));
            all[part].1.reproducers.push(reproducer(number));
        }
        let whole = merge(all).unwrap();
        let one = whole.requirements.iter().find(|one| Some(one.id) == id).unwrap();
        let places: Vec<&str> = one.failures.iter().map(|failure| failure.scenario.as_str()).collect();
        assert_eq!(places, [share::place(39)]);
        let shown = whole.reproducers.iter().filter(|one| Some(one.requirement) == id);
        assert_eq!(shown.map(|one| one.place.clone()).collect::<Vec<_>>(), [share::place(39)]);
    }

    #[test]
    fn what_is_no_part_of_the_same_run_is_refused() {
        type Parts = Vec<(PathBuf, RunResult)>;
        let refused = |change: &dyn Fn(&mut Parts)| {
            let mut all = parts(3);
            change(&mut all);
            merge(all).unwrap_err().to_string()
        };
        let said = [
            refused(&|all| all.truncate(1)),
            refused(&|all| all[1] = all[0].clone()),
            refused(&|all| all[1].1.library.sha256 = "another".to_owned()),
            refused(&|all| all[2].1.suite.version = "0.0.1".to_owned()),
            refused(&|all| all[2].1.contract.version = "1.1".to_owned()),
            refused(&|all| all[2].1.selection.shard = Some(Shard { index: 3, count: 4 })),
            refused(&|all| all[2].1.selection.shard = None),
            refused(&|all| all[1].1.machine.driver = None),
            refused(&|all| all.clear()),
        ];
        insta::assert_snapshot!(said.join("\n"));
    }
}
