//! Opens libraries that are not backends, and checks that each refusal says what is wrong and what to do.

use std::path::{Path, PathBuf};
use std::process::Command;

use worker_contract::library::open;
use worker_contract::{FUNCTIONS, Function, OpenError};

/// Compile C into a shared library with the system's compiler.
fn shared_library(folder: &Path, name: &str, source: &str) -> PathBuf {
    let code = folder.join(format!("{name}.c"));
    let library = folder.join(format!("{name}.so"));
    std::fs::write(&code, source).unwrap();
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).status();
    assert!(status.unwrap().success(), "cc cannot build {name}");
    library
}

/// Definitions of all functions but some; their bodies are never run.
fn all_but(left_out: &[Function]) -> String {
    let kept = FUNCTIONS.iter().filter(|spec| !left_out.contains(&spec.function));
    kept.map(|spec| format!("void {}(void) {{}}\n", spec.name)).collect()
}

#[test]
fn every_missing_symbol_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let left_out = [Function::Destroy, Function::ErrorMessage];
    let path = shared_library(folder.path(), "partial", &all_but(&left_out));
    let error = open(&path).err().expect("a partial library is refused");
    assert!(matches!(&error, OpenError::Incomplete { missing, .. } if missing[..] == left_out), "{error}");
    let text = error.to_string().replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(text, @"cannot use `FOLDER/partial.so`: symbols `cuda_destroy`, `cuda_error_message` missing; export each with C linkage and default visibility, as worker_ffi.h and worker_errors.h declare it");
}

#[test]
fn a_symbol_defined_as_null_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let source =
        format!("{}__asm__(\".globl cuda_init\\n.set cuda_init, 0\\n\");\n", all_but(&[Function::Init]));
    let path = shared_library(folder.path(), "null_symbol", &source);
    let error = open(&path).err().expect("a NULL function is refused");
    assert!(
        matches!(&error, OpenError::Incomplete { missing, .. } if missing[..] == [Function::Init]),
        "{error}"
    );
}

#[test]
fn a_library_with_all_symbols_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = shared_library(folder.path(), "whole", &all_but(&[]));
    assert!(open(&path).is_ok());
}

#[test]
fn an_unresolved_dependency_shows_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("{}void elsewhere(void);\nvoid leans_on(void) {{ elsewhere(); }}\n", all_but(&[]));
    let path = shared_library(folder.path(), "unresolved", &source);
    let text = open(&path).err().expect("RTLD_NOW refuses it").to_string();
    assert!(text.contains("undefined symbol: elsewhere"), "{text}");
}

#[test]
fn a_file_that_is_no_library_gives_the_systems_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.so");
    std::fs::write(&path, "not a library\n".repeat(100)).unwrap();
    for (path, words) in [(path, "ELF header"), (folder.path().join("absent.so"), "No such file")] {
        let error = open(&path).err().expect("it is refused");
        let text = error.to_string();
        assert!(matches!(error, OpenError::Load { .. }), "{text}");
        assert!(text.contains(words) && text.contains(&path.display().to_string()), "{text}");
    }
}
