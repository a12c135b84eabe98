//! Builds the test libraries of `tests/backends`, and runs the program on a library.

#![allow(dead_code, reason = "each test file uses some of these")]

use std::path::{Path, PathBuf};
use std::process::Command;

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
    command.args(["build", "--package", "worker-mock", "--lib", "--message-format", "json"]);
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

/// Builds one of the test libraries.
pub fn build(name: &str) -> PathBuf {
    // Each in a folder of its own: tests build at the same time.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backends").join(name);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends/build.sh");
    let output = Command::new("sh").arg(script).arg(&folder).arg(name).output().expect("a shell");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let library = ["", "lib"].map(|prefix| folder.join(format!("{prefix}{name}.so")));
    library.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{name} was not built"))
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
