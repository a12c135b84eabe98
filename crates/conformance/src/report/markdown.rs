//! The report as Markdown, short enough for the summary page of a CI job.

use std::fmt::Write;

use super::plain::line;
use crate::verdict::{RequirementResult, RunResult, Status, Verdict};

/// Failures shown of one requirement.
const SHOWN: usize = 3;
/// Bytes of the report: GitHub refuses a summary of more than a mebibyte.
const MOST: usize = 900 << 10;

/// Text in a table or a paragraph, with nothing that Markdown or HTML takes for markup.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in line(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // An address or a mention of somebody would become a link.
            '@' => escaped.push_str("&#64;"),
            ':' => escaped.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(character);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text as code: between more backticks than it has in a row.
pub fn code(text: &str) -> String {
    let text = line(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The report.
pub fn render(result: &RunResult) -> String {
    let mut text = String::new();
    head(&mut text, result);
    let failed = |counts: bool| {
        result
            .requirements
            .iter()
            .filter(move |one| one.status == Status::Fail && result.counts(one) == counts)
    };
    section(&mut text, "Broken", failed(true), describe);
    section(&mut text, "Broken, but only asked for at level strict", failed(false), describe);
    let open = result.requirements.iter().filter(|one| one.status == Status::NotVerified && one.applies);
    section(&mut text, "Not verified", open, reason);
    let waived = result.requirements.iter().filter(|one| one.status == Status::Waived);
    section(&mut text, "Waived", waived, reason);
    if !result.waiver_problems.is_empty() {
        text.push_str("\n### Waivers that must not stay as they are\n\n");
        for problem in &result.waiver_problems {
            let _ = writeln!(text, "- {}", escape(problem));
        }
    }
    families(&mut text, result);
    text
}

fn head(text: &mut String, result: &RunResult) {
    let word = match result.verdict {
        Verdict::Conformant => "✅ conformant",
        Verdict::NonConformant => "❌ non-conformant",
        Verdict::Incomplete => "❔ incomplete",
    };
    let name = result.profile.as_ref().and_then(|profile| profile.name.as_deref());
    let name = name.unwrap_or(&result.library.file);
    let _ = writeln!(text, "## {word}: {}\n", escape(name));
    let count = |status| result.count(status);
    let _ = writeln!(
        text,
        "Contract {}, level {}: **{}** pass, **{}** fail, **{}** not verified, **{}** waived; {} scenarios, {:.1} s.\n",
        escape(&result.contract.version),
        result.level.word(),
        count(Status::Pass),
        count(Status::Fail),
        count(Status::NotVerified),
        count(Status::Waived),
        result.scenarios,
        result.seconds
    );
    let _ = writeln!(text, "| | |\n|---|---|");
    for (name, value) in super::about::facts(result) {
        let _ = writeln!(text, "| {name} | {} |", escape(&value));
    }
}

fn section<'r>(
    text: &mut String,
    title: &str,
    all: impl Iterator<Item = &'r RequirementResult>,
    tell: impl Fn(&mut String, &RequirementResult),
) {
    let mut all = all.peekable();
    if all.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n### {title}\n");
    let mut left_out = 0;
    for one in all {
        if text.len() < MOST {
            tell(text, one);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let _ = writeln!(text, "\n{left_out} more requirements stand in the full report.");
    }
}

fn describe(text: &mut String, one: &RequirementResult) {
    let _ = writeln!(text, "#### {} ({}) {}\n", one.id, one.level, escape(&one.text));
    for failure in one.failures.iter().take(SHOWN) {
        let _ = writeln!(text, "- {}", escape(&failure.scenario));
        let _ = writeln!(text, "  - call {}", code(&failure.call));
        let _ = writeln!(text, "  - expected {}", escape(&failure.expected));
        let _ = writeln!(text, "  - observed {}", code(&failure.observed));
        let _ = writeln!(text, "  - again {}", code(&failure.rerun));
    }
    if one.failures.len() > SHOWN {
        let _ = writeln!(text, "- and {} more like it", one.failures.len() - SHOWN);
    }
    text.push('\n');
}

fn reason(text: &mut String, one: &RequirementResult) {
    let why = one.reason.as_deref().unwrap_or_default();
    let _ = writeln!(text, "- **{}** ({}): {}", one.id, one.level, escape(why));
}

fn families(text: &mut String, result: &RunResult) {
    text.push_str(
        "\n### By family\n\n| family | pass | fail | not verified | waived |\n|---|---|---|---|---|\n",
    );
    for family in worker_contract::requirements::families() {
        let of: Vec<_> = result.requirements.iter().filter(|one| one.id.family() == family).collect();
        if of.is_empty() {
            continue;
        }
        let count = |status| of.iter().filter(|one| one.status == status).count();
        let _ = writeln!(
            text,
            "| {family} | {} | {} | {} | {} |",
            count(Status::Pass),
            count(Status::Fail),
            count(Status::NotVerified),
            count(Status::Waived)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_report_reads_well() {
        insta::assert_snapshot!(render(&sample::result()));
    }

    #[test]
    fn hostile_text_stays_text() {
        let text = render(&sample::hostile());
        assert!(
            !text.contains("<script")
                || text.lines().filter(|line| line.contains("<script")).all(|line| line.contains('`'))
        );
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn code_is_fenced_by_more_backticks_than_it_has() {
        assert_eq!(code("a `b` ``c"), "```a `b` ``c```");
        assert_eq!(code("`x"), "`` `x ``");
        assert_eq!(escape("<b>|`*a_b"), "&lt;b&gt;\\|\\`\\*a\\_b");
    }
}
