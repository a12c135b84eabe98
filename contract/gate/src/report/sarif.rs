//! SARIF 2.1.0, the format of code scanning.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::check::{Outcome, Verdict};
use crate::difference::Difference;
use crate::rule::{Class, Rule};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Rule of what is wrong with change control itself.
const CONTROL: &str = "change-control";

fn level(class: Class) -> &'static str {
    match class {
        Class::BreakingBinary | Class::BreakingSource | Class::BreakingSemantic => "error",
        Class::CompatibleAddition => "warning",
        Class::Editorial => "note",
    }
}

/// A path as a URI relative to where the program runs.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path).replace('\\', "/");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let absolute = if path.starts_with('/') { "file://" } else { "" };
    let encoded =
        path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    encoded.fold(absolute.to_owned(), |text, part| text + &part)
}

fn location(path: &str, line: usize) -> Value {
    json!([{ "physicalLocation": {
        "artifactLocation": { "uri": uri(path) },
        "region": { "startLine": line.max(1) }
    } }])
}

fn rule(rule: Rule) -> Value {
    json!({
        "id": rule.id(),
        "shortDescription": { "text": rule.title() },
        "fullDescription": { "text": rule.why() },
        "help": { "text": rule.explain() },
        "defaultConfiguration": { "level": level(rule.class()) },
        "properties": { "class": rule.class() }
    })
}

fn result(one: &Difference, outcome: &Outcome, rules: &[Rule]) -> Value {
    let text = if one.class() == Class::Editorial {
        format!("{}: {}", one.item, one.rule.title())
    } else {
        format!("{}: {}. Before: `{}`. After: `{}`.", one.item, one.rule.title(), one.before, one.after)
    };
    let mut result = json!({
        "ruleId": one.rule.id(),
        "ruleIndex": rules.iter().position(|rule| *rule == one.rule).unwrap_or(0),
        "level": level(one.class()),
        "message": { "text": text },
        "locations": location(&format!("{}/{}", outcome.include, one.header), one.line),
        // The same difference stays the same alert when lines move.
        "partialFingerprints": { "difference/v1": format!("{}:{}:{}", one.rule, one.header, one.item) }
    });
    if outcome.verdict == Verdict::Covered {
        let by = outcome.covered_by.clone().unwrap_or_default();
        result["suppressions"] =
            json!([{ "kind": "external", "justification": format!("change record {by}") }]);
    }
    result
}

/// The log.
#[must_use]
pub fn log(outcome: &Outcome) -> Value {
    let rules: Vec<Rule> =
        outcome.differences.iter().map(|one| one.rule).collect::<BTreeSet<_>>().into_iter().collect();
    let mut described: Vec<Value> = rules.iter().map(|one| rule(*one)).collect();
    let mut results: Vec<Value> =
        outcome.differences.iter().map(|one| result(one, outcome, &rules)).collect();
    if !outcome.problems.is_empty() {
        described.push(json!({
            "id": CONTROL,
            "shortDescription": { "text": "change control is not in order" },
            "fullDescription": { "text": "A contract changes only with a whole change record and a version bump." },
            "defaultConfiguration": { "level": "error" }
        }));
    }
    for problem in &outcome.problems {
        results.push(json!({
            "ruleId": CONTROL,
            "ruleIndex": described.len() - 1,
            "level": "error",
            "message": { "text": problem.text },
            "locations": location(&problem.file, 1)
        }));
    }
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "worker-conformance contract",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": described
            } },
            "columnKind": "unicodeCodePoints",
            "results": results
        }]
    })
}
