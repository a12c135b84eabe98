//! Reads the corpus of mutations, `corpus/*.yaml`, and applies them to the headers.

use std::path::Path;

use serde::Deserialize;
use worker_gate::interface::Sources;
use worker_gate::rule::{Class, Rule};

/// A mutation of the headers, and what the gate has to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// What was done.
    pub name: String,
    edits: Vec<Edit>,
    /// Class of the worst difference.
    pub class: Class,
    /// A rule that has to be among the findings.
    pub rule: Option<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: Option<String>,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    every: bool,
    #[serde(default)]
    delete: bool,
    create: Option<String>,
    append: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The headers that are locked.
pub fn headers() -> Sources {
    let folder = root().join("../include");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let headers = entries.filter(|path| path.extension().is_some_and(|extension| extension == "h"));
    let named = headers.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    });
    named.collect()
}

/// The headers after a mutation.
pub fn mutate(sources: &Sources, mutation: &Mutation) -> Sources {
    let mut sources = sources.clone();
    for edit in &mutation.edits {
        let file = edit.file.clone().unwrap_or_else(|| "worker_ffi.h".to_owned());
        if edit.delete {
            sources.remove(&file);
        } else if let Some(text) = &edit.create {
            sources.insert(file, text.clone());
        } else {
            let text = sources.get_mut(&file).unwrap_or_else(|| panic!("{}: no {file}", mutation.name));
            if let Some(more) = &edit.append {
                text.push_str(more);
                continue;
            }
            assert!(text.contains(&edit.from), "{}: {file} has no `{}`", mutation.name, edit.from);
            *text = if edit.every {
                text.replace(&edit.from, &edit.to)
            } else {
                text.replacen(&edit.from, &edit.to, 1)
            };
        }
    }
    sources
}

/// The mutations of a file of the corpus.
pub fn corpus(file: &str) -> Vec<Mutation> {
    let text = std::fs::read_to_string(root().join("corpus").join(file)).unwrap();
    serde_yaml::from_str(&text).unwrap()
}
