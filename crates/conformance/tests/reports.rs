//! Reports of real runs: the schema holds, shards make the whole, waivers and identities are strict, packages verify.

mod libraries;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libraries::{build, root};
use serde_json::Value;

/// Programs of a run here: enough for every shard to have some.
const PROGRAMS: &str = "40";

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_worker-conformance"))
        .args(arguments)
        .env("WORKER_CONFORMANCE_MODELS", Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"))
        .env_remove("WORKER_LIBRARY")
        .output()
        .expect("the program starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

fn json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

fn text(path: PathBuf) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The published schema, closed: a key that it does not name is an error here, though readers must bear it.
fn closed_schema() -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(map) => {
                if map.contains_key("properties") {
                    map.insert("additionalProperties".to_owned(), Value::Bool(false));
                }
                map.values_mut().for_each(close);
            }
            Value::Array(all) => all.iter_mut().for_each(close),
            _ => {}
        }
    }
    let mut schema = json(&root().join("docs/report.schema.json"));
    close(&mut schema);
    schema
}

#[test]
fn reports_of_a_broken_library_keep_the_schema_and_every_form_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| text(folder.path().join(name));
    let library = text(build("null-03-null-prompt-crashes"));
    let forms = ["html", "junit", "markdown", "sarif", "tap", "cucumber-json", "cucumber-messages"];
    let mut arguments =
        vec!["run".to_owned(), "--library".to_owned(), library, "--programs".to_owned(), PROGRAMS.to_owned()];
    arguments.extend(["--json".to_owned(), path("report.json")]);
    for form in forms {
        arguments.extend(["--report".to_owned(), format!("{form}={}", path(form))]);
    }
    arguments.extend(["--package".to_owned(), path("out.zip")]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let run = program(&arguments);
    assert_eq!(code(&run), 1, "{}", said(&run));

    let report = json(&folder.path().join("report.json"));
    let schema = jsonschema::validator_for(&closed_schema()).expect("a schema");
    let wrong: Vec<String> = schema
        .iter_errors(&report)
        .take(5)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut other = report.clone();
    other["requirements"][0]["status"] = Value::from("fine");
    assert!(!schema.is_valid(&other), "a status that there is none must be an error");
    let reproducers = report["reproducers"].as_array().expect("C programs of what fails");
    assert!(reproducers.iter().any(|one| one["requirement"] == "NULL-03"), "NULL-03 has a C program");

    // Every form can be made later from the JSON, and is the same.
    for form in forms {
        let again = path("again");
        let convert =
            program(&["report", "convert", &path("report.json"), "--report", &format!("{form}={again}")]);
        assert_eq!(code(&convert), 0, "{}", said(&convert));
        assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(path(form)).unwrap(), "{form}");
    }
    let verify = program(&["report", "verify", &path("out.zip")]);
    assert_eq!(code(&verify), 0, "{}", said(&verify));
    let mut bytes = std::fs::read(path("out.zip")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path("out.zip"), bytes).unwrap();
    assert_eq!(code(&program(&["report", "verify", &path("out.zip")])), 1);
    assert_eq!(code(&program(&["report", "verify", &path("none.zip")])), 2);

    // A report is not worse than itself; a library that keeps more is better, and the other way round.
    let sound = path("sound.json");
    let plain = text(build("plain"));
    program(&["run", "--library", &plain, "--programs", PROGRAMS, "--json", &sound]);
    let diff = |old: &str, new: &str| code(&program(&["report", "diff", old, new]));
    assert_eq!(diff(&path("report.json"), &path("report.json")), 0);
    assert_eq!(diff(&sound, &path("report.json")), 1);
    assert_eq!(diff(&path("report.json"), &sound), 0);
    assert_eq!(diff(&path("html"), &sound), 2);
    let matrix = program(&["report", "matrix", &sound, &path("report.json")]);
    assert_eq!(code(&matrix), 0);
    let row = said(&matrix).lines().find(|line| line.starts_with("| NULL-03")).map(str::to_owned);
    let row = row.expect("a row for NULL-03");
    assert!(row.contains("| ✔ pass | ✘ fail |"), "{row}");
}

/// Scenarios whose number of judgements depends on how busy the machine is: threads that meet in any order, and rounds
/// of which a slow library makes fewer.
const BY_TIME: [&str; 2] = ["features/threads.feature:", "over 200 rounds"];

/// Places, ends, findings and checks of all cases, as far as they do not depend on the time.
fn cases(report: &Value) -> Vec<Value> {
    let all = report["cases"].as_array().into_iter().flatten();
    all.map(|case| {
        let mut case = case.clone();
        let place = case["place"].as_str().unwrap_or_default().to_owned();
        let steady = !BY_TIME.iter().any(|known| place.contains(known));
        let checks = if steady { case["checks"].take() } else { Value::Null };
        serde_json::json!([place, case["end"], case["findings"], checks])
    })
    .collect()
}

#[test]
fn shards_together_are_the_whole_run() {
    for (library, expected) in [("plain", 0), ("null-03-null-prompt-crashes", 1)] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| text(folder.path().join(name));
        let library = text(build(library));
        let run = |more: &[&str]| {
            let usual = ["run", "--library", &library, "--programs", PROGRAMS];
            program(&[&usual[..], more].concat())
        };
        let whole = run(&["--json", &path("whole.json")]);
        assert_eq!(code(&whole), expected, "{}", said(&whole));
        let mut played = 0;
        for shard in ["1/3", "2/3", "3/3"] {
            let file = path(&shard.replace('/', "-"));
            run(&["--shard", shard, "--json", &file]);
            let scenarios = json(Path::new(&file))["scenarios"].as_u64().expect("a count");
            assert!(scenarios > 60, "shard {shard} has {scenarios} scenarios");
            played += scenarios;
        }
        let merged = program(&[
            "report",
            "merge",
            &path("3-3"),
            &path("1-3"),
            &path("2-3"),
            "--json",
            &path("merged.json"),
        ]);
        assert_eq!(code(&merged), expected, "{}", said(&merged));
        let (whole, merged) =
            (json(&folder.path().join("whole.json")), json(&folder.path().join("merged.json")));
        assert_eq!(whole["scenarios"].as_u64(), Some(played));
        let list = |report: &Value| report["requirements"].as_array().cloned().unwrap_or_default();
        assert_eq!(list(&whole).len(), list(&merged).len());
        for (one, other) in list(&whole).iter().zip(&list(&merged)) {
            for key in ["id", "status", "reason", "applies", "failures"] {
                assert_eq!(one[key], other[key], "{library}: {key} of {}", one["id"]);
            }
        }
        for key in ["verdict", "generated", "scenarios"] {
            assert_eq!(whole[key], merged[key], "{library}: {key}");
        }
        assert_eq!(cases(&whole), cases(&merged), "{library}");
        for report in [&whole, &merged] {
            for one in list(report) {
                let id = one["id"].as_str().unwrap_or_default();
                let sum: u64 = report["cases"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|case| case["checks"][id].as_u64())
                    .sum();
                assert_eq!(one["checks"].as_u64(), Some(sum), "{id}");
            }
        }
        let missing = program(&["report", "merge", &path("3-3"), &path("1-3")]);
        assert_eq!(code(&missing), 2, "{}", said(&missing));
        assert!(said(&missing).contains("shards are missing: 2/3"), "{}", said(&missing));
    }
}

#[test]
fn waivers_and_identities_are_strict() {
    let folder = tempfile::tempdir().unwrap();
    let built = build("null-03-null-prompt-crashes");
    let library = folder.path().join("libmine.so");
    std::fs::copy(&built, &library).unwrap();
    let library = text(library);
    let beside = folder.path().join("libmine.so.conformance.yaml");
    let path = |name: &str| text(folder.path().join(name));
    let run =
        |more: &[&str]| program(&[&["run", "--library", &library, "--programs", "0"][..], more].concat());

    // A draft is refused as it is, and holds once it is filled in.
    let draft = path("draft.yaml");
    let first = run(&["--write-waivers", &draft, "--json", &path("first.json")]);
    assert_eq!(code(&first), 1, "{}", said(&first));
    std::fs::copy(&draft, &beside).unwrap();
    let refused = run(&[]);
    assert_eq!(code(&refused), 2, "{}", said(&refused));
    assert!(said(&refused).contains("TODO"), "{}", said(&refused));
    let filled = std::fs::read_to_string(&draft).unwrap();
    let filled = filled
        .replace("TODO why this is excused", "known")
        .replace("TODO where it is tracked", "https://example.com/1")
        .replace("TODO YYYY-MM-DD", "2999-12-31");
    std::fs::write(&beside, &filled).unwrap();
    let excused = run(&["--json", &path("excused.json")]);
    assert_eq!(code(&excused), 0, "{}", said(&excused));

    // One that has run out, one of nothing, one of what is kept.
    std::fs::write(&beside, filled.replace("2999-12-31", "2001-01-01")).unwrap();
    let expired = run(&[]);
    assert_eq!(code(&expired), 1, "{}", said(&expired));
    assert!(said(&expired).contains("expired on 2001-01-01"), "{}", said(&expired));
    let waiver = |what: &str| {
        format!("- {{{what}, reason: known, link: https://example.com/1, expires: 2999-12-31}}\n")
    };
    std::fs::write(&beside, format!("{filled}{}", waiver("requirement: MSG-01"))).unwrap();
    let needless = run(&[]);
    assert_eq!(code(&needless), 2, "{}", said(&needless));
    assert!(
        said(&needless).contains("MSG-01, ") && said(&needless).contains("passes now"),
        "{}",
        said(&needless)
    );
    std::fs::write(&beside, format!("{filled}{}", waiver("scenario: no such scenario"))).unwrap();
    let nothing = run(&[]);
    assert_eq!(code(&nothing), 2, "{}", said(&nothing));
    assert!(said(&nothing).contains("names no scenario"), "{}", said(&nothing));
    std::fs::write(&beside, format!("waivers:\n{}", waiver("requirement: NULL-99"))).unwrap();
    assert_eq!(code(&run(&[])), 2);
    // For another library it holds as little as if it were not there.
    let sha256 = json(&folder.path().join("first.json"))["library"]["sha256"].as_str().unwrap().to_owned();
    std::fs::write(&beside, filled.replace(&sha256, &"0".repeat(64))).unwrap();
    assert_eq!(code(&run(&[])), 1);
    std::fs::remove_file(&beside).unwrap();

    // A profile that is about another file stops the run.
    let profile = path("profile.yaml");
    let pin = |identity: &str| {
        std::fs::write(&profile, format!("identity: {identity}\n")).unwrap();
        run(&["--profile", &profile, "--only", "MSG-01"])
    };
    let other = pin(&format!("{{sha256: {}}}", "0".repeat(64)));
    assert_eq!(code(&other), 2, "{}", said(&other));
    assert!(said(&other).contains("is not what the profile"), "{}", said(&other));
    assert_eq!(code(&pin("{device: No Such Device}")), 2);
    assert_eq!(code(&pin(&format!("{{sha256: {sha256}}}"))), 0);
}
