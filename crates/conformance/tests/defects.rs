//! The suite's test of itself: each defect of the CPU reference is caught by the requirement that it breaks, and the
//! sound build by none.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use worker_contract::{RequirementId, catalogue};

/// Defects that hang on time or on threads that meet: which other requirements fail with them varies.
const UNSTEADY: [&str; 6] =
    ["message-race", "init-race", "count-race", "query-race", "job-race", "pause-differs"];

/// Defects that plain `cargo test` tries, on the requirement that each breaks alone. Those that only the
/// scenarios of other requirements bring out are left to the whole matrix.
const SAMPLE: [&str; 5] =
    ["refused-init-says-0", "null-prompt-accepted", "exact-fit-refused", "high-seed-matters", "fault-sticks"];

/// Defects deep in the state: scenarios need not bring them out, generated programs have to; tests/generated.rs shows
/// how.
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

/// Defects of different families, on which whole runs are repeated: none of them hangs on time. One that counts models
/// of the whole process does, where threads load them beside each other.
const STEADY: [&str; 10] = [
    "refused-init-says-0",
    "null-prompt-accepted",
    "exact-fit-refused",
    "high-seed-matters",
    "fault-sticks",
    "destroy-harms-others",
    "jobs-leak",
    "split-twice",
    "truncated-loads",
    "far-token-differs",
];

/// Whole runs of each.
const REPEATS: usize = 20;

/// The CPU reference as cargo built it.
struct Mock {
    library: PathBuf,
    defects: Vec<Defect>,
}

/// A line of its catalogue.
struct Defect {
    name: String,
    requirement: String,
    summary: String,
}

/// What a run of the program found.
struct Run {
    code: Option<i32>,
    failing: BTreeSet<String>,
    /// Every requirement with its status.
    statuses: Vec<String>,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds the CPU reference as this test was built, optimised or not; the files that cargo made.
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

/// Builds the library with its defects, in a folder of its own so that the plain one stays.
fn mock() -> Mock {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../defects");
    let folder = folder.to_str().expect("a folder in UTF-8");
    let files = build(&["--features", "defects", "--lib", "--example", "defects", "--target-dir", folder]);
    let list = files.iter().find(|path| path.ends_with("examples/defects")).expect("the list of defects");
    let output = Command::new(list).output().expect("the list of defects starts");
    let defects = String::from_utf8_lossy(&output.stdout).lines().map(Defect::parse).collect();
    Mock { library: library(&files), defects }
}

impl Defect {
    fn parse(line: &str) -> Self {
        let parts: Vec<&str> = line.split('\t').collect();
        let [name, requirement, summary] = parts[..] else { panic!("`{line}` has not three parts") };
        Self { name: name.to_owned(), requirement: requirement.to_owned(), summary: summary.to_owned() }
    }
}

fn run(library: &Path, defect: Option<&str>, arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().join("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker-conformance"));
    command.arg("run").arg("--library").arg(library).arg("--json").arg(&report);
    command.arg("--profile").arg(root().join("fixtures/profiles/mock.yaml"));
    command.args(["--level", "strict"]).args(arguments);
    command.env("WORKER_CONFORMANCE_MODELS", Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"));
    command.env_remove("WORKER_MOCK_DEFECT").env_remove("WORKER_LIBRARY");
    command.envs(defect.map(|name| ("WORKER_MOCK_DEFECT", name)));
    let output = command.output().expect("the program starts");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let report: Value = std::fs::read(report)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_else(|| panic!("{defect:?} gives no report:\n{text}"));
    let all = report["requirements"].as_array().expect("a list of requirements");
    let failing = all
        .iter()
        .filter(|one| one["status"] == "fail")
        .filter_map(|one| one["id"].as_str().map(str::to_owned))
        .collect();
    let statuses = all.iter().map(|one| format!("{} {}", one["id"], one["status"])).collect();
    Run { code: output.status.code(), failing, statuses, text }
}

#[test]
fn a_plain_build_contains_no_defect() {
    let library = library(&build(&["--lib"]));
    let bytes = std::fs::read(&library).expect("the library");
    let sign = b"WORKER_MOCK_DEFECT";
    assert!(!bytes.windows(sign.len()).any(|window| window == sign), "{} has defects", library.display());
}

#[test]
fn every_requirement_has_a_defect_or_a_reason_why_not() {
    let broken: BTreeSet<String> = mock().defects.into_iter().map(|defect| defect.requirement).collect();
    for id in &broken {
        assert!(id.parse::<RequirementId>().is_ok(), "a defect breaks {id}, which is no requirement");
    }
    for requirement in catalogue() {
        let id = requirement.id;
        match (broken.contains(id.as_str()), &requirement.no_defect) {
            (true, Some(reason)) => panic!("a defect breaks {id}, though {reason}"),
            (false, None) => panic!("no defect breaks {id}, and requirements.yaml does not say why"),
            _ => {}
        }
    }
}

#[test]
fn a_sample_of_defects_is_caught() {
    let mock = mock();
    for name in SAMPLE {
        let defect = mock.defects.iter().find(|defect| defect.name == name).expect("a defect of the sample");
        let run = run(&mock.library, Some(name), &["--only", &defect.requirement, "--programs", "0"]);
        assert!(run.failing.contains(&defect.requirement), "{name}: {}\n{}", defect.summary, run.text);
    }
}

/// The same for every defect: what a change to a scenario must not lose, without the rest of the matrix.
#[test]
#[ignore = "run by make self-test-quick"]
fn no_defect_gets_past_its_requirement() {
    let mock = mock();
    let catches = |defect: &Defect, arguments: &[&str]| {
        let all = [arguments, &["--programs", "0"]].concat();
        run(&mock.library, Some(&defect.name), &all).failing.contains(&defect.requirement)
    };
    let missed: Vec<String> = mock
        .defects
        .iter()
        .filter(|defect| !DEEP.contains(&defect.name.as_str()))
        // A few come out in the scenarios of another requirement alone.
        .filter(|defect| !catches(defect, &["--only", &defect.requirement]) && !catches(defect, &[]))
        .map(|Defect { name, requirement, summary }| format!("{name} ({requirement}): {summary}"))
        .collect();
    assert!(missed.is_empty(), "not caught:\n{}", missed.join("\n"));
}

/// The whole kill matrix: what scenarios have caught, and what only programs drawn at random have.
#[test]
#[ignore = "run by make self-test"]
fn every_defect_is_caught_by_its_requirement_and_the_sound_build_by_none() {
    let mock = mock();
    // What the scenarios catch, without the help of generated programs.
    let scenarios_alone = ["--programs", "0"];
    let sound = run(&mock.library, None, &scenarios_alone);
    assert_eq!((sound.code, sound.failing.len()), (Some(0), 0), "the sound build is blamed:\n{}", sound.text);
    let mut matrix = String::new();
    let mut missed = Vec::new();
    for (at, defect) in mock.defects.iter().enumerate() {
        let Defect { name, requirement, summary } = defect;
        let mut run = run(&mock.library, Some(name), &scenarios_alone);
        let caught = run.failing.contains(requirement);
        let mut word = if caught { "caught" } else { "MISSED" };
        if !caught && DEEP.contains(&name.as_str()) {
            run = whole_run(&mock.library, Some(name));
            if run.failing.contains(requirement) {
                word = "drawn";
            }
        }
        // How many programs are drawn hangs on how fast the machine is.
        let others = match UNSTEADY.contains(&name.as_str()) || word == "drawn" {
            true => format!("{requirement}, others vary"),
            false => run.failing.into_iter().collect::<Vec<_>>().join(", "),
        };
        let line = format!("{name:<32} {requirement:<9} {:<7} {others}", word);
        eprintln!("{:>3}/{} {line}", at + 1, mock.defects.len());
        writeln!(matrix, "{}", line.trim_end()).expect("a text takes a line");
        if word == "MISSED" {
            missed.push(format!("{name} ({requirement}): {summary}"));
        }
    }
    // The matrix first: it is worth reading in either case.
    insta::assert_snapshot!("kill_matrix", matrix);
    assert!(missed.is_empty(), "not caught:\n{}", missed.join("\n"));
}

/// Scenarios and generated programs, as many as a run has unless it is told otherwise.
fn whole_run(library: &Path, defect: Option<&str>) -> Run {
    run(library, defect, &["--programs", "2000"])
}

/// What a run says of every requirement.
fn statuses(library: &Path, defect: Option<&str>) -> (Option<i32>, Vec<String>) {
    let run = whole_run(library, defect);
    (run.code, run.statuses)
}

/// A verdict that changes from run to run is a defect of the suite.
#[test]
#[ignore = "run by make steady"]
fn whole_runs_say_the_same_every_time() {
    let mock = mock();
    let mut unsteady = Vec::new();
    for defect in std::iter::once(None).chain(STEADY.iter().copied().map(Some)) {
        let name = defect.unwrap_or("the sound build");
        let first = statuses(&mock.library, defect);
        for repeat in 2..=REPEATS {
            let next = statuses(&mock.library, defect);
            let differences: Vec<String> = first
                .1
                .iter()
                .zip(&next.1)
                .filter(|(before, after)| before != after)
                .map(|(before, after)| format!("{before}, then {after}"))
                .collect();
            if !differences.is_empty() || first.0 != next.0 {
                unsteady.push(format!("{name}, run {repeat}: {differences:?}"));
            }
        }
        eprintln!("{name}: {REPEATS} runs, exit status {:?}", first.0);
    }
    assert!(unsteady.is_empty(), "{}", unsteady.join("\n"));
}
