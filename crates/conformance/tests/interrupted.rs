//! A run that is broken off ends at once, and leaves no file and no process.

mod libraries;

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest wait for what has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes that were started with this folder for their temporary files.
fn processes(folder: &Path) -> Vec<String> {
    let wanted = folder.to_str().expect("a path in UTF-8");
    let all = std::fs::read_dir("/proc").expect("a list of processes").flatten();
    all.filter(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(wanted)
    })
    .map(|entry| entry.file_name().to_string_lossy().into_owned())
    .collect()
}

#[test]
fn a_run_that_is_broken_off_leaves_nothing() {
    let library = libraries::build("plain");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = || std::fs::read_dir(folder.path()).expect("a folder").flatten().collect::<Vec<_>>();
        // Who starts the tests in the background may have Ctrl-C ignored, and the program keeps to that.
        let mut run = Command::new("env")
            .arg("--default-signal=INT")
            .arg(env!("CARGO_BIN_EXE_worker-conformance"))
            .args(["run", "--library"])
            .arg(&library)
            .env("TMPDIR", folder.path())
            .env("WORKER_CONFORMANCE_MODELS", Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        // The program, one that serves, and a session.
        wait_until("a session at work", || processes(folder.path()).len() > 2 && !files().is_empty());
        kill(Pid::from_raw(run.id().cast_signed()), signal).expect("a signal is sent");
        let status = run.wait().expect("the program ends");
        assert_eq!(status.signal(), Some(signal as i32), "{status}");
        assert!(files().is_empty(), "left: {:?}", files());
        wait_until("no process left", || processes(folder.path()).is_empty());
    }
}
