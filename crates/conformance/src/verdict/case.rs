//! One case of a run: a scenario, a check of the file, or a generated program, and how it went.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use worker_contract::{Level, RequirementId};

use super::CodeCount;

/// What a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CaseKind {
    /// A scenario of a feature file.
    Scenario,
    /// A look at the library without a scenario; every shard makes it.
    Check,
    /// Generated programs.
    Generated,
}

/// How far a case came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// All of it was done.
    Complete,
    /// A claim was wrong, and what came after it was not looked at.
    CutShort,
    /// It did not get to its point.
    Blocked,
    /// It says nothing about this library on this machine.
    NotApplicable,
    /// It cannot show what it is about with what this library and machine have; another case may.
    OutOfReach,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// It was made, and nothing was found.
    Passed,
    /// Something was found while it was made.
    Failed,
    /// It could not be made, or says nothing here: the case's reason says why.
    Stopped,
    /// It was not reached.
    Skipped,
}

/// A step of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepResult {
    /// `Given`, `When`, `Then`, `And`, ...
    pub keyword: String,
    /// The step.
    pub text: String,
    /// Line in the feature file.
    pub line: usize,
    /// Its text block, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docstring: Option<String>,
    /// Its table, row by row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub table: Vec<Vec<String>>,
    /// How it went.
    pub status: StepStatus,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Where a scenario stands, and its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScenarioText {
    /// The feature file, such as `loading.feature`.
    pub file: String,
    /// Name of the feature.
    pub feature: String,
    /// Name of the rule around it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Name of the scenario.
    pub name: String,
    /// Its line.
    pub line: usize,
    /// Its steps, those of the background first.
    pub steps: Vec<StepResult>,
}

/// Something found in a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Found {
    /// The requirement that is broken.
    #[cfg_attr(test, schemars(with = "String"))]
    pub requirement: RequirementId,
    /// How binding the broken part is.
    #[cfg_attr(test, schemars(with = "String"))]
    pub level: Level,
    /// The call.
    pub call: String,
    /// What the contract asks for.
    pub expected: String,
    /// What happened.
    pub observed: String,
    /// Position of the step in which it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
}

/// A choice that the contract leaves, and which way the library took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Choice {
    /// The requirement that leaves the choice.
    #[cfg_attr(test, schemars(with = "String"))]
    pub requirement: RequirementId,
    /// What the library does.
    pub text: String,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Case {
    /// `features/file.feature:line: name`, or the check.
    pub place: String,
    /// What it is.
    pub kind: CaseKind,
    /// The requirements that it verifies.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub requirements: Vec<RequirementId>,
    /// How far it came.
    pub end: End,
    /// Why it did not come further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds that it took.
    pub seconds: f64,
    /// The scenario, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<ScenarioText>,
    /// Judgements by requirement.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, u64>"))]
    pub checks: BTreeMap<RequirementId, u64>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Found>,
    /// Choices seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// Which function reported which code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<CodeCount>,
}

impl Case {
    /// The scenario's place without its line: what stays the same while the file is edited around it.
    pub fn name(&self) -> String {
        match &self.scenario {
            Some(scenario) => format!("features/{}: {}", scenario.file, scenario.name),
            None => self.place.clone(),
        }
    }
}

/// One of several parts of a run: `2/5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shard {
    /// Which part, from 1.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

impl Shard {
    /// Whether a case belongs to this part. It depends on nothing but the case's identity, so that a new scenario
    /// moves no other.
    pub fn has(self, identity: &str) -> bool {
        let digest = Sha256::digest(identity.as_bytes());
        let head = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        head % u64::from(self.count) == u64::from(self.index - 1)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Whether a run can have such a part: one of 1000 at most.
    pub fn is_possible(self) -> bool {
        (1..=self.count).contains(&self.index) && self.count <= 1000
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no shard: write which and of how many, such as 2/5");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let shard =
            Shard { index: index.parse().map_err(|_| wrong())?, count: count.parse().map_err(|_| wrong())? };
        if shard.is_possible() { Ok(shard) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_belongs_to_exactly_one_shard() {
        for identity in 0..500 {
            let identity = format!("features/a.feature: {identity}");
            let owners = (1..=5).filter(|index| Shard { index: *index, count: 5 }.has(&identity)).count();
            assert_eq!(owners, 1, "{identity}");
        }
    }

    #[test]
    fn a_shard_is_written_as_a_fraction() {
        assert_eq!("2/5".parse(), Ok(Shard { index: 2, count: 5 }));
        for wrong in ["", "2", "0/5", "6/5", "a/b", "1/0", "-1/5", "1/5/5", "1/100000"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("such as 2/5"), "{wrong}");
        }
    }
}
