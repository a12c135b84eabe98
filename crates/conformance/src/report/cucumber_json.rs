//! The report as Cucumber JSON, the form that most viewers of Cucumber's results read.

use serde_json::{Value, json};

use super::gherkin_view::{Feature, Scenario, Step, features};
use crate::verdict::RunResult;

/// The report.
pub fn render(result: &RunResult) -> String {
    let features: Vec<Value> = features(result).iter().map(feature).collect();
    serde_json::to_string_pretty(&features).unwrap_or_else(|error| unreachable!("{error}")) + "\n"
}

/// An ID as Cucumber makes it of a name.
fn id(name: &str) -> String {
    name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-")
}

fn feature(one: &Feature<'_>) -> Value {
    json!({
        "uri": one.uri,
        "id": id(&one.name),
        "keyword": "Feature",
        "name": one.name,
        "description": "",
        "line": 1,
        "tags": [],
        "elements": one.scenarios.iter().map(|scenario| element(&one.name, scenario)).collect::<Vec<_>>(),
    })
}

fn element(feature: &str, one: &Scenario<'_>) -> Value {
    let tags = one.case.requirements.iter().map(|id| json!({"name": format!("@{id}"), "line": one.line}));
    json!({
        "id": format!("{};{};{}", id(feature), id(&one.name), one.line),
        "keyword": "Scenario",
        "type": "scenario",
        "name": one.name,
        "description": one.rule.as_deref().unwrap_or_default(),
        "line": one.line,
        "tags": tags.collect::<Vec<_>>(),
        "steps": one.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn step(one: &Step) -> Value {
    let mut result = json!({"status": one.outcome.word(), "duration": one.nanos});
    if let Some(message) = &one.message {
        result["error_message"] = json!(message);
    }
    let mut step = json!({
        "keyword": format!("{} ", one.keyword),
        "name": one.text,
        "line": one.line,
        "match": {"location": "worker-conformance"},
        "result": result,
    });
    if !one.table.is_empty() {
        step["rows"] = one.table.iter().map(|row| json!({"cells": row})).collect();
    }
    if let Some(text) = &one.docstring {
        step["doc_string"] = json!({"value": text, "content_type": "", "line": one.line + 1});
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_report_reads_well() {
        let all: Value = serde_json::from_str(&render(&sample::result())).unwrap();
        let wanted = |one: &&Value| one["uri"] == "features/null_safety.feature" || one["uri"] == "library";
        let some: Vec<&Value> = all.as_array().unwrap().iter().filter(wanted).collect();
        insta::assert_snapshot!(serde_json::to_string_pretty(&some).unwrap());
    }

    #[test]
    fn only_what_counts_fails() {
        let all: Value = serde_json::from_str(&render(&sample::result())).unwrap();
        let mut statuses = std::collections::BTreeMap::new();
        for feature in all.as_array().unwrap() {
            for element in feature["elements"].as_array().unwrap() {
                let last = element["steps"].as_array().unwrap().last().unwrap();
                let place =
                    format!("{}: {}", feature["uri"].as_str().unwrap(), element["name"].as_str().unwrap());
                statuses.insert(place, last["result"]["status"].as_str().unwrap().to_owned());
            }
        }
        let told: Vec<String> =
            statuses.iter().map(|(place, status)| format!("{status:<8} {place}")).collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
