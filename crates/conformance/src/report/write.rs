//! Writes a file so that it appears whole or not at all.

use std::io::{self, Write};
use std::path::Path;

/// Writes a file beside its place and moves it there; folders on the way are made.
///
/// # Errors
/// When it cannot be written.
pub fn whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".report-").tempfile_in(folder)?;
    file.write_all(content)?;
    // Temporary files are private; a report is for everybody.
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(file.path(), rights)?;
    file.persist(path)?;
    Ok(())
}
