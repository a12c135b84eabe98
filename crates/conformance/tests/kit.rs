//! The kits: each builds outside of this repository, keeps the families it says it keeps, and its README names exactly
//! the requirements that are open.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

mod libraries;

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_worker-conformance"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// Runs a command in a folder; it must succeed.
fn must(folder: &Path, command: &str, arguments: &[&str]) {
    let output = Command::new(command)
        .args(arguments)
        .current_dir(folder)
        // The kit is no part of this workspace's build.
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap_or_else(|error| panic!("`{command}` does not start ({error}); tools/setup test installs it"));
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command} {arguments:?}: {text}");
}

/// Writes and builds a backend; its folder and its library.
fn built(language: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = program(&["new", "--lang", language, "--name", "gpu_42", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let library = if language == "rust" {
        must(folder.path(), env!("CARGO"), &["build", "--release", "--offline"]);
        "target/release/libgpu_42.so"
    } else {
        must(folder.path(), "cmake", &["-B", "build"]);
        must(folder.path(), "cmake", &["--build", "build"]);
        "build/libgpu_42.so"
    };
    let library = folder.path().join(library);
    (folder, library)
}

/// The requirements in the first column of the table of open ones; with those that only follow from others, or without.
fn open_ones(readme: &str, followers: bool) -> BTreeSet<String> {
    let (_, table) = readme.split_once("| open at first |").expect("the table");
    let mut all = BTreeSet::new();
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        // Whether consequences are seen depends on how many programs a slow machine gets through.
        if !followers && line.contains("nothing of their own") {
            continue;
        }
        let cell = line.split('|').nth(1).expect("a first column").trim();
        if let Some((first, last)) = cell.split_once(" to ") {
            let number = |id: &str| id.split_once('-').unwrap().1.parse::<u32>().unwrap();
            let family = first.split_once('-').unwrap().0;
            all.extend((number(first)..=number(last)).map(|number| format!("{family}-{number:02}")));
        } else {
            all.extend(cell.split(", ").map(str::to_owned));
        }
    }
    all
}

fn check(language: &str) {
    let (folder, library) = built(language);
    let profile = folder.path().join("profile.yaml");
    let run = libraries::run(&library, &["--profile", profile.to_str().unwrap(), "--level", "strict"]);
    assert_eq!(run.code, 1, "{}", run.text);
    let requirements = run.report["requirements"].as_array().expect("a list of requirements");
    let (mut open, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for one in requirements {
        let id = one["id"].as_str().unwrap().to_owned();
        if one["status"] == "pass" {
            kept.insert(id)
        } else {
            open.insert(id)
        };
    }
    let readme = std::fs::read_to_string(folder.path().join("README.md")).unwrap();
    let unnamed: Vec<_> = open.difference(&open_ones(&readme, true)).cloned().collect();
    assert!(unnamed.is_empty(), "{language}: open, and not in README.md: {unnamed:?}\n{}", run.text);
    let done: Vec<_> = open_ones(&readme, false).difference(&open).cloned().collect();
    assert!(done.is_empty(), "{language}: open in README.md, and kept: {done:?}\n{}", run.text);
    for id in requirements.iter().filter_map(|one| one["id"].as_str()) {
        let promised = ["ABI-", "MSG-", "NULL-"].iter().any(|family| id.starts_with(family));
        assert!(!promised || kept.contains(id), "{language}: {id} is not kept\n{}", run.text);
    }
}

#[test]
fn the_kit_in_c_builds_and_its_readme_names_what_is_open() {
    check("c");
}

#[test]
fn the_kit_in_cpp_builds_and_its_readme_names_what_is_open() {
    check("cpp");
}

#[test]
fn the_kit_in_rust_builds_and_its_readme_names_what_is_open() {
    check("rust");
}

#[test]
fn bad_names_and_full_folders_are_refused_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for name in ["My-Backend", "../up", "int", ""] {
        let output = program(&["new", "--lang", "c", "--name", name, path]);
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(folder.path().join("mine"), "").unwrap();
    let output = program(&["new", "--lang", "c", "--name", "mine", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"));
}
