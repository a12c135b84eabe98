//! What stays open for a library that nobody has told the suite anything about, each requirement with its reason.

mod libraries;

use libraries::{build, run};

#[test]
fn without_a_profile_only_these_are_not_verified() {
    let run = run(&build("plain"), &["--level", "strict", "--programs", "50"]);
    assert_eq!(run.code, 3, "{}", run.text);
    let all = run.report["requirements"].as_array().expect("a list of requirements");
    let open = all.iter().filter(|one| one["status"] == "not-verified").map(|one| {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let counts = if one["applies"] == true { "" } else { " (does not apply)" };
        format!("{}{counts}: {}", text("id"), text("reason"))
    });
    insta::assert_snapshot!(open.collect::<Vec<_>>().join("\n"));
}
