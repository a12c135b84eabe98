//! Builds the test libraries of `tests/backends`, and runs the program on a library.

#![allow(dead_code, reason = "each test file uses some of these")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// A run of the program.
pub struct Run {
    /// Exit status.
    pub code: i32,
    /// The JSON report; null if there is none.
    pub report: serde_json::Value,
    /// What it printed.
    pub text: String,
}

impl Run {
    /// The requirements that the report calls broken.
    pub fn failing(&self) -> std::collections::BTreeSet<String> {
        let all = self.report["requirements"].as_array();
        all.into_iter()
            .flatten()
            .filter(|one| one["status"] == "fail")
            .filter_map(|one| one["id"].as_str().map(str::to_owned))
            .collect()
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds the CPU reference: the suite loads it by path, as any library.
pub fn reference() -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "build",
        "--package",
        "worker-mock",
        "--lib",
        "--message-format",
        "json-render-diagnostics",
    ]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.current_dir(root()).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "worker_mock")
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|path| path.extension().is_some_and(|extension| extension == "so"))
        .expect("cargo names the library it built")
}

/// One of the test libraries, built if its sources are younger: no test meets a file that another is just writing.
pub fn build(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backends").join(name);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends");
    std::fs::create_dir_all(&folder).expect("a folder");
    // Held until the end of the function, against other threads and other processes.
    let lock = std::fs::File::create(folder.join("lock")).expect("a file");
    lock.lock().expect("a lock");
    let built = || {
        let library = ["", "lib"].map(|prefix| folder.join(format!("{prefix}{name}.so")));
        library.into_iter().find(|path| path.exists())
    };
    if let Some(library) = built()
        && changed(&library) > youngest(&sources)
    {
        return library;
    }
    let script = sources.join("build.sh");
    let output = Command::new("sh").arg(script).arg(&folder).arg(name).output().expect("a shell");
    if !output.status.success() {
        built().map(std::fs::remove_file);
        panic!("{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    built().unwrap_or_else(|| panic!("{name} was not built"))
}

fn changed(path: &Path) -> SystemTime {
    path.metadata().and_then(|facts| facts.modified()).expect("a time")
}

/// When the file of a folder that was changed last was changed.
fn youngest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let times = entries.map(|path| if path.is_dir() { youngest(&path) } else { changed(&path) });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Runs `worker-conformance run` on a library.
pub fn run(library: &Path, arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_worker-conformance"))
        .arg("run")
        .arg("--library")
        .arg(library)
        .arg("--json")
        .arg(&report)
        .args(arguments)
        .env("WORKER_CONFORMANCE_MODELS", Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"))
        .output()
        .expect("the program starts");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let report = std::fs::read(report).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Run { code: output.status.code().unwrap_or(-1), report: report.unwrap_or_default(), text }
}
