//! Packages that are sound, damaged and hostile.

use std::io::Write;

use zip::write::SimpleFileOptions;

use super::*;
use crate::report::{package, sample};

fn sound() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.zip");
    let mut result = sample::result();
    result.suite = Suite::current();
    let profile = folder.path().join("mine.yaml");
    std::fs::write(&profile, "name: my backend\n").unwrap();
    if let Some(facts) = &mut result.profile {
        facts.path = Some(profile.display().to_string());
        facts.sha256 = sha256(b"name: my backend\n");
    }
    result.sum_up();
    package::write(&path, &result).unwrap();
    (folder, path)
}

fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.zip");
    std::fs::write(&path, bytes).unwrap();
    verify(&path).unwrap_err().to_string()
}

/// The package with its files changed; the manifest follows if `honest`.
fn changed(honest: bool, change: impl Fn(&mut BTreeMap<String, Vec<u8>>)) -> String {
    let (_folder, path) = sound();
    let mut files = unpack(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut files);
    if honest {
        let mut manifest: Manifest = serde_json::from_slice(&files[MANIFEST]).unwrap();
        manifest.files = files
            .iter()
            .filter(|(name, _)| *name != MANIFEST)
            .map(|(name, content)| {
                (name.clone(), package::Entry { sha256: sha256(content), bytes: content.len() as u64 })
            })
            .collect();
        files.insert(MANIFEST.to_owned(), serde_json::to_vec(&manifest).unwrap());
    }
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    refused(&pack(&files))
}

#[test]
fn a_package_as_it_was_written_is_whole() {
    let (_folder, path) = sound();
    let package = verify(&path).unwrap();
    assert!(package.compared);
    assert_eq!(package.result.verdict.word(), "non-conformant");
    let text = render(&package);
    let told: Vec<&str> = text
        .lines()
        .filter(|line| !["files", "suite", "profile"].iter().any(|word| line.starts_with(word)))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn every_altered_byte_shows() {
    let (_folder, path) = sound();
    let bytes = std::fs::read(&path).unwrap();
    let step = (bytes.len() / 97).max(1);
    for at in (0..bytes.len()).step_by(step) {
        let mut altered = bytes.clone();
        altered[at] ^= 0x10;
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("out.zip");
        std::fs::write(&copy, altered).unwrap();
        // Times, flags and the like of the archive itself are no content.
        if let Ok(package) = verify(&copy) {
            assert_eq!(
                json::render(&package.result),
                json::render(&verify(&path).unwrap().result),
                "byte {at}"
            );
        }
    }
    for cut in [0, 1, 21, bytes.len() / 2, bytes.len() - 1] {
        assert!(!refused(&bytes[..cut]).is_empty());
    }
}

#[test]
fn what_is_wrong_is_said() {
    let put = |name: &'static str, content: &'static [u8]| {
        move |files: &mut BTreeMap<String, Vec<u8>>| drop(files.insert(name.to_owned(), content.to_vec()))
    };
    let take = |name: &'static str| move |files: &mut BTreeMap<String, Vec<u8>>| drop(files.remove(name));
    let verdict = |files: &mut BTreeMap<String, Vec<u8>>| {
        for content in files.values_mut() {
            *content = String::from_utf8_lossy(content).replace("non-conformant", "conformant").into_bytes();
        }
    };
    let said = [
        changed(false, put("log.txt", b"all is well")),
        changed(false, take("report.html")),
        changed(false, put("extra.txt", b"x")),
        changed(true, put("report.html", b"<h1>conformant</h1>")),
        changed(true, put("profile.yaml", b"name: other\n")),
        changed(true, take("profile.yaml")),
        changed(true, verdict),
        changed(true, take("report.json")),
        changed(true, put("report.json", b"{}")),
        changed(false, take(MANIFEST)),
        changed(false, put(MANIFEST, br#"{"version":"9","library_sha256":"","verdict":"","files":{}}"#)),
    ];
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn hostile_archives_are_refused() {
    let name = |name: &str| refused(&pack(&[(MANIFEST, b"{}"), (name, b"x")]));
    let mut said: Vec<String> =
        ["../x", "a/../../x", "/etc/passwd", "a\\b", "a//b", "c:x", "./x", "ü", "MANIFEST.json"]
            .into_iter()
            .map(name)
            .collect();
    let mut link = zip::ZipWriter::new(Cursor::new(Vec::new()));
    link.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    said.push(refused(&link.finish().unwrap().into_inner()));
    let mut folder = zip::ZipWriter::new(Cursor::new(Vec::new()));
    folder.add_directory("folder", SimpleFileOptions::default()).unwrap();
    said.push(refused(&folder.finish().unwrap().into_inner()));
    let many: Vec<String> = (0..=FILES).map(|number| number.to_string()).collect();
    said.push(refused(&pack(&many.iter().map(|name| (name.as_str(), &b"x"[..])).collect::<Vec<_>>())));
    said.push(refused(b"no archive at all"));
    let good = pack(&[(MANIFEST, b"{}")]);
    said.push(refused(&[&b"#!/bin/sh\n"[..], &good].concat()));
    said.push(refused(&[&good, &b"tail"[..]].concat()));
    // The same name twice, of which readers see one or the other.
    let twice = pack(&[("aa", b"x"), ("ab", b"y")]);
    said.push(refused(&replace(&twice, b"ab", b"aa")));
    insta::assert_snapshot!(said.join("\n"));
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

#[test]
fn a_bomb_is_cut_short() {
    let zeros = vec![0_u8; 1 << 20];
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("bomb", SimpleFileOptions::default()).unwrap();
    for _ in 0..(FILE >> 20) + 8 {
        archive.write_all(&zeros).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert!(bytes.len() < 2 << 20);
    assert!(refused(&bytes).contains("no package is that large"));
}
