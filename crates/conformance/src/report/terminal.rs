//! The verdict for people: what failed, at which call, and how to see it again.

use std::fmt::Write;

use worker_contract::Level;

use crate::verdict::{Conformance, Failure, Found, RequirementResult, RunResult, Status, Verdict};
use crate::waiver::Holds;

/// Failures shown for one requirement; the report has them all.
const SHOWN: usize = 2;

/// Titles of what was not verified: what the verdict waits for, what it does not, and what does not apply.
const OPEN: [&str; 3] =
    ["not verified:", "not verified, and not asked for at this level:", "does not apply here:"];

/// The verdict as text.
pub fn render(result: &RunResult) -> String {
    let mut text = String::new();
    let counts = |one: &&RequirementResult| result.level == Conformance::Strict || one.level == Level::Must;
    let failed = |one: &&RequirementResult| one.status == Status::Fail;
    for one in result.requirements.iter().filter(failed).filter(counts) {
        describe(&mut text, "FAIL", result, one, |_| true);
    }
    for one in result.requirements.iter().filter(failed).filter(|one| !counts(one)) {
        describe(&mut text, "WARN", result, one, |_| true);
    }
    for one in result.requirements.iter().filter(|one| one.status != Status::Fail && !one.failures.is_empty())
    {
        if one.status == Status::Pass {
            describe(&mut text, "WARN", result, one, |failure| failure.level == Level::Should);
        }
    }
    for one in result.requirements.iter().filter(|one| one.status == Status::Waived) {
        let _ = writeln!(text, "WAIVED {} {}", one.id, one.reason.as_deref().unwrap_or_default());
    }
    let title_of = |one: &RequirementResult| match (result.is_asked(one), one.applies) {
        (true, _) => OPEN[0],
        (false, true) => OPEN[1],
        (false, false) => OPEN[2],
    };
    for title in OPEN {
        let open: Vec<&RequirementResult> = result
            .requirements
            .iter()
            .filter(|one| one.status == Status::NotVerified && title_of(one) == title)
            .collect();
        if !open.is_empty() {
            let _ = writeln!(text, "{title}");
        }
        for one in open {
            let _ =
                writeln!(text, "  {} {}: {}", one.id, one.level, one.reason.as_deref().unwrap_or_default());
        }
    }
    let choices: Vec<(String, &String)> = result
        .requirements
        .iter()
        .flat_map(|one| one.notes.iter().map(|note| (one.id.to_string(), note)))
        .collect();
    if !choices.is_empty() {
        let _ = writeln!(text, "choices that the contract leaves:");
        for (id, note) in choices {
            let _ = writeln!(text, "  {id} {note}");
        }
    }
    summary(&mut text, result);
    text
}

fn describe(
    text: &mut String,
    word: &str,
    result: &RunResult,
    one: &RequirementResult,
    wanted: impl Fn(&Failure) -> bool,
) {
    let requirement = one.id.requirement();
    let _ = writeln!(text, "{word} {} ({}) {}", one.id, one.level, requirement.text);
    let mut failures: Vec<&Failure> = one.failures.iter().filter(|failure| wanted(failure)).collect();
    // A call may be judged by a step and by what holds at every call: told once, that is enough.
    failures.dedup_by(|a, b| a.scenario == b.scenario && a.call == b.call && a.observed == b.observed);
    for failure in failures.iter().take(SHOWN) {
        let _ = writeln!(text, "  in        {}", failure.scenario);
        for line in steps(result, one, failure) {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "  call      {}", failure.call);
        let _ = writeln!(text, "  expected  {}", failure.expected);
        let _ = writeln!(text, "  observed  {}", failure.observed);
        let _ = writeln!(text, "  again     {}", failure.rerun);
    }
    if failures.len() > SHOWN {
        let _ = writeln!(text, "  and {} more like it; --json FILE has them all", failures.len() - SHOWN);
    }
    let _ = writeln!(text, "  why       worker-conformance explain {}", one.id);
    if let Some(reason) = &one.reason {
        let _ = writeln!(text, "  note      {reason}");
    }
    text.push('\n');
}

/// The step in which something was found; where one scenario is played alone, all that led there.
fn steps(result: &RunResult, one: &RequirementResult, failure: &Failure) -> Vec<String> {
    let case = result.cases.iter().find(|case| case.place == failure.scenario);
    let found = case.and_then(|case| {
        let own = |found: &&Found| {
            found.requirement == one.id && found.call == failure.call && found.observed == failure.observed
        };
        Some((case.scenario.as_ref()?, case.findings.iter().find(own)?.step?))
    });
    let Some((scenario, at)) = found else { return Vec::new() };
    let from = if result.selection.scenario.is_some() { 0 } else { at };
    let told = scenario.steps.iter().take(at + 1).skip(from).enumerate();
    let title = |number| if number == 0 { "step" } else { "" };
    told.map(|(number, step)| format!("{:<8}  {} {}", title(number), step.keyword, step.text)).collect()
}

fn summary(text: &mut String, result: &RunResult) {
    let _ = writeln!(text, "library   {}", result.library.path);
    let _ = writeln!(text, "sha256    {}", result.library.sha256);
    let _ = writeln!(text, "contract  {}, level {}", result.contract.version, result.level.word());
    let checks: u64 = result.requirements.iter().map(|one| one.checks).sum();
    let warnings = result.requirements.iter().filter(|one| one.status == Status::Fail && !result.counts(one));
    let warnings = match (warnings.count(), result.count(Status::Fail)) {
        (0, _) => String::new(),
        (some, all) if some == all => " (only SHOULDs, which are warnings)".to_owned(),
        (1, _) => " (one of them a SHOULD, which is a warning)".to_owned(),
        (some, _) => format!(" ({some} of them SHOULDs, which are warnings)"),
    };
    let _ = writeln!(
        text,
        "requirements: {} pass, {} fail{warnings}, {} not verified, {} waived; {} scenarios, {checks} checks, {:.1} s",
        result.count(Status::Pass),
        result.count(Status::Fail),
        result.count(Status::NotVerified),
        result.count(Status::Waived),
        result.scenarios,
        result.seconds,
    );
    if let Some(generated) = &result.generated {
        let _ = write!(text, "generated programs: {} of seed {}", generated.programs, generated.seed);
        let reason = generated.reason.as_ref().map_or(String::new(), |reason| format!(", as {reason}"));
        let _ = writeln!(text, "{reason}");
    }
    for waiver in result.waivers.iter().filter(|waiver| waiver.holds == Holds::Elsewhere) {
        let _ = writeln!(
            text,
            "waiver    of {} in {} does not count here: it is for another library or device",
            waiver.name(),
            waiver.from
        );
    }
    if !result.waiver_problems.is_empty() {
        let _ = writeln!(text, "waivers that must not stay as they are, which fails the run:");
    }
    for problem in &result.waiver_problems {
        let _ = writeln!(text, "  {problem}");
    }
    if result.selection.is_narrowed() {
        let _ = writeln!(
            text,
            "part      the verdict is about the scenarios asked for; leave the choice out to judge the library"
        );
    }
    if let Some(shard) = result.selection.shard {
        let _ = writeln!(text, "shard     {shard}: the verdict is about this part; `report merge` joins all");
    }
    let _ = writeln!(text, "verdict   {}", result.verdict.word());
    if result.verdict == Verdict::Incomplete {
        let _ =
            writeln!(text, "          nothing is broken, but what stands under `not verified` was not shown");
    }
}

#[cfg(test)]
mod tests {
    use worker_contract::catalogue;

    use super::*;
    use crate::report::sample;
    use crate::verdict::Shard;
    use crate::waiver::GivenWaiver;

    /// The sample without the many requirements that nothing was played for.
    fn shown(result: &RunResult) -> String {
        let silent = "no scenario verifies it yet";
        render(result).lines().filter(|line| !line.contains(silent)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_verdict_reads_well() {
        let mut result = sample::result();
        let case = result.cases.iter_mut().find(|case| !case.findings.is_empty()).unwrap();
        // The same call, found by what holds at every call.
        let again =
            crate::verdict::Found { expected: "a failure value".to_owned(), ..case.findings[0].clone() };
        case.findings.insert(1, again);
        result.sum_up();
        insta::assert_snapshot!("terminal", shown(&result));
    }

    #[test]
    fn at_level_strict_a_should_fails() {
        let mut result = sample::result();
        result.level = Conformance::Strict;
        result.sum_up();
        let text = shown(&result);
        assert!(text.contains("FAIL PROC-01 (SHOULD)") && !text.contains("WARN"), "{text}");
        assert!(!text.contains("which are warnings"), "{text}");
    }

    #[test]
    fn a_part_of_the_suite_says_that_it_is_one() {
        let mut result = sample::result();
        result.selection.shard = Some(Shard { index: 2, count: 5 });
        result.selection.only = vec![catalogue()[0].id];
        let elsewhere = GivenWaiver { holds: Holds::Elsewhere, ..result.waivers[0].clone() };
        result.waivers.push(elsewhere);
        result.waiver_problems = vec!["ERR-01, mine.yaml: it passes now; take the waiver out".to_owned()];
        result.sum_up();
        let text = shown(&result);
        let end = text.lines().skip_while(|line| !line.starts_with("library"));
        insta::assert_snapshot!("terminal_part", end.collect::<Vec<_>>().join("\n"));
    }
}
