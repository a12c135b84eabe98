//! `worker-conformance contract`: the gate's commands, and a library held against the contract without loading it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use worker_contract::Level;
use worker_gate::check::{Outcome, Verdict};
use worker_gate::command;
use worker_gate::difference::Difference;
use worker_gate::report::Format;
use worker_gate::rule::{Bump, Rule};

use crate::binary;
use crate::exit_code::ExitCode;
use crate::oracle::Verdicts;

/// What to do with the contract.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// What needs no library: headers, lock and change records.
    #[command(flatten)]
    Gate(command::Command),
    /// Hold a library against the contract by its file alone: symbols, signatures in debug information, SONAME.
    CheckLibrary(Library),
}

/// A library to look into.
#[derive(Args, Debug)]
pub struct Library {
    /// The library.
    path: PathBuf,
    /// Form of the report.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs a command.
///
/// # Errors
/// If it could not run.
pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Gate(command) => match command::run(command) {
            Ok(0) => Ok(ExitCode::Conformant),
            Ok(_) => Ok(ExitCode::NonConformant),
            Err(error) => Err(anyhow!("{error}")),
        },
        Command::CheckLibrary(library) => check_library(library),
    }
}

/// The same report as for headers, over the file of a library.
fn check_library(arguments: &Library) -> anyhow::Result<ExitCode> {
    let path = &arguments.path;
    let shown = path.display().to_string();
    let data = std::fs::read(path).map_err(|error| anyhow!("cannot read `{shown}`: {error}"))?;
    let mut verdicts = Verdicts::default();
    let report = binary::judge(path, &data, &mut verdicts).map_err(|error| anyhow!("`{shown}`: {error}"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut differences: Vec<Difference> = verdicts
        .findings
        .into_iter()
        .map(|finding| {
            let rule = match finding.requirement.as_str() {
                _ if finding.level == Level::Should => Rule::LibraryRecommendation,
                "ABI-04" => Rule::LibrarySignature,
                _ => Rule::LibrarySymbol,
            };
            difference(rule, &finding.call, &name, finding.expected, finding.observed)
        })
        .collect();
    let version = &worker_contract::lock::current().version;
    let major = version.split('.').next().unwrap_or(version);
    let soname = binary::soname(&data);
    if let Some(soname) = &soname
        && let Some(other) = soname_version(soname).filter(|number| *number != major)
    {
        let expected = format!("no version in the SONAME, or {major}, that of the contract");
        differences.push(difference(
            Rule::LibrarySoname,
            soname,
            &name,
            expected,
            format!("version {other}"),
        ));
    }
    differences.sort_by_key(Difference::class);
    let bump = differences.iter().map(|one| one.class().bump()).max().unwrap_or(Bump::None);
    let refused = differences.iter().any(Difference::counts);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let outcome = Outcome {
        base: format!("contract {version}"),
        include: folder.map_or_else(|| ".".to_owned(), |folder| folder.display().to_string()),
        verdict: if refused { Verdict::Refused } else { Verdict::Unchanged },
        differences,
        problems: Vec::new(),
        covered_by: None,
        bump,
        version: version.clone(),
    };
    let text = if arguments.format == Format::Text {
        library_text(&outcome, &shown, soname.as_deref(), report.dwarf)
    } else {
        worker_gate::report::render(&outcome, arguments.format)?
    };
    command::say(&text).map_err(|error| anyhow!("{error}"))?;
    Ok(if refused { ExitCode::NonConformant } else { ExitCode::Conformant })
}

fn difference(rule: Rule, item: &str, file: &str, before: String, after: String) -> Difference {
    let (item, header) = (item.to_owned(), file.to_owned());
    Difference { rule, item, header, line: 1, before, after, seen_by: BTreeSet::new() }
}

/// The first number behind `.so` in a SONAME.
fn soname_version(soname: &str) -> Option<&str> {
    let (_, version) = soname.split_once(".so.")?;
    version.split('.').next().filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The report for people.
fn library_text(outcome: &Outcome, path: &str, soname: Option<&str>, dwarf: bool) -> String {
    let mut text = String::new();
    for one in &outcome.differences {
        let _ = writeln!(text, "{}: {} [{}]", one.class(), one.rule.title(), one.rule);
        let _ = writeln!(
            text,
            "  item      {}\n  expected  {}\n  observed  {}\n",
            one.item, one.before, one.after
        );
    }
    let signatures =
        if dwarf { "judged, from debug information" } else { "not judged: no debug information tells one" };
    let _ = writeln!(text, "library    {path}");
    let _ = writeln!(text, "against    {}", outcome.base);
    let _ = writeln!(text, "soname     {}", soname.unwrap_or("none"));
    let _ = writeln!(text, "signatures {signatures}");
    let verdict = if outcome.verdict == Verdict::Refused { "refused" } else { "as the contract asks" };
    let _ = writeln!(text, "verdict    {verdict}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_soname_is_its_first_number() {
        assert_eq!(soname_version("libworker.so.2.1"), Some("2"));
        assert_eq!(soname_version("libworker.so"), None);
        assert_eq!(soname_version("libworker.so.beta"), None);
    }
}
