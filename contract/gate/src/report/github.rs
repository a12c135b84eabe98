//! Annotations of GitHub Actions: one line a finding, shown beside the line of the header.

#![forbid(unsafe_code)]

use std::fmt::Write as _;

use crate::check::{Outcome, Verdict};
use crate::rule::Class;

/// Text after `::`.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text of a property, in which more signs have a meaning.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

/// All annotations, and a last line for the log.
#[must_use]
pub fn render(outcome: &Outcome) -> String {
    let mut text = String::new();
    for one in &outcome.differences {
        let level = match one.class() {
            Class::Editorial => "notice",
            _ if outcome.verdict == Verdict::Covered => "notice",
            Class::CompatibleAddition => "warning",
            _ => "error",
        };
        let file = format!("{}/{}", outcome.include, one.header);
        let title = format!("{}: {}", one.class(), one.rule);
        let mut words = format!("{}: {}", one.item, one.rule.title());
        if one.class() != Class::Editorial {
            let _ = write!(words, "\nbefore: {}\nafter: {}\n{}", one.before, one.after, one.rule.why());
        }
        let _ = writeln!(
            text,
            "::{level} file={},line={},title={}::{}",
            property(&file),
            one.line,
            property(&title),
            message(&words)
        );
    }
    for problem in &outcome.problems {
        let title = property("change control");
        let _ = writeln!(
            text,
            "::error file={},title={title}::{}",
            property(&problem.file),
            message(&problem.text)
        );
    }
    let verdict = match outcome.verdict {
        Verdict::Unchanged => "unchanged",
        Verdict::Covered => "covered",
        Verdict::Refused => "refused",
    };
    let _ = writeln!(text, "contract {verdict}, {} differences", outcome.differences.len());
    text
}
