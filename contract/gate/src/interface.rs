//! An interface: headers as the preprocessor, the parser and a reader see them.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::documentation::Documentation;
use crate::lexer::{self, Pieces};
use crate::libclang::{self, Complaint, Declaration, Language, ParseError, Setting};
use crate::surface::Surface;

/// The targets that the headers have to mean the same on, as far as types allow.
pub const TARGETS: [&str; 3] =
    ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-msvc"];

const STANDARD: [(&str, &str); 3] = [
    ("stdbool.h", include_str!("../std/stdbool.h")),
    ("stddef.h", include_str!("../std/stddef.h")),
    ("stdint.h", include_str!("../std/stdint.h")),
];

/// Headers by name.
pub type Sources = BTreeMap<String, String>;

/// Everything that is known about a set of headers.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The texts that it was read from.
    pub sources: Sources,
    /// Per header, what it does to the preprocessor.
    pub surfaces: BTreeMap<String, Surface>,
    /// Per language and target, the declarations in order.
    pub declarations: BTreeMap<Setting, Vec<Declaration>>,
    /// Languages and targets for which all headers together do not compile: their declarations mean little.
    pub broken: BTreeSet<Setting>,
    /// What compilers have against the headers.
    pub complaints: Vec<(Setting, Complaint)>,
    /// Per item, what its comments promise.
    pub documentation: Documentation,
}

/// Why no interface could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The parser does not work.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A file for the parser cannot be written.
    #[error("cannot write a file for the parser: {0}")]
    Write(#[from] std::io::Error),
}

impl Interface {
    /// Reads headers.
    ///
    /// # Errors
    /// If libclang is missing. Whatever is wrong with the headers is part of the result.
    pub fn read(sources: &Sources) -> Result<Self, ReadError> {
        let folder = tempfile::tempdir()?;
        // libclang tells real paths.
        let root = folder.path().canonicalize()?;
        let (include, standard) = (root.join("include"), root.join("standard"));
        std::fs::create_dir(&include)?;
        std::fs::create_dir(&standard)?;
        for (name, text) in STANDARD {
            std::fs::write(standard.join(name), text)?;
        }
        for (name, text) in sources {
            let path = include.join(name);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, text)?;
        }
        let pieces: BTreeMap<&String, Pieces> =
            sources.iter().map(|(name, text)| (name, lexer::split(text))).collect();
        let mut declarations = BTreeMap::new();
        let mut complaints = Vec::new();
        let mut broken = BTreeSet::new();
        for target in TARGETS {
            for language in Language::ALL {
                let setting = Setting { language, target };
                let names: Vec<&str> = sources.keys().map(String::as_str).collect();
                let parsed = parse(&root, &include, &standard, &names, setting)?;
                if parsed.complaints.iter().any(|complaint| complaint.error) {
                    broken.insert(setting);
                }
                complaints.extend(parsed.complaints.into_iter().map(|complaint| (setting, complaint)));
                declarations.insert(setting, parsed.declarations);
            }
        }
        // Each header has to stand alone, and to bear to be read twice.
        for language in Language::ALL {
            for name in sources.keys() {
                let setting = Setting { language, target: TARGETS[0] };
                let parsed = parse(&root, &include, &standard, &[name, name], setting)?;
                complaints.extend(parsed.complaints.into_iter().map(|complaint| (setting, complaint)));
            }
        }
        let setting = Setting { language: Language::C, target: TARGETS[0] };
        let documentation = Documentation::read(sources, &pieces, &declarations[&setting]);
        let surfaces = pieces
            .iter()
            .map(|(name, pieces)| ((*name).clone(), Surface::of(&sources[*name], pieces)))
            .collect();
        Ok(Self { sources: sources.clone(), surfaces, declarations, broken, complaints, documentation })
    }
}

fn parse(
    root: &Path,
    include: &Path,
    standard: &Path,
    names: &[&str],
    setting: Setting,
) -> Result<libclang::Parsed, ReadError> {
    let mut text: String = names.iter().map(|name| format!("#include \"{name}\"\n")).collect();
    text.push_str("typedef int headers_end_here;\n");
    let unit = root.join("unit.h");
    std::fs::write(&unit, text)?;
    Ok(libclang::parse(&unit, include, standard, setting)?)
}
