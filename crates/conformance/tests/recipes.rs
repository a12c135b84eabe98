//! The recipes of `docs/ci/`, played as the servers would play them: green on the contract as it is, red on another.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A repository that holds the contract alone, its first commit being the base of the merge.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        let copied = Command::new("cp")
            .arg("-r")
            .arg(root().join("contract"))
            .arg(repository.0.path())
            .status()
            .unwrap();
        assert!(copied.success());
        for arguments in [
            &["init", "-q"][..],
            &["add", "contract/include", "contract/lock", "contract/changes", "contract/LOCK.md"],
            &["commit", "-q", "-m", "base"],
            &["update-ref", "refs/remotes/origin/main", "HEAD"],
        ] {
            let identity =
                ["-c", "user.name=gate", "-c", "user.email=gate@example.com", "-c", "commit.gpgsign=false"];
            let mut git = Command::new("git");
            let status =
                git.arg("-C").arg(repository.0.path()).args(identity).args(arguments).status().unwrap();
            assert!(status.success(), "{arguments:?}");
        }
        repository
    }

    fn widen(&self) {
        let header = self.0.path().join("contract/include/worker_ffi.h");
        let text = std::fs::read_to_string(&header).unwrap();
        std::fs::write(&header, text.replacen("1 to 2048", "1 to 4096", 1)).unwrap();
    }

    /// Whether a script of a recipe succeeds, and what it says.
    fn play(&self, script: &str) -> (bool, String) {
        let program = env!("CARGO_BIN_EXE_worker-conformance");
        let script = script.replace("target/release/worker-conformance", program).replacen(
            "worker-conformance contract",
            &format!("{program} contract"),
            usize::from(!script.contains("target/")),
        );
        let output = Command::new("bash")
            .current_dir(self.0.path())
            .args(["-e", "-c", &script])
            .env("GITHUB_BASE_REF", "main")
            .env("CI_MERGE_REQUEST_DIFF_BASE_SHA", "origin/main")
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }
}

fn recipe(file: &str) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(root().join("docs/ci").join(file)).unwrap()).unwrap()
}

/// The scripts of a recipe that ask the gate; the others install and build.
fn scripts(list: &Value, key: Option<&str>) -> Vec<String> {
    let text = |one: &Value| key.map_or(one, |key| &one[key]).as_str().unwrap_or_default().to_owned();
    list.as_sequence()
        .unwrap()
        .iter()
        .map(text)
        .filter(|text| text.contains("conformance contract"))
        .collect()
}

#[test]
fn the_steps_for_github_are_red_where_the_contract_changes() {
    let recipe = recipe("github-actions.yml");
    let steps = scripts(&recipe["jobs"]["contract"]["steps"], Some("run"));
    assert_eq!(steps.len(), 3);
    let repository = Repository::new();
    for step in &steps {
        let (green, text) = repository.play(step);
        assert!(green, "{step}: {text}");
    }
    repository.widen();
    for step in &steps {
        let (green, text) = repository.play(step);
        // The last one only makes the report.
        assert_eq!(green, step.contains("sarif"), "{step}: {text}");
        assert!(green || text.starts_with("::error file=contract/include/worker_ffi.h,line="), "{text}");
    }
    let report = std::fs::read_to_string(repository.0.path().join("contract.sarif")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["runs"][0]["results"][0]["ruleId"], "doc-range-changed");
}

#[test]
fn the_job_for_gitlab_is_red_where_the_contract_changes() {
    let recipe = recipe("gitlab-ci.yml");
    let script = scripts(&recipe["contract"]["script"], None);
    assert_eq!(script.len(), 3);
    let repository = Repository::new();
    let (green, text) = repository.play(&script.join("\n"));
    assert!(green, "{text}");
    repository.widen();
    // Each of the two that judge is red alone.
    assert!(repository.play(&script[0]).0);
    assert!(!repository.play(&script[1]).0);
    assert!(!repository.play(&script[2]).0);
    let artifact = recipe["contract"]["artifacts"]["paths"][0].as_str().unwrap();
    assert!(repository.0.path().join(artifact).is_file());
}

#[test]
fn the_hook_refuses_a_commit_that_changes_the_contract() {
    let recipe = recipe("pre-commit-config.yaml");
    let hook = &recipe["repos"][0]["hooks"][0];
    let entry = hook["entry"].as_str().unwrap();
    let repository = Repository::new();
    assert!(repository.play(entry).0);
    repository.widen();
    let (green, text) = repository.play(entry);
    assert!(!green && text.contains("doc-range-changed"), "{text}");
    assert_eq!(hook["files"].as_str(), Some("^contract/"), "headers, lock, records and LOCK.md");
}
