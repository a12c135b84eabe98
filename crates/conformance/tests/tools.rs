//! Tools beside the library: a sanitizer's or valgrind's report is the observation, gdb stops in the call that breaks a
//! requirement, and a library that is built again is run again. Sound libraries are not blamed under any of them.

mod libraries;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use worker_conformance::kit::{self, Language};

/// The C kit with texts put for others, built with some flags.
fn backend(folder: &Path, changes: &[(&str, &str, &str)], flags: &[&str]) -> PathBuf {
    kit::write(Language::C, &"patient".parse().unwrap(), folder).unwrap();
    for (file, from, to) in changes {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
    let library = folder.join("libpatient.so");
    let sources = ["ffi", "device", "gguf", "job", "model"].map(|name| format!("src/{name}.c"));
    let output = Command::new("gcc")
        .args([
            "-shared",
            "-fPIC",
            "-g",
            "-O1",
            "-std=gnu11",
            "-Iinclude",
            "-pthread",
            "-Wl,--version-script=exports.map",
        ])
        .args(flags)
        .args(sources)
        .arg("-o")
        .arg(&library)
        .current_dir(folder)
        .output()
        .expect("gcc starts; tools/setup test installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// Writes one byte past a block of seven.
const OVERFLOW: (&str, &str, &str) = (
    "src/job.c",
    "    made->model = model;",
    "    volatile char* block = malloc(7);\n    block[max_tokens > 0 ? 7 : 0] = 'x';\n    free((void*)block);\n    made->model = model;",
);
const SHIFT: (&str, &str, &str) = (
    "src/job.c",
    "    made->model = model;",
    "    volatile int far = max_tokens + 70;\n    made->produced = (1 << far) & 0;\n    made->model = model;",
);
const RACE: (&str, &str, &str) = (
    "src/device.c",
    "int device_count(void) { return DEVICES; }",
    "static int asked;\nint device_count(void) { asked++; return DEVICES; }",
);
/// A start without prompt is not refused.
const NULL_PROMPT: (&str, &str, &str) = ("src/ffi.c", "prompt == NULL || ", "");

#[test]
fn the_report_of_address_sanitizer_is_the_observation() {
    let folder = tempfile::tempdir().unwrap();
    let library = backend(folder.path(), &[OVERFLOW], &["-fsanitize=address"]);
    let run = libraries::run(&library, &["--sanitizer", "asan", "--only", "INF-01"]);
    assert_eq!(run.code, 1, "{}", run.text);
    let wanted = "AddressSanitizer: heap-buffer-overflow, WRITE of size 1, in job_start";
    assert!(run.text.contains(wanted) && run.text.contains("src/job.c:"), "{}", run.text);
    assert!(run.failing().contains("ERR-08"), "{}", run.text);
}

#[test]
fn a_sound_library_is_sound_under_address_sanitizer_too() {
    let folder = tempfile::tempdir().unwrap();
    let library = backend(folder.path(), &[], &["-fsanitize=address"]);
    let only = "NULL-01,NULL-03,NULL-08,ERR-05,INF-11,INF-14,MEM-04,DEV-06,PROC-01,THR-01";
    let run = libraries::run(&library, &["--sanitizer", "asan", "--only", only]);
    assert_eq!(run.code, 0, "{}", run.text);
}

#[test]
fn the_report_of_undefined_behaviour_is_the_observation() {
    let folder = tempfile::tempdir().unwrap();
    let library = backend(folder.path(), &[SHIFT], &["-fsanitize=undefined"]);
    let run = libraries::run(&library, &["--sanitizer", "ubsan", "--only", "INF-01"]);
    assert_eq!(run.code, 1, "{}", run.text);
    assert!(run.text.contains("runtime error: shift exponent"), "{}", run.text);
}

#[test]
fn the_report_of_a_data_race_is_the_observation() {
    let folder = tempfile::tempdir().unwrap();
    let library = backend(folder.path(), &[RACE], &["-fsanitize=thread"]);
    let run = libraries::run(&library, &["--sanitizer", "tsan", "--only", "THR-01"]);
    assert_eq!(run.code, 1, "{}", run.text);
    assert!(run.text.contains("ThreadSanitizer: data race"), "{}", run.text);
    let folder = tempfile::tempdir().unwrap();
    let sound = backend(folder.path(), &[], &["-fsanitize=thread"]);
    // Threads one after the other, on the same handles and with the same memory of the caller, are no race.
    let run =
        libraries::run(&sound, &["--sanitizer", "tsan", "--only", "THR,MSG-06,DEV-05,DEV-07,ABI-06,NULL-03"]);
    assert_eq!(run.code, 0, "{}", run.text);
}

#[test]
fn a_library_without_instrumentation_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let library = backend(folder.path(), &[], &[]);
    let run = libraries::run(&library, &["--sanitizer", "asan"]);
    assert_eq!(run.code, 2, "{}", run.text);
    assert!(run.text.contains("was not built with -fsanitize=address"), "{}", run.text);
}

#[test]
fn the_complaint_of_valgrind_is_the_observation() {
    let folder = tempfile::tempdir().unwrap();
    let library = backend(folder.path(), &[OVERFLOW], &[]);
    // A single scenario: valgrind takes its time.
    let place = "a job can be freed after an error";
    let run = libraries::run(&library, &["--valgrind", "--scenario", place]);
    assert_eq!(run.code, 1, "{}", run.text);
    assert!(run.text.contains("valgrind: Invalid write of size 1, in job_start"), "{}", run.text);
    let folder = tempfile::tempdir().unwrap();
    let sound = backend(folder.path(), &[], &[]);
    let run = libraries::run(&sound, &["--valgrind", "--scenario", place]);
    assert_eq!(run.code, 0, "{}", run.text);
}

#[test]
fn gdb_stops_in_the_call_that_breaks_the_requirement() {
    let folder = tempfile::tempdir().unwrap();
    let library = backend(folder.path(), &[NULL_PROMPT], &[]);
    let output = Command::new(env!("CARGO_BIN_EXE_worker-conformance"))
        .args(["run", "--gdb", "NULL-03", "--gdb-command", "info args", "--library"])
        .arg(&library)
        .env("WORKER_CONFORMANCE_MODELS", Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("tbreak cuda_inference_start"), "{text}");
    assert!(text.contains("Temporary breakpoint 1, cuda_inference_start (model="), "{text}");
    assert!(text.contains("prompt = 0x0"), "the very call with the NULL prompt: {text}");
}

#[test]
fn a_library_that_is_built_again_is_run_again() {
    let (sound, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let library = backend(sound.path(), &[], &[]);
    let other = backend(broken.path(), &[NULL_PROMPT], &[]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_worker-conformance"))
        .args(["run", "--watch", "--only", "NULL-03", "--library"])
        .arg(&library)
        .env("WORKER_CONFORMANCE_MODELS", Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut verdict = || {
        let found = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("verdict"));
        // Only when it says so is the file looked at.
        let watching = lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("watching"));
        assert!(watching);
        found.unwrap_or_default()
    };
    assert_eq!(verdict(), "verdict   conformant");
    // Half a file first: a build that is under way is not run.
    let whole = std::fs::read(&other).unwrap();
    std::fs::write(&library, &whole[..whole.len() / 2]).unwrap();
    std::fs::write(&library, &whole).unwrap();
    assert_eq!(verdict(), "verdict   non-conformant");
    child.kill().unwrap();
    child.wait().unwrap();
}
