//! The corpus of malformed and odd models: what each is, and what a sound library does with it.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use super::change::{Change, ChangeError, Claim, Part};
use super::embedded;
use super::gguf::Gguf;

/// What a sound library does with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// NULL and 3.
    Refused,
    /// It loads.
    Loads,
    /// Either, as long as nothing crashes and all text is valid.
    Either,
}

/// One model of the corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// Its name, unique in the corpus.
    pub name: String,
    /// The requirement that judges it: LOAD-01, LOAD-03 or LOAD-13.
    pub requirement: String,
    /// The item of the requirement, in the contract's words.
    pub item: String,
    /// A MUST whose words it fits too, in a place that readers may pass over: judged there as a SHOULD.
    pub also: Option<String>,
    /// What a sound library does.
    pub expect: Expect,
    /// The good model that it was made from.
    pub base: String,
    /// What is wrong, or odd, in one line.
    pub reason: String,
    /// The change.
    pub change: Change,
}

/// Why a malformed model cannot be made.
#[derive(Debug, Error)]
pub enum MalformedError {
    /// None of that name.
    #[error("no malformed model is called `{name}`")]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// A file of the corpus is not what it must be.
    #[error("cannot read the malformed models of `{file}`")]
    Yaml {
        /// The file.
        file: String,
        /// What the parser said.
        #[source]
        source: serde_yaml::Error,
    },
    /// The change does not fit the base.
    #[error("cannot make the malformed model `{name}`")]
    Change {
        /// The model.
        name: String,
        /// Why not.
        #[source]
        source: ChangeError,
    },
}

/// A file of the corpus: one item of a requirement.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Family {
    item: String,
    requirement: String,
    #[serde(default)]
    also: Option<String>,
    expect: Expect,
    base: String,
    models: Vec<Line>,
}

/// One model in a file; `base` and `also` where they are not the family's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Line {
    name: String,
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    also: Option<String>,
    reason: String,
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    change: Change,
}

/// All models of the corpus, file by file.
///
/// # Panics
///
/// When a file that was built in cannot be read, which a test rules out.
pub fn corpus() -> &'static [Malformed] {
    static CORPUS: LazyLock<Vec<Malformed>> =
        LazyLock::new(|| read(embedded::MALFORMED).expect("the built-in corpus is well-formed"));
    &CORPUS
}

/// The model of the corpus called `name`.
pub fn named(name: &str) -> Result<&'static Malformed, MalformedError> {
    corpus()
        .iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| MalformedError::Unknown { name: name.to_string() })
}

fn read(files: &[(&str, &str)]) -> Result<Vec<Malformed>, MalformedError> {
    let mut corpus = Vec::new();
    for (file, text) in files {
        let family: Family = serde_yaml::from_str(text)
            .map_err(|source| MalformedError::Yaml { file: (*file).to_string(), source })?;
        corpus.extend(family.models.into_iter().map(|line| Malformed {
            name: line.name,
            requirement: family.requirement.clone(),
            item: family.item.clone(),
            also: line.also.or_else(|| family.also.clone()),
            expect: family.expect,
            base: line.base.unwrap_or_else(|| family.base.clone()),
            reason: line.reason,
            change: line.change,
        }));
    }
    Ok(corpus)
}

/// The bytes of `entry`, made from its base.
pub(super) fn bytes(entry: &Malformed, base: Gguf) -> Result<Vec<u8>, MalformedError> {
    entry.change.apply(base).map_err(|source| MalformedError::Change { name: entry.name.clone(), source })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::super::reference::Reference;
    use super::super::{Store, inspect};
    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_file_system() {
        let names: HashSet<&str> = corpus().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), corpus().len());
        for name in names {
            assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{name}");
        }
    }

    #[test]
    fn only_three_requirements_judge_and_each_in_its_way() {
        for entry in corpus() {
            let fits = match entry.requirement.as_str() {
                "LOAD-01" => entry.expect == Expect::Loads,
                "LOAD-03" => entry.expect == Expect::Refused,
                "LOAD-13" => true,
                _ => false,
            };
            assert!(fits, "{} cannot be {:?} under {}", entry.name, entry.expect, entry.requirement);
            let doubtful = entry.requirement == "LOAD-13" && entry.expect == Expect::Refused;
            let also = entry.also.as_deref();
            assert!(also.is_none() || also == Some("LOAD-03") && doubtful, "{}: {also:?}", entry.name);
        }
    }

    /// The items of the contract, with the number of models for each.
    #[test]
    fn every_item_of_the_contract_is_covered() {
        let mut items: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for entry in corpus() {
            *items.entry((&entry.requirement, &entry.item)).or_default() += 1;
        }
        let lines: String =
            items.iter().map(|((id, item), count)| format!("{id} {item}: {count}\n")).collect();
        insta::assert_snapshot!(lines);
    }

    /// A strict reader written apart refuses what must be refused and loads what must load: no entry is
    /// sound by mistake, and none malformed in a way that its reason does not say.
    #[test]
    fn a_strict_loader_agrees_with_every_expectation() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let mut reasons = String::new();
        for entry in corpus() {
            let path = store.malformed_path(&entry.name).unwrap();
            let outcome = Reference::judge(&path).err();
            let inspected = inspect::inspect(&path).err();
            match entry.expect {
                Expect::Refused => assert!(outcome.is_some(), "{} loads: {}", entry.name, entry.reason),
                Expect::Loads => {
                    assert!(
                        outcome.is_none() && inspected.is_none(),
                        "{}: {outcome:?} {inspected:?}",
                        entry.name
                    );
                }
                Expect::Either => {}
            }
            let outcome = outcome.unwrap_or_else(|| "loads".to_string());
            reasons.push_str(&format!("{}: {outcome}\n", entry.name));
            std::fs::remove_file(path).unwrap();
        }
        insta::assert_snapshot!(reasons);
    }

    #[test]
    fn an_unknown_key_in_a_file_is_refused() {
        let file = "item: a\nrequirement: LOAD-03\nexpect: refused\nbase: tiny-llama\nmodels:\n  - name: b\n    reason: c\n    change: none\n    chnge: none\n";
        let error = read(&[("file", file)]).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("chnge"), "{source}");
    }
}
