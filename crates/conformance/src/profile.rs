//! A backend's profile: its environment, models, fault injections, tolerances, limits and waivers.

pub mod bounds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use worker_contract::RequirementId;

use crate::verdict::{Machine, TestedLibrary};
use crate::waiver;
pub use crate::waiver::Waiver;

/// What the suite is told about a backend. All of it is optional.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Name of the backend.
    pub name: Option<String>,
    /// The library, relative to the profile; `--library` wins.
    pub library: Option<PathBuf>,
    /// Variables set for the library.
    pub environment: BTreeMap<String, String>,
    /// One model for each architecture that the library supports. Without any, the suite tries its own fixtures and
    /// takes those that load.
    pub models: BTreeMap<String, ModelSource>,
    /// Variables that make the library see another number of devices, for the requirements about none and about
    /// several: the least number from two on is taken.
    pub devices: BTreeMap<u16, BTreeMap<String, String>>,
    /// How to bring a failure about, for FAULT-01 to FAULT-06.
    pub faults: BTreeMap<RequirementId, Fault>,
    /// What measurements may differ by.
    pub tolerance: Tolerance,
    /// What bounds a call and a session.
    pub limits: Limits,
    /// Requirements and scenarios that are excused.
    pub waivers: Vec<Waiver>,
    /// The library and the device that this profile is about: a run on any other stops.
    pub identity: Identity,
}

/// What the library must be, so that nobody certifies the wrong file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: Option<String>,
    /// The linker's build ID, in hexadecimal.
    pub build_id: Option<String>,
    /// Name of a device that the machine must have.
    pub device: Option<String>,
}

impl Identity {
    /// What is not as it should be, if anything.
    pub fn complaint(&self, library: &TestedLibrary, machine: &Machine) -> Option<String> {
        let differs = |wanted: &str, found: &str| !wanted.eq_ignore_ascii_case(found);
        if let Some(wanted) = self.sha256.as_deref().filter(|wanted| differs(wanted, &library.sha256)) {
            return Some(format!("its SHA-256 is {}; the profile asks for {wanted}", library.sha256));
        }
        let build_id = library.build_id.as_deref().unwrap_or("none");
        if let Some(wanted) = self.build_id.as_deref().filter(|wanted| differs(wanted, build_id)) {
            return Some(format!("its build ID is {build_id}; the profile asks for {wanted}"));
        }
        let wanted = self.device.as_ref().filter(|wanted| !machine.devices.contains(wanted))?;
        let found = if machine.devices.is_empty() { "none".to_owned() } else { machine.devices.join(", ") };
        Some(format!(
            "it would run on this machine, whose devices are: {found}; the profile asks for {wanted}"
        ))
    }
}

/// Where a model comes from: exactly one of the two.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSource {
    /// Name of a recipe of the suite.
    pub fixture: Option<String>,
    /// A GGUF file, relative to the profile.
    pub path: Option<PathBuf>,
}

/// How to bring a failure about: variables, or a file whose content the library reads during the case.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// Variables set when the library is loaded; the fault stays for the whole case.
    pub environment: BTreeMap<String, String>,
    /// A file that the suite rewrites, so that the fault can begin late and clear.
    pub file: Option<FaultFile>,
}

/// A file that controls a fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultFile {
    /// The variable that tells the library the path of the file.
    pub variable: String,
    /// Content that brings the fault about.
    pub inject: String,
    /// Content that ends it.
    #[serde(default)]
    pub clear: String,
}

/// What measurements may differ by.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerance {
    /// Bytes of VRAM, for devices that other processes use as well. Source: VRAM-04.
    pub vram_bytes: u64,
}

/// What bounds a call and a session.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest call in seconds.
    pub call_seconds: Option<u64>,
    /// Longest load in seconds, of models and of the library; device counts and new contexts get as much.
    pub load_seconds: Option<u64>,
    /// Longest batch of calls in seconds.
    pub batch_seconds: Option<u64>,
    /// Resident memory in bytes.
    pub memory_bytes: Option<u64>,
}

/// A profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It cannot be read.
    #[error("cannot read the profile `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a profile.
    #[error("the profile `{}` is wrong: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_yaml::Error,
    },
    /// A value in it cannot be used.
    #[error("the profile `{}` is wrong: {what}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What, and what to do.
        what: String,
    },
}

impl Profile {
    /// Reads a profile; relative paths in it count from its folder.
    ///
    /// # Errors
    /// With file, line and reason.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ProfileError::Read { path: path.to_owned(), source })?;
        let wrong = |what: String| ProfileError::Value { path: path.to_owned(), what };
        if bounds::is_too_deep(&text) {
            return Err(wrong("its brackets nest too deep".to_owned()));
        }
        let mut profile: Profile = serde_yaml::from_str(&text)
            .map_err(|source| ProfileError::Parse { path: path.to_owned(), source })?;
        // Sessions run in a folder of their own, so nothing may stay relative.
        let whole = std::path::absolute(path)
            .map_err(|source| ProfileError::Read { path: path.to_owned(), source })?;
        let folder = whole.parent().unwrap_or(Path::new("/"));
        if let Some(library) = &mut profile.library {
            *library = folder.join(&*library);
        }
        for (architecture, source) in &mut profile.models {
            if source.fixture.is_some() == source.path.is_some() {
                return Err(wrong(format!(
                    "model `{architecture}` needs either `fixture` or `path`, not both"
                )));
            }
            if let Some(model) = &mut source.path {
                *model = folder.join(&*model);
            }
        }
        for requirement in profile.faults.keys() {
            if requirement.requirement().needs.is_none() || requirement.as_str() == "FAULT-07" {
                return Err(wrong(format!("`faults` names {requirement}; it takes FAULT-01 to FAULT-06")));
            }
        }
        if let Some(what) = bounds::complaint(&profile) {
            return Err(wrong(what));
        }
        waiver::check(path, &mut profile.waivers)?;
        Ok(profile)
    }
}

/// A day of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u16, u8, u8);

impl Day {
    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let shaped = year.len() == 4 && month.len() == 2 && day.len() == 2 && parts.next().is_none();
        let found = Day(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        // A day that there is not, such as the 30th of February, leads to another one.
        (shaped && found.seconds().is_some_and(|seconds| Self::of(seconds) == found)).then_some(found)
    }

    /// Its first moment, in seconds since 1970; of a day that there is not, the moment of another one.
    fn seconds(self) -> Option<u64> {
        let (year, month) = (i64::from(self.0) - i64::from(self.1 <= 2), i64::from(self.1));
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.2) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        u64::try_from((era * 146_097 + day_of_era - 719_468) * 86_400).ok()
    }

    /// The day of a moment, in seconds since 1970.
    fn of(seconds: u64) -> Self {
        // Years from March on, so that the leap day is the last of its year; 400 of them repeat for ever.
        let days = (seconds / 86_400) as i64 + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Day((year + era * 400 + i64::from(month <= 2)) as u16, month as u8, day as u8)
    }

    /// Today.
    pub fn today() -> Self {
        Self::of(now())
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0, self.1, self.2)
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// This moment in UTC, as in RFC 3339.
pub fn timestamp() -> String {
    let seconds = now();
    let clock = seconds % 86_400;
    format!("{}T{:02}:{:02}:{:02}Z", Day::of(seconds), clock / 3600, clock / 60 % 60, clock % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Profile, ProfileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.yaml");
        std::fs::write(&path, text).unwrap();
        Profile::read(&path)
    }

    #[test]
    fn unknown_keys_and_requirements_are_refused_with_their_line() {
        let error = read("name: x\nlibary: y\n").unwrap_err();
        assert!(
            std::error::Error::source(&error).is_some_and(|e| e.to_string().contains("line 2")),
            "{error}"
        );
        assert!(read("faults:\n  FAULT-99: {}\n").unwrap_err().to_string().contains("FAULT-99"));
        assert!(read("faults:\n  ERR-01: {}\n").unwrap_err().to_string().contains("FAULT-01 to FAULT-06"));
        assert!(read("models:\n  llama: {}\n").unwrap_err().to_string().contains("either"));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let days =
            [0, 951_782_400, 951_868_800, 1_709_164_800, 4_107_542_400].map(|at| Day::of(at).to_string());
        assert_eq!(days, ["1970-01-01", "2000-02-29", "2000-03-01", "2024-02-29", "2100-03-01"]);
        for day in ["1970-01-01", "2000-02-29", "2024-02-29", "2026-12-31", "9999-12-31"] {
            assert_eq!(Day::parse(day).map(|day| day.to_string()).as_deref(), Some(day));
        }
        for none in
            ["2026-02-29", "2100-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00", "1969-12-31"]
        {
            assert_eq!(Day::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_waiver_counts_up_to_and_with_its_last_day() {
        let text = "waivers:\n- {requirement: ERR-01, reason: r, link: l, expires: 2026-02-28}\n";
        let waiver = read(text).unwrap().waivers.remove(0);
        assert!(waiver.counts(Day(2026, 2, 28)));
        assert!(!waiver.counts(Day(2026, 3, 1)));
        assert!(read(&text.replace("02-28", "2-28")).is_err());
    }
}
