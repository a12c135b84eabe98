//! The command `report`: what can be done with reports that are there already.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::outputs::Outputs;
use super::{diff, json, matrix, terminal, verify, write};
use crate::exit_code::ExitCode;
use crate::verdict::{RunResult, merge};

/// What to do with reports.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make other forms of a JSON report.
    #[command(after_help = CONVERT)]
    Convert(Convert),
    /// Say what got better and what got worse between two JSON reports.
    #[command(after_help = DIFF)]
    Diff(Diff),
    /// Join the JSON reports of all shards of one run.
    #[command(after_help = MERGE)]
    Merge(Merge),
    /// Set several backends side by side, requirement by requirement.
    #[command(after_help = MATRIX)]
    Matrix(Matrix),
    /// Check a package that `run --package` has made.
    #[command(after_help = VERIFY)]
    Verify(Verify),
}

/// Help of the group.
pub const HELP: &str = "\
Exit status:
  0  done, and nothing speaks against the library
  1  something got worse, a requirement is broken, or a package is not whole
  2  a report cannot be read, or the reports do not fit together
  3  incomplete, of merge

Example:
  worker-conformance report convert report.json --html report.html";

const CONVERT: &str = "\
Exit status:
  0  the files were written
  2  the report cannot be read, or a file cannot be written

Example:
  worker-conformance report convert report.json --html report.html --junit junit.xml";

const DIFF: &str = "\
Exit status:
  0  nothing got worse
  1  something got worse
  2  a report cannot be read, or the two cannot be compared

Example:
  worker-conformance report diff last-release.json report.json";

const MERGE: &str = "\
Exit status:
  0  conformant at the level asked for, as the whole run
  1  non-conformant: a requirement is broken
  2  the reports are not the shards of one run, each once; or a waiver is stale
  3  incomplete: nothing is broken, but a requirement that counts was not verified

Example:
  worker-conformance report merge shard-1.json shard-2.json --json report.json --html report.html";

const MATRIX: &str = "\
Exit status:
  0  the matrix was written
  2  a report cannot be read, or a file cannot be written

Example:
  worker-conformance report matrix mock.json cuda.json --html matrix.html";

const VERIFY: &str = "\
Exit status:
  0  the package is whole; whether the library conforms is the verdict that it prints
  1  it was altered, is damaged, or is no package
  2  the file cannot be read

Example:
  worker-conformance report verify out.zip";

/// Options of `report convert`.
#[derive(Args, Debug)]
pub struct Convert {
    /// The report of `run --json`.
    file: PathBuf,
    #[command(flatten)]
    outputs: Outputs,
}

/// Options of `report diff`.
#[derive(Args, Debug)]
pub struct Diff {
    /// The report before.
    old: PathBuf,
    /// The report after.
    new: PathBuf,
}

/// Options of `report merge`.
#[derive(Args, Debug)]
pub struct Merge {
    /// The reports of `run --shard K/N --json`, in any order.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
}

/// Options of `report matrix`.
#[derive(Args, Debug)]
pub struct Matrix {
    /// The reports, one a backend.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write it as Markdown; without this and --html it is printed.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write it as a page that needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Options of `report verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// The package.
    file: PathBuf,
}

/// Runs a command.
///
/// # Errors
/// When it could not do its work.
pub fn execute(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Convert(options) => {
            if options.outputs.files().is_empty() {
                return Err(anyhow!("nothing to write: give a form and a file, such as --html report.html"));
            }
            told(&options.outputs.write(&read(&options.file)?)?);
            Ok(ExitCode::Conformant)
        }
        Command::Diff(options) => {
            let (old, new) = (read(&options.old)?, read(&options.new)?);
            let difference = diff::compare(&old, &new).map_err(|why| anyhow!(why))?;
            print!("{}", diff::render(&old, &new, &difference));
            Ok(if difference.worse.is_empty() { ExitCode::Conformant } else { ExitCode::NonConformant })
        }
        Command::Merge(options) => {
            let parts: anyhow::Result<Vec<(PathBuf, RunResult)>> =
                options.files.iter().map(|path| Ok((path.clone(), read(path)?))).collect();
            let whole = merge(parts?)?;
            print!("{}", terminal::render(&whole));
            told(&options.outputs.write(&whole)?);
            Ok(whole.exit_code())
        }
        Command::Matrix(options) => {
            let results: Vec<RunResult> =
                options.files.iter().map(|path| read(path)).collect::<anyhow::Result<_>>()?;
            let markdown = matrix::markdown(&results);
            if options.markdown.is_none() && options.html.is_none() {
                print!("{markdown}");
            }
            if let Some(path) = &options.markdown {
                put(path, &markdown)?;
            }
            if let Some(path) = &options.html {
                put(path, &matrix::page(&results)?)?;
            }
            Ok(ExitCode::Conformant)
        }
        Command::Verify(options) => match verify::verify(&options.file) {
            Ok(package) => {
                print!("{}", verify::render(&package));
                Ok(ExitCode::Conformant)
            }
            Err(refusal) if refusal.is_about_content() => {
                eprintln!("error: `{}`: {refusal}", options.file.display());
                Ok(ExitCode::NonConformant)
            }
            Err(refusal) => Err(anyhow!("`{}`: {refusal}", options.file.display())),
        },
    }
}

fn read(path: &Path) -> anyhow::Result<RunResult> {
    Ok(json::read(path)?)
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    write::whole(path, text.as_bytes())
        .map_err(|error| anyhow!("cannot write `{}`: {error}", path.display()))?;
    println!("report    {}", path.display());
    Ok(())
}

fn told(written: &[PathBuf]) {
    for path in written {
        println!("report    {}", path.display());
    }
}
