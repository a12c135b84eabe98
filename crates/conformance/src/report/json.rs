//! The report for machines; its shape is stable.

use std::io;
use std::path::Path;

use crate::verdict::RunResult;

/// Writes the report; the file appears whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, result: &RunResult) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".report-").tempfile_in(folder)?;
    serde_json::to_writer_pretty(&mut file, result)?;
    io::Write::write_all(&mut file, b"\n")?;
    // Temporary files are private; a report is for everybody.
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(file.path(), rights)?;
    file.persist(path)?;
    Ok(())
}
