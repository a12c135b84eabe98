//! Two reports compared: what got better, and what got worse.

use std::collections::BTreeSet;
use std::fmt::Write;

use worker_contract::RequirementId;

use super::plain::line;
use crate::verdict::{RequirementResult, RunResult, Status};

/// What changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What got worse, in words.
    pub worse: Vec<String>,
    /// What got better.
    pub better: Vec<String>,
    /// What is different, and neither.
    pub other: Vec<String>,
}

/// How good a status is; `None` where nothing can be said.
fn rank(one: &RequirementResult) -> Option<u8> {
    match one.status {
        Status::Pass => Some(3),
        Status::Waived => Some(2),
        Status::NotVerified if one.applies => Some(1),
        Status::NotVerified => None,
        Status::Fail => Some(0),
    }
}

fn word(one: &RequirementResult) -> &'static str {
    match one.status {
        Status::NotVerified if !one.applies => "does not apply",
        status => status.word(),
    }
}

/// Compares two reports.
///
/// # Errors
/// When they are of different parts of the suite, so that a difference would say nothing.
pub fn compare(old: &RunResult, new: &RunResult) -> Result<Difference, String> {
    let part = |result: &RunResult| {
        let selection = &result.selection;
        let only: BTreeSet<RequirementId> = selection.only.iter().copied().collect();
        (only, selection.scenario.clone(), selection.feature.clone(), selection.shard.map(|s| s.to_string()))
    };
    if part(old) != part(new) {
        return Err(
            "the reports are of different parts of the suite; compare whole runs, or equal parts".to_owned()
        );
    }
    if old.level != new.level {
        return Err(format!(
            "one report is of level {}, the other of level {}; compare runs of one level",
            old.level.word(),
            new.level.word()
        ));
    }
    let mut difference = Difference::default();
    for one in &new.requirements {
        let told = |what: String| format!("{} ({}) {what}", one.id, one.level);
        let Some(before) = old.requirements.iter().find(|other| other.id == one.id) else {
            let list = if rank(one) == Some(0) { &mut difference.worse } else { &mut difference.other };
            list.push(told(format!("is new: {}", word(one))));
            continue;
        };
        let change = told(format!("{} -> {}", word(before), word(one)));
        match (rank(before), rank(one)) {
            (Some(was), Some(is)) if is < was => difference.worse.push(change),
            (Some(was), Some(is)) if is > was => difference.better.push(change),
            (Some(_), Some(_)) => scenarios(&mut difference, before, one, &told),
            (None, None) => {}
            (None, Some(0)) => difference.worse.push(change),
            _ => difference.other.push(change),
        }
    }
    for gone in old.requirements.iter().filter(|one| new.requirements.iter().all(|other| other.id != one.id))
    {
        difference.worse.push(format!(
            "{} ({}) {} -> not in the new report",
            gone.id,
            gone.level,
            word(gone)
        ));
    }
    for problem in new.waiver_problems.iter().filter(|problem| !old.waiver_problems.contains(problem)) {
        difference.worse.push(format!("waiver of {problem}"));
    }
    Ok(difference)
}

/// Where a requirement fails before and after: in which scenarios, whatever their lines.
fn scenarios(
    difference: &mut Difference,
    before: &RequirementResult,
    after: &RequirementResult,
    told: &dyn Fn(String) -> String,
) {
    let places = |one: &RequirementResult| -> BTreeSet<String> {
        one.failures
            .iter()
            .filter(|failure| !failure.waived)
            .map(|failure| without_line(&failure.scenario))
            .collect()
    };
    let (before, after) = (places(before), places(after));
    for place in after.difference(&before) {
        difference.worse.push(told(format!("fails in one more place: {}", line(place))));
    }
    for place in before.difference(&after) {
        difference.better.push(told(format!("fails in one place less: {}", line(place))));
    }
}

/// `features/file.feature: name` of `features/file.feature:12: name`.
fn without_line(place: &str) -> String {
    let Some((head, name)) = place.split_once(": ") else { return place.to_owned() };
    match head.rsplit_once(':') {
        Some((file, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("{file}: {name}"),
        _ => place.to_owned(),
    }
}

/// The comparison for people.
pub fn render(old: &RunResult, new: &RunResult, difference: &Difference) -> String {
    let mut text = String::new();
    for (title, list) in
        [("worse", &difference.worse), ("better", &difference.better), ("different", &difference.other)]
    {
        if !list.is_empty() {
            let _ = writeln!(text, "{title}:");
        }
        for one in list {
            let _ = writeln!(text, "  {one}");
        }
    }
    for (name, was, is) in [
        ("library", &old.library.sha256, &new.library.sha256),
        ("contract", &old.contract.version, &new.contract.version),
        ("suite", &old.suite.version, &new.suite.version),
    ] {
        let same = if was == is { line(was) } else { format!("{} -> {}", line(was), line(is)) };
        let _ = writeln!(text, "{name:<9} {same}");
    }
    if old.suite.sha256 != new.suite.sha256 {
        let _ = writeln!(text, "          the suite asks other questions than it did");
    }
    let _ = writeln!(text, "verdict   {} -> {}", old.verdict.word(), new.verdict.word());
    let _ = writeln!(
        text,
        "{} worse, {} better, {} different",
        difference.worse.len(),
        difference.better.len(),
        difference.other.len()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_same_is_no_difference() {
        assert_eq!(compare(&sample::result(), &sample::result()).unwrap(), Difference::default());
    }

    #[test]
    fn better_and_worse_are_told_apart() {
        let old = sample::result();
        let mut new = sample::result();
        new.library.sha256 = "0".repeat(64);
        // What was broken is mended, what passed is broken, and what is broken is broken in one more place.
        new.cases.retain(|case| !case.place.contains("null_safety"));
        let mended = crate::verdict::End::Complete;
        new.cases.push(sample::scenario(
            "null_safety.feature",
            50,
            "a start without model or prompt is refused",
            &["NULL-03"],
            mended,
        ));
        let mut broken = sample::scenario(
            "devices.feature",
            12,
            "the count is the same at every call",
            &["DEV-01"],
            mended,
        );
        broken.findings.push(sample::found("DEV-01", "cuda_get_device_count()", "1", "2"));
        broken.findings.push(sample::found("PROC-01", "cuda_get_device_count()", "nothing", "a line"));
        new.cases.retain(|case| !case.place.contains("the count is the same"));
        new.cases.push(broken);
        new.sum_up();
        let difference = compare(&old, &new).unwrap();
        insta::assert_snapshot!(render(&old, &new, &difference));
    }

    #[test]
    fn a_line_that_moved_is_no_difference() {
        let mut new = sample::result();
        for case in &mut new.cases {
            case.place = case.place.replace(".feature:", ".feature:1");
        }
        new.sum_up();
        assert_eq!(compare(&sample::result(), &new).unwrap(), Difference::default());
    }

    #[test]
    fn parts_are_not_compared_with_the_whole() {
        let mut part = sample::result();
        part.selection.scenario = Some("x".to_owned());
        assert!(compare(&sample::result(), &part).unwrap_err().contains("different parts"));
    }
}
