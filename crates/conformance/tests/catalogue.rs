//! Holds features, catalogue, test libraries and corpus to the same set of requirements.

use std::collections::BTreeSet;
use std::path::Path;

use worker_contract::catalogue;

fn features() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../features");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("the folder of features")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "feature"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("text"))
        })
        .collect();
    files.sort();
    files
}

fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| line.starts_with('@'))
        .flat_map(|line| line.split_whitespace())
        .map(|tag| tag.trim_start_matches('@'))
}

/// Verified without a scenario: read from the file before anything is loaded.
const STATIC: [&str; 4] = ["ABI-01", "ABI-02", "ABI-04", "ABI-05"];

#[test]
fn every_requirement_has_a_scenario_or_a_static_check() {
    let files = features();
    let tagged: BTreeSet<&str> = files.iter().flat_map(|(_, text)| tags(text)).chain(STATIC).collect();
    let known: BTreeSet<&str> = catalogue().iter().map(|requirement| requirement.id.as_str()).collect();
    let open: Vec<_> = known.difference(&tagged).collect();
    assert!(open.is_empty(), "nothing verifies {open:?}");
}

#[test]
fn every_tag_names_a_requirement() {
    let known: BTreeSet<&str> = catalogue().iter().map(|requirement| requirement.id.as_str()).collect();
    for (file, text) in features() {
        for tag in tags(&text) {
            assert!(known.contains(tag), "{file}: @{tag} names no requirement");
        }
    }
}

#[test]
fn the_requirement_at_the_end_of_a_step_is_a_tag_of_its_scenario() {
    for (file, text) in features() {
        let mut current: Vec<&str> = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with('@') {
                current = tags(line).collect();
            }
            if let Some((_, id)) = line.strip_suffix(']').and_then(|step| step.rsplit_once('[')) {
                assert!(current.contains(&id), "{file}: `{line}` names {id}, the scenario is of {current:?}");
            }
        }
    }
}

#[test]
fn every_part_of_the_malformed_corpus_has_its_scenario() {
    let text: String = features().into_iter().map(|(_, text)| text).collect();
    for model in worker_conformance::models::malformed::corpus() {
        let row = format!("| {} |", model.item);
        assert!(text.contains(&row), "no scenario loads the models of `{}`", model.item);
    }
}

#[test]
fn titles_of_scenarios_in_a_file_are_different() {
    for (file, text) in features() {
        let mut seen = BTreeSet::new();
        for line in text.lines().map(str::trim) {
            if let Some((_, title)) =
                line.split_once("Scenario: ").or_else(|| line.split_once("Scenario Outline: "))
            {
                assert!(
                    seen.insert(title) || title.starts_with('<'),
                    "{file}: two scenarios are called `{title}`"
                );
            }
        }
    }
}
