//! The verdict for people: what failed, at which call, and how to see it again.

use std::fmt::Write;

use worker_contract::Level;

use crate::verdict::{Conformance, Failure, RequirementResult, RunResult, Status, Verdict};

/// Failures shown for one requirement; the report has them all.
const SHOWN: usize = 2;

/// The verdict as text.
pub fn render(result: &RunResult) -> String {
    let mut text = String::new();
    let counts = |one: &&RequirementResult| result.level == Conformance::Strict || one.level == Level::Must;
    let failed = |one: &&RequirementResult| one.status == Status::Fail;
    for one in result.requirements.iter().filter(failed).filter(counts) {
        describe(&mut text, "FAIL", one, |_| true);
    }
    for one in result.requirements.iter().filter(failed).filter(|one| !counts(one)) {
        describe(&mut text, "WARN", one, |_| true);
    }
    for one in result.requirements.iter().filter(|one| one.status != Status::Fail && !one.failures.is_empty())
    {
        if one.status == Status::Pass {
            describe(&mut text, "WARN", one, |failure| failure.level == Level::Should);
        }
    }
    for one in result.requirements.iter().filter(|one| one.status == Status::Waived) {
        let _ = writeln!(text, "WAIVED {} {}", one.id, one.reason.as_deref().unwrap_or_default());
    }
    for (applies, title) in [(true, "not verified:"), (false, "does not apply here:")] {
        let open: Vec<&RequirementResult> = result
            .requirements
            .iter()
            .filter(|one| one.status == Status::NotVerified && one.applies == applies)
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

fn describe(text: &mut String, word: &str, one: &RequirementResult, wanted: impl Fn(&Failure) -> bool) {
    let requirement = one.id.requirement();
    let _ = writeln!(text, "{word} {} ({}) {}", one.id, one.level, requirement.text);
    let failures: Vec<&Failure> = one.failures.iter().filter(|failure| wanted(failure)).collect();
    for failure in failures.iter().take(SHOWN) {
        let _ = writeln!(text, "  in        {}", failure.scenario);
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

fn summary(text: &mut String, result: &RunResult) {
    let _ = writeln!(text, "library   {}", result.library.path);
    let _ = writeln!(text, "sha256    {}", result.library.sha256);
    let _ = writeln!(text, "contract  {}, level {}", result.contract.version, result.level.word());
    let checks: u64 = result.requirements.iter().map(|one| one.checks).sum();
    let _ = writeln!(
        text,
        "requirements: {} pass, {} fail, {} not verified, {} waived; {} scenarios, {checks} checks, {:.1} s",
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
    if !result.waiver_problems.is_empty() {
        let _ = writeln!(text, "waivers that must not stay as they are, which fails the run:");
    }
    for problem in &result.waiver_problems {
        let _ = writeln!(text, "  {problem}");
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
