//! Nothing passes because nothing happened: three libraries that do nothing, and what they pass all the same.

mod libraries;

use libraries::{build, run};

/// The requirements that the report calls kept. Whoever changes the snapshot says why such a library really keeps them.
fn passed(name: &str) -> String {
    let run = run(&build(name), &["--level", "strict"]);
    assert_eq!(run.code, 1, "{}", run.text);
    let all = run.report["requirements"].as_array().expect("a list of requirements");
    let passed = all.iter().filter(|one| one["status"] == "pass").filter_map(|one| one["id"].as_str());
    passed.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_library_that_fails_everything_passes_only_what_needs_no_success() {
    insta::assert_snapshot!(passed("stub-fails"));
}

#[test]
fn a_library_that_claims_success_passes_only_what_it_really_keeps() {
    insta::assert_snapshot!(passed("stub-claims"));
}

#[test]
fn a_library_that_stays_silent_passes_only_what_needs_no_answer() {
    insta::assert_snapshot!(passed("stub-silent"));
}
