//! The verdict: are the headers what was locked, or does a change record cover every difference?

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use serde::Serialize;
use worker_contract::lock::Lock;

use crate::diff;
use crate::difference::Difference;
use crate::interface::{Interface, Sources};
use crate::libclang::Language;
use crate::locked;
use crate::record::{self, RecordFile};
use crate::rule::{Bump, Class};
use crate::source;

/// What headers are compared with.
#[derive(Clone, Debug)]
pub enum Base {
    /// The lock that the program was built with.
    BuiltIn,
    /// A lock.
    Lock(PathBuf),
    /// The headers of another folder.
    Folder(PathBuf),
    /// The headers of the same folder at a revision of git.
    Revision(String),
}

/// What to check, and where the rest of the contract is.
#[derive(Clone, Debug)]
pub struct Request {
    /// What headers are compared with.
    pub base: Base,
    /// The headers.
    pub include: PathBuf,
    /// The change records.
    pub changes: PathBuf,
    /// The lock for people, with the version history; without it there is no history to hold against the headers.
    pub lock_md: Option<PathBuf>,
    /// Today, as 2026-01-31.
    pub today: String,
}

/// Something that is wrong with change control itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// What is wrong, and what to do.
    pub text: String,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing that counts is different.
    Unchanged,
    /// Everything that is different is covered by a change record.
    Covered,
    /// There are differences that nothing covers, or change control is broken.
    Refused,
}

/// The result of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What the headers were compared with.
    pub base: String,
    /// Folder of the headers, as it was given.
    pub include: String,
    /// How it came out.
    pub verdict: Verdict,
    /// All differences, the worst first.
    pub differences: Vec<Difference>,
    /// What is wrong with change control.
    pub problems: Vec<Problem>,
    /// The record that covers the differences.
    pub covered_by: Option<String>,
    /// The version bump that the differences need.
    pub bump: Bump,
    /// The version before.
    pub version: String,
}

/// Why no check could be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Headers are missing.
    #[error(transparent)]
    Source(#[from] source::SourceError),
    /// Headers cannot be read as C.
    #[error(transparent)]
    Read(#[from] crate::interface::ReadError),
    /// A file cannot be read.
    #[error("cannot read `{path}`: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The lock is none.
    #[error("`{path}`: {cause}")]
    Lock {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: worker_contract::lock::ParseLockError,
    },
}

/// Reads a lock.
///
/// # Errors
/// If it is not there, or none.
pub fn read_lock(path: &Path) -> Result<Lock, CheckError> {
    let text = read(path)?;
    Lock::parse(&text).map_err(|cause| CheckError::Lock { path: path.to_owned(), cause })
}

fn read(path: &Path) -> Result<String, CheckError> {
    std::fs::read_to_string(path).map_err(|cause| CheckError::File { path: path.to_owned(), cause })
}

/// Checks headers.
///
/// # Errors
/// If something cannot be read, or there is no libclang.
pub fn run(request: &Request) -> Result<Outcome, CheckError> {
    let sources = source::of_folder(&request.include)?;
    let new = Interface::read(&sources)?;
    let records = record::read_all(&request.changes)
        .map_err(|cause| CheckError::File { path: request.changes.clone(), cause })?;
    let mut problems = Vec::new();
    let (name, old, pending) = match &request.base {
        Base::BuiltIn => {
            let lock = worker_contract::lock::current();
            let pending = settle(lock, &records, &request.changes, &mut problems);
            let name = format!("the lock {} of this program", lock.version);
            (name, Interface::read(&locked::sources(lock))?, pending)
        }
        Base::Lock(path) => {
            let lock = read_lock(path)?;
            let pending = settle(&lock, &records, &request.changes, &mut problems);
            (path.display().to_string(), Interface::read(&locked::sources(&lock))?, pending)
        }
        Base::Folder(folder) => {
            let old = Interface::read(&source::of_folder(folder)?)?;
            let before = record::read_all(&folder.join("../changes")).unwrap_or_default();
            let texts =
                before.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect::<Vec<_>>();
            let pending = unknown(&records, |file| texts.contains(&(file.name.clone(), file.sha256.clone())));
            (folder.display().to_string(), old, pending)
        }
        Base::Revision(revision) => {
            let sources = source::headers_of_revision(&request.include, revision)?;
            if sources.is_empty() {
                let what = format!("{revision}: {}", request.include.display());
                return Err(source::SourceError::Empty(what).into());
            }
            let before = old_records(request, revision)?;
            for (name, text) in &before {
                let now = records.iter().find(|file| file.name == *name);
                let same =
                    now.is_some_and(|file| std::fs::read_to_string(&file.path).is_ok_and(|now| now == *text));
                if !same {
                    problems.push(Problem {
                        file: request.changes.join(name).display().to_string(),
                        text: format!("was changed or removed since {revision}; records are append-only"),
                    });
                }
            }
            let pending = unknown(&records, |file| before.contains_key(&file.name));
            (revision.clone(), Interface::read(&sources)?, pending)
        }
    };
    let differences = diff::compare(&old, &new);
    let counts: Vec<&Difference> = differences.iter().filter(|one| one.counts()).collect();
    let bump = counts.iter().map(|one| one.class().bump()).max().unwrap_or(Bump::None);
    let history = request.lock_md.as_deref().map(read).transpose()?;
    let covered_by = judge(request, &old, &new, &differences, &pending, history.as_deref(), &mut problems);
    let verdict = match (counts.is_empty(), &covered_by) {
        _ if !problems.is_empty() => Verdict::Refused,
        (true, _) => Verdict::Unchanged,
        (false, Some(_)) => Verdict::Covered,
        (false, None) => Verdict::Refused,
    };
    let include = request.include.display().to_string();
    Ok(Outcome {
        base: name,
        include,
        verdict,
        differences,
        problems,
        covered_by,
        bump,
        version: version_of(&old),
    })
}

/// The records at a revision; none if there were none yet.
fn old_records(request: &Request, revision: &str) -> Result<Sources, CheckError> {
    if request.changes.is_dir() {
        Ok(source::records_of_revision(&request.changes, revision)?)
    } else {
        Ok(Sources::new())
    }
}

fn unknown(records: &[RecordFile], known: impl Fn(&RecordFile) -> bool) -> Vec<RecordFile> {
    records.iter().filter(|file| !known(file)).cloned().collect()
}

/// Holds the records against those that the lock names, and gives the others.
fn settle(
    lock: &Lock,
    records: &[RecordFile],
    changes: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<RecordFile> {
    for locked in &lock.records {
        let text = match records.iter().find(|file| file.name == locked.file) {
            Some(file) if file.sha256 == locked.sha256 => continue,
            Some(_) => "was changed after it was locked; records are append-only, so restore it",
            None => "is gone, but the lock names it; records are append-only, so restore it",
        };
        problems
            .push(Problem { file: changes.join(&locked.file).display().to_string(), text: text.to_owned() });
    }
    unknown(records, |file| lock.records.iter().any(|locked| locked.file == file.name))
}

/// The record that covers all differences, if there is one and all is well with it.
fn judge(
    request: &Request,
    old: &Interface,
    new: &Interface,
    differences: &[Difference],
    pending: &[RecordFile],
    history: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let before = problems.len();
    let (old_version, new_version) = (version_of(old), version_of(new));
    let rows = rows(history.unwrap_or_default());
    let lock_md = request.lock_md.clone().unwrap_or_else(|| PathBuf::from("LOCK.md"));
    let mut put = |file: &Path, text: String| {
        problems.push(Problem { file: file.display().to_string(), text });
    };
    let newest = rows.last().map(|(version, _)| version.clone()).unwrap_or_default();
    if history.is_some() && newest != new_version {
        put(
            &lock_md,
            format!(
                "the version history ends with {}, and the headers say {new_version}; \
                 the row and WORKER_FFI_VERSION_* change together",
                if newest.is_empty() { "no version" } else { &newest }
            ),
        );
    }
    let mut covering = None;
    for file in pending {
        let record = match &file.record {
            Ok(record) => record,
            Err(error) => {
                put(&file.path, format!("is no change record: {error}"));
                continue;
            }
        };
        if file.number().is_none() {
            put(&file.path, "is not named as records are, NNNN-title.yaml in lower case".to_owned());
        }
        for problem in record::problems(record, file.number(), &request.today) {
            put(&file.path, problem);
        }
        for problem in record::mismatch(record, differences) {
            put(&file.path, problem);
        }
        if record.from != old_version {
            put(&file.path, format!("from: {} is not the version in force, {old_version}", record.from));
        }
        if record.to != new_version {
            let text = format!("to: {} is not the version of the headers, {new_version}", record.to);
            put(&file.path, text);
        }
        if !rows.iter().any(|(version, _)| *version == record.to) {
            let text =
                format!("the version history has no row for {}, which {} asks for", record.to, file.name);
            put(&lock_md, text);
        }
        covering = Some(file.name.clone());
    }
    if pending.len() > 1 {
        put(&request.changes, format!("{} records are pending; one covers all differences", pending.len()));
    }
    (problems.len() == before).then_some(covering)?
}

/// The version that the macros of headers give, or `none`.
#[must_use]
pub fn version_of(interface: &Interface) -> String {
    let text = |name: &str| {
        let surfaces = interface.surfaces.values();
        surfaces.filter_map(|surface| surface.macros.get(&Language::C)?.get(name).cloned()).next()
    };
    match (text("WORKER_FFI_VERSION_MAJOR"), text("WORKER_FFI_VERSION_MINOR")) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        _ => "none".to_owned(),
    }
}

/// Versions and dates of the history in LOCK.md, in order.
#[must_use]
pub fn rows(lock_md: &str) -> Vec<(String, String)> {
    let section = lock_md.split("\n## ").find(|section| section.starts_with("Version history")).unwrap_or("");
    let cells = section.lines().filter(|line| line.starts_with('|')).map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    });
    cells.filter(|(version, _)| record::version(version).is_some()).collect()
}

impl Outcome {
    /// The worst class among the differences.
    #[must_use]
    pub fn worst(&self) -> Option<Class> {
        self.differences.iter().map(Difference::class).min()
    }
}
