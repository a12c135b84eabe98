//! The command `explain`: a requirement, how it is checked, what usually breaks it, and what right looks like in C.

mod nearest;

use std::fmt::Write as _;
use std::sync::OnceLock;

use clap::Args;
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use worker_contract::{Need, Requirement, RequirementId, Source};

pub use nearest::Unknown;

use crate::exit_code::ExitCode;
use crate::features::{self, FeatureError, Listed};

/// Help behind the options.
pub const HELP: &str = "\
Exit status:
  0  the requirement is explained
  2  there is none of that name; the nearest ones are told

Example:
  worker-conformance explain LOAD-10";

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/explain");

/// What the C fragments are parts of: a toy library, as a header.
pub const PRELUDE: &str = include_str!("explain/prelude.h");

/// Options of `explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// The requirement, for example LOAD-10.
    #[arg(value_name = "ID")]
    id: String,
}

/// What people who wrote backends know about a requirement.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// The requirement.
    pub id: RequirementId,
    /// How it is usually broken.
    pub breaks: String,
    /// What to do.
    pub next: String,
    /// A fragment in C that shows right behaviour; compiles behind [`PRELUDE`].
    pub right: String,
}

/// All explanations, by file; a test holds them against the catalogue.
///
/// # Errors
/// With the file and the line that is wrong.
pub fn read() -> Result<Vec<Explanation>, String> {
    let mut all = Vec::new();
    for file in FILES.files().filter(|file| file.path().extension().is_some_and(|ending| ending == "yaml")) {
        let text = file.contents_utf8().unwrap_or_default();
        let part: Vec<Explanation> = serde_yaml::from_str(text)
            .map_err(|error| format!("src/explain/{}: {error}", file.path().display()))?;
        all.extend(part);
    }
    Ok(all)
}

/// The explanation of a requirement.
pub fn of(id: RequirementId) -> Option<&'static Explanation> {
    static ALL: OnceLock<Vec<Explanation>> = OnceLock::new();
    // The files are compiled in, and a test reads them: what cannot be read here was never released.
    ALL.get_or_init(|| read().unwrap_or_default()).iter().find(|one| one.id == id)
}

/// Runs the command.
///
/// # Errors
/// When there is no such requirement.
pub fn execute(explain: &Explain) -> anyhow::Result<ExitCode> {
    let id = nearest::find(&explain.id)?;
    print!("{}", render(id.requirement())?);
    Ok(ExitCode::Conformant)
}

/// Width of the text.
const WIDTH: usize = 100;

/// The text about a requirement.
///
/// # Errors
/// When a feature cannot be read.
pub fn render(requirement: &Requirement) -> Result<String, FeatureError> {
    let id = requirement.id;
    let mut text = String::new();
    let _ = writeln!(text, "{id} ({})", requirement.level);
    paragraph(&mut text, "", &requirement.text);
    let source = match requirement.source {
        Source::Seed => "the interface definition (story FT-006) or the M0 worker spec",
        Source::Clarification => {
            "a clarification (contract/LOCK.md), where the interface definition is silent"
        }
    };
    let spec = if requirement.spec.is_empty() { "none".to_owned() } else { requirement.spec.join(", ") };
    let functions: Vec<&str> = requirement.functions.iter().map(|function| function.name()).collect();
    let functions = if functions.len() == worker_contract::Function::ALL.len() {
        "all 14".to_owned()
    } else {
        functions.join(", ")
    };
    let _ = writeln!(text, "\nsource      {source}\nspec        {spec}\nfunctions   {functions}");
    if requirement.needs == Some(Need::FaultInjection) {
        let _ = writeln!(
            text,
            "needs       `faults` in the profile; counts at level strict, or where the profile has it"
        );
    }
    text.push_str("\nHow it is checked\n");
    paragraph(&mut text, "  ", &requirement.verified_by);
    for scenario in features::listed()?.iter().filter(|one| one.tags.iter().any(|tag| tag == id.as_str())) {
        let _ = writeln!(text, "  {}", line(scenario));
    }
    let _ = writeln!(text, "  alone: worker-conformance run --library PATH --only {id}");
    if let Some(known) = of(id) {
        text.push_str("\nWhat usually breaks it\n");
        paragraph(&mut text, "  ", &known.breaks);
        text.push_str("\nWhat to do\n");
        paragraph(&mut text, "  ", &known.next);
        text.push_str("\nRight, in C\n");
        for line in known.right.trim_end().lines() {
            let _ = writeln!(text, "{}", format!("    {line}").trim_end());
        }
    }
    Ok(text)
}

/// A scenario in one line: where, what, and how many examples it has.
pub(crate) fn line(scenario: &Listed) -> String {
    let examples = match scenario.examples {
        0 => String::new(),
        1 => " (1 example)".to_owned(),
        several => format!(" ({several} examples)"),
    };
    format!("features/{}:{}  {}{examples}", scenario.file, scenario.line, scenario.name)
}

/// Adds words, so many to a line as fit.
fn paragraph(text: &mut String, indent: &str, words: &str) {
    let mut length = 0;
    for word in words.split_whitespace() {
        let width = word.chars().count();
        if length > 0 && length + 1 + width > WIDTH {
            text.push('\n');
            length = 0;
        }
        text.push_str(if length == 0 { indent } else { " " });
        text.push_str(word);
        length = if length == 0 { indent.len() + width } else { length + 1 + width };
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_requirement_is_explained_once_and_nothing_else_is() {
        let all = read().unwrap();
        let explained: Vec<RequirementId> = all.iter().map(|one| one.id).collect();
        let once: BTreeSet<RequirementId> = explained.iter().copied().collect();
        assert_eq!(once.len(), explained.len(), "one is explained twice");
        let catalogue: BTreeSet<RequirementId> =
            worker_contract::catalogue().iter().map(|one| one.id).collect();
        let missing: Vec<_> = catalogue.difference(&once).collect();
        assert!(missing.is_empty(), "not explained: {missing:?}");
    }

    #[test]
    fn explanations_are_no_empty_words() {
        let all = read().unwrap();
        for one in &all {
            assert!(one.breaks.split_whitespace().count() >= 12, "{}: breaks", one.id);
            assert!(one.next.split_whitespace().count() >= 5, "{}: next", one.id);
            assert!(one.right.lines().count() >= 2, "{}: right", one.id);
            assert!(one.right.lines().all(|line| line.len() <= 120), "{}: a line is too long", one.id);
            for other in all.iter().filter(|other| other.id != one.id) {
                assert!(one.breaks != other.breaks && one.right != other.right, "{} is {}", one.id, other.id);
            }
        }
    }

    #[test]
    fn requirements_without_a_scenario_say_how_they_are_checked_all_the_same() {
        let text = render("ABI-01".parse::<RequirementId>().unwrap().requirement()).unwrap();
        assert!(text.contains("the dynamic symbol table is read"), "{text}");
    }

    #[test]
    fn the_text_reads_well() {
        for id in ["LOAD-10", "ERR-04", "FAULT-02", "ABI-05"] {
            let id: RequirementId = id.parse().unwrap();
            // Lines of the features move with every scenario that is added.
            let text = render(id.requirement()).unwrap();
            let text: String = text
                .lines()
                .map(|line| match line.split_once(".feature:") {
                    Some((file, rest)) => {
                        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                        format!("{file}.feature:LINE{rest}\n")
                    }
                    None => format!("{line}\n"),
                })
                .collect();
            insta::assert_snapshot!(format!("explain_{id}"), text);
        }
    }
}
