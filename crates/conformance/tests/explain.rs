//! The C fragments of `explain` compile without a warning, each alone, as part of a library of the contract.

use std::path::Path;
use std::process::Command;

use worker_conformance::explain::{self, PRELUDE};

#[test]
fn every_fragment_compiles_with_all_warnings() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prelude.h"), PRELUDE).unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract/include");
    let mut complaints = String::new();
    for one in explain::read().unwrap() {
        let file = folder.path().join(format!("{}.c", one.id));
        std::fs::write(&file, format!("#include \"prelude.h\"\n{}", one.right)).unwrap();
        let output = Command::new("gcc")
            .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-c", "-o", "/dev/null", "-I"])
            .arg(&include)
            .arg(&file)
            .output()
            .expect("gcc starts; tools/setup test installs it");
        if !output.status.success() {
            complaints += &format!("{}:\n{}\n", one.id, String::from_utf8_lossy(&output.stderr));
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn an_unknown_requirement_is_exit_code_2_with_the_nearest_names() {
    let program = env!("CARGO_BIN_EXE_worker-conformance");
    let output = Command::new(program).args(["explain", "LAOD-10"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
    assert!(text.contains("LOAD-10"), "{text}");
    let output = Command::new(program).args(["explain", "load-10"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("immutable"));
}
