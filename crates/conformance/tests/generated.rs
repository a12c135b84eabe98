//! Generated programs on real libraries: the sound ones pass, defects are found, and what is handed over shows them.

mod libraries;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;

/// Defects deep in the state, which no scenario brings out.
const DEEP: [&str; 10] = [
    "middle-free-harms",
    "third-load-resets",
    "index-of-other-model",
    "elder-free-keeps-usage",
    "refused-start-draws",
    "elder-unload-evicts",
    "destroy-forgets-jobs",
    "end-forgotten",
    "unused-unload-breaks",
    "seed-of-neighbour",
];

/// Defects that plain `cargo test` looks for, each of another sort: a text, a code, a figure, a death, growth.
const SAMPLE: [&str; 5] =
    ["second-job-harms", "end-reports-4", "job-keeps-usage", "exit-in-free-midway", "failed-load-keeps-vram"];

/// What a caller cannot see, or not with programs of this form, and why.
const UNSEEN: [(&str, &str); 29] = [
    ("gpt2-refused", "without a profile, a model that does not load is not asked for"),
    ("no-device-unknown", "needs a machine without devices"),
    ("no-device-negative", "needs a machine without devices"),
    ("second-device-fails", "needs a machine with two devices"),
    ("message-race", "needs many threads at one moment"),
    ("init-race", "needs many threads at one moment"),
    ("count-race", "needs many threads at one moment"),
    ("query-race", "needs many threads at one moment"),
    ("file-read-again", "needs a model file that changes"),
    ("file-missed", "needs a model file that goes"),
    ("file-held-open", "is a SHOULD about files"),
    ("version-2-loads", "needs a file of version 2"),
    ("shape-ignored", "needs a file with a wrong shape"),
    ("overlap-crashes", "needs a file with overlapping tensors"),
    ("device-per-thread", "needs a handle that changes threads, a SHOULD"),
    ("seed-ignored", "is no fault of a single text"),
    ("upper-seed-only", "is no fault of a single text"),
    ("split-dropped", "needs the vocabulary of the model"),
    ("split-twice", "needs the vocabulary of the model"),
    ("replacement", "needs the vocabulary of the model"),
    ("kv-fault-reports-4", "needs an injected fault"),
    ("launch-reports-4", "needs an injected fault"),
    ("launch-hidden", "needs an injected fault"),
    ("kernel-reports-6", "needs an injected fault"),
    ("residency-hidden", "needs an injected fault"),
    ("sick-reports-99", "needs an injected fault"),
    ("oom-reports-4", "needs an injected fault"),
    ("fault-sticks", "needs an injected fault"),
    ("no-job-after-oom", "needs an injected fault"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds the CPU reference as this test was built, with or without its defects.
fn build(arguments: &[&str]) -> Vec<PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--package", "worker-mock", "--message-format", "json-render-diagnostics"])
        .args(arguments);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.current_dir(root()).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| ["worker_mock", "defects"].iter().any(|name| message["target"]["name"] == **name))
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .collect()
}

fn library(files: &[PathBuf]) -> PathBuf {
    let library = files.iter().find(|path| path.extension().is_some_and(|extension| extension == "so"));
    library.expect("cargo names the library it built").clone()
}

/// The sound build.
static SOUND: LazyLock<PathBuf> = LazyLock::new(|| library(&build(&["--lib"])));
/// The build with defects, and the names of those with the requirements that they break.
static SPOILT: LazyLock<(PathBuf, Vec<(String, String)>)> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../defects");
    let folder = folder.to_str().expect("a folder in UTF-8");
    let files = build(&["--features", "defects", "--lib", "--example", "defects", "--target-dir", folder]);
    let list = files.iter().find(|path| path.ends_with("examples/defects")).expect("the list of defects");
    let output = Command::new(list).output().expect("the list of defects starts");
    let parse = |line: &str| {
        let mut parts = line.split('\t').map(str::to_owned);
        Some((parts.next()?, parts.next()?))
    };
    let defects = String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).collect();
    (library(&files), defects)
});

fn program(library: &Path, defect: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker-conformance"));
    command.args(arguments).arg("--library").arg(library);
    command.env("WORKER_CONFORMANCE_MODELS", Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"));
    command.env_remove("WORKER_MOCK_DEFECT").env_remove("WORKER_LIBRARY");
    command.envs(defect.map(|name| ("WORKER_MOCK_DEFECT", name)));
    command.output().expect("the program starts")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Looks for a defect; the folder of what was found, and the text.
fn find(defect: &str, seed: &str, limit: &[&str], keep: &Path) -> (Option<PathBuf>, String) {
    let keep_text = keep.to_str().expect("a folder in UTF-8");
    let mut arguments = vec!["fuzz", "--seed", seed, "--keep", keep_text];
    arguments.extend(limit);
    let output = program(&SPOILT.0, Some(defect), &arguments);
    let folder = std::fs::read_dir(keep.join("libworker_mock"))
        .ok()
        .and_then(|mut entries| entries.next()?.ok().map(|entry| entry.path()));
    let told = text(&output);
    let found = output.status.code() == Some(1);
    assert!(found || output.status.code() == Some(0), "{defect}: {told}");
    (folder.filter(|_| found), told)
}

/// Compiles a C program as its comment says, warnings being errors.
fn compile(source: &Path) -> PathBuf {
    let binary = source.with_extension("bin");
    let output = Command::new("gcc")
        .args(["-std=gnu11", "-Wall", "-Werror", "-O1", "-I"])
        .arg(root().join("contract/include"))
        .arg(source)
        .arg("-o")
        .arg(&binary)
        .args(["-ldl", "-lm", "-pthread"])
        .output()
        .expect("gcc starts");
    assert!(output.status.success(), "{}: {}", source.display(), text(&output));
    binary
}

/// A C program fails on the library with the defect, and passes on the sound one.
fn shows(source: &Path, defect: &str) -> Result<(), String> {
    let binary = compile(source);
    for (library, name, wanted) in [(&SPOILT.0, Some(defect), 1), (&*SOUND, None, 0)] {
        let mut command = Command::new(&binary);
        command.arg(library).env_remove("WORKER_MOCK_DEFECT");
        command.envs(name.map(|name| ("WORKER_MOCK_DEFECT", name)));
        let output = command.output().expect("the C program starts");
        if output.status.code() != Some(wanted) {
            let told = text(&output);
            return Err(format!("{defect}: status {:?}, not {wanted}:\n{told}", output.status.code()));
        }
        if wanted == 1 && !(text(&output).contains("expected  ") && text(&output).contains("observed  ")) {
            return Err(format!("{defect}: no word of what is wrong:\n{}", text(&output)));
        }
    }
    Ok(())
}

#[test]
fn a_run_of_the_suite_shows_what_generated_programs_alone_find() {
    let report = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = report.path().to_str().expect("a path in UTF-8");
    let output = program(&SPOILT.0, Some("middle-free-harms"), &["run", "--programs", "400", "--json", path]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report: Value =
        serde_json::from_slice(&std::fs::read(report.path()).expect("the report")).expect("JSON");
    let failing: Vec<&Value> = report["requirements"]
        .as_array()
        .expect("a list of requirements")
        .iter()
        .filter(|one| one["status"] == "fail")
        .collect();
    let [only] = failing[..] else { panic!("{failing:?}") };
    assert_eq!(only["id"], "INF-15");
    let failure = &only["failures"][0];
    let place = failure["scenario"].as_str().expect("a place");
    assert!(place.starts_with("generated program "), "{failure}");
    assert_eq!(report["generated"]["programs"], 400);
    // The command of the report finds it again.
    let again = failure["rerun"].as_str().expect("a command");
    let options: Vec<&str> =
        again.split(" --").filter(|word| word.contains("seed") || word.contains("case")).collect();
    let [seed, case] = options[..] else { panic!("{again}") };
    let keep = tempfile::tempdir().expect("a temporary folder");
    let folder = keep.path().to_str().expect("a folder in UTF-8");
    let words =
        [["fuzz", "--keep", folder].to_vec(), format!("--{seed} --{case}").leak().split(' ').collect()]
            .concat();
    let output = program(&SPOILT.0, Some("middle-free-harms"), &words);
    assert!(text(&output).contains("FAIL INF-15"), "{again}: {}", text(&output));
}

#[test]
fn the_sound_reference_passes_generated_programs() {
    let keep = tempfile::tempdir().expect("a temporary folder");
    let folder = keep.path().to_str().expect("a folder in UTF-8");
    let arguments =
        ["fuzz", "--seed", "5", "--cases", "150", "--level", "strict", "--coverage", "--keep", folder];
    let output = program(&SOUND, None, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("150 programs"), "{}", text(&output));
    assert!(text(&output).contains("cuda_inference_next_token   NULL argument"), "{}", text(&output));
}

#[test]
fn a_sample_of_defects_is_found_shrunk_and_handed_over() {
    for defect in SAMPLE {
        let keep = tempfile::tempdir().expect("a temporary folder");
        let (folder, told) = find(defect, "1", &["--cases", "1500", "--shrink", "300"], keep.path());
        let folder = folder.unwrap_or_else(|| panic!("{defect} is not found:\n{told}"));
        assert!(told.contains("no call can be dropped"), "{defect}: {told}");
        if let Err(wrong) = shows(&folder.join("repro.c"), defect) {
            panic!("{wrong}");
        }
        let kept = folder.join("program.yaml");
        let replay = ["replay", kept.to_str().expect("a path in UTF-8")];
        let again = program(&SPOILT.0, Some(defect), &replay);
        assert_eq!(again.status.code(), Some(1), "{defect}: {}", text(&again));
        let sound = program(&SOUND, None, &replay);
        assert_eq!(sound.status.code(), Some(0), "{defect}: {}", text(&sound));
        // The same in words: the feature file fails and passes as well, growth aside, which has no step for any cycle.
        let feature = folder.join("conversation.feature");
        let words = std::fs::read_to_string(&feature).expect("the feature");
        if !words.contains("rounds of:") {
            let run = ["run", "--feature", feature.to_str().expect("a path in UTF-8")];
            let spoilt = program(&SPOILT.0, Some(defect), &run);
            assert_eq!(spoilt.status.code(), Some(1), "{defect}: {words}\n{}", text(&spoilt));
            let sound = program(&SOUND, None, &run);
            assert!([Some(0), Some(3)].contains(&sound.status.code()), "{defect}: {words}\n{}", text(&sound));
        }
        // What was found is played first the next time.
        let arguments = ["fuzz", "--seed", "1", "--cases", "1", "--keep"];
        let arguments = [&arguments[..], &[keep.path().to_str().expect("a folder in UTF-8")]].concat();
        let next = program(&SPOILT.0, Some(defect), &arguments);
        assert!(text(&next).contains("STILL FAILS"), "{defect}: {}", text(&next));
        assert_eq!(next.status.code(), Some(1));
    }
}

#[test]
fn a_hang_is_found_and_shrunk_attempt_by_attempt() {
    let keep = tempfile::tempdir().expect("a temporary folder");
    let profile = keep.path().join("profile.yaml");
    std::fs::write(&profile, "limits: {call_seconds: 1}\n").expect("a profile");
    let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let (keep, profile) = (path(&keep.path().join("kept")), path(&profile));
    let arguments =
        ["fuzz", "--seed", "1", "--cases", "40", "--shrink", "25", "--profile", &profile, "--keep", &keep];
    let output = program(&libraries::build("hostile-loops-in-next"), None, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for sign in ["FAIL ERR-08", "no return within 1.0 s", "cuda_inference_next_token"] {
        assert!(text(&output).contains(sign), "{}", text(&output));
    }
}

#[test]
fn mutated_models_do_not_harm_the_sound_reference_and_find_one_that_aborts() {
    let keep = tempfile::tempdir().expect("a temporary folder");
    let folder = keep.path().to_str().expect("a folder in UTF-8");
    let arguments = ["fuzz", "--models", "--seed", "3", "--cases", "250", "--keep", folder];
    let sound = program(&SOUND, None, &arguments);
    assert_eq!(sound.status.code(), Some(0), "{}", text(&sound));
    let spoilt = program(&SPOILT.0, Some("abort-on-malformed"), &arguments);
    assert_eq!(spoilt.status.code(), Some(1), "{}", text(&spoilt));
    assert!(text(&spoilt).contains("LOAD-13") && text(&spoilt).contains("SIGABRT"), "{}", text(&spoilt));
    let entries = std::fs::read_dir(keep.path().join("libworker_mock")).expect("what was kept");
    let folder = entries.flatten().next().expect("a failure").path();
    for name in ["model.gguf", "model.yaml", "program.yaml"] {
        assert!(folder.join(name).is_file(), "{name} is not kept");
    }
    if let Err(wrong) = shows(&folder.join("repro.c"), "abort-on-malformed") {
        panic!("{wrong}");
    }
}

/// What only a generated program finds is waived where the waiver holds, and no waiver that does not hold hides it.
#[test]
fn a_waiver_excuses_what_generated_programs_find_only_where_it_holds() {
    let keep = tempfile::tempdir().expect("a temporary folder");
    let profile = keep.path().join("profile.yaml");
    let path = profile.to_str().expect("a folder in UTF-8");
    let waiver = "requirement: INF-15, reason: r, link: l, expires: 2999-01-01";
    let cases = [("", 0, "WAIVED INF-15"), (", device: no such device", 1, "FAIL INF-15")];
    for (more, code, told) in cases {
        std::fs::write(&profile, format!("waivers: [{{{waiver}{more}}}]\n")).expect("a profile");
        let arguments = ["run", "--programs", "24", "--profile", path];
        let output = program(&SPOILT.0, Some("middle-free-harms"), &arguments);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains(told), "{}", text(&output));
    }
}

/// The deep defects, each with the program that it was brought down to.
#[test]
#[ignore = "run by make fuzz-defects"]
fn deep_defects_are_found_by_generated_programs_and_shrunk() {
    let mut shown = String::new();
    let mut wrong = Vec::new();
    for defect in DEEP {
        let keep = tempfile::tempdir().expect("a temporary folder");
        let (folder, told) =
            find(defect, "1", &["--cases", "3000", "--level", "strict", "--shrink", "150"], keep.path());
        let Some(folder) = folder else {
            wrong.push(format!("{defect} is not found:\n{told}"));
            continue;
        };
        if let Err(error) = shows(&folder.join("repro.c"), defect) {
            wrong.push(error);
        }
        let program = std::fs::read_to_string(folder.join("program.yaml")).expect("the program");
        let steps = program.split_once("program:\n").map_or("", |(_, steps)| steps);
        let requirement =
            program.lines().find_map(|line| line.strip_prefix("requirement: ")).unwrap_or_default();
        writeln!(shown, "{defect}: {requirement}\n{steps}").expect("a text takes a line");
    }
    insta::assert_snapshot!("deep_defects", shown);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What generated programs find of the whole catalogue, all scenarios off, with the programs of a minute each.
#[test]
#[ignore = "run by make fuzz-defects"]
fn most_defects_that_a_caller_can_see_are_found_by_generated_programs_alone() {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    let (mut seen, mut found, mut wrong) = (0, 0, Vec::new());
    for (at, (defect, requirement)) in SPOILT.1.iter().enumerate() {
        let unseen = UNSEEN.iter().find(|(name, _)| name == defect);
        let keep = tempfile::tempdir().expect("a temporary folder");
        // As many programs as a minute has to be enough for; a SHOULD is worth looking for as well.
        let cases = if unseen.is_some() { "200" } else { "3000" };
        let limit = ["--cases", cases, "--level", "strict", "--shrink", "150"];
        let (folder, _) = find(defect, "1", &limit, keep.path());
        let told = match &folder {
            Some(folder) => {
                if let Err(error) = shows(&folder.join("repro.c"), defect) {
                    wrong.push(error);
                }
                let name =
                    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let parts: Vec<&str> = name.splitn(3, '-').collect();
                format!("found as {}", parts[..2.min(parts.len())].join("-"))
            }
            None => match unseen {
                Some((_, why)) => format!("not found: {why}"),
                None => "NOT FOUND".to_owned(),
            },
        };
        seen += usize::from(unseen.is_none());
        found += usize::from(unseen.is_none() && folder.is_some());
        eprintln!("{:>3}/{} {defect:<32} {requirement:<9} {told}", at + 1, SPOILT.1.len());
        lines.insert(format!("{at:03}"), format!("{defect:<32} {requirement:<9} {told}"));
    }
    let table: Vec<String> = lines.into_values().collect();
    let text = format!("{}\n\n{found} of {seen} that a caller can see\n", table.join("\n"));
    insta::assert_snapshot!("found_by_generated_programs", text);
    assert!(wrong.is_empty(), "C programs that do not show their fault:\n{}", wrong.join("\n"));
    assert!(found * 10 >= seen * 8, "only {found} of {seen}");
}

/// No sound library is blamed, at any level that it holds.
#[test]
#[ignore = "run by make fuzz-sound"]
fn no_sound_library_is_blamed_by_generated_programs() {
    let catalogue = std::fs::read_to_string(root().join("crates/conformance/tests/backends/catalogue.yaml"));
    let catalogue: serde_yaml::Value =
        serde_yaml::from_str(&catalogue.expect("the catalogue of libraries")).expect("a catalogue in YAML");
    let all = catalogue.as_sequence().expect("a list of libraries");
    let mut blamed = Vec::new();
    for entry in all.iter().filter(|entry| entry["kind"] == "sound") {
        let name = entry["name"].as_str().expect("a name");
        let level =
            if entry["level"] == "strict" && entry.get("breaks").is_none() { "strict" } else { "core" };
        let keep = tempfile::tempdir().expect("a temporary folder");
        let folder = keep.path().to_str().expect("a folder in UTF-8");
        let limit = if name.contains("slow") { ["--time", "20s"] } else { ["--cases", "400"] };
        let arguments = ["fuzz", "--seed", "1", "--level", level, "--keep", folder];
        let output = program(&libraries::build(name), None, &[&arguments[..], &limit].concat());
        let told = text(&output);
        let fine = output.status.code() == Some(0);
        eprintln!("{name:<28} {level:<7} {}", told.lines().last().unwrap_or_default());
        if !fine {
            blamed.push(format!("{name}:\n{told}"));
        }
        let mutants = ["fuzz", "--models", "--seed", "1", "--time", "3s", "--keep", folder];
        let output = program(&libraries::build(name), None, &mutants);
        if output.status.code() == Some(1) {
            blamed.push(format!("{name}, mutated models:\n{}", text(&output)));
        }
    }
    assert!(blamed.is_empty(), "{}", blamed.join("\n\n"));
}
