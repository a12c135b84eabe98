//! The example in Python streams the text that the reference gives, and says what is wrong when it cannot.

mod libraries;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use worker_conformance::models::Store;

/// Runs the example; nothing, and a word about it, where there is no Python.
fn generate(arguments: &[&str]) -> Option<Output> {
    let script = libraries::root().join("examples/python/generate.py");
    match Command::new("python3").arg("-B").arg(script).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            // Not by a macro: the harness hides what those print when a test passes.
            let told = "NOT RUN: examples/python needs python3";
            writeln!(std::io::stderr(), "{told} ({error})").expect("stderr");
            None
        }
    }
}

#[test]
fn the_example_in_python_streams_text() {
    let store = Store::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"));
    let model = store.path("tiny-llama").unwrap();
    let (library, model) = (libraries::reference(), model.to_str().unwrap().to_owned());
    let library = library.to_str().unwrap();
    let Some(first) = generate(&[library, &model, "Hello, world", "12"]) else { return };
    let told = String::from_utf8_lossy(&first.stderr);
    assert!(first.status.success(), "{told}");
    assert!(told.contains("device(s)") && told.contains("bytes of VRAM"), "{told}");
    assert!(first.stdout.len() > 12, "{:?}", String::from_utf8_lossy(&first.stdout));
    let again = generate(&[library, &model, "Hello, world", "12"]).expect("python3 was there just now");
    assert_eq!(first.stdout, again.stdout, "greedy text is the same every time");
}

#[test]
fn the_example_in_python_says_what_is_wrong() {
    let library = libraries::reference();
    let Some(output) = generate(&[library.to_str().unwrap(), "/no/such/model.gguf", "Hello"]) else { return };
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("cuda_load_model") && told.contains("(code 3)"), "{told}");
    let output = generate(&["/no/such/lib.so", "m", "p"]).expect("python3 was there just now");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "));
}
