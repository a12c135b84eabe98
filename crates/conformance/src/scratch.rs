//! Folders for the time of a run. They go with it, also where a signal ends the program.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::Signal;
use signal_hook::iterator::Signals;
use tempfile::TempDir;

/// The folders that are there.
static OPEN: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
/// What ends a program that does nothing about it, where somebody breaks it off.
const SIGNALS: [Signal; 3] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM];
/// A session that is just ending may still write a file.
const TRIES: usize = 5;

/// A folder, removed when this is dropped.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// A new folder whose name begins with `prefix`.
    ///
    /// # Errors
    /// When the system makes none.
    pub fn new(prefix: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).push(folder.path().to_owned());
        Ok(Self(folder))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed here, the folder's own end tries once more.
        let _gone = std::fs::remove_dir_all(self.0.path());
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| path != self.0.path());
    }
}

/// From now on a signal that ends the program removes the folders first. One that is ignored stays ignored, as under `nohup`.
///
/// # Errors
/// When the system takes no handler.
pub fn remove_on_signals() -> io::Result<()> {
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status")?);
    let wanted =
        SIGNALS.iter().map(|signal| *signal as i32).filter(|number| ignored >> (number - 1) & 1 == 0);
    let mut signals = Signals::new(wanted)?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            for folder in open.iter() {
                let _gone = (0..TRIES).any(|_| std::fs::remove_dir_all(folder).is_ok());
            }
            // As if there were no handler, so that a shell sees which signal it was.
            let _ended = signal_hook::low_level::emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// The signals that a process ignores, as bits.
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_and_is_forgotten() {
        let scratch = Scratch::new("worker-conformance-test-").unwrap();
        let path = scratch.path().to_owned();
        let is_known = || OPEN.lock().unwrap().contains(&path);
        assert!(path.is_dir() && is_known());
        drop(scratch);
        assert!(!path.exists() && !is_known());
    }

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000000002\n"), 1);
        assert_eq!(ignored("Name:\tx\n"), 0);
    }
}
