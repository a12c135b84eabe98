//! Change records: the files under `changes/` without which a contract does not change.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::difference::Difference;
use crate::rule::{Bump, Rule};

/// The teams that have to know.
pub const TEAMS: [&str; 3] = ["Foundation", "Llama", "GPT"];

/// A change record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Number, that of the file's name.
    pub record: u32,
    /// What changes, in a line.
    pub title: String,
    /// Version before.
    pub from: String,
    /// Version after.
    pub to: String,
    /// Every difference that it covers.
    pub differences: Vec<Covered>,
    /// What cannot be done without the change.
    pub justification: String,
    /// What each team has to do.
    pub impact: Impact,
    /// Who agreed.
    pub approval: Approval,
    /// Who was told.
    pub notifications: Vec<Notification>,
}

/// A difference that a record covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covered {
    /// Its rule.
    pub rule: Rule,
    /// Its item.
    pub item: String,
    /// The header that it is in.
    pub header: String,
    /// As it was.
    #[serde(default)]
    pub before: String,
    /// As it is.
    #[serde(default)]
    pub after: String,
}

/// What a change means for each team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Impact {
    #[serde(rename = "Foundation")]
    pub foundation: String,
    #[serde(rename = "Llama")]
    pub llama: String,
    #[serde(rename = "GPT")]
    pub gpt: String,
}

/// Who agreed to a change, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Approval {
    pub by: String,
    pub date: String,
}

/// When a team was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Notification {
    pub team: String,
    pub date: String,
}

/// A file of the folder of records.
#[derive(Clone, Debug)]
pub struct RecordFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Hash of its bytes.
    pub sha256: String,
    /// Its content, or what is wrong with its form.
    pub record: Result<Record, String>,
}

impl From<&Difference> for Covered {
    fn from(one: &Difference) -> Self {
        Self {
            rule: one.rule,
            item: one.item.clone(),
            header: one.header.clone(),
            before: one.before.clone(),
            after: one.after.clone(),
        }
    }
}

/// The records of a folder, by number; a folder that is not there holds none.
///
/// # Errors
/// If the folder or a file cannot be read.
pub fn read_all(folder: &Path) -> std::io::Result<Vec<RecordFile>> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".md") || name.starts_with('.') {
            continue;
        }
        let bytes = std::fs::read(&path)?;
        files.push(RecordFile::of(path, name, &bytes));
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

impl RecordFile {
    fn of(path: PathBuf, name: String, bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let sha256 = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = String::from_utf8_lossy(bytes);
        let record = serde_yaml::from_str::<Record>(&text).map_err(|error| error.to_string());
        Self { path, name, sha256, record }
    }

    /// The number in the file's name, which is `NNNN-title.yaml`.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        let (number, title) = self.name.strip_suffix(".yaml")?.split_once('-')?;
        let words = title.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (number.len() == 4 && !title.is_empty() && words).then(|| number.parse().ok())?
    }
}

/// What is missing, empty, a placeholder or contradictory in a record; `today` is a date such as 2026-01-31.
#[must_use]
pub fn problems(record: &Record, number: Option<u32>, today: &str) -> Vec<String> {
    let mut found = Vec::new();
    if number != Some(record.record) {
        found.push(format!("record: {} is not the number in the file's name", record.record));
    }
    let mut text = |field: &str, text: &str, words: usize| {
        if let Some(problem) = placeholder(text, words) {
            found.push(format!("{field}: {problem}"));
        }
    };
    text("title", &record.title, 2);
    text("justification", &record.justification, 8);
    text("impact.Foundation", &record.impact.foundation, 3);
    text("impact.Llama", &record.impact.llama, 3);
    text("impact.GPT", &record.impact.gpt, 3);
    text("approval.by", &record.approval.by, 1);
    let mut date = |field: String, date: &str| {
        if !is_date(date) {
            found.push(format!("{field}: `{date}` is no date of the form 2026-01-31"));
        } else if date > today {
            found.push(format!("{field}: {date} is in the future"));
        }
    };
    date("approval.date".to_owned(), &record.approval.date);
    for told in &record.notifications {
        date(format!("notifications: {}", told.team), &told.date);
    }
    for team in TEAMS {
        match record.notifications.iter().filter(|told| told.team == team).count() {
            0 => found.push(format!("notifications: the {team} team was not told")),
            1 => {}
            _ => found.push(format!("notifications: the {team} team occurs twice")),
        }
    }
    for told in record.notifications.iter().filter(|told| !TEAMS.contains(&told.team.as_str())) {
        found.push(format!("notifications: there is no team `{}`", told.team));
    }
    if record.differences.is_empty() {
        found.push("differences: there is none, so nothing is covered".to_owned());
    }
    match (version(&record.from), version(&record.to)) {
        (Some(from), Some(to)) if to <= from => {
            found.push(format!("to: {} does not come after {}", record.to, record.from));
        }
        (Some(_), Some(_)) => {
            let needed =
                record.differences.iter().map(|one| one.rule.class().bump()).max().unwrap_or(Bump::None);
            if bump(&record.from, &record.to) < needed {
                let worst = record.differences.iter().find(|one| one.rule.class().bump() == needed);
                let why = worst.map_or("", |one| one.rule.id());
                found.push(format!(
                    "to: {} to {} is too small a step; {why} needs a {} version bump",
                    record.from,
                    record.to,
                    needed.name()
                ));
            }
        }
        _ => found.push("from, to: a version is of the form 1.0".to_owned()),
    }
    found
}

/// What makes a text no answer, if anything.
fn placeholder(text: &str, words: usize) -> Option<&'static str> {
    const FILLERS: [&str; 14] = [
        "todo",
        "tbd",
        "fixme",
        "xxx",
        "???",
        "lorem ipsum",
        "placeholder",
        "fill in",
        "to be done",
        "to be filled",
        "to be determined",
        "...",
        "write here",
        "n/a",
    ];
    let lower = text.trim().to_lowercase();
    let bare: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    if lower.is_empty() {
        Some("is empty")
    } else if FILLERS.iter().any(|filler| lower.contains(filler))
        || lower.contains('<') && lower.contains('>')
        || ["none", "na", "nil", "nobody", "someone", "somebody", "name", "yes", "no"]
            .contains(&bare.as_str())
    {
        Some("holds a placeholder")
    } else if lower.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count() < words
    {
        Some("is too short to say anything")
    } else {
        None
    }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, digits: usize| {
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())?
    };
    match parts.as_slice() {
        [year, month, day] => {
            let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2))
            else {
                return false;
            };
            let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
            let days = match month {
                4 | 6 | 9 | 11 => 30,
                2 => 28 + u32::from(leap),
                _ => 31,
            };
            (1..=12).contains(&month) && (1..=days).contains(&day)
        }
        _ => false,
    }
}

/// Major and minor number of a version.
#[must_use]
pub fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let plain = part == "0" || !part.starts_with('0');
        (digits && plain).then(|| part.parse().ok())?
    };
    Some((number(major)?, number(minor)?))
}

/// How big a step two versions are apart.
#[must_use]
pub fn bump(from: &str, to: &str) -> Bump {
    match (version(from), version(to)) {
        (Some((a, _)), Some((b, 0))) if b == a + 1 => Bump::Major,
        (Some((a, x)), Some((b, y))) if a == b && y == x + 1 => Bump::Minor,
        _ => Bump::None,
    }
}

/// What the record says is different and is not, and what is different and it does not say.
#[must_use]
pub fn mismatch(record: &Record, differences: &[Difference]) -> Vec<String> {
    let claimed: BTreeSet<Covered> = record.differences.iter().cloned().collect();
    let real: BTreeSet<Covered> = differences.iter().filter(|one| one.counts()).map(Covered::from).collect();
    let missing = real
        .difference(&claimed)
        .map(|one| format!("differences: {} of {} is not covered", one.rule, one.item));
    let stale = claimed
        .difference(&real)
        .map(|one| format!("differences: {} of {} is not what the headers show", one.rule, one.item));
    missing.chain(stale).collect()
}

/// Today in UTC, as 2026-01-31.
#[must_use]
pub fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    date_of(now.as_secs() / 86_400)
}

/// The date so many days after 1970-01-01, by the rules of the Gregorian calendar.
fn date_of(days: u64) -> String {
    let (mut year, mut rest) = (1970_u64, days);
    loop {
        let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let length = 365 + u64::from(leap);
        if rest < length {
            let months = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            let mut month = 0;
            while rest >= months[month] {
                rest -= months[month];
                month += 1;
            }
            return format!("{year:04}-{:02}-{:02}", month + 1, rest + 1);
        }
        rest -= length;
        year += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Record {
        let told = |team: &str| Notification { team: team.to_owned(), date: "2026-02-01".to_owned() };
        Record {
            record: 1,
            title: "Wider jobs".to_owned(),
            from: "1.0".to_owned(),
            to: "2.0".to_owned(),
            differences: vec![Covered {
                rule: Rule::RangeChanged,
                item: "cuda_inference_start/max_tokens".to_owned(),
                header: "worker_ffi.h".to_owned(),
                before: "1 to 2048".to_owned(),
                after: "1 to 4096".to_owned(),
            }],
            justification: "Longer answers are asked for, and 2048 tokens end them in the middle.".to_owned(),
            impact: Impact {
                foundation: "checks the new bound before the call".to_owned(),
                llama: "raises the limit of its KV cache".to_owned(),
                gpt: "nothing to do, its limit is higher".to_owned(),
            },
            approval: Approval { by: "Foundation-Alpha".to_owned(), date: "2026-02-01".to_owned() },
            notifications: TEAMS.map(told).to_vec(),
        }
    }

    #[test]
    fn a_whole_record_has_no_problem() {
        assert_eq!(problems(&whole(), Some(1), "2026-02-01"), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_or_a_placeholder_is_named() {
        type Spoil = fn(&mut Record);
        let spoils: [Spoil; 13] = [
            |r| r.record = 2,
            |r| r.title.clear(),
            |r| r.justification = "TODO: say why this has to be done at all".to_owned(),
            |r| r.justification = "because".to_owned(),
            |r| r.impact.gpt = "<what GPT has to do>".to_owned(),
            |r| r.approval.by = "TBD".to_owned(),
            |r| r.approval.date = "2026-02-30".to_owned(),
            |r| r.notifications.truncate(2),
            |r| r.notifications[0].date = "2027-01-01".to_owned(),
            |r| r.differences.clear(),
            |r| r.to = "1.1".to_owned(),
            |r| r.to = "1.0".to_owned(),
            |r| r.to = "3.0".to_owned(),
        ];
        let found: Vec<String> = spoils
            .iter()
            .map(|spoil| {
                let mut record = whole();
                spoil(&mut record);
                problems(&record, Some(1), "2026-02-01").join("; ")
            })
            .collect();
        insta::assert_snapshot!(found.join("\n"), @r"
        record: 2 is not the number in the file's name
        title: is empty
        justification: holds a placeholder
        justification: is too short to say anything
        impact.GPT: holds a placeholder
        approval.by: holds a placeholder
        approval.date: `2026-02-30` is no date of the form 2026-01-31
        notifications: the GPT team was not told
        notifications: Foundation: 2027-01-01 is in the future
        differences: there is none, so nothing is covered
        to: 1.0 to 1.1 is too small a step; doc-range-changed needs a major version bump
        to: 1.0 does not come after 1.0
        to: 1.0 to 3.0 is too small a step; doc-range-changed needs a major version bump
        ");
    }

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(date_of(0), "1970-01-01");
        assert_eq!(date_of(20_454), "2026-01-01");
        assert_eq!(date_of(19_782), "2024-02-29");
        assert!(is_date("2024-02-29") && !is_date("2025-02-29") && !is_date("2025-1-01"));
    }
}
