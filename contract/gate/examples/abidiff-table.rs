//! Runs abidiff on the corpus of mutations and writes what it finds beside what the gate finds: `make abidiff-table`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use worker_gate::diff;
use worker_gate::interface::{Interface, Sources, TARGETS};
use worker_gate::lexer;
use worker_gate::libclang::{Kind, Language, Setting};
use worker_gate::rule::Class;

#[path = "../tests/mutation/mod.rs"]
mod mutation;

const FILES: [(&str, &str); 7] = [
    ("code.yaml", "code"),
    ("promises.yaml", "promises of the comments"),
    ("rewordings.yaml", "rewordings"),
    ("hostile.yaml", "what somebody might try"),
    ("independent-code.yaml", "code, by another hand"),
    ("independent.yaml", "comments, by another hand"),
    ("mistaken.yaml", "known to be mistaken"),
];

/// Builds a library that defines what the headers declare; `None` if it does not compile.
fn build(folder: &Path, sources: &Sources, interface: &Interface) -> std::io::Result<Option<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in sources {
        std::fs::write(folder.join(name), text)?;
    }
    let mut code: String = sources.keys().map(|name| format!("#include \"{name}\"\n")).collect();
    let setting = Setting { language: Language::C, target: TARGETS[0] };
    for one in
        interface.declarations[&setting].iter().filter(|one| one.kind == Kind::Function && !one.definition)
    {
        let _ = writeln!(code, "{} {{ __builtin_trap(); }}", one.text.trim_end_matches(';'));
    }
    let source = folder.join("library.c");
    let library = folder.join("libworker.so");
    std::fs::write(&source, code)?;
    let built = Command::new("cc")
        .args(["-std=gnu99", "-w", "-g", "-O0", "-shared", "-fPIC", "-I"])
        .arg(folder)
        .args([&source, Path::new("-o"), &library])
        .output()?;
    Ok(built.status.success().then_some(library))
}

/// What abidiff makes of two libraries: bit 4 of its status is a change, bit 8 an incompatible one.
fn abidiff(old: &Path, new: &Path) -> std::io::Result<bool> {
    let status = Command::new("abidiff").args([old, new]).output()?.status;
    match status.code() {
        Some(code) if code & 3 == 0 => Ok(code & 12 != 0),
        _ => Err(std::io::Error::other(format!("abidiff ended with {status}"))),
    }
}

/// The code of headers without their comments, of which a library knows nothing: equal code is built once.
fn code(sources: &Sources) -> Vec<(String, Vec<String>, Vec<String>)> {
    let one = |(name, text): (&String, &String)| {
        let pieces = lexer::split(text);
        let words = pieces.words.into_iter().map(|word| word.text).collect();
        let directives = pieces.directives.into_iter().map(|one| format!("{} {}", one.name, one.rest));
        (name.clone(), words, directives.collect())
    };
    sources.iter().map(one).collect()
}

fn run(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let sources = mutation::headers();
    let locked = Interface::read(&sources)?;
    let old =
        build(&folder.path().join("old"), &sources, &locked)?.ok_or("the locked headers do not compile")?;
    let (mut rows, mut sums) = (String::new(), String::new());
    let mut known = BTreeMap::new();
    for (file, title) in FILES {
        // Matter, found by the gate, by abidiff; do not matter, refused by the gate, by abidiff.
        let mut sum = [0; 6];
        for (number, one) in mutation::corpus(file).iter().enumerate() {
            let mutated = mutation::mutate(&sources, one);
            let interface = Interface::read(&mutated)?;
            let refused = diff::compare(&locked, &interface).iter().any(|difference| difference.counts());
            let place = folder.path().join(format!("{file}-{number}"));
            let code = code(&mutated);
            let (word, by_abidiff) = match known.get(&code) {
                Some(known) => *known,
                None => match build(&place, &mutated, &interface)? {
                    None => ("does not compile", false),
                    Some(new) if abidiff(&old, &new)? => ("changed", true),
                    Some(_) => ("no change", false),
                },
            };
            known.insert(code, (word, by_abidiff));
            let matters = one.class != Class::Editorial;
            let at = if matters { 0 } else { 3 };
            sum[at] += 1;
            sum[at + 1] += usize::from(refused);
            sum[at + 2] += usize::from(by_abidiff);
            let gate = if refused { "refused" } else { "let through" };
            let rule = one.rule.map_or("", worker_gate::rule::Rule::id);
            writeln!(rows, "| {title} | {} | {} | {rule} | {gate} | {word} |", one.name, one.class)?;
        }
        let [matter, gate, abidiff, harmless, false_gate, false_abidiff] = sum;
        writeln!(
            sums,
            "| {title} | {matter} | {gate} | {abidiff} | {harmless} | {false_gate} | {false_abidiff} |"
        )?;
    }
    let text = format!(
        "# The gate and abidiff on the same mutations\n\n\
         Written by `make abidiff-table`; do not edit. A library that defines what the headers declare is built before and\n\
         after each mutation, with debug information, and `abidiff` (Debian: abigail-tools) compares the two. It sees\n\
         types and symbols, and neither names of parameters nor comments, guards, macros, other languages or targets.\n\n\
         | part of the corpus | matter | refused by the gate | found by abidiff | do not matter | refused by the gate | found by abidiff |\n\
         |---|---|---|---|---|---|---|\n{sums}\n\
         | part | mutation | class | rule | gate | abidiff |\n|---|---|---|---|---|---|\n{rows}"
    );
    std::fs::write(out, text)?;
    Ok(())
}

fn main() -> ExitCode {
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("ABIDIFF.md");
    match run(&out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error} (Debian: apt-get install abigail-tools)");
            ExitCode::from(2)
        }
    }
}
