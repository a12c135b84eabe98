//! The files of the kits, compiled into the program: real projects under the name `my_backend`, which is put right.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::{Language, Name};
use crate::fuzz::kept::quote;

static C: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/kit/c");
static CPP: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/kit/cpp");
static RUST: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/kit/rust");
/// What all of them have.
static SHARED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/kit/shared");
/// The contract's headers, copied so that a backend needs no file of this repository.
static HEADERS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../contract/include");

/// Ending of files that a tool would take for its own where they lie; it is dropped.
const PLAIN: &str = "in";

/// The files of a backend: where, relative to its folder, and what.
pub fn files(language: Language, name: &Name) -> Vec<(PathBuf, Vec<u8>)> {
    let kit = match language {
        Language::C => &C,
        Language::Cpp => &CPP,
        Language::Rust => &RUST,
    };
    let mut files = Vec::new();
    collect(&SHARED, language, name, &mut files);
    collect(kit, language, name, &mut files);
    for header in HEADERS.files().filter(|file| file.path().extension().is_some_and(|ending| ending == "h")) {
        files.push((PathBuf::from("include").join(header.path()), header.contents().to_vec()));
    }
    files.sort();
    files
}

fn collect(folder: &Dir<'_>, language: Language, name: &Name, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for file in folder.files() {
        let path = PathBuf::from(file.path().to_string_lossy().replace("my_backend", name.as_str()));
        let path = if path.extension().is_some_and(|ending| ending == PLAIN) {
            path.with_extension("")
        } else {
            path
        };
        let text = String::from_utf8_lossy(file.contents());
        // The library's path names the backend, so that goes first.
        let text = text
            .replace("{{build}}", language.build())
            .replace("{{library}}", language.library())
            .replace("{{ext}}", language.ending())
            .replace("my_backend", name.as_str())
            .replace("MY_BACKEND", &name.upper());
        files.push((path, text.into_bytes()));
    }
    for inner in folder.dirs() {
        collect(inner, language, name, files);
    }
}

impl Language {
    /// The commands that build it.
    fn build(self) -> &'static str {
        match self {
            Language::C | Language::Cpp => "cmake -B build && cmake --build build",
            Language::Rust => "cargo build --release",
        }
    }

    /// Where the library then lies.
    fn library(self) -> &'static str {
        match self {
            Language::C | Language::Cpp => "build/libmy_backend.so",
            Language::Rust => "target/release/libmy_backend.so",
        }
    }

    /// Ending of its source files.
    fn ending(self) -> &'static str {
        match self {
            Language::C => "c",
            Language::Cpp => "cpp",
            Language::Rust => "rs",
        }
    }
}

/// What to type next, in the folder of the backend.
pub fn next_steps(language: Language, name: &Name, folder: &Path) -> Vec<String> {
    let library = language.library().replace("my_backend", name.as_str());
    vec![
        format!("enter     cd {}", quote(folder)),
        format!("build     {}", language.build()),
        format!("check     worker-conformance run --library {library} --profile profile.yaml"),
        "next      README.md says what is open, and where to go on".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_and_no_other_name_is_left_in_any_kit() {
        let name: Name = "zebra_42".parse().unwrap();
        for language in [Language::C, Language::Cpp, Language::Rust] {
            let files = files(language, &name);
            for (path, content) in &files {
                let text = String::from_utf8(content.clone()).unwrap() + &path.to_string_lossy();
                for left in ["my_backend", "MY_BACKEND", "{{build", "{{library", "{{ext"] {
                    assert!(!text.contains(left), "{language:?} {}: {left}", path.display());
                }
                assert!(path.extension().is_none_or(|ending| ending != PLAIN), "{}", path.display());
            }
            let has = |wanted: &str| files.iter().any(|(path, _)| path == &PathBuf::from(wanted));
            for wanted in [
                ".gitignore",
                ".github/workflows/conformance.yml",
                "README.md",
                "profile.yaml",
                "include/worker_ffi.h",
            ] {
                assert!(has(wanted), "{language:?} has no {wanted}");
            }
        }
    }
}
