//! Options of `run` that put a tool beside the library: sanitizers, valgrind, gdb, and a watch on its file.

pub mod debugger;
mod sanitizer;
mod valgrind;
pub mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::{Args, ValueEnum};
use worker_contract::RequirementId;

use crate::executor::Instrument;
use crate::profile::{Limits, Profile};
use crate::scratch::Scratch;

/// Options of `run` about tools.
#[derive(Args, Debug, Clone, Default)]
pub struct Tools {
    /// The library was built with this sanitizer: put its runtime first, and take its report as the observation.
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "valgrind")]
    sanitizer: Option<Sanitizer>,
    /// Run the library under valgrind, which is some fifty times slower: best with --only.
    #[arg(long)]
    valgrind: bool,
    /// Stop in the first call that breaks this requirement, in gdb.
    #[arg(long, value_name = "ID", conflicts_with_all = ["valgrind", "watch", "only", "feature"])]
    pub gdb: Option<RequirementId>,
    /// A command for gdb once it has stopped there, such as bt; may be given several times.
    #[arg(long, value_name = "COMMAND", requires = "gdb")]
    pub gdb_command: Vec<String>,
    /// Run again whenever the library's file changes, until interrupted.
    #[arg(long)]
    pub watch: bool,
}

/// A sanitizer of gcc or clang.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sanitizer {
    /// -fsanitize=address
    Asan,
    /// -fsanitize=undefined
    Ubsan,
    /// -fsanitize=thread
    Tsan,
}

/// A tool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// Its runtime is not there.
    #[error("no compiler here knows {library}; install gcc, or put {library} into LD_PRELOAD yourself")]
    Runtime {
        /// The runtime.
        library: &'static str,
    },
    /// It is not in `PATH`.
    #[error("`{program}` is not in PATH; apt-get install {program}")]
    Program {
        /// The program.
        program: &'static str,
    },
    /// The library was not built for it.
    #[error("`{}` was not built with {flag}: it uses nothing of {library}; build it so, or leave --sanitizer out", path.display())]
    Plain {
        /// The library.
        path: PathBuf,
        /// The compiler's flag.
        flag: &'static str,
        /// The runtime.
        library: &'static str,
    },
    /// Something cannot be written, started or read.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A tool at work; its reports go with it.
pub struct Prepared {
    /// What the executor is told.
    pub instrument: Instrument,
    _reports: Option<Scratch>,
}

impl Tools {
    /// Prepares the tool, and gives calls the time that they need under it.
    ///
    /// # Errors
    /// When it is not here, or the library was not built for it.
    pub fn prepare(&self, library: &Path, profile: &mut Profile) -> Result<Prepared, ToolError> {
        if self.sanitizer.is_none() && !self.valgrind {
            return Ok(Prepared { instrument: Instrument::default(), _reports: None });
        }
        let reports = Scratch::new("worker-conformance-reports-").map_err(|source| ToolError::System {
            what: "cannot make a folder for reports".to_owned(),
            source,
        })?;
        let (instrument, factor) = match self.sanitizer {
            Some(kind) => (sanitizer::instrument(kind, library, reports.path())?, kind.slowness()),
            None => (valgrind::instrument(reports.path())?, valgrind::SLOWNESS),
        };
        slow_down(profile, factor);
        Ok(Prepared { instrument, _reports: Some(reports) })
    }
}

/// Multiplies all limits of time and gives shadow memory its room.
fn slow_down(profile: &mut Profile, factor: u64) {
    let now = crate::suite::limits(profile);
    let slower = |limit: Duration| Some(limit.as_secs().saturating_mul(factor));
    profile.limits = Limits {
        call_seconds: slower(now.call),
        load_seconds: slower(now.load),
        batch_seconds: slower(now.batch),
        memory_bytes: Some(now.memory.saturating_mul(4)),
    };
}

/// Where a program is.
fn program(name: &'static str) -> Result<PathBuf, ToolError> {
    use crate::doctor::{Machine as _, This};
    This.program(name).ok_or(ToolError::Program { program: name })
}

/// Whether a program starts at all, for tools that come broken.
fn answers(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_the_slowness_of_the_tool() {
        let mut profile = Profile::default();
        profile.limits.call_seconds = Some(60);
        slow_down(&mut profile, 10);
        assert_eq!(profile.limits.call_seconds, Some(600));
        assert_eq!(profile.limits.load_seconds, Some(300));
        slow_down(&mut profile, u64::MAX);
        assert_eq!(profile.limits.call_seconds, Some(u64::MAX));
    }
}
