//! Writes the draft of a change record, and makes the new lock once the record is whole.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use worker_contract::lock::{Lock, LockedRecord};

use crate::check::{self, Base, CheckError, Outcome, Request, Verdict};
use crate::locked::{self, Edition, LockError};
use crate::record::{self, Approval, Covered, Impact, Notification, Record, TEAMS};
use crate::rule::Bump;
use crate::source;

/// Why there is no draft or no lock.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// The check could not be made.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The headers cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file cannot be written.
    #[error("cannot write `{path}`: {cause}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// There is nothing to do.
    #[error("the headers are what was locked: there is nothing to {0}")]
    Nothing(&'static str),
    /// The record is not whole.
    #[error("the change is not covered by a whole record; `contract check` says what is missing")]
    NotCovered,
    /// The records, locks or texts cannot be put into YAML.
    #[error("cannot write YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
}

/// The version after a step.
fn stepped(version: &str, bump: Bump) -> String {
    let (major, minor) = record::version(version).unwrap_or((0, 0));
    match bump {
        Bump::Major => format!("{}.0", major + 1),
        Bump::Minor => format!("{major}.{}", minor + 1),
        Bump::None => version.to_owned(),
    }
}

/// A draft for the differences of an outcome, with a placeholder wherever a person has to write.
#[must_use]
pub fn draft(outcome: &Outcome, number: u32, from: &str) -> Record {
    let fill = |what: &str| format!("TODO: {what}");
    Record {
        record: number,
        title: fill("what changes, in a line"),
        from: from.to_owned(),
        to: stepped(from, outcome.bump),
        differences: outcome.differences.iter().filter(|one| one.counts()).map(Covered::from).collect(),
        justification: fill("what cannot be done without the change"),
        impact: Impact {
            foundation: fill("what the Foundation team has to do"),
            llama: fill("what the Llama team has to do"),
            gpt: fill("what the GPT team has to do"),
        },
        approval: Approval { by: fill("who agreed"), date: fill("when, as 2026-01-31") },
        notifications: TEAMS
            .iter()
            .map(|team| Notification { team: (*team).to_owned(), date: fill("when, as 2026-01-31") })
            .collect(),
    }
}

/// Writes the draft beside the other records, and tells where.
///
/// # Errors
/// If nothing is different, or the file cannot be written.
pub fn propose(request: &Request, outcome: &Outcome, title: &str) -> Result<PathBuf, ProposeError> {
    if outcome.bump == Bump::None {
        return Err(ProposeError::Nothing("propose"));
    }
    let files = record::read_all(&request.changes)
        .map_err(|cause| CheckError::File { path: request.changes.clone(), cause })?;
    let number = files.iter().filter_map(record::RecordFile::number).max().unwrap_or(0) + 1;
    let from = match &request.base {
        Base::Lock(path) => check::read_lock(path)?.version,
        Base::BuiltIn => worker_contract::lock::current().version.clone(),
        Base::Folder(_) | Base::Revision(_) => outcome.version.clone(),
    };
    let draft = draft(outcome, number, &from);
    let words = title.to_lowercase();
    let words: Vec<&str> =
        words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let slug = if words.is_empty() { "change".to_owned() } else { words.join("-") };
    let path = request.changes.join(format!("{number:04}-{slug}.yaml"));
    let text = format!(
        "# Draft of a change record. Write over every TODO, set the version in worker_ffi.h, add the row to LOCK.md,\n\
         # and run `contract check` until it is content; then `contract lock` makes the lock.\n\n{}",
        serde_yaml::to_string(&draft)?
    );
    write_new(&path, &text)?;
    Ok(path)
}

fn write_new(path: &Path, text: &str) -> Result<(), ProposeError> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::File::options().write(true).create_new(true).open(path)?;
        std::io::Write::write_all(&mut file, text.as_bytes())
    };
    write().map_err(|cause| ProposeError::Write { path: path.to_owned(), cause })
}

/// Makes the lock of the headers of a covered change beside the old one, and tells where.
///
/// # Errors
/// If no whole record covers the change, or the lock cannot be written.
pub fn lock(request: &Request, outcome: &Outcome) -> Result<PathBuf, ProposeError> {
    let (Base::Lock(path), Verdict::Covered, Some(by)) =
        (&request.base, &outcome.verdict, &outcome.covered_by)
    else {
        return Err(match outcome.verdict {
            Verdict::Unchanged => ProposeError::Nothing("lock"),
            _ => ProposeError::NotCovered,
        });
    };
    let old = check::read_lock(path)?;
    let files = record::read_all(&request.changes)
        .map_err(|cause| CheckError::File { path: request.changes.clone(), cause })?;
    let file = files.iter().find(|file| file.name == *by).ok_or(ProposeError::NotCovered)?;
    let Ok(record) = &file.record else { return Err(ProposeError::NotCovered) };
    let mut records = old.records.clone();
    records.push(LockedRecord { file: file.name.clone(), sha256: file.sha256.clone() });
    let edition = Edition { version: record.to.clone(), date: request.today.clone(), records };
    let sources = source::of_folder(&request.include).map_err(CheckError::from)?;
    let new = locked::capture(&sources, edition)?;
    let path = path.with_file_name(format!("{}.yaml", new.version));
    write_new(&path, &text(&new)?)?;
    Ok(path)
}

/// A lock as it stands in its file.
///
/// # Errors
/// If it cannot be put into YAML, which does not happen.
pub fn text(lock: &Lock) -> Result<String, serde_yaml::Error> {
    Ok(format!(
        "# The worker ABI {} for machines. LOCK.md says what the lock means and how alone it may change.\n\n{}",
        lock.version,
        serde_yaml::to_string(lock)?
    ))
}
