//! The report as Cucumber messages: one JSON value a line, as newer viewers read them.

use serde_json::{Value, json};

use super::gherkin_view::{Feature, Outcome, Scenario, Step, features};
use crate::verdict::{RunResult, Verdict};

/// The version of the messages' schema that these keep to.
const PROTOCOL: &str = "27.0.0";
const NANOS: u64 = 1_000_000_000;

/// The report.
pub fn render(result: &RunResult) -> String {
    let mut writer = Writer { lines: String::new(), ids: 0, now: seconds(&result.started) * NANOS };
    let os = result.machine.system.split(' ').next().unwrap_or_default();
    writer.say(json!({"meta": {
        "protocolVersion": PROTOCOL,
        "implementation": {"name": "worker-conformance", "version": result.suite.version},
        "runtime": {"name": "worker-conformance", "version": result.suite.version},
        "os": {"name": os, "version": result.machine.system},
        "cpu": {"name": result.machine.architecture},
    }}));
    let features = features(result);
    let mut cases = Vec::new();
    for feature in &features {
        cases.extend(writer.document(feature));
    }
    let run = writer.id();
    let now = writer.timestamp();
    writer.say(json!({"testRunStarted": {"timestamp": now, "id": run}}));
    let cases: Vec<_> = cases.into_iter().map(|case| writer.case(case, &run)).collect();
    for case in &cases {
        writer.play(case);
    }
    let now = writer.timestamp();
    let success = result.verdict == Verdict::Conformant && result.waiver_problems.is_empty();
    writer.say(json!({"testRunFinished": {"success": success, "timestamp": now, "testRunStartedId": run}}));
    writer.lines
}

/// Seconds since 1970 of an RFC 3339 time in UTC; 0 for anything else.
fn seconds(text: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<i64>().ok());
    let parts = [number(0..4), number(5..7), number(8..10), number(11..13), number(14..16), number(17..19)];
    let [Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)] = parts else {
        return 0;
    };
    // Years from March on, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).unwrap_or(0)
}

struct Writer {
    lines: String,
    ids: u64,
    now: u64,
}

/// A scenario and the IDs that later messages refer to it by.
struct Pickle<'r> {
    id: String,
    scenario: &'r Scenario<'r>,
    steps: Vec<String>,
}

struct TestCase<'r> {
    id: String,
    scenario: &'r Scenario<'r>,
    steps: Vec<String>,
}

fn keyword_type(keyword: &str) -> (&'static str, &'static str) {
    match keyword {
        "Given" => ("Context", "Context"),
        "When" => ("Action", "Action"),
        "Then" => ("Outcome", "Outcome"),
        _ => ("Conjunction", "Unknown"),
    }
}

impl Writer {
    fn say(&mut self, message: Value) {
        self.lines.push_str(&message.to_string());
        self.lines.push('\n');
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        self.ids.to_string()
    }

    fn timestamp(&self) -> Value {
        json!({"seconds": self.now / NANOS, "nanos": self.now % NANOS})
    }

    /// The feature as a tree, and its scenarios as pickles.
    fn document<'r>(&mut self, feature: &'r Feature<'r>) -> Vec<Pickle<'r>> {
        let (mut children, mut pickles, mut spoken) = (Vec::<Value>::new(), Vec::new(), Vec::new());
        let mut rule: Option<String> = None;
        for scenario in &feature.scenarios {
            let (node, pickle, message) = self.scenario(&feature.uri, scenario);
            match &scenario.rule {
                Some(name) if rule.as_ref() == Some(name) => {
                    if let Some(inner) =
                        children.last_mut().and_then(|last| last["rule"]["children"].as_array_mut())
                    {
                        inner.push(json!({"scenario": node}));
                    }
                }
                Some(name) => children.push(json!({"rule": {
                    "id": self.id(),
                    "location": {"line": scenario.line, "column": 1},
                    "tags": [],
                    "keyword": "Rule",
                    "name": name,
                    "description": "",
                    "children": [{"scenario": node}],
                }})),
                None => children.push(json!({"scenario": node})),
            }
            rule = scenario.rule.clone();
            pickles.push(pickle);
            spoken.push(message);
        }
        self.say(json!({"gherkinDocument": {
            "uri": feature.uri,
            "feature": {
                "location": {"line": 1, "column": 1},
                "tags": [],
                "language": "en",
                "keyword": "Feature",
                "name": feature.name,
                "description": "",
                "children": children,
            },
            "comments": [],
        }}));
        spoken.into_iter().for_each(|message| self.say(message));
        pickles
    }

    fn scenario<'r>(&mut self, uri: &str, one: &'r Scenario<'r>) -> (Value, Pickle<'r>, Value) {
        let id = self.id();
        let ids = |writer: &mut Self| one.steps.iter().map(|_| writer.id()).collect::<Vec<_>>();
        let (nodes, steps) = (ids(self), ids(self));
        let pickle = self.id();
        let tags: Vec<(String, String)> =
            one.case.requirements.iter().map(|id| (self.id(), format!("@{id}"))).collect();
        let location = json!({"line": one.line, "column": 1});
        let node = json!({
            "id": id,
            "location": location,
            "tags": tags.iter().map(|(id, name)| json!({"location": location, "name": name, "id": id})).collect::<Vec<_>>(),
            "keyword": "Scenario",
            "name": one.name,
            "description": "",
            "steps": one.steps.iter().zip(&nodes).map(|(step, id)| self.node(step, id)).collect::<Vec<_>>(),
            "examples": [],
        });
        let message = json!({"pickle": {
            "id": pickle,
            "uri": uri,
            "name": one.name,
            "language": "en",
            "astNodeIds": [id],
            "tags": tags.iter().map(|(id, name)| json!({"name": name, "astNodeId": id})).collect::<Vec<_>>(),
            "steps": one.steps.iter().zip(&nodes).zip(&steps).map(|((step, node), id)| {
                let mut told = json!({
                    "id": id,
                    "astNodeIds": [node],
                    "type": keyword_type(&step.keyword).1,
                    "text": step.text,
                });
                let rows = || step.table.iter().map(|row| {
                    json!({"cells": row.iter().map(|cell| json!({"value": cell})).collect::<Vec<_>>()})
                }).collect::<Vec<_>>();
                if !step.table.is_empty() {
                    told["argument"] = json!({"dataTable": {"rows": rows()}});
                } else if let Some(text) = &step.docstring {
                    told["argument"] = json!({"docString": {"content": text}});
                }
                told
            }).collect::<Vec<_>>(),
        }});
        (node, Pickle { id: pickle, scenario: one, steps }, message)
    }

    fn node(&mut self, step: &Step, id: &str) -> Value {
        let location = json!({"line": step.line, "column": 1});
        let mut node = json!({
            "id": id,
            "location": location,
            "keyword": format!("{} ", step.keyword),
            "keywordType": keyword_type(&step.keyword).0,
            "text": step.text,
        });
        if !step.table.is_empty() {
            let rows: Vec<Value> = step
                .table
                .iter()
                .map(|row| {
                    let cells: Vec<Value> =
                        row.iter().map(|cell| json!({"location": location, "value": cell})).collect();
                    json!({"id": self.id(), "location": location, "cells": cells})
                })
                .collect();
            node["dataTable"] = json!({"location": location, "rows": rows});
        } else if let Some(text) = &step.docstring {
            node["docString"] = json!({"location": location, "content": text, "delimiter": "\"\"\""});
        }
        node
    }

    fn case<'r>(&mut self, pickle: Pickle<'r>, run: &str) -> TestCase<'r> {
        let id = self.id();
        let steps: Vec<String> = pickle.steps.iter().map(|_| self.id()).collect();
        let told: Vec<Value> = pickle
            .steps
            .iter()
            .zip(&steps)
            .map(|(of, id)| {
                json!({"id": id, "pickleStepId": of, "stepDefinitionIds": [], "stepMatchArgumentsLists": []})
            })
            .collect();
        self.say(json!({"testCase": {"id": id, "pickleId": pickle.id, "testSteps": told, "testRunStartedId": run}}));
        TestCase { id, scenario: pickle.scenario, steps }
    }

    fn play(&mut self, case: &TestCase<'_>) {
        let started = self.id();
        let now = self.timestamp();
        self.say(json!({"testCaseStarted": {"id": started, "testCaseId": case.id, "attempt": 0, "timestamp": now}}));
        for (step, id) in case.scenario.steps.iter().zip(&case.steps) {
            let now = self.timestamp();
            self.say(json!({"testStepStarted": {"testCaseStartedId": started, "testStepId": id, "timestamp": now}}));
            self.now += step.nanos;
            let status = match step.outcome {
                Outcome::Passed => "PASSED",
                Outcome::Failed => "FAILED",
                Outcome::Skipped => "SKIPPED",
                Outcome::Pending => "PENDING",
            };
            let duration = json!({"seconds": step.nanos / NANOS, "nanos": step.nanos % NANOS});
            let mut result = json!({"status": status, "duration": duration});
            if let Some(message) = &step.message {
                result["message"] = json!(message);
            }
            let now = self.timestamp();
            self.say(json!({"testStepFinished": {
                "testCaseStartedId": started, "testStepId": id, "testStepResult": result, "timestamp": now,
            }}));
        }
        let now = self.timestamp();
        self.say(json!({"testCaseFinished": {
            "testCaseStartedId": started, "timestamp": now, "willBeRetried": false,
        }}));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::sample;

    fn messages(result: &RunResult) -> Vec<Value> {
        render(result).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_reference_leads_to_a_message_before_it() {
        for result in [sample::result(), sample::hostile()] {
            let mut known = BTreeSet::new();
            for message in messages(&result) {
                let mut wanted = Vec::new();
                walk(&message, &mut known, &mut wanted);
                for id in wanted {
                    assert!(known.contains(&id), "{id} in {message}");
                }
            }
        }
    }

    fn walk(value: &Value, known: &mut BTreeSet<String>, wanted: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    let texts = inner.as_array().cloned().unwrap_or_else(|| vec![inner.clone()]);
                    let texts = texts.iter().filter_map(|one| one.as_str().map(str::to_owned));
                    match key.as_str() {
                        "id" => assert!(texts.into_iter().all(|id| known.insert(id)), "twice: {value}"),
                        key if key.ends_with("Id") || key.ends_with("Ids") => wanted.extend(texts),
                        _ => walk(inner, known, wanted),
                    }
                }
            }
            Value::Array(all) => all.iter().for_each(|one| walk(one, known, wanted)),
            _ => {}
        }
    }

    #[test]
    fn the_messages_of_a_failing_scenario_read_well() {
        let all = messages(&sample::result());
        let told: Vec<String> = all
            .iter()
            .filter(|one| one.get("testStepFinished").is_some())
            .map(|one| one["testStepFinished"]["testStepResult"].to_string())
            .collect();
        insta::assert_snapshot!(told.join("\n"));
        assert_eq!(seconds("2026-01-02T03:04:05Z"), 1_767_323_045);
        assert_eq!(seconds("1970-01-01T00:00:00Z"), 0);
        assert_eq!(seconds("yesterday"), 0);
    }
}
