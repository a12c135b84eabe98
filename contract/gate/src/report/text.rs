//! The report for people.

#![forbid(unsafe_code)]

use std::fmt::Write as _;

use crate::check::{Outcome, Verdict};
use crate::rule::{Bump, Class};

/// How much of a long text is shown.
const SHOWN: usize = 240;

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    line.chars().take(SHOWN).collect::<String>() + " ..."
}

/// The whole report.
#[must_use]
pub fn render(outcome: &Outcome) -> String {
    let mut text = String::new();
    for class in Class::ALL {
        let here = outcome.differences.iter().filter(|one| one.class() == class);
        for one in here {
            let _ = writeln!(text, "{class}: {} [{}]", one.rule.title(), one.rule);
            let _ = writeln!(text, "  item    {}", one.item);
            let _ = writeln!(text, "  where   {}/{}:{}", outcome.include, one.header, one.line);
            // Comments are long, and rewording is nobody's business.
            if class != Class::Editorial {
                for (label, side) in [("before", &one.before), ("after ", &one.after)] {
                    if !side.is_empty() {
                        let _ = writeln!(text, "  {label}  {}", short(side));
                    }
                }
                if !one.seen_by.is_empty() {
                    let seen = one.seen_by.iter().cloned().collect::<Vec<_>>().join(", ");
                    let _ = writeln!(text, "  seen by {seen}");
                }
                let _ = writeln!(text, "  affects {}", class.affected());
                let _ =
                    writeln!(text, "  needs   a change record and a {} version bump", class.bump().name());
            }
            text.push('\n');
        }
    }
    for problem in &outcome.problems {
        let _ = writeln!(text, "change control: {}\n  {}\n", problem.file, problem.text);
    }
    let count = |class: Class| outcome.differences.iter().filter(|one| one.class() == class).count();
    let counts: Vec<String> = Class::ALL
        .iter()
        .filter(|class| count(**class) > 0)
        .map(|class| format!("{} {class}", count(*class)))
        .collect();
    let counts = if counts.is_empty() { "no difference".to_owned() } else { counts.join(", ") };
    let _ = writeln!(text, "headers   {}", outcome.include);
    let _ = writeln!(text, "against   {}", outcome.base);
    let _ = writeln!(text, "found     {counts}");
    let verdict = match (&outcome.verdict, &outcome.covered_by) {
        (Verdict::Unchanged, _) => "unchanged: the contract is what was locked".to_owned(),
        (Verdict::Covered, by) => {
            format!("covered: by the change record {}", by.as_deref().unwrap_or_default())
        }
        (Verdict::Refused, _) if outcome.bump == Bump::None => {
            "refused: change control is not in order".to_owned()
        }
        (Verdict::Refused, _) if outcome.problems.is_empty() => {
            "refused: no change record covers this; `contract propose` writes a draft, \
             `contract explain RULE` says why it matters"
                .to_owned()
        }
        (Verdict::Refused, _) => {
            "refused: the contract changes, and change control is not in order".to_owned()
        }
    };
    let _ = writeln!(text, "verdict   {verdict}");
    text
}
