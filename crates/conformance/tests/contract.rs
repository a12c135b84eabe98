//! `worker-conformance contract` as people and CI call it: exit codes, reports, and libraries.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn contract(arguments: &[&str]) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_worker-conformance");
    let mut command = Command::new(program);
    let Output { status, stdout, stderr } =
        command.current_dir(root()).arg("contract").args(arguments).output().unwrap();
    (
        status.code().unwrap(),
        String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr),
    )
}

/// A folder of headers with one text put for another.
fn headers(from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["worker_ffi.h", "worker_types.h", "worker_errors.h"] {
        let text = std::fs::read_to_string(root().join("contract/include").join(name)).unwrap();
        std::fs::write(folder.path().join(name), text.replacen(from, to, 1)).unwrap();
    }
    folder
}

#[test]
fn the_exit_code_says_unchanged_refused_or_could_not_run() {
    let (code, text) = contract(&["check"]);
    assert_eq!(code, 0, "{text}");
    let reworded = headers("Any other number fails.", "All other values fail.");
    let (code, text) = contract(&["check", "--include", reworded.path().to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    let changed = headers("1 to 2048", "1 to 4096");
    let folder = changed.path().to_str().unwrap();
    let (code, text) = contract(&["check", "--include", folder]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("doc-range-changed"), "{text}");
    let (code, text) = contract(&["check", "--base", "contract/include", "--include", folder]);
    assert_eq!(code, 1, "{text}");
    for arguments in [
        &["check", "--include", "no-such-folder"][..],
        &["check", "--lock", "no-such-lock.yaml"],
        &["check", "--base", "no-such-revision"],
        &["check", "--format", "xml"],
        &["explain", "no-such-rule"],
        &["check-library", "Cargo.toml"],
    ] {
        let (code, text) = contract(arguments);
        assert_eq!(code, 2, "{arguments:?}: {text}");
    }
}

#[test]
fn the_reports_for_machines_are_json() {
    let changed = headers("uint64_t seed", "int64_t seed");
    let folder = changed.path().to_str().unwrap();
    for (format, version) in [("sarif", "2.1.0"), ("json", "1.0")] {
        let (code, text) = contract(&["check", "--include", folder, "--format", format]);
        assert_eq!(code, 1, "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["version"], version);
    }
    let (code, text) = contract(&["check", "--include", folder, "--format", "github"]);
    assert_eq!(code, 1);
    assert!(text.starts_with("::error file="), "{text}");
}

#[test]
fn rules_are_explained() {
    let (code, text) = contract(&["explain"]);
    assert!(code == 0 && text.contains("parameters-reordered"), "{text}");
    let (code, text) = contract(&["explain", "doc-range-changed"]);
    assert!(code == 0 && text.contains("major version bump"), "{text}");
}

/// A library of functions that do nothing, as C; `spoil` changes the text.
fn library(folder: &Path, soname: &str, spoil: impl Fn(String) -> String) -> PathBuf {
    let mut code = String::from("#include <stdbool.h>\n#include <stdint.h>\n");
    for handle in &worker_contract::lock::current().handles {
        code += &format!("typedef struct {0} {0};\n", handle.name);
    }
    for spec in worker_contract::FUNCTIONS {
        code += &format!("{} {{ __builtin_trap(); }}\n", spec.signature());
    }
    let source = folder.join("library.c");
    std::fs::write(&source, spoil(code)).unwrap();
    let library = folder.join("libtried.so");
    let output = Command::new("cc")
        .args(["-g", "-w", "-shared", "-fPIC"])
        .arg(format!("-Wl,-soname,{soname}"))
        .args([&source, Path::new("-o"), &library])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

#[test]
fn a_library_is_held_against_the_contract_by_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let check = |library: &Path| contract(&["check-library", library.to_str().unwrap()]);
    let (code, text) = check(&library(folder.path(), "libtried.so.1", |code| code));
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("soname     libtried.so.1") && text.contains("judged, from debug information"),
        "{text}"
    );
    let (code, text) = check(&library(folder.path(), "libtried.so", |code| {
        code.replace("int max_tokens", "long max_tokens")
    }));
    assert!(code == 1 && text.contains("library-signature-differs"), "{text}");
    let (code, text) =
        check(&library(folder.path(), "libtried.so", |code| code.replace("cuda_init(", "cuda_open(")));
    assert!(code == 1 && text.contains("library-lacks-symbol"), "{text}");
    let (code, text) = check(&library(folder.path(), "libtried.so.2", |code| code));
    assert!(code == 1 && text.contains("library-soname-differs"), "{text}");
}
