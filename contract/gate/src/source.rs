//! Where headers come from: a folder, or a revision of git.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::interface::Sources;

/// Why there are no headers.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A folder or file cannot be read.
    #[error("cannot read `{path}`: {cause}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// There is no header.
    #[error("`{0}` holds no header (*.h)")]
    Empty(String),
    /// A header is none.
    #[error("`{0}` is no text: it holds a NUL byte")]
    NoText(PathBuf),
    /// A header is larger than any.
    #[error("`{path}` has {size} bytes, and no header has more than 262144; is this the right folder?")]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// git does not give it.
    #[error("git cannot tell `{what}`: {cause}")]
    Git {
        /// What was asked for.
        what: String,
        /// What it said.
        cause: String,
    },
}

/// Bytes that a header may have; all of the contract has a tenth of it.
const MOST: u64 = 256 * 1024;
/// Folders below the folder of headers that are looked into.
const DEPTH: usize = 8;

/// The headers of a folder and those below it, named by their path in it.
///
/// # Errors
/// If it cannot be read or holds none, or a header is no text or too large to be one.
pub fn of_folder(folder: &Path) -> Result<Sources, SourceError> {
    let mut sources = Sources::new();
    gather(folder, "", DEPTH, &mut sources)?;
    if sources.is_empty() { Err(SourceError::Empty(folder.display().to_string())) } else { Ok(sources) }
}

fn gather(folder: &Path, prefix: &str, depth: usize, sources: &mut Sources) -> Result<(), SourceError> {
    let read = |path: &Path, cause| SourceError::Read { path: path.to_owned(), cause };
    for entry in std::fs::read_dir(folder).map_err(|cause| read(folder, cause))? {
        let entry = entry.map_err(|cause| read(folder, cause))?;
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(|cause| read(&path, cause))?.is_dir() {
            if depth > 0 {
                gather(&path, &format!("{name}/"), depth - 1, sources)?;
            }
        } else if is_header(&path) {
            let size = std::fs::metadata(&path).map_err(|cause| read(&path, cause))?.len();
            if size > MOST {
                return Err(SourceError::TooLarge { path, size });
            }
            let bytes = std::fs::read(&path).map_err(|cause| read(&path, cause))?;
            if bytes.contains(&0) {
                return Err(SourceError::NoText(path));
            }
            // Another encoding in a comment is no reason not to judge the rest.
            sources.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(())
}

fn is_header(path: &Path) -> bool {
    path.extension().is_some_and(|end| ["h", "hpp", "hh", "hxx", "inc"].iter().any(|header| end == *header))
}

fn git(folder: &Path, arguments: &[&str], what: &str) -> Result<String, SourceError> {
    let fail = |cause: String| SourceError::Git { what: what.to_owned(), cause };
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The headers of a folder at a revision; none if the folder was not there.
///
/// # Errors
/// If git does not know the revision.
pub fn headers_of_revision(folder: &Path, revision: &str) -> Result<Sources, SourceError> {
    of_revision(folder, revision, is_header)
}

/// The change records of a folder at a revision; none if the folder was not there.
///
/// # Errors
/// If git does not know the revision.
pub fn records_of_revision(folder: &Path, revision: &str) -> Result<Sources, SourceError> {
    of_revision(folder, revision, |path| path.extension().is_some_and(|end| end == "yaml"))
}

/// The files of a folder at a revision, with their text.
fn of_revision(folder: &Path, revision: &str, is_wanted: fn(&Path) -> bool) -> Result<Sources, SourceError> {
    // A revision that begins with a hyphen would be an option.
    let known = format!("{revision}^{{commit}}");
    git(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &known], revision)?;
    let listed = git(folder, &["ls-tree", "-r", "--name-only", revision, "./"], revision)?;
    let mut sources = Sources::new();
    for name in listed.lines().filter(|name| is_wanted(Path::new(name))) {
        let object = format!("{revision}:./{name}");
        sources.insert(name.to_owned(), git(folder, &["show", &object], &object)?);
    }
    Ok(sources)
}
