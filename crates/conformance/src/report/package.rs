//! The submission package: everything about one run in one archive, with a manifest of hashes.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;

use super::outputs::Format;
use super::{terminal, write};
use crate::verdict::{RunResult, sha256};

/// The version of the package's shape.
pub const VERSION: &str = "1.0";
/// Name of the manifest in the archive.
pub const MANIFEST: &str = "manifest.json";
/// Name of the report that the others are made from.
pub const REPORT: &str = "report.json";
/// The other reports, and the form of each.
pub const RENDERED: [(&str, Format); 7] = [
    ("report.html", Format::Html),
    ("report.md", Format::Markdown),
    ("junit.xml", Format::Junit),
    ("report.sarif", Format::Sarif),
    ("report.tap", Format::Tap),
    ("cucumber.json", Format::CucumberJson),
    ("cucumber.ndjson", Format::CucumberMessages),
];

/// What the manifest says of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the package's shape.
    pub version: String,
    /// The library that was tested.
    pub library_sha256: String,
    /// The verdict.
    pub verdict: String,
    /// Every file of the archive but this one.
    pub files: BTreeMap<String, Entry>,
}

/// The files of a package, by name, without the manifest.
///
/// # Errors
/// When a file that was used in the run cannot be read again.
pub fn files(result: &RunResult) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    files.insert(REPORT.to_owned(), Format::Json.render(result)?.into_bytes());
    for (name, format) in RENDERED {
        files.insert(name.to_owned(), format.render(result)?.into_bytes());
    }
    files.insert("log.txt".to_owned(), terminal::render(result).into_bytes());
    let environment = serde_json::json!({
        "machine": result.machine,
        "library": result.library,
        "suite": result.suite,
        "contract": result.contract,
        "selection": result.selection,
        "started": result.started,
    });
    files.insert(
        "environment.json".to_owned(),
        (serde_json::to_string_pretty(&environment)? + "\n").into_bytes(),
    );
    if let Some(profile) = &result.profile
        && let Some(path) = &profile.path
    {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read the profile `{path}`"))?;
        if sha256(&bytes) != profile.sha256 {
            return Err(anyhow!("the profile `{path}` was changed during the run"));
        }
        files.insert("profile.yaml".to_owned(), bytes);
    }
    files.insert(
        "waivers.json".to_owned(),
        (serde_json::to_string_pretty(&result.waivers)? + "\n").into_bytes(),
    );
    for reproducer in &result.reproducers {
        files.insert(format!("reproducers/{}.c", reproducer.requirement), reproducer.c.clone().into_bytes());
        files.insert(
            format!("reproducers/{}.yaml", reproducer.requirement),
            reproducer.yaml.clone().into_bytes(),
        );
    }
    Ok(files)
}

/// Writes the package.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, result: &RunResult) -> anyhow::Result<()> {
    let files = files(result)?;
    let entry = |content: &Vec<u8>| Entry { sha256: sha256(content), bytes: content.len() as u64 };
    let manifest = Manifest {
        version: VERSION.to_owned(),
        library_sha256: result.library.sha256.clone(),
        verdict: result.verdict.word().to_owned(),
        files: files.iter().map(|(name, content)| (name.clone(), entry(content))).collect(),
    };
    let archive = pack(&manifest, &files)?;
    write::whole(path, &archive).with_context(|| format!("cannot write `{}`", path.display()))
}

/// The archive: the manifest first, then the files by name; the same files give the same bytes.
fn pack(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    let options =
        SimpleFileOptions::default().last_modified_time(zip::DateTime::default()).unix_permissions(0o644);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(MANIFEST, options)?;
    archive.write_all((serde_json::to_string_pretty(manifest)? + "\n").as_bytes())?;
    for (name, content) in files {
        archive.start_file(name.as_str(), options)?;
        archive.write_all(content)?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_same_run_gives_the_same_package_and_its_manifest_names_every_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut result = sample::result();
        result.profile = None;
        let path = folder.path().join("out.zip");
        let bytes = [0, 1].map(|_| {
            write(&path, &result).unwrap();
            std::fs::read(&path).unwrap()
        });
        assert_eq!(bytes[0], bytes[1]);
        let names: Vec<String> = files(&result).unwrap().into_keys().collect();
        insta::assert_snapshot!(names.join("\n"));
    }
}
