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
    /// git does not give it.
    #[error("git cannot tell `{what}`: {cause}")]
    Git {
        /// What was asked for.
        what: String,
        /// What it said.
        cause: String,
    },
}

/// The headers of a folder.
///
/// # Errors
/// If it cannot be read or holds none.
pub fn of_folder(folder: &Path) -> Result<Sources, SourceError> {
    let read = |path: &Path, cause| SourceError::Read { path: path.to_owned(), cause };
    let mut sources = Sources::new();
    for entry in std::fs::read_dir(folder).map_err(|cause| read(folder, cause))? {
        let path = entry.map_err(|cause| read(folder, cause))?.path();
        let header =
            path.extension().is_some_and(|end| ["h", "hpp", "hh", "inc"].iter().any(|header| end == *header));
        if !header {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|cause| read(&path, cause))?;
        // Another encoding in a comment is no reason not to judge the rest.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        sources.insert(name, text);
    }
    if sources.is_empty() { Err(SourceError::Empty(folder.display().to_string())) } else { Ok(sources) }
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

/// The files of a folder at a revision whose names end so, with their text; none if the folder was not there.
///
/// # Errors
/// If git does not know the revision.
pub fn of_revision(folder: &Path, revision: &str, end: &str) -> Result<Sources, SourceError> {
    // A revision that begins with a hyphen would be an option.
    let known = format!("{revision}^{{commit}}");
    git(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &known], revision)?;
    let listed = git(folder, &["ls-tree", "--name-only", revision, "./"], revision)?;
    let mut sources = Sources::new();
    for name in listed.lines().filter(|name| name.ends_with(end) && !name.contains('/')) {
        let object = format!("{revision}:./{name}");
        sources.insert(name.to_owned(), git(folder, &["show", &object], &object)?);
    }
    Ok(sources)
}
