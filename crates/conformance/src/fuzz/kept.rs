//! Failures on disk: a folder each, replayed first the next time.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::failure::Failing;
use super::judge::Player;
use crate::generate::Menu;
use crate::repro::{self, yaml};

/// The file that is replayed.
pub const PROGRAM: &str = "program.yaml";

/// A failure cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}", path.display())]
pub struct KeepError {
    /// The file.
    path: PathBuf,
    /// Why.
    source: std::io::Error,
}

/// The folder of a failure: requirement, function, and a hash of the program, so that each is kept once.
pub fn name(failing: &Failing, menu: &Menu) -> String {
    let function = failing.fault.function.map_or("program", |function| function.name());
    let digest = Sha256::digest(yaml::steps(&failing.program, menu));
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{short}", failing.main().requirement, function.trim_start_matches("cuda_"))
}

/// Writes the files of a failure; returns the one that is replayed.
///
/// # Errors
/// When one cannot be written.
pub fn keep(player: &Player, failing: &Failing, seed: u64, folder: &Path) -> Result<PathBuf, KeepError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source| KeepError { path, source }
    };
    std::fs::create_dir_all(folder).map_err(wrong(folder))?;
    for (name, content) in repro::files(player, failing, seed) {
        let path = folder.join(name);
        std::fs::write(&path, content).map_err(wrong(&path))?;
    }
    Ok(folder.join(PROGRAM))
}

/// The programs kept in a folder, in order.
pub fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path().join(PROGRAM)).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The command that plays a kept program again.
pub fn replay_command(program: &Path, library: &Path, profile: Option<&Path>) -> String {
    let mut command = format!("worker-conformance replay {} --library {}", quote(program), quote(library));
    if let Some(profile) = profile {
        command += &format!(" --profile {}", quote(profile));
    }
    command
}

/// A path as a shell takes it.
pub fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.chars().all(plain) { format!("'{}'", text.replace('\'', "'\\''")) } else { text }
}
