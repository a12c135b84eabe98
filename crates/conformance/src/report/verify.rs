//! Checks a submission package that anybody may have made: nothing is unpacked to disk, and nothing in it is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Cursor, Read};
use std::path::Path;

use zip::ZipArchive;

use super::package::{MANIFEST, Manifest, RENDERED, REPORT, VERSION};
use super::{json, terminal};
use crate::verdict::{RunResult, Suite, sha256};

/// Bytes of an archive, of one file in it, and of all of them.
const ARCHIVE: u64 = 256 << 20;
const FILE: u64 = 256 << 20;
const ALL: u64 = 512 << 20;
/// Files of an archive.
const FILES: usize = 1000;
/// Bytes behind the files that say where they are. Source: APPNOTE 4.3.16.
const END: usize = 22;

/// Why a package is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error("cannot read the package: {0}")]
    Unreadable(std::io::Error),
    /// It is no archive, or a strange one.
    #[error("this is no package: {0}")]
    NoPackage(String),
    /// A name in it leads out of it, or is there twice.
    #[error("the name {0} has no place in a package")]
    Name(String),
    /// It is, or becomes, too large.
    #[error("{0}: no package is that large")]
    Large(String),
    /// Its content is not what the manifest says.
    #[error("the package was altered or is damaged:\n  {}", .0.join("\n  "))]
    Altered(Vec<String>),
}

impl Refusal {
    /// Whether a package was there to look at.
    pub fn is_about_content(&self) -> bool {
        !matches!(self, Refusal::Unreadable(_))
    }
}

/// What a sound package holds.
#[derive(Debug)]
pub struct Package {
    /// The result.
    pub result: RunResult,
    /// Names and sizes of its files.
    pub files: BTreeMap<String, usize>,
    /// Whether the reports in it were made anew and compared; only the same version of the suite can do that.
    pub compared: bool,
}

/// Checks a package.
///
/// # Errors
/// With everything that is wrong with it.
pub fn verify(path: &Path) -> Result<Package, Refusal> {
    let size = std::fs::metadata(path).map_err(Refusal::Unreadable)?.len();
    if size > ARCHIVE {
        return Err(Refusal::Large(format!("{size} bytes")));
    }
    let bytes = std::fs::read(path).map_err(Refusal::Unreadable)?;
    let files = unpack(&bytes)?;
    let mut wrong = Vec::new();
    let manifest = files.get(MANIFEST).ok_or_else(|| Refusal::NoPackage(format!("it has no {MANIFEST}")))?;
    let manifest: Manifest = serde_json::from_slice(manifest)
        .map_err(|error| Refusal::NoPackage(format!("its {MANIFEST} cannot be read: {error}")))?;
    if manifest.version != VERSION {
        let found = &manifest.version;
        return Err(Refusal::NoPackage(format!(
            "its version is {found:?}, and this program reads {VERSION}"
        )));
    }
    for (name, entry) in &manifest.files {
        match files.get(name) {
            None => wrong.push(format!("{name:?} is missing")),
            Some(content) if content.len() as u64 != entry.bytes || sha256(content) != entry.sha256 => {
                wrong.push(format!("{name:?} is not the file that the manifest was made for"));
            }
            Some(_) => {}
        }
    }
    for name in files.keys().filter(|name| *name != MANIFEST && !manifest.files.contains_key(*name)) {
        wrong.push(format!("{name:?} is not in the manifest"));
    }
    if !wrong.is_empty() {
        return Err(Refusal::Altered(wrong));
    }
    let report = files.get(REPORT).ok_or_else(|| Refusal::NoPackage(format!("it has no {REPORT}")))?;
    let result =
        json::parse(Path::new(REPORT), report).map_err(|error| Refusal::NoPackage(error.to_string()))?;
    let compared = consistent(&result, &manifest, &files, &mut wrong);
    if !wrong.is_empty() {
        return Err(Refusal::Altered(wrong));
    }
    let files = files.into_iter().map(|(name, content)| (name, content.len())).collect();
    Ok(Package { result, files, compared })
}

/// Holds the parts of a package against each other; whether the reports could be made anew.
fn consistent(
    result: &RunResult,
    manifest: &Manifest,
    files: &BTreeMap<String, Vec<u8>>,
    wrong: &mut Vec<String>,
) -> bool {
    if manifest.verdict != result.verdict.word() || manifest.library_sha256 != result.library.sha256 {
        wrong.push("the manifest and the report name different verdicts or libraries".to_owned());
    }
    if let (Some(profile), Some(content)) = (&result.profile, files.get("profile.yaml"))
        && sha256(content) != profile.sha256
    {
        wrong.push("profile.yaml is not the profile that the report was made with".to_owned());
    }
    if result.profile.as_ref().is_some_and(|profile| profile.path.is_some())
        && !files.contains_key("profile.yaml")
    {
        wrong.push("the report was made with a profile, and profile.yaml is missing".to_owned());
    }
    let mut again = result.clone();
    again.sum_up();
    if json::render(&again) != json::render(result) {
        wrong.push(format!("{REPORT}: statuses and verdict do not follow from what was played"));
    }
    // Another version may write the same result in other words.
    let compared = result.suite == Suite::current();
    if compared {
        for (name, format) in RENDERED {
            let expected = format.render(result).unwrap_or_default();
            if files.get(name).is_none_or(|content| *content != expected.as_bytes()) {
                wrong.push(format!("{name} does not say what {REPORT} says"));
            }
        }
        if files.get("log.txt").is_none_or(|content| *content != terminal::render(result).as_bytes()) {
            wrong.push(format!("log.txt does not say what {REPORT} says"));
        }
    }
    compared
}

/// All files of an archive, in memory, within limits.
fn unpack(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
    let no_package = |error: zip::result::ZipError| Refusal::NoPackage(error.to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(no_package)?;
    // Packages have neither a comment nor anything before or behind them, so that a name given twice shows.
    let end =
        bytes.len().checked_sub(END).map(|at| &bytes[at..]).filter(|end| end.starts_with(b"PK\x05\x06"));
    let end = end.ok_or_else(|| Refusal::NoPackage("something stands behind the archive".to_owned()))?;
    let counted = usize::from(u16::from_le_bytes([end[10], end[11]]));
    if archive.offset() != 0 {
        return Err(Refusal::NoPackage("something stands before the archive".to_owned()));
    }
    if archive.len() > FILES || counted > FILES {
        return Err(Refusal::Large(format!("{} files", archive.len().max(counted))));
    }
    if archive.len() != counted {
        return Err(Refusal::Name("of one of its files is there twice, which".to_owned()));
    }
    let (mut files, mut folded, mut all) = (BTreeMap::new(), BTreeSet::new(), 0);
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).map_err(no_package)?;
        let name = String::from_utf8(file.name_raw().to_vec())
            .map_err(|_| Refusal::Name(format!("\"{}\"", file.name_raw().escape_ascii())))?;
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let fits = name.split('/').all(plain)
            && name.len() <= 200
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
            && file.is_file()
            && !file.is_symlink()
            && folded.insert(name.to_ascii_lowercase());
        if !fits {
            return Err(Refusal::Name(format!("{name:?}")));
        }
        // What the archive says of the size is not believed.
        let mut content = Vec::new();
        (&mut file)
            .take(FILE + 1)
            .read_to_end(&mut content)
            .map_err(|error| Refusal::Altered(vec![format!("{name:?}: {error}")]))?;
        all += content.len() as u64;
        if content.len() as u64 > FILE || all > ALL {
            return Err(Refusal::Large(format!("{name:?} unpacks to more than {} MiB", all >> 20)));
        }
        files.insert(name, content);
    }
    Ok(files)
}

/// What a sound package holds, for people.
pub fn render(package: &Package) -> String {
    let result = &package.result;
    let mut text = String::new();
    for (name, value) in super::about::facts(result) {
        let _ = writeln!(text, "{name:<18} {}", super::plain::line(&value));
    }
    let bytes: usize = package.files.values().sum();
    let _ = writeln!(text, "{:<18} {}, {} KiB", "files", package.files.len(), bytes >> 10);
    let compared = if package.compared {
        "every report says what report.json says"
    } else {
        "made by another version of the suite: hashes were checked, the other reports not made anew"
    };
    let _ = writeln!(text, "{:<18} {compared}", "reports");
    let _ = writeln!(text, "{:<18} {}", "verdict", result.verdict.word());
    text.push_str(
        "The package is whole. Hashes show damage, not who made it: take it from somebody you trust.\n",
    );
    text
}

#[cfg(test)]
mod tests;
