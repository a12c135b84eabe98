//! The report as TAP 13, which all readers know (`prove` refuses 14): one test point a requirement.

use std::fmt::Write;

use serde::Serialize;

use super::plain::line;
use crate::verdict::{RequirementResult, RunResult, Status};

/// Failures told of one requirement.
const SHOWN: usize = 5;

/// A description or a reason: what would begin a directive is escaped.
fn escape(text: &str) -> String {
    line(text).replace('\\', "\\\\").replace('#', "\\#")
}

#[derive(Serialize)]
struct Diagnostic {
    level: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<Told>,
}

#[derive(Serialize)]
struct Told {
    scenario: String,
    call: String,
    expected: String,
    observed: String,
    again: String,
}

/// The report.
pub fn render(result: &RunResult) -> String {
    let mut text = format!("TAP version 13\n1..{}\n", result.requirements.len());
    let _ = writeln!(text, "# library {}", line(&result.library.path));
    let _ = writeln!(text, "# sha256 {}", line(&result.library.sha256));
    for (at, one) in result.requirements.iter().enumerate() {
        point(&mut text, result, at + 1, one);
    }
    let _ = writeln!(text, "# verdict {}", result.verdict.word());
    text
}

fn point(text: &mut String, result: &RunResult, number: usize, one: &RequirementResult) {
    let reason = escape(one.reason.as_deref().unwrap_or_default());
    // A reason would end where its line ends; it begins behind a directive.
    let (ok, directive) = match one.status {
        Status::Pass => (true, String::new()),
        Status::Fail if result.counts(one) => (false, String::new()),
        Status::Fail => (false, " # TODO only a SHOULD".to_owned()),
        Status::Waived => (false, format!(" # TODO waived: {reason}")),
        Status::NotVerified if result.is_asked(one) => (false, String::new()),
        Status::NotVerified => (true, format!(" # SKIP {reason}")),
    };
    let word = if ok { "ok" } else { "not ok" };
    let _ = writeln!(text, "{word} {number} - {} {}{directive}", one.id, escape(&one.text));
    if ok {
        return;
    }
    let failures = one.failures.iter().take(SHOWN).map(|failure| Told {
        scenario: line(&failure.scenario),
        call: line(&failure.call),
        expected: line(&failure.expected),
        observed: line(&failure.observed),
        again: line(&failure.rerun),
    });
    let reason = match (one.status, &one.reason) {
        (Status::NotVerified, Some(reason)) => Some(format!("not verified: {}", line(reason))),
        (_, reason) => reason.as_deref().map(line),
    };
    let diagnostic = Diagnostic { level: one.level.to_string(), reason, failures: failures.collect() };
    let yaml = serde_yaml::to_string(&diagnostic).unwrap_or_default();
    text.push_str("  ---\n");
    for line in yaml.lines() {
        let _ = writeln!(text, "  {line}");
    }
    text.push_str("  ...\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_report_reads_well() {
        let text = render(&sample::result());
        let rest = text.lines().filter(|line| !line.contains("FAULT-")).collect::<Vec<_>>();
        insta::assert_snapshot!(rest.join("\n"));
    }

    #[test]
    fn hostile_text_makes_no_line_of_its_own() {
        let text = render(&sample::hostile());
        let points = text.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok "));
        assert_eq!(points.count(), sample::hostile().requirements.len());
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
        for line in text.lines() {
            let known = ["TAP version 13", "1..", "# ", "ok ", "not ok ", "  "];
            assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
        }
    }
}
