//! The catalogue of requirements, read from `requirements.yaml` inside the crate.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::functions::Function;

const SOURCE: &str = include_str!("../requirements.yaml");

/// How binding a requirement is, as in RFC 2119.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Needed for core conformance.
    Must,
    /// Needed for strict conformance only.
    Should,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        })
    }
}

/// Where a requirement comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The interface definition or the M0 worker spec says it.
    Seed,
    /// The lock adds it where those are silent.
    Clarification,
}

/// What a backend's profile has to provide before a requirement can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A way to bring the named failure about.
    FaultInjection,
}

/// The identifier of a requirement in the catalogue, such as `ERR-01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequirementId(&'static str);

impl RequirementId {
    /// The identifier as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The family: `ERR` of `ERR-01`.
    #[must_use]
    pub fn family(self) -> &'static str {
        self.0.split_once('-').map_or(self.0, |(family, _)| family)
    }

    /// The entry of the catalogue.
    #[must_use]
    pub fn requirement(self) -> &'static Requirement {
        // An identifier is only ever made from an entry of the catalogue.
        find(self.0).unwrap_or_else(|| unreachable!("identifiers come from the catalogue"))
    }
}

impl fmt::Display for RequirementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for RequirementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A text names no requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown requirement `{0}`; the families are {families}", families = families().join(", "))]
pub struct UnknownRequirement(pub String);

impl FromStr for RequirementId {
    type Err = UnknownRequirement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        find(text).map(|requirement| requirement.id).ok_or_else(|| UnknownRequirement(text.to_owned()))
    }
}

impl Serialize for RequirementId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for RequirementId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One requirement.
#[derive(Clone, Debug, Serialize)]
pub struct Requirement {
    /// Family and number.
    pub id: RequirementId,
    /// MUST or SHOULD.
    pub level: Level,
    /// Where it comes from.
    pub source: Source,
    /// The functions that can break it, in the order of the headers.
    pub functions: Vec<Function>,
    /// Identifiers in the M0 worker spec.
    pub spec: Vec<String>,
    /// The requirement in full sentences.
    pub text: String,
    /// Kind of verification and how.
    pub verified_by: String,
    /// What the profile has to provide, if anything.
    pub needs: Option<Need>,
    /// Why no defect of the CPU reference breaks it, if none does.
    pub no_defect: Option<String>,
}

/// An entry as the file has it, before its identifier is known to be one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    level: Level,
    source: Source,
    functions: Vec<Function>,
    spec: Vec<String>,
    text: String,
    verified_by: String,
    #[serde(default)]
    needs: Option<Need>,
    #[serde(default)]
    no_defect: Option<String>,
}

/// All requirements, in the order of the file.
#[must_use]
pub fn catalogue() -> &'static [Requirement] {
    static CATALOGUE: OnceLock<Vec<Requirement>> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        // The text is part of the crate, and a test reads it: nothing from outside can fail here.
        parse(SOURCE).unwrap_or_else(|error| unreachable!("the embedded catalogue is sound: {error}"))
    })
}

fn parse(source: &str) -> Result<Vec<Requirement>, serde_yaml::Error> {
    let entries: Vec<Entry> = serde_yaml::from_str(source)?;
    Ok(entries
        .into_iter()
        .map(|entry| Requirement {
            // The catalogue lives as long as the program, and so do its identifiers.
            id: RequirementId(entry.id.leak()),
            level: entry.level,
            source: entry.source,
            functions: entry.functions,
            spec: entry.spec,
            text: entry.text,
            verified_by: entry.verified_by,
            needs: entry.needs,
            no_defect: entry.no_defect,
        })
        .collect())
}

/// The requirement with this identifier.
#[must_use]
pub fn find(id: &str) -> Option<&'static Requirement> {
    // Every judgement of the suite comes through here.
    static PLACES: LazyLock<HashMap<&str, &Requirement>> = LazyLock::new(|| {
        catalogue().iter().map(|requirement| (requirement.id.as_str(), requirement)).collect()
    });
    PLACES.get(id).copied()
}

/// The families in the order of the catalogue: `ABI`, `ERR`, ...
#[must_use]
pub fn families() -> Vec<&'static str> {
    let mut families: Vec<&'static str> =
        catalogue().iter().map(|requirement| requirement.id.family()).collect();
    families.dedup();
    families
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_catalogue_is_sound() {
        let requirements = parse(SOURCE).unwrap();
        for requirement in &requirements {
            let id = requirement.id;
            let number = id.as_str().strip_prefix(id.family()).and_then(|rest| rest.strip_prefix('-'));
            assert!(number.is_some_and(|n| n.len() == 2 && n.bytes().all(|b| b.is_ascii_digit())), "{id}");
            assert!(!requirement.functions.is_empty(), "{id} names no function");
            assert!(requirement.functions.is_sorted(), "{id} lists functions out of order");
            assert!(requirement.text.ends_with('.'), "{id} is no full sentence");
            let kinds = requirement.verified_by.split_once(": ").map(|(kinds, _)| kinds).unwrap_or_default();
            for kind in kinds.split(", ") {
                assert!(["scenario", "invariant", "property", "static"].contains(&kind), "{id}: {kind:?}");
            }
            for spec in &requirement.spec {
                assert!(spec.starts_with("M0-W-") || spec.starts_with("CUDA-"), "{id}: {spec}");
            }
        }
    }

    #[test]
    fn families_are_numbered_without_a_gap() {
        let mut expected = Vec::new();
        for family in families() {
            let size = catalogue().iter().filter(|requirement| requirement.id.family() == family).count();
            expected.extend((1..=size).map(|number| format!("{family}-{number:02}")));
        }
        let ids: Vec<&str> = catalogue().iter().map(|requirement| requirement.id.as_str()).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn the_catalogue_counts() {
        let count = |wanted: &dyn Fn(&Requirement) -> bool| catalogue().iter().filter(|r| wanted(r)).count();
        let summary = format!(
            "{} requirements, {} SHOULD, {} from the seed, {} need fault injection; {}",
            catalogue().len(),
            count(&|r| r.level == Level::Should),
            count(&|r| r.source == Source::Seed),
            count(&|r| r.needs == Some(Need::FaultInjection)),
            families().join(" "),
        );
        insta::assert_snapshot!(summary, @"103 requirements, 15 SHOULD, 68 from the seed, 7 need fault injection; ABI ERR MSG NULL DEV LOAD INF UTF8 DET VRAM HEALTH THR MEM PROC FAULT");
    }

    #[test]
    fn identifiers_are_looked_up_and_unknown_ones_name_the_families() {
        let id: RequirementId = "ERR-05".parse().unwrap();
        assert_eq!(id.requirement().level, Level::Must);
        assert_eq!(serde_yaml::from_str::<RequirementId>("ERR-05").unwrap(), id);
        let error = "XYZ-01".parse::<RequirementId>().unwrap_err();
        insta::assert_snapshot!(error, @"unknown requirement `XYZ-01`; the families are ABI, ERR, MSG, NULL, DEV, LOAD, INF, UTF8, DET, VRAM, HEALTH, THR, MEM, PROC, FAULT");
        assert!(serde_yaml::from_str::<RequirementId>("XYZ-01").is_err());
    }

    #[test]
    fn an_entry_with_an_unknown_field_is_refused() {
        let yaml = "- {id: ABI-01, level: MUST, source: seed, functions: [], spec: [], text: T., \
                    verified_by: 'static: x', owner: nobody}";
        assert!(parse(yaml).unwrap_err().to_string().contains("owner"));
    }
}
