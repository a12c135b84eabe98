//! Waivers: what is excused, why, until when, and for which library or device.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use worker_contract::RequirementId;

use crate::profile::bounds::is_too_deep;
use crate::profile::{Day, ProfileError};
use crate::verdict::{Case, Machine, TestedLibrary};

/// A requirement, a scenario, or a requirement in one scenario, that is excused until a day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The requirement.
    pub requirement: Option<RequirementId>,
    /// The scenario, as `file.feature: name` or its name alone.
    pub scenario: Option<String>,
    /// Why.
    pub reason: String,
    /// Where it is tracked.
    pub link: String,
    /// The last day on which it counts, as `YYYY-MM-DD`.
    pub expires: String,
    /// The library that it holds for; any if absent.
    pub library: Option<LibraryMark>,
    /// The device that it holds for, by its name; any if absent.
    pub device: Option<String>,
    /// The file that it stands in.
    #[serde(skip)]
    pub from: PathBuf,
}

/// What a library is known by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LibraryMark {
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: Option<String>,
    /// The linker's build ID, in hexadecimal.
    pub build_id: Option<String>,
}

impl LibraryMark {
    /// Whether it is that library.
    pub fn is(&self, library: &TestedLibrary) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
        };
        same(&self.sha256, Some(&library.sha256)) && same(&self.build_id, library.build_id.as_deref())
    }
}

/// Whether a waiver counts in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// It counts.
    Yes,
    /// Its last day is over.
    Expired,
    /// It is for another library or device.
    Elsewhere,
}

/// A waiver as reports tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GivenWaiver {
    /// The requirement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub requirement: Option<RequirementId>,
    /// The scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Why.
    pub reason: String,
    /// Where it is tracked.
    pub link: String,
    /// Its last day.
    pub expires: String,
    /// The file that it stands in.
    pub from: String,
    /// Whether it counts in this run.
    pub holds: Holds,
}

impl Waiver {
    /// Whether it still counts on a day.
    pub(crate) fn counts(&self, today: Day) -> bool {
        Day::parse(&self.expires).is_some_and(|last| last >= today)
    }

    /// What is wrong with it as it is written, if anything.
    pub fn complaint(&self) -> Option<String> {
        let name = name(self.requirement, self.scenario.as_deref());
        let draft = |text: &str| text.trim().is_empty() || text.trim_start().starts_with("TODO");
        if self.requirement.is_none() && self.scenario.is_none() {
            return Some("a waiver names neither `requirement` nor `scenario`".to_owned());
        }
        if Day::parse(&self.expires).is_none() {
            return Some(format!("waiver of {name}: `{}` is no day, write YYYY-MM-DD", self.expires));
        }
        if draft(&self.reason) || draft(&self.link) {
            return Some(format!("waiver of {name}: reason and link must not be empty, nor a TODO"));
        }
        if self.library.as_ref().is_some_and(|mark| *mark == LibraryMark::default()) {
            return Some(format!("waiver of {name}: `library` needs `sha256` or `build_id`"));
        }
        None
    }

    /// As reports tell it, on a day, for a library on a machine.
    pub fn given(&self, today: Day, library: &TestedLibrary, machine: &Machine) -> GivenWaiver {
        let here = self.library.as_ref().is_none_or(|mark| mark.is(library))
            && self.device.as_ref().is_none_or(|device| machine.devices.contains(device));
        let holds = match (here, self.counts(today)) {
            (false, _) => Holds::Elsewhere,
            (true, false) => Holds::Expired,
            (true, true) => Holds::Yes,
        };
        GivenWaiver {
            requirement: self.requirement,
            scenario: self.scenario.clone(),
            reason: self.reason.clone(),
            link: self.link.clone(),
            expires: self.expires.clone(),
            from: self.from.display().to_string(),
            holds,
        }
    }
}

/// What a waiver is of, in words.
fn name(requirement: Option<RequirementId>, scenario: Option<&str>) -> String {
    match (requirement, scenario) {
        (Some(id), Some(scenario)) => format!("{id} in `{scenario}`"),
        (Some(id), None) => id.to_string(),
        (None, Some(scenario)) => format!("`{scenario}`"),
        (None, None) => "nothing".to_owned(),
    }
}

/// Whether a waiver's text names a scenario: `file.feature: name`, with or without the folder, or the name alone.
pub fn names_scenario(wanted: &str, file: &str, scenario: &str) -> bool {
    let wanted = wanted.strip_prefix("features/").unwrap_or(wanted);
    wanted == scenario || wanted.strip_prefix(file).and_then(|rest| rest.strip_prefix(": ")) == Some(scenario)
}

impl GivenWaiver {
    /// Whether it excuses a requirement in a case.
    pub fn excuses(&self, id: RequirementId, case: &Case) -> bool {
        self.holds == Holds::Yes
            && self.requirement.is_none_or(|waived| waived == id)
            && (self.scenario.is_none() || self.names(case))
    }

    /// Whether it is of the scenario that the case is.
    pub fn names(&self, case: &Case) -> bool {
        match (&self.scenario, &case.scenario) {
            (Some(wanted), Some(scenario)) => names_scenario(wanted, &scenario.file, &scenario.name),
            _ => false,
        }
    }

    /// The requirement that it excuses wherever it shows, if it counts.
    pub fn whole_requirement(&self) -> Option<RequirementId> {
        if self.holds == Holds::Yes && self.scenario.is_none() { self.requirement } else { None }
    }

    /// What it is of, in words.
    pub fn name(&self) -> String {
        name(self.requirement, self.scenario.as_deref())
    }

    /// Reason, link and last day.
    pub fn told(&self) -> String {
        format!("{} ({}), until {}", self.reason, self.link, self.expires)
    }
}

/// The file of waivers beside a library.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beside {
    waivers: Vec<Waiver>,
}

/// The waivers beside a library: `libmine.so.conformance.yaml` or `libmine.conformance.yaml`.
///
/// # Errors
/// When the file cannot be used, or there are both.
pub fn beside(library: &Path) -> Result<Vec<Waiver>, ProfileError> {
    // Beside the file that a link leads to.
    let library = library.canonicalize().unwrap_or_else(|_| library.to_owned());
    let file = library.file_name().unwrap_or_default().to_os_string();
    let stem = library.file_stem().unwrap_or_default().to_os_string();
    let mut paths: Vec<PathBuf> = [file, stem]
        .into_iter()
        .map(|mut name| {
            name.push(".conformance.yaml");
            library.with_file_name(name)
        })
        .filter(|path| path.is_file())
        .collect();
    paths.dedup();
    match paths.as_slice() {
        [] => Ok(Vec::new()),
        [path] => read(path),
        [path, other, ..] => Err(ProfileError::Value {
            path: path.clone(),
            what: format!("`{}` stands beside it, and only one of the two can count", other.display()),
        }),
    }
}

/// The requirements that the profile and the file beside the library excuse as a whole: today, for this library, on this
/// machine.
///
/// # Errors
/// When the file beside the library cannot be used.
pub fn excused(library: &Path, profile: &[Waiver]) -> Result<BTreeSet<RequirementId>, ProfileError> {
    let library = library.canonicalize().unwrap_or_else(|_| library.to_owned());
    let tested = TestedLibrary::look(&library, &std::fs::read(&library).unwrap_or_default());
    let (today, machine) = (Day::today(), Machine::look());
    let beside = beside(&library)?;
    let given = profile.iter().chain(&beside).map(|waiver| waiver.given(today, &tested, &machine));
    Ok(given.filter_map(|waiver| waiver.whole_requirement()).collect())
}

/// Reads a file of waivers.
///
/// # Errors
/// With file, line and reason.
pub fn read(path: &Path) -> Result<Vec<Waiver>, ProfileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ProfileError::Read { path: path.to_owned(), source })?;
    if is_too_deep(&text) {
        let what = "its brackets nest too deep".to_owned();
        return Err(ProfileError::Value { path: path.to_owned(), what });
    }
    let mut found: Beside = serde_yaml::from_str(&text)
        .map_err(|source| ProfileError::Parse { path: path.to_owned(), source })?;
    check(path, &mut found.waivers)?;
    Ok(found.waivers)
}

/// Holds waivers against what every one needs, and keeps where they are from.
///
/// # Errors
/// With the first that is wrong.
pub fn check(path: &Path, waivers: &mut [Waiver]) -> Result<(), ProfileError> {
    for waiver in waivers {
        if let Some(what) = waiver.complaint() {
            return Err(ProfileError::Value { path: path.to_owned(), what });
        }
        waiver.from = path.to_owned();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_named_with_or_without_its_file() {
        for wanted in ["works", "a.feature: works", "features/a.feature: works"] {
            assert!(names_scenario(wanted, "a.feature", "works"), "{wanted}");
        }
        for wanted in ["work", "b.feature: works", "a.feature:works", ""] {
            assert!(!names_scenario(wanted, "a.feature", "works"), "{wanted}");
        }
    }

    #[test]
    fn what_a_waiver_lacks_is_said() {
        let complaint =
            |text: &str| serde_yaml::from_str::<Waiver>(text).unwrap().complaint().unwrap_or_default();
        let whole = "{requirement: ERR-01, reason: r, link: l, expires: 2030-01-01}";
        let said: Vec<String> = [
            whole.to_owned(),
            "{reason: r, link: l, expires: 2030-01-01}".to_owned(),
            whole.replace("2030-01-01", "TODO"),
            whole.replace("reason: r", "reason: 'TODO: why'"),
            whole.replace("link: l", "link: ''"),
            whole.replace("link: l", "link: l, library: {}"),
        ]
        .iter()
        .map(|text| complaint(text))
        .collect();
        insta::assert_snapshot!(said.join("\n"), @r"

        a waiver names neither `requirement` nor `scenario`
        waiver of ERR-01: `TODO` is no day, write YYYY-MM-DD
        waiver of ERR-01: reason and link must not be empty, nor a TODO
        waiver of ERR-01: reason and link must not be empty, nor a TODO
        waiver of ERR-01: `library` needs `sha256` or `build_id`
        ");
    }

    #[test]
    fn only_one_file_beside_a_library_counts() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libmine.so");
        assert!(beside(&library).unwrap().is_empty());
        let text = "waivers:\n- {requirement: ERR-01, reason: r, link: l, expires: 2030-01-01}\n";
        std::fs::write(folder.path().join("libmine.conformance.yaml"), text).unwrap();
        assert_eq!(beside(&library).unwrap().len(), 1);
        std::fs::write(folder.path().join("libmine.so.conformance.yaml"), text).unwrap();
        assert!(beside(&library).unwrap_err().to_string().contains("only one of the two"));
    }

    #[test]
    fn only_a_waiver_that_holds_today_and_for_this_library_excuses_its_requirement() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libmine.so");
        std::fs::write(&library, "any file").unwrap();
        let waiver = |what: &str| -> Waiver {
            serde_yaml::from_str(&format!("{{reason: r, link: l, {what}}}")).unwrap()
        };
        let sha256 = crate::verdict::sha256(b"any file");
        let given = [
            waiver("requirement: ERR-01, expires: 2999-01-01"),
            waiver("requirement: ERR-02, expires: 2020-01-01"),
            waiver("requirement: ERR-03, expires: 2999-01-01, device: no such device"),
            waiver("requirement: ERR-04, expires: 2999-01-01, library: {sha256: '00'}"),
            waiver(&format!("requirement: ERR-05, expires: 2999-01-01, library: {{sha256: '{sha256}'}}")),
            waiver("requirement: ERR-06, scenario: a, expires: 2999-01-01"),
        ];
        let text = "waivers:\n- {requirement: MSG-01, reason: r, link: l, expires: 2999-01-01}\n";
        std::fs::write(folder.path().join("libmine.conformance.yaml"), text).unwrap();
        let excused: Vec<String> =
            excused(&library, &given).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(excused, ["ERR-01", "ERR-05", "MSG-01"]);
    }
}
