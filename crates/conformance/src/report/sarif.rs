//! The report as SARIF 2.1.0, for code scanning and for editors that show its results.

use serde_json::{Value, json};
use worker_contract::Level;

use super::plain::line;
use crate::verdict::{Failure, RequirementResult, RunResult, Status};

/// Failures told of one requirement: code scanning takes a limited number of results.
const SHOWN: usize = 20;

/// Text in which nothing is a link or a placeholder. Source: SARIF 2.1.0, 3.11.5 and 3.11.6.
fn message(text: &str) -> String {
    let text = line(text);
    let mut shown = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' | '[' | ']' => shown.extend(['\\', character]),
            '{' if rest.peek().is_some_and(char::is_ascii_digit) => shown.push_str("{{"),
            other => shown.push(other),
        }
    }
    shown
}

/// A relative address.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(byte.into())
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

/// The report.
pub fn render(result: &RunResult) -> String {
    let rules: Vec<Value> = result.requirements.iter().map(rule).collect();
    let results: Vec<Value> = result
        .requirements
        .iter()
        .enumerate()
        .flat_map(|(index, one)| of_requirement(result, index, one))
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "worker-conformance",
                "semanticVersion": result.suite.version,
                "rules": rules,
            }},
            "artifacts": [{
                "location": {"uri": uri(&result.library.file)},
                "hashes": {"sha-256": result.library.sha256},
                "length": result.library.bytes,
            }],
            "columnKind": "utf16CodeUnits",
            "invocations": [{"executionSuccessful": true, "startTimeUtc": result.started}],
            "properties": {
                "verdict": result.verdict.word(),
                "level": result.level.word(),
                "contract": result.contract.version,
            },
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log).unwrap_or_else(|error| unreachable!("{error}")) + "\n"
}

fn rule(one: &RequirementResult) -> Value {
    let level = if one.level == Level::Must { "error" } else { "warning" };
    json!({
        "id": one.id,
        "shortDescription": {"text": message(&one.text)},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["worker-ffi", one.id.family()], "spec": one.spec, "level": one.level},
    })
}

fn of_requirement(result: &RunResult, index: usize, one: &RequirementResult) -> Vec<Value> {
    if one.status == Status::NotVerified && one.applies {
        let why = message(one.reason.as_deref().unwrap_or_default());
        return vec![json!({
            "ruleId": one.id,
            "ruleIndex": index,
            "kind": "open",
            "level": "none",
            "message": {"text": format!("not verified: {why}")},
            "locations": [place(result, "")],
        })];
    }
    let told = |failure: &Failure| {
        let level = if failure.level == Level::Must { "error" } else { "warning" };
        let mut found = json!({
            "ruleId": one.id,
            "ruleIndex": index,
            "kind": "fail",
            "level": level,
            "message": {"text": format!(
                "{}: expected {}, observed {}. Again: {}",
                message(&failure.call),
                message(&failure.expected),
                message(&failure.observed),
                message(&failure.rerun)
            )},
            "locations": [place(result, &failure.scenario)],
            "partialFingerprints": {
                "requirementAndCall/v1": crate::verdict::sha256(format!("{} {}", one.id, failure.call).as_bytes()),
            },
        });
        if failure.waived || one.status == Status::Waived {
            let why = one.reason.as_deref().unwrap_or("waived");
            found["suppressions"] = json!([{"kind": "external", "justification": line(why)}]);
        }
        found
    };
    one.failures.iter().take(SHOWN).map(told).collect()
}

/// The scenario, or else the library.
fn place(result: &RunResult, place: &str) -> Value {
    let case = result.cases.iter().find(|case| case.place == place).and_then(|case| case.scenario.as_ref());
    let (uri, start) = match case {
        Some(scenario) => (uri(&format!("features/{}", scenario.file)), scenario.line.max(1)),
        None => (uri(&result.library.file), 1),
    };
    json!({"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": start}}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_log_reads_well() {
        let log: Value = serde_json::from_str(&render(&sample::result())).unwrap();
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        let failing: Vec<&Value> = results.iter().filter(|one| one["kind"] == "fail").collect();
        insta::assert_snapshot!(serde_json::to_string_pretty(&failing).unwrap());
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for one in results {
            let index = one["ruleIndex"].as_u64().unwrap() as usize;
            assert_eq!(rules[index]["id"], one["ruleId"]);
        }
    }

    #[test]
    fn hostile_text_is_no_link_no_placeholder_and_no_address() {
        let log: Value = serde_json::from_str(&render(&sample::hostile())).unwrap();
        let uri = log["runs"][0]["artifacts"][0]["location"]["uri"].as_str().unwrap();
        assert!(uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"'`{}|\\^".contains(&b)), "{uri}");
        assert_eq!(message("[a](b) {0} {x} c:\\d"), "\\[a\\](b) {{0} {x} c:\\\\d");
    }
}
