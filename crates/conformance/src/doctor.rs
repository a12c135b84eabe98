//! The command `doctor`: what this machine lacks, which command needs it, and what to do.

mod checks;
mod machine;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

pub use machine::{Limit, Machine, Space, This};

use crate::exit_code::ExitCode;

/// Help behind the options.
pub const HELP: &str = "\
Exit status:
  0  all that `run` needs is there; what single options need besides may be missing
  2  something that `run` itself needs is not there

Example:
  worker-conformance doctor";

/// Options of `doctor`.
#[derive(Args, Debug)]
pub struct Doctor {
    /// Folder for generated models.
    #[arg(long, value_name = "DIR", env = "WORKER_CONFORMANCE_MODELS")]
    models: Option<PathBuf>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There, and enough of it.
    Fine,
    /// Not there; only some options need it.
    Missing,
    /// `run` itself needs it.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub subject: &'static str,
    /// How it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// Who needs it, and what to do; empty if nothing is to be done.
    pub advice: String,
}

/// Runs the command; `models` is the usual folder for generated models.
///
/// # Errors
/// None so far: what is missing is a finding.
pub fn execute(doctor: &Doctor, models: PathBuf) -> anyhow::Result<ExitCode> {
    let folder = doctor.models.clone().unwrap_or(models);
    let findings = checks::all(&This, &folder);
    print!("{}", render(&findings));
    let broken = findings.iter().any(|finding| finding.state == State::Broken);
    Ok(if broken { ExitCode::CouldNotRun } else { ExitCode::Conformant })
}

/// The findings as text.
pub fn render(findings: &[Finding]) -> String {
    let mut text = String::new();
    for one in findings {
        let word = match one.state {
            State::Fine => "ok",
            State::Missing => "missing",
            State::Broken => "BROKEN",
        };
        let _ = writeln!(text, "{word:<8} {:<18} {}", one.subject, one.found);
        if !one.advice.is_empty() {
            let _ = writeln!(text, "{:<8} {:<18} {}", "", "", one.advice);
        }
    }
    let count = |state| findings.iter().filter(|one| one.state == state).count();
    let broken = match count(State::Broken) {
        0 => "all that `run` needs is there".to_owned(),
        1 => "1 thing that `run` needs is not there".to_owned(),
        several => format!("{several} things that `run` needs are not there"),
    };
    let missing = match count(State::Missing) {
        0 => "and nothing else is missing".to_owned(),
        1 => "1 thing that some options need is missing".to_owned(),
        several => format!("{several} things that some options need are missing"),
    };
    let _ = writeln!(text, "\n{broken}; {missing}");
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    /// A machine as a test wants it.
    #[derive(Default)]
    struct Fake {
        programs: Vec<&'static str>,
        files: BTreeMap<&'static str, &'static str>,
        runtimes: Vec<&'static str>,
        libraries: Vec<&'static str>,
        read_only: bool,
        processes: Option<u64>,
    }

    impl Machine for Fake {
        fn program(&self, name: &str) -> Option<PathBuf> {
            self.programs.contains(&name).then(|| Path::new("/usr/bin").join(name))
        }
        fn text(&self, path: &str) -> Option<String> {
            self.files.get(path).map(|text| (*text).to_owned())
        }
        fn runtime(&self, _: &Path, library: &str) -> Option<PathBuf> {
            self.runtimes.contains(&library).then(|| Path::new("/usr/lib/gcc").join(library))
        }
        fn variable(&self, _: &str) -> bool {
            false
        }
        fn library(&self, name: &str) -> bool {
            self.libraries.iter().any(|known| name.starts_with(known))
        }
        fn write(&self, _: &Path) -> Result<(), String> {
            if self.read_only { Err("Permission denied (os error 13)".to_owned()) } else { Ok(()) }
        }
        fn space(&self, _: &Path) -> Option<Space> {
            Some(Space { free: if self.read_only { 1 << 20 } else { 40 << 30 } })
        }
        fn limit(&self, limit: Limit) -> Option<u64> {
            match limit {
                Limit::Processes => self.processes,
                Limit::Files => Some(1024),
                Limit::AddressSpace | Limit::FileSize | Limit::Core => None,
            }
        }
        fn child(&self) -> Result<(), String> {
            if self.processes == Some(8) {
                Err("Resource temporarily unavailable".to_owned())
            } else {
                Ok(())
            }
        }
    }

    #[test]
    fn a_machine_with_everything_lacks_nothing() {
        let machine = Fake {
            programs: vec!["cc", "c++", "cmake", "cargo", "gdb", "valgrind", "python3"],
            files: BTreeMap::from([
                ("/proc/meminfo", "MemTotal: 33554432 kB\nMemAvailable:   16777216 kB\n"),
                ("/proc/sys/kernel/yama/ptrace_scope", "1\n"),
                (
                    "/proc/driver/nvidia/version",
                    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15\nGCC\n",
                ),
            ]),
            runtimes: vec!["libasan.so", "libubsan.so", "libtsan.so"],
            libraries: vec!["libcuda.so.1", "libclang"],
            ..Fake::default()
        };
        let findings = checks::all(&machine, Path::new("/home/you/.cache/worker-conformance"));
        assert!(findings.iter().all(|one| one.state == State::Fine), "{findings:#?}");
        insta::assert_snapshot!("doctor_everything", render(&findings));
    }

    #[test]
    fn a_bare_machine_is_told_what_to_install_and_for_what() {
        let machine = Fake {
            files: BTreeMap::from([
                ("/proc/meminfo", "MemAvailable: 524288 kB\n"),
                ("/proc/sys/kernel/yama/ptrace_scope", "3\n"),
                ("/sys/fs/cgroup/memory.max", "268435456\n"),
            ]),
            read_only: true,
            processes: Some(8),
            ..Fake::default()
        };
        let findings = checks::all(&machine, Path::new("/nix/store/models"));
        assert!(findings.iter().any(|one| one.state == State::Broken));
        insta::assert_snapshot!("doctor_bare", render(&findings));
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let findings = checks::all(&This, folder.path());
        let cache = findings.iter().find(|one| one.subject == "model cache").unwrap();
        assert_eq!(cache.state, State::Fine, "{cache:?}");
    }
}
