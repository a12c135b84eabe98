//! Change control from the first edit to the new lock, through the commands as people and CI run them.

use std::path::{Path, PathBuf};
use std::process::Command;

use worker_gate::check::{self, Base, Outcome, Request, Verdict};
use worker_gate::difference::Difference;
use worker_gate::propose::{self, ProposeError};
use worker_gate::record;
use worker_gate::report::{github, sarif, text};
use worker_gate::rule::{Bump, Rule};

const TODAY: &str = "2026-03-01";

fn contract() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A copy of the contract's files in a folder of its own.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        for folder in ["include", "lock", "changes"] {
            std::fs::create_dir(copy.at(folder)).unwrap();
        }
        for header in ["worker_ffi.h", "worker_types.h", "worker_errors.h"] {
            std::fs::copy(contract().join("include").join(header), copy.at("include").join(header)).unwrap();
        }
        std::fs::copy(contract().join("lock/1.0.yaml"), copy.at("lock/1.0.yaml")).unwrap();
        std::fs::copy(contract().join("LOCK.md"), copy.at("LOCK.md")).unwrap();
        copy
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.at(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        std::fs::write(self.at(path), text.replacen(from, to, 1)).unwrap();
    }

    fn request(&self, lock: &str) -> Request {
        Request {
            base: Base::Lock(self.at(lock)),
            include: self.at("include"),
            changes: self.at("changes"),
            lock_md: Some(self.at("LOCK.md")),
            today: TODAY.to_owned(),
        }
    }

    fn check(&self) -> Outcome {
        check::run(&self.request("lock/1.0.yaml")).unwrap()
    }

    /// Widens max_tokens, as version 2.0, with the row in LOCK.md and the draft of a record.
    fn changed() -> (Self, PathBuf) {
        let copy = Self::new();
        copy.edit("include/worker_ffi.h", "1 to 2048", "1 to 4096");
        copy.edit("include/worker_ffi.h", "WORKER_FFI_VERSION_MAJOR 1", "WORKER_FFI_VERSION_MAJOR 2");
        copy.edit(
            "LOCK.md",
            "Foundation-Alpha |\n",
            "Foundation-Alpha |\n| 2.0 | 2026-03-01 | longer jobs | Foundation-Alpha |\n",
        );
        let outcome = copy.check();
        assert_eq!(outcome.verdict, Verdict::Refused);
        let draft = propose::propose(&copy.request("lock/1.0.yaml"), &outcome, "Longer jobs").unwrap();
        assert_eq!(draft.file_name().unwrap(), "0001-longer-jobs.yaml");
        (copy, draft)
    }

    /// Writes over every placeholder of a draft.
    fn fill(draft: &Path) {
        let text = std::fs::read_to_string(draft).unwrap();
        let filled: Vec<String> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let Some((before, what)) = line.split_once("TODO: ") else { return line.to_owned() };
                let before = before.trim_end_matches(['\'', '"']);
                let answer = if what.starts_with("when") {
                    "2026-02-28"
                } else if what.starts_with("who") {
                    "Foundation-Alpha"
                } else {
                    "Answers of more than 2048 tokens are asked for, and hosts check the bound themselves"
                };
                format!("{before}{answer}")
            })
            .collect();
        std::fs::write(draft, filled.join("\n")).unwrap();
    }
}

fn texts(outcome: &Outcome) -> Vec<&str> {
    outcome.problems.iter().map(|problem| problem.text.as_str()).collect()
}

fn rules(outcome: &Outcome) -> Vec<Rule> {
    outcome.differences.iter().map(|one| one.rule).collect()
}

#[test]
fn the_headers_of_this_repository_are_what_was_locked() {
    let outcome = Copy::new().check();
    assert_eq!(
        (outcome.verdict, outcome.differences, outcome.problems),
        (Verdict::Unchanged, vec![], vec![])
    );
}

#[test]
fn a_draft_covers_nothing_until_it_is_filled_and_then_leads_to_a_lock() {
    let (copy, draft) = Copy::changed();
    let outcome = copy.check();
    assert_eq!(outcome.verdict, Verdict::Refused);
    assert_eq!(rules(&outcome), [Rule::VersionChanged, Rule::RangeChanged]);
    let placeholders = texts(&outcome).iter().filter(|text| text.contains("placeholder")).count();
    assert!(placeholders >= 6, "{:?}", outcome.problems);
    assert!(matches!(propose::lock(&copy.request("lock/1.0.yaml"), &outcome), Err(ProposeError::NotCovered)));

    Copy::fill(&draft);
    let outcome = copy.check();
    assert_eq!((outcome.verdict, texts(&outcome)), (Verdict::Covered, vec![]));
    let lock = propose::lock(&copy.request("lock/1.0.yaml"), &outcome).unwrap();
    assert_eq!(lock.file_name().unwrap(), "2.0.yaml");
    let after = check::run(&copy.request("lock/2.0.yaml")).unwrap();
    assert_eq!((after.verdict, texts(&after).len(), after.differences.len()), (Verdict::Unchanged, 0, 0));

    // What is locked stays as it is.
    std::fs::write(&draft, std::fs::read_to_string(&draft).unwrap() + "\n# later\n").unwrap();
    let spoilt = check::run(&copy.request("lock/2.0.yaml")).unwrap();
    assert_eq!(spoilt.verdict, Verdict::Refused);
    assert!(texts(&spoilt)[0].contains("append-only"), "{:?}", spoilt.problems);
    std::fs::remove_file(&draft).unwrap();
    assert_eq!(check::run(&copy.request("lock/2.0.yaml")).unwrap().verdict, Verdict::Refused);
}

#[test]
fn a_record_that_does_not_fit_the_headers_covers_nothing() {
    type Spoil = (&'static str, fn(&Copy, &Path), &'static str);
    let spoils: [Spoil; 7] = [
        (
            "more changed",
            |copy, _| copy.edit("include/worker_ffi.h", "float temperature,", "double temperature,"),
            "is not covered",
        ),
        (
            "less changed",
            |copy, _| copy.edit("include/worker_ffi.h", "1 to 4096", "1 to 2048"),
            "not what the headers show",
        ),
        (
            "other numbers",
            |copy, _| copy.edit("include/worker_ffi.h", "1 to 4096", "1 to 8192"),
            "is not covered",
        ),
        (
            "no row",
            |copy, _| copy.edit("LOCK.md", "| 2.0 | 2026-03-01 | longer jobs | Foundation-Alpha |\n", ""),
            "version history",
        ),
        (
            "too small a step",
            |copy, draft| {
                copy.edit("changes/0001-longer-jobs.yaml", "'2.0'", "'1.1'");
                assert!(draft.exists());
            },
            "too small a step",
        ),
        (
            "an unknown key",
            |_, draft| {
                std::fs::write(draft, std::fs::read_to_string(draft).unwrap() + "\nowner: me\n").unwrap()
            },
            "unknown field",
        ),
        (
            "another name",
            |copy, draft| std::fs::rename(draft, copy.at("changes/Longer.yaml")).unwrap(),
            "not named as records are",
        ),
    ];
    for (name, spoil, expected) in spoils {
        let (copy, draft) = Copy::changed();
        Copy::fill(&draft);
        spoil(&copy, &draft);
        let outcome = copy.check();
        assert_eq!(outcome.verdict, Verdict::Refused, "{name}");
        assert!(texts(&outcome).iter().any(|text| text.contains(expected)), "{name}: {:?}", outcome.problems);
    }
}

#[test]
fn a_record_without_a_change_is_stale() {
    let (copy, draft) = Copy::changed();
    Copy::fill(&draft);
    for header in ["worker_ffi.h", "worker_types.h", "worker_errors.h"] {
        std::fs::copy(contract().join("include").join(header), copy.at("include").join(header)).unwrap();
    }
    std::fs::copy(contract().join("LOCK.md"), copy.at("LOCK.md")).unwrap();
    let outcome = copy.check();
    assert_eq!((outcome.verdict, outcome.bump), (Verdict::Refused, Bump::None));
}

#[test]
fn a_revision_of_git_is_a_base_and_its_records_are_append_only() {
    let copy = Copy::new();
    std::fs::write(copy.at("changes/0001-old.yaml"), "old: true\n").unwrap();
    let git = |arguments: &[&str]| {
        let identity =
            ["-c", "user.name=gate", "-c", "user.email=gate@example.com", "-c", "commit.gpgsign=false"];
        let output =
            Command::new("git").arg("-C").arg(copy.0.path()).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "base"]);
    let request = Request { base: Base::Revision("HEAD".to_owned()), ..copy.request("lock/1.0.yaml") };
    assert_eq!(check::run(&request).unwrap().verdict, Verdict::Unchanged);
    copy.edit("include/worker_ffi.h", "uint64_t seed", "int64_t seed");
    std::fs::write(copy.at("changes/0001-old.yaml"), "old: false\n").unwrap();
    let outcome = check::run(&request).unwrap();
    assert_eq!(rules(&outcome), [Rule::ParameterTypeChanged]);
    assert!(texts(&outcome)[0].contains("append-only"));
    let nowhere = Request { base: Base::Revision("no-such-revision".to_owned()), ..request };
    assert!(check::run(&nowhere).unwrap_err().to_string().contains("no-such-revision"));
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_verdict() {
    let copy = Copy::new();
    let no_headers = Request { include: copy.at("changes"), ..copy.request("lock/1.0.yaml") };
    assert!(check::run(&no_headers).unwrap_err().to_string().contains("holds no header"));
    assert!(check::run(&copy.request("lock/9.9.yaml")).is_err());
    copy.edit("lock/1.0.yaml", "status: locked", "status: frozen");
    assert!(check::run(&copy.request("lock/1.0.yaml")).is_err());
}

#[test]
fn a_header_that_is_none_is_an_error_that_names_it() {
    let copy = Copy::new();
    std::fs::write(copy.at("include/worker_ffi.h"), b"\x7fELF\0\0").unwrap();
    let error = check::run(&copy.request("lock/1.0.yaml")).unwrap_err().to_string();
    assert!(error.contains("worker_ffi.h") && error.contains("no text"), "{error}");
    std::fs::write(copy.at("include/worker_ffi.h"), "int x;\n".repeat(100_000)).unwrap();
    let error = check::run(&copy.request("lock/1.0.yaml")).unwrap_err().to_string();
    assert!(error.contains("worker_ffi.h") && error.contains("700000 bytes"), "{error}");
}

#[test]
fn headers_in_folders_below_count_and_links_that_lead_back_do_not() {
    let copy = Copy::new();
    std::fs::create_dir(copy.at("include/detail")).unwrap();
    std::os::unix::fs::symlink("..", copy.at("include/detail/again")).unwrap();
    assert_eq!(copy.check().verdict, Verdict::Unchanged);
    std::fs::write(
        copy.at("include/detail/more.h"),
        "#ifndef MORE_H\n#define MORE_H\nint more(void);\n#endif\n",
    )
    .unwrap();
    let outcome = copy.check();
    assert_eq!(rules(&outcome), [Rule::HeaderAdded, Rule::FunctionAdded]);
    assert!(outcome.differences.iter().all(|one| one.header == "detail/more.h"), "{outcome:?}");
}

#[test]
fn a_difference_of_comments_points_at_the_line_of_the_parameter() {
    let copy = Copy::new();
    copy.edit("include/worker_ffi.h", "1 to 2048", "1 to 4096");
    let outcome = copy.check();
    let text = std::fs::read_to_string(copy.at("include/worker_ffi.h")).unwrap();
    let line = text.lines().nth(outcome.differences[0].line - 1).unwrap();
    assert!(line.contains("1 to 4096"), "{line}");
}

fn refused() -> Outcome {
    let one = |rule, item: &str, before: &str, after: &str| Difference {
        rule,
        item: item.to_owned(),
        header: "worker_ffi.h".to_owned(),
        line: 7,
        before: before.to_owned(),
        after: after.to_owned(),
        seen_by: std::collections::BTreeSet::new(),
    };
    Outcome {
        base: "contract/lock/1.0.yaml".to_owned(),
        include: "contract/include".to_owned(),
        verdict: Verdict::Refused,
        differences: vec![
            one(Rule::ParameterTypeChanged, "cuda_init/gpu_device", "int", "long"),
            one(Rule::MacroAdded, "WORKER_MAX", "", "#define WORKER_MAX 100%"),
            one(Rule::Reworded, "cuda_destroy", "End a context.", "End the context."),
        ],
        problems: vec![check::Problem {
            file: "contract/changes".to_owned(),
            text: "two,\nlines".to_owned(),
        }],
        covered_by: None,
        bump: Bump::Major,
        version: "1.0".to_owned(),
    }
}

#[test]
fn the_report_for_people_reads_well() {
    insta::assert_snapshot!(text::render(&refused()));
}

#[test]
fn annotations_escape_what_has_a_meaning() {
    insta::assert_snapshot!(github::render(&refused()));
}

/// What SARIF 2.1.0 asks of the parts that are used here.
#[test]
fn the_sarif_log_has_the_shape_of_the_standard() {
    let log = sarif::log(&refused());
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-2.1.0.json"));
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert!(!driver["name"].as_str().unwrap().is_empty());
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string());
        assert!(
            ["none", "note", "warning", "error"]
                .contains(&rule["defaultConfiguration"]["level"].as_str().unwrap())
        );
    }
    let ids: std::collections::BTreeSet<&str> =
        rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len(), "rules are unique");
    let results = runs[0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with('/') && !uri.contains([' ', '\\']), "{uri}");
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
    }
    assert_eq!(results[0]["level"], "error");
    assert_eq!(results[2]["level"], "note");
    insta::assert_snapshot!(serde_json::to_string_pretty(&results[0]).unwrap());
}

#[test]
fn the_recipes_for_ci_are_yaml_and_call_commands_that_exist() {
    let folder = contract().join("../docs/ci");
    for (file, calls) in [("github-actions.yml", 3), ("gitlab-ci.yml", 3), ("pre-commit-config.yaml", 1)] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap();
        let found = text.matches("worker-conformance contract check").count();
        assert_eq!(found, calls, "{file}");
        for word in text.split_whitespace().filter(|word| word.starts_with("--format")) {
            assert_eq!(word, "--format");
        }
    }
    assert!(record::version("1.0").is_some());
}
