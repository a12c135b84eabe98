//! Compares two interfaces and names every difference.

#![forbid(unsafe_code)]

mod declarations;
mod surface;

use std::collections::{BTreeMap, BTreeSet};

use crate::difference::Difference;
use crate::documentation;
use crate::interface::Interface;
use crate::libclang::Setting;
use crate::rule::Rule;

/// A difference before it is known who sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    rule: Rule,
    item: String,
    header: String,
    line: usize,
    before: String,
    after: String,
}

impl Found {
    fn new(rule: Rule, item: &str, header: &str, line: usize, before: &str, after: &str) -> Self {
        let [item, header, before, after] = [item, header, before, after].map(str::to_owned);
        Self { rule, item, header, line, before, after }
    }
}

/// All differences, the worst first.
#[must_use]
pub fn compare(old: &Interface, new: &Interface) -> Vec<Difference> {
    let mut found: BTreeMap<Found, BTreeSet<Setting>> = BTreeMap::new();
    let all: BTreeSet<Setting> = new.declarations.keys().copied().collect();
    for (setting, declarations) in &new.declarations {
        if new.broken.contains(setting) {
            continue;
        }
        let before = old.declarations.get(setting).map_or(&[][..], Vec::as_slice);
        for one in declarations::compare(before, declarations, new) {
            found.entry(one).or_default().insert(*setting);
        }
    }
    for one in surface::compare(old, new) {
        found.insert(one, all.clone());
    }
    for (setting, complaint) in &new.complaints {
        if old.complaints.iter().any(|(_, known)| known.text == complaint.text) {
            continue;
        }
        let rule = if complaint.error { Rule::DoesNotCompile } else { Rule::CompilerWarns };
        let header = if new.sources.contains_key(&complaint.header) {
            complaint.header.clone()
        } else {
            new.sources.keys().next().cloned().unwrap_or_default()
        };
        let item = header.clone();
        let line = usize::try_from(complaint.line).unwrap_or(1).max(1);
        let one = Found { rule, item, header, line, before: String::new(), after: complaint.text.clone() };
        found.entry(one).or_default().insert(*setting);
    }
    // Words that nothing else accounts for; with another finding in the same header they are its words.
    for one in surface::words(old, new) {
        if !found.keys().any(|other| other.header == one.header) {
            found.insert(one, all.clone());
        }
    }
    for one in documentation::compare(old, new) {
        found.insert(
            Found::new(one.rule, &one.item, &one.header, one.line, &one.before, &one.after),
            all.clone(),
        );
    }
    drop_weaker(&mut found);
    let mut differences: Vec<Difference> = found
        .into_iter()
        .map(|(one, settings)| Difference {
            rule: one.rule,
            item: one.item,
            header: one.header,
            line: one.line,
            before: one.before,
            after: one.after,
            seen_by: if settings == all { BTreeSet::new() } else { settings.iter().map(name).collect() },
        })
        .collect();
    differences.sort_by_key(|one| (one.class(), one.header.clone(), one.line, one.item.clone(), one.rule));
    differences
}

fn name(setting: &Setting) -> String {
    format!("{} on {}", setting.language.name(), setting.target)
}

/// A type that is another one on Windows is, on Linux, only spelled in another way: the worse finding is enough.
fn drop_weaker(found: &mut BTreeMap<Found, BTreeSet<Setting>>) {
    let changed: BTreeSet<String> = found
        .keys()
        .filter(|one| matches!(one.rule, Rule::ReturnTypeChanged | Rule::ParameterTypeChanged))
        .map(|one| one.item.clone())
        .collect();
    found.retain(|one, _| one.rule != Rule::TypeRespelled || !changed.contains(&one.item));
}
