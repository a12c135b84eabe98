//! Every test library of `tests/backends` against the whole suite: sound ones are not blamed, broken ones are caught by
//! the requirement that they break, hostile ones end in bounded time. `make sweep`.

mod libraries;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use serde::Deserialize;

/// A library of `catalogue.yaml`, as far as its verdict goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    kind: Kind,
    summary: String,
    /// Sound: the verdict at level strict.
    #[serde(default)]
    expect: Option<String>,
    /// Sound: the SHOULDs that it leaves out. Broken and hostile: what must be reported.
    #[serde(default)]
    breaks: Vec<String>,
    /// What is reported beside it, for readers.
    #[serde(rename = "also_allowed", default)]
    _also_allowed: Vec<String>,
    /// More of a profile, for a library that needs it.
    #[serde(default)]
    profile: Option<String>,
    /// Why no suite can see from outside what it breaks.
    #[serde(default)]
    invisible: Option<String>,
    // How it is built, which build.sh reads.
    #[serde(rename = "base")]
    _base: String,
    #[serde(rename = "level", default)]
    _level: Option<String>,
    #[serde(rename = "sources", default)]
    _sources: Vec<String>,
    #[serde(rename = "flags", default)]
    _flags: Vec<String>,
    #[serde(rename = "inner_flags", default)]
    _inner_flags: Vec<String>,
    #[serde(rename = "post", default)]
    _post: Vec<String>,
    #[serde(rename = "notes", default)]
    _notes: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Sound,
    Broken,
    Hostile,
}

/// Longest run of a library, whatever it does: deadlines, and the rounds of the slow ones.
const LONGEST: u64 = 600;
/// Libraries at a time: many only wait, for deadlines and pauses.
const AT_A_TIME: usize = 3;

fn catalogue() -> Vec<Entry> {
    let text = include_str!("backends/catalogue.yaml");
    serde_yaml::from_str(text).expect("catalogue.yaml is a list of libraries")
}

/// Builds all of them, or those named.
fn build_all(names: &[String]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backends-all");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends/build.sh");
    let output = Command::new("sh").arg(script).arg(&folder).args(names).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

fn profile(entry: &Entry, folder: &Path) -> PathBuf {
    let common = include_str!("backends/profile.yaml");
    let path = folder.join(format!("{}.yaml", entry.name));
    let own = entry.profile.as_deref().unwrap_or_default();
    std::fs::write(&path, format!("{common}{own}\n")).expect("a profile");
    path
}

/// What is wrong with the suite's verdict on a library, if anything is.
fn judge(entry: &Entry, run: &libraries::Run, failing: &BTreeSet<String>) -> Result<String, String> {
    let list = failing.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let has = |id: &String| failing.contains(id);
    if run.report.is_null() {
        return Err(format!("NO VERDICT: {}", run.text));
    }
    match entry.kind {
        Kind::Sound => {
            let blamed: Vec<&String> = failing.iter().filter(|id| !entry.breaks.contains(id)).collect();
            let verdict = run.report["verdict"].as_str().unwrap_or("none");
            let right = entry.expect.as_deref() == Some(verdict) || !entry.breaks.is_empty();
            if blamed.is_empty() && right {
                return Ok(if list.is_empty() {
                    "sound".to_owned()
                } else {
                    format!("sound but for {list}")
                });
            }
            Err(format!("BLAMED {verdict}: {list}"))
        }
        Kind::Broken | Kind::Hostile => {
            if entry.breaks.iter().any(has) && run.code == 1 {
                return Ok("caught".to_owned());
            }
            if entry.invisible.is_some() && run.code != 2 {
                return Ok("cannot be seen".to_owned());
            }
            Err(format!("MISSED, {list} instead"))
        }
    }
}

/// Runs the suite on a library, and judges its verdict. A broken library is caught by the scenarios of what it breaks,
/// so that these come first and the whole suite only where they find nothing.
fn look(entry: &Entry, library: &Path, profile: &Path) -> Result<String, String> {
    let profile = profile.to_str().expect("a path in UTF-8");
    let always = ["--level", "strict", "--profile", profile];
    if entry.kind == Kind::Broken {
        let only = entry.breaks.join(",");
        let run = libraries::run(library, &[&always[..], &["--only", &only, "--programs", "0"]].concat());
        if let Ok(text) = judge(entry, &run, &run.failing()) {
            return Ok(text);
        }
    }
    let run = libraries::run(library, &always);
    judge(entry, &run, &run.failing())
}

/// A library's line of the table.
fn line(entry: &Entry, said: &Result<String, String>) -> String {
    let (Ok(text) | Err(text)) = said;
    format!("{:<40} {:<9} {text}", entry.name, entry.breaks.join(", ")).trim_end().to_owned()
}

#[test]
#[ignore = "run by make sweep"]
fn every_test_library_gets_the_verdict_that_it_deserves() {
    // `SWEEP=name,name` takes some only, and compares nothing with the snapshot.
    let named: Vec<String> = std::env::var("SWEEP")
        .map(|names| names.split(',').map(|name| name.trim().to_owned()).collect())
        .unwrap_or_default();
    let folder = build_all(&named);
    let profiles = tempfile::tempdir().expect("a temporary folder");
    let entries: Vec<Entry> =
        catalogue().into_iter().filter(|entry| named.is_empty() || named.contains(&entry.name)).collect();
    let (queue, said) = (Mutex::new(entries.iter().enumerate()), Mutex::new(BTreeMap::new()));
    let next = || queue.lock().expect("no thread panics").next();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((at, entry)) = next() {
                    let library = folder.join(format!("{}.so", entry.name));
                    let profile = profile(entry, profiles.path());
                    let started = Instant::now();
                    let mut words = look(entry, &library, &profile);
                    let seconds = started.elapsed().as_secs();
                    if seconds > LONGEST {
                        words = Err(format!("took {seconds} s"));
                    }
                    let line = line(entry, &words);
                    eprintln!("{:>3}/{} {seconds:>3} s {line}", at + 1, entries.len());
                    said.lock().expect("no thread panics").insert(at, (line, words));
                }
            });
        }
    });
    let mut table = String::new();
    let mut wrong = Vec::new();
    for (at, (line, words)) in said.into_inner().expect("no thread panics") {
        writeln!(table, "{line}").expect("a text takes a line");
        if words.is_err() {
            wrong.push(format!("{line}: {}", entries[at].summary));
        }
    }
    if named.is_empty() {
        insta::assert_snapshot!("verdicts", table);
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), entries.len(), wrong.join("\n"));
}
