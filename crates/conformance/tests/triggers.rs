//! Every cell of the table "function x code that it may report" has a trigger that works, or a written reason.

mod libraries;

use std::collections::BTreeMap;

use libraries::{reference, run};
use serde::Deserialize;
use worker_contract::{ErrorCode, Function};

/// A cell of `triggers.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    /// The feature file.
    #[serde(rename = "in", default)]
    file: Option<String>,
    /// Title of a scenario in it.
    #[serde(default)]
    scenario: Option<String>,
    /// Why nothing asks for it.
    #[serde(default)]
    never: Option<String>,
}

fn table() -> BTreeMap<String, BTreeMap<i32, Cell>> {
    serde_yaml::from_str(include_str!("triggers.yaml")).expect("triggers.yaml is a table of cells")
}

#[test]
fn the_table_has_every_cell_and_no_other() {
    let mut table = table();
    for function in Function::ALL {
        let spec = function.spec();
        if !spec.reports_codes() {
            continue;
        }
        let row = table.remove(function.name()).unwrap_or_else(|| panic!("{function} is not in the table"));
        let wanted: Vec<i32> = std::iter::once(ErrorCode::Success)
            .chain(spec.codes.iter().copied())
            .map(ErrorCode::raw)
            .collect();
        assert_eq!(row.keys().copied().collect::<Vec<_>>(), wanted, "{function}");
        for (code, cell) in row {
            let asked = cell.file.is_some() && cell.scenario.is_some();
            assert!(
                asked != cell.never.is_some(),
                "{function}, {code}: a scenario or a reason, and not both"
            );
        }
    }
    assert!(table.is_empty(), "no function reports codes as {table:?} does");
}

#[test]
fn every_trigger_brings_its_code_about() {
    let library = reference();
    let profile = libraries::root().join("fixtures/profiles/mock.yaml");
    let profile = profile.to_str().expect("a path in UTF-8");
    for (function, row) in table() {
        for (code, cell) in row {
            let (Some(file), Some(scenario)) = (cell.file, cell.scenario) else { continue };
            let run = run(&library, &["--profile", profile, "--scenario", &scenario]);
            assert_ne!(run.code, 2, "{scenario}: {}", run.text);
            let counts = run.report["codes"].as_array().cloned().unwrap_or_default();
            let seen = counts.iter().any(|one| one["function"] == function.as_str() && one["code"] == code);
            assert!(seen, "{file}: `{scenario}` gets no {code} from {function}\n{}", run.text);
            let text = std::fs::read_to_string(libraries::root().join(format!("features/{file}.feature")));
            let written = text.is_ok_and(|text| text.contains(&scenario));
            assert!(written, "features/{file}.feature has no scenario `{scenario}`");
        }
    }
}
