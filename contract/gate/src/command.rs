//! `worker-conformance contract`: check, explain, propose, lock, verify the headers.

#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::check::{self, Base, Verdict};
use crate::record;
use crate::report::{self, Format};
use crate::rule::{Class, Rule};
use crate::{propose, verify};

/// What to do with the contract.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Compare the headers with the lock, and refuse what no change record covers.
    #[command(after_help = EXITS)]
    Check(Check),
    /// Say what a rule means; all rules without one.
    Explain {
        /// Such as parameter-renamed.
        rule: Option<String>,
    },
    /// Write the draft of a change record for what is different.
    Propose {
        /// What is compared with what.
        #[command(flatten)]
        check: Check,
        /// A few words, for the name of the file.
        #[arg(long, default_value = "change")]
        title: String,
    },
    /// Make the new lock of a change that a whole record covers.
    Lock(Check),
    /// Compile the headers with real compilers, alone, in every order, twice, in every standard.
    VerifyHeaders(Verify),
}

const EXITS: &str = "\
Exit status:
  0  unchanged, editorial, or covered by a valid change record
  1  refused
  2  could not run: bad usage, no such file, no libclang";

/// Where the contract is, and what to compare it with.
#[derive(Args, Debug)]
pub struct Check {
    /// The lock; without it the one with the highest version in contract/lock, or the one that the program was built with.
    #[arg(long, value_name = "FILE", conflicts_with = "base")]
    lock: Option<PathBuf>,
    /// Compare with the headers of a folder or of a git revision instead.
    #[arg(long, value_name = "DIR|GIT-REV")]
    base: Option<String>,
    /// The headers.
    #[arg(long, value_name = "DIR", default_value = "contract/include")]
    include: PathBuf,
    /// The change records; `changes` beside the folder of the lock without it.
    #[arg(long, value_name = "DIR")]
    changes: Option<PathBuf>,
    /// The lock for people; `LOCK.md` beside the folder of the lock without it, if there is one.
    #[arg(long, value_name = "FILE")]
    lock_md: Option<PathBuf>,
    /// Form of the report.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write the report here instead of to the standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What to compile, and with what.
#[derive(Args, Debug)]
pub struct Verify {
    /// The lock; the one with the highest version in contract/lock without it.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// The headers.
    #[arg(long, value_name = "DIR", default_value = "contract/include")]
    include: PathBuf,
    /// C compiler; may be given several times.
    #[arg(long, value_name = "COMPILER", default_value = "cc")]
    cc: Vec<String>,
    /// C++ compiler; may be given several times.
    #[arg(long, value_name = "COMPILER", default_value = "c++")]
    cxx: Vec<String>,
    /// Link a C and a C++ program with this library and run them.
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,
}

/// Writes to the standard output; a reader that has had enough, such as `head`, is no failure.
///
/// # Errors
/// In words, if it cannot be written.
pub fn say(text: &str) -> Result<(), String> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to the standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// Runs a command and gives the exit code: 0 or 1.
///
/// # Errors
/// In words, if it could not run: exit code 2.
pub fn run(command: &Command) -> Result<u8, String> {
    match command {
        Command::Check(check) => self::check(check),
        Command::Explain { rule } => explain(rule.as_deref()),
        Command::Propose { check, title } => {
            let (request, outcome) = outcome(check)?;
            let path = propose::propose(&request, &outcome, title).map_err(|error| error.to_string())?;
            say(&format!("draft     {}\n", path.display()))?;
            Ok(0)
        }
        Command::Lock(check) => {
            let (request, outcome) = outcome(check)?;
            match propose::lock(&request, &outcome) {
                Ok(path) => {
                    say(&format!("lock      {}\n", path.display()))?;
                    Ok(0)
                }
                Err(error @ propose::ProposeError::NotCovered) => {
                    say(&format!("{}{error}\n", report::text::render(&outcome)))?;
                    Ok(1)
                }
                Err(error) => Err(error.to_string()),
            }
        }
        Command::VerifyHeaders(verify) => self::verify(verify),
    }
}

/// The lock with the highest version.
fn newest_lock(folder: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("cannot read `{}`: {error}; name the lock with --lock", folder.display()))?;
    let locks = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version = record::version(path.file_name()?.to_str()?.strip_suffix(".yaml")?)?;
        Some((version, path))
    });
    let newest = locks.max_by_key(|(version, _)| *version);
    newest
        .map(|(_, path)| path)
        .ok_or_else(|| format!("`{}` holds no lock such as 1.0.yaml", folder.display()))
}

fn outcome(arguments: &Check) -> Result<(check::Request, check::Outcome), String> {
    let base = match (&arguments.lock, &arguments.base) {
        (Some(path), _) => Base::Lock(path.clone()),
        (None, Some(base)) if Path::new(base).is_dir() => Base::Folder(PathBuf::from(base)),
        (None, Some(base)) => Base::Revision(base.clone()),
        (None, None) if Path::new("contract/lock").is_dir() => {
            Base::Lock(newest_lock(Path::new("contract/lock"))?)
        }
        (None, None) => Base::BuiltIn,
    };
    let root = match &base {
        Base::Lock(path) => path.parent().and_then(Path::parent).unwrap_or(Path::new("")).to_owned(),
        Base::BuiltIn | Base::Folder(_) | Base::Revision(_) => PathBuf::from("contract"),
    };
    let lock_md =
        arguments.lock_md.clone().or_else(|| Some(root.join("LOCK.md")).filter(|path| path.exists()));
    let request = check::Request {
        base,
        include: arguments.include.clone(),
        changes: arguments.changes.clone().unwrap_or_else(|| root.join("changes")),
        lock_md,
        today: record::today(),
    };
    let outcome = check::run(&request).map_err(|error| error.to_string())?;
    Ok((request, outcome))
}

fn check(arguments: &Check) -> Result<u8, String> {
    let (_, outcome) = outcome(arguments)?;
    let text = report::render(&outcome, arguments.format).map_err(|error| error.to_string())?;
    match &arguments.output {
        Some(path) => std::fs::write(path, text)
            .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?,
        None => say(&text)?,
    }
    Ok(u8::from(outcome.verdict == Verdict::Refused))
}

fn explain(rule: Option<&str>) -> Result<u8, String> {
    let Some(id) = rule else {
        let mut text = String::new();
        for class in Class::ALL {
            let _ = writeln!(text, "{class}");
            for rule in Rule::ALL.iter().filter(|rule| rule.class() == class) {
                let _ = writeln!(text, "  {:<28} {}", rule.id(), rule.title());
            }
        }
        say(&text)?;
        return Ok(0);
    };
    let rule = Rule::from_id(id)
        .ok_or_else(|| format!("there is no rule `{id}`; `contract explain` without a name lists all"))?;
    say(&rule.explain())?;
    Ok(0)
}

fn verify(arguments: &Verify) -> Result<u8, String> {
    let lock = match &arguments.lock {
        Some(path) => check::read_lock(path).map_err(|error| error.to_string())?,
        None if Path::new("contract/lock").is_dir() => {
            check::read_lock(&newest_lock(Path::new("contract/lock"))?).map_err(|error| error.to_string())?
        }
        None => worker_contract::lock::current().clone(),
    };
    let request = verify::Request {
        include: arguments.include.clone(),
        lock,
        c: arguments.cc.clone(),
        cpp: arguments.cxx.clone(),
        library: arguments.library.clone(),
    };
    let outcome = verify::run(&request).map_err(|error| error.to_string())?;
    let (mut failed, mut text) = (0, String::new());
    for trial in &outcome.trials {
        if let Some(words) = &trial.failure {
            failed += 1;
            let _ =
                writeln!(text, "FAIL {} -std={}: {}\n{words}\n", trial.compiler, trial.standard, trial.what);
        }
    }
    for left_out in &outcome.left_out {
        let _ = writeln!(text, "left out: {left_out}");
    }
    let _ = writeln!(text, "headers   {}", arguments.include.display());
    let _ = writeln!(text, "compiled  {} times, {failed} failed", outcome.trials.len());
    say(&text)?;
    Ok(u8::from(failed > 0))
}
