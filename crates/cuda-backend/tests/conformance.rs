//! Puts the built library through the suite, strict: the flavour for the CPU always, the one for GPUs as far as there
//! are devices.
#![cfg(any(feature = "cuda", feature = "cuda-host"))]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Exit codes of the program.
const CONFORMANT: i32 = 0;
#[cfg(feature = "cuda")]
const INCOMPLETE: i32 = 3;

#[cfg(feature = "cuda-host")]
#[test]
fn the_host_flavour_is_conformant_faults_included() {
    let library = worker_cuda::host_library().expect("the feature is on");
    assert_eq!(suite(library, "cuda-host"), CONFORMANT, "the verdict stands above");
}

#[cfg(feature = "cuda")]
#[test]
fn the_gpu_flavour_is_conformant_or_without_a_device_incomplete() {
    let library = worker_cuda::library().expect("the feature is on");
    let devices = worker_contract::Backend::load(library).expect("the library loads").device_count();
    let expected = if devices == 0 { INCOMPLETE } else { CONFORMANT };
    assert_eq!(suite(library, "cuda"), expected, "{devices} devices; the verdict stands above");
}

fn suite(library: &Path, profile: &str) -> i32 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(program(&root))
        .arg("run")
        .arg("--library")
        .arg(library)
        .arg("--profile")
        .arg(root.join(format!("fixtures/profiles/{profile}.yaml")))
        .args(["--level", "strict"])
        .env("WORKER_CONFORMANCE_MODELS", Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"))
        .output()
        .expect("the program starts");
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output.status.code().unwrap_or(-1)
}

/// Builds the program of the suite as `make conformance` does: it runs itself again for its child processes, so that a
/// test cannot stand in.
fn program(root: &Path) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "worker-mock", "--package", "worker-conformance"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .find(|path| path.file_name().is_some_and(|name| name == "worker-conformance"))
        .expect("cargo names the program it built")
}
