//! What commands say to a person, on real libraries: `new`, `fuzz`, `replay`, `run --gdb`, and the sample of the README.

mod libraries;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libraries::{build, root};

/// A broken library as somebody's own, in a folder of its own.
fn mine(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::copy(build(name), folder.path().join("libmine.so")).expect("a copy");
    folder
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("models")
}

/// Exit status and all that a command says, in a folder.
fn say(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_worker-conformance"))
        .args(arguments)
        .current_dir(folder)
        .env("WORKER_CONFORMANCE_MODELS", models())
        .env_remove("WORKER_LIBRARY")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code().unwrap_or(-1), text.concat())
}

/// Without what differs from run to run: folders, seconds, rates, sums of checks, hashes of files.
fn steady(text: &str, folder: &Path) -> String {
    let text = text
        .replace(&models().display().to_string(), "MODELS")
        .replace(&folder.canonicalize().expect("a folder").display().to_string(), "FOLDER")
        .replace(&folder.display().to_string(), "FOLDER");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn line(text: &str) -> String {
    if text.starts_with("sha256 ") {
        return "sha256    HASH".to_owned();
    }
    // `412 programs, 9000 checks in 0.3 s, 87/s; ...` and `490 scenarios, 9000 checks, 8.1 s`.
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for at in 1..words.len() {
        let number =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let timed = ["s", "s,", "checks", "checks,"].contains(&words[at].as_str());
        if timed && number(&words[at - 1]) {
            words[at - 1] = "N".to_owned();
        }
        if words[at].contains("/worker-conformance-") {
            words[at] = "\"A FILE THAT IS GONE\",".to_owned();
        }
        if words[at].strip_suffix("/s;").is_some_and(number) {
            words[at] = "N/s;".to_owned();
        }
    }
    words.join(" ")
}

#[test]
fn a_new_backend_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = String::new();
    for lang in ["c", "cpp", "rust"] {
        let arguments = ["new", "--lang", lang, "--name", "my_backend", &format!("in {lang}")];
        let (code, text) = say(folder.path(), &arguments);
        assert_eq!(code, 0, "{text}");
        told += &format!("$ worker-conformance {}\n{text}", arguments.join(" "));
        let (code, text) = say(folder.path(), &arguments);
        assert_eq!(code, 2, "{text}");
        told += &text;
    }
    let (code, text) = say(folder.path(), &["new", "--lang", "c", "--name", "My-Backend", "other"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(told + &text);
}

#[test]
fn a_failure_is_found_kept_and_played_again_in_words() {
    let folder = mine("null-03-null-prompt-crashes");
    let fuzz = ["fuzz", "--library", "./libmine.so", "--seed", "1", "--cases", "300", "--jobs", "1"];
    let (code, first) = say(folder.path(), &fuzz);
    assert_eq!(code, 1, "{first}");
    let (code, second) = say(folder.path(), &fuzz);
    assert_eq!(code, 1, "{second}");
    let again = first.lines().find_map(|line| line.trim().strip_prefix("again ")).expect("a command");
    let again: Vec<&str> = again.split_whitespace().skip(1).collect();
    let (code, third) = say(folder.path(), &again);
    assert_eq!(code, 1, "{third}");
    let (code, fourth) = say(folder.path(), &[&again[..], &["--times", "3"]].concat());
    assert_eq!(code, 1, "{fourth}");
    // A library without the fault.
    std::fs::copy(build("plain"), folder.path().join("libmine.so")).unwrap();
    let (code, fifth) = say(folder.path(), &again);
    assert_eq!(code, 0, "{fifth}");
    let (code, sixth) = say(folder.path(), &["replay", "libmine.so", "--library", "./libmine.so"]);
    assert_eq!(code, 2, "{sixth}");
    let (code, seventh) =
        say(folder.path(), &["fuzz", "--library", "./libmine.so", "--cases", "5", "--seed", "1"]);
    assert_eq!(code, 0, "{seventh}");
    let told = [first, second, third, fourth, fifth, sixth, seventh].map(|text| steady(&text, folder.path()));
    insta::assert_snapshot!(told.join("\n----\n"));
}

#[test]
fn a_malformed_model_that_loads_is_handed_over_as_a_scenario_that_fails() {
    let folder = mine("load-03-truncation-taken");
    let fuzz = ["fuzz", "--library", "./libmine.so", "--seed", "1", "--cases", "300", "--jobs", "1"];
    let (code, text) = say(folder.path(), &fuzz);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("FAIL LOAD-03"), "{text}");
    let kept = text.lines().find_map(|line| line.trim().strip_prefix("kept in ")).expect("a folder").trim();
    let feature = format!("{kept}/conversation.feature");
    let (code, text) = say(folder.path(), &["run", "--library", "./libmine.so", "--feature", &feature]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("FAIL LOAD-03"), "{text}");
    // And so does the suite's own scenario, in the step that loads.
    let (code, text) = say(folder.path(), &["run", "--library", "./libmine.so", "--only", "LOAD-03"]);
    assert_eq!(code, 1, "{text}");
    let step = text.lines().find(|line| line.starts_with("  step "));
    assert!(step.is_some_and(|step| step.contains("When the host loads each malformed model")), "{text}");
    std::fs::copy(build("plain"), folder.path().join("libmine.so")).unwrap();
    let (code, text) = say(folder.path(), &["run", "--library", "./libmine.so", "--feature", &feature]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_mutated_model_that_ends_the_process_is_told_with_its_mutation() {
    let folder = mine("load-03-unknown-type-aborts");
    let fuzz =
        ["fuzz", "--models", "--library", "./libmine.so", "--seed", "3", "--cases", "200", "--jobs", "1"];
    let (code, text) = say(folder.path(), &fuzz);
    assert_eq!(code, 1, "{text}");
    insta::assert_snapshot!(steady(&text, folder.path()));
}

#[test]
fn where_gdb_stops_is_told_first() {
    let folder = mine("null-03-null-prompt-crashes");
    let (code, text) = say(
        folder.path(),
        &["run", "--library", "./libmine.so", "--gdb", "NULL-03", "--gdb-command", "bt 1"],
    );
    assert_eq!(code, 1, "{text}");
    // What gdb itself says differs from version to version.
    let own = |line: &&str| {
        ["NULL-03 is", "  call ", "  expected ", "  observed "].iter().any(|start| line.starts_with(start))
    };
    let told: Vec<&str> = text.lines().filter(own).take(4).collect();
    let command = text.lines().find(|line| line.starts_with("  gdb ")).expect("the command");
    let command = command.split(' ').map(|word| if word.parse::<u32>().is_ok() { "PID" } else { word });
    let command = command.collect::<Vec<_>>().join(" ");
    let program = command.split_whitespace().nth(1).expect("gdb").to_owned();
    insta::assert_snapshot!(told.join("\n") + "\n" + &command.replace(&program, "GDB"));
}

/// The README shows a real run: on the library `null-03-null-prompt-crashes`, called `libmine.so`.
#[test]
fn the_failure_that_the_readme_shows_is_what_the_program_says() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let command = "$ worker-conformance run --library ./libmine.so --only NULL-03\n";
    let (_, after) = readme.split_once(command).expect("the sample");
    let (sample, _) = after.split_once("```").expect("its end");
    let folder = mine("null-03-null-prompt-crashes");
    let (code, text) = say(folder.path(), &["run", "--library", "./libmine.so", "--only", "NULL-03"]);
    assert_eq!(code, 1, "{text}");
    let real = steady(&text, folder.path()).replace("FOLDER", "/home/you");
    let mut lines = real.lines();
    for wanted in sample.lines().filter(|line| *line != "...").map(line) {
        assert!(
            lines.any(|line| line == wanted),
            "README.md shows `{wanted}`, which is not said there:\n{real}"
        );
    }
}
