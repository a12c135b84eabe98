//! What values of a profile may be, beyond their types: limits that a run can keep, variables that a process can have.

use super::{Fault, Limits, Profile};

/// Longest limit of time, in seconds: a week.
const LONGEST: u64 = 7 * 86_400;
/// Least limit of memory, in bytes: a child process needs some itself.
const LEAST: u64 = 64 << 20;
/// Brackets of YAML that may be open at the same time. The parser takes minutes for very many.
const DEPTH: usize = 1000;

/// What is wrong with a profile, if anything.
pub fn complaint(profile: &Profile) -> Option<String> {
    let mut sets = vec![("environment".to_owned(), &profile.environment)];
    sets.extend(profile.devices.iter().map(|(count, set)| (format!("devices.{count}"), set)));
    if profile.devices.contains_key(&1) {
        return Some("no requirement asks for `devices.1`; give 0, or 2 and more".to_owned());
    }
    for (id, fault) in &profile.faults {
        if fault.environment.is_empty() && fault.file.is_none() {
            return Some(format!("`faults.{id}` says nothing; give it `environment` or `file`"));
        }
        sets.push((format!("faults.{id}.environment"), &fault.environment));
    }
    for (place, set) in sets {
        for (name, value) in set {
            if !is_variable(name) || value.contains('\0') {
                return Some(format!("`{place}` has {name:?}: {value:?}, which no process can have"));
            }
        }
    }
    let file = |fault: &Fault| fault.file.as_ref().map(|file| file.variable.clone());
    if let Some(name) = profile.faults.values().filter_map(file).find(|name| !is_variable(name)) {
        return Some(format!("{name:?} is no name of a variable"));
    }
    limits(&profile.limits)
}

fn limits(limits: &Limits) -> Option<String> {
    let times = [
        ("call_seconds", limits.call_seconds),
        ("load_seconds", limits.load_seconds),
        ("batch_seconds", limits.batch_seconds),
    ];
    for (name, seconds) in times {
        if seconds.is_some_and(|seconds| !(1..=LONGEST).contains(&seconds)) {
            return Some(format!("`limits.{name}` must be 1 to {LONGEST}"));
        }
    }
    let few = limits.memory_bytes.is_some_and(|bytes| bytes < LEAST);
    few.then(|| format!("`limits.memory_bytes` must be {LEAST} or more"))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Whether a text nests deeper than anything that a person writes.
pub fn is_too_deep(text: &str) -> bool {
    let mut open = 0_usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > DEPTH
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_no_run_can_keep_are_refused_in_words() {
        let said = [
            "limits: {call_seconds: 0}",
            "limits: {load_seconds: 18446744073709551615}",
            "limits: {memory_bytes: 4096}",
            "environment: {'A=B': x}",
            "environment: {'': x}",
            "devices: {0: {A: \"x\\0y\"}}",
            "devices: {1: {A: b}}",
            "faults: {FAULT-01: {}}",
            "faults: {FAULT-01: {environment: {'=': x}}}",
            "faults: {FAULT-01: {file: {variable: '', inject: x}}}",
        ]
        .map(|text| complaint(&serde_yaml::from_str(text).unwrap()).expect("a complaint"));
        insta::assert_snapshot!(said.join("\n"));
        let good =
            "{limits: {call_seconds: 604800, memory_bytes: 18446744073709551615}, environment: {A: 'b=c'}}";
        assert_eq!(complaint(&serde_yaml::from_str(good).unwrap()), None);
    }

    #[test]
    fn brackets_by_the_thousand_are_too_deep() {
        assert!(is_too_deep(&"{a: ".repeat(2000)) && is_too_deep(&"[".repeat(2000)));
        assert!(!is_too_deep(&"{a: [b]}\n".repeat(2000)) && !is_too_deep("]]]"));
    }
}
