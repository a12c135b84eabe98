//! Writes a file so that it appears whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Writes a file beside its place and moves it there; folders on the way are made.
///
/// # Errors
/// When it cannot be written.
pub fn whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(content)?;
    // Temporary files are private; a report is for everybody.
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(file.path(), rights)?;
    file.persist(path)?;
    Ok(())
}

/// Whether a file can be written there, so that a long run is not made for nothing; folders on the way are made.
///
/// # Errors
/// When it cannot.
pub fn possible(path: &Path) -> io::Result<()> {
    beside(path).map(drop)
}

/// An empty file in the folder where another shall be.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    if path.is_dir() || path.file_name().is_none() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    tempfile::Builder::new().prefix(".report-").tempfile_in(folder)
}
