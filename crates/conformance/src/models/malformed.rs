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
    expect: Expect,
    base: String,
    models: Vec<Line>,
}

/// One model in a file; `base` where it is not the family's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Line {
    name: String,
    #[serde(default)]
    base: Option<String>,
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
