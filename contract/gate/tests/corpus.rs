//! Every mutation of the corpus is classed as the table says: what matters is refused, what does not is let through.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use worker_gate::diff;
use worker_gate::interface::{Interface, Sources};
use worker_gate::rule::{Class, Rule};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutation {
    name: String,
    edits: Vec<Edit>,
    class: Class,
    rule: Option<Rule>,
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

fn headers() -> Sources {
    let folder = root().join("../include");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let headers = entries.filter(|path| path.extension().is_some_and(|extension| extension == "h"));
    let named = headers.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    });
    named.collect()
}

fn mutate(sources: &Sources, mutation: &Mutation) -> Sources {
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

fn check(file: &str) {
    let text = std::fs::read_to_string(root().join("corpus").join(file)).unwrap();
    let corpus: Vec<Mutation> = serde_yaml::from_str(&text).unwrap();
    let mut names = BTreeMap::new();
    let sources = headers();
    let locked = Interface::read(&sources).unwrap();
    let mut wrong = String::new();
    for mutation in &corpus {
        assert!(names.insert(mutation.name.clone(), ()).is_none(), "{} occurs twice", mutation.name);
        let mutated = mutate(&sources, mutation);
        assert_ne!(mutated, sources, "{} changes nothing", mutation.name);
        let differences = diff::compare(&locked, &Interface::read(&mutated).unwrap());
        let worst = differences.iter().map(|one| one.class()).min().unwrap_or(Class::Editorial);
        let named = mutation.rule.is_none_or(|rule| differences.iter().any(|one| one.rule == rule));
        if worst != mutation.class || !named {
            writeln!(wrong, "\n{}: expected {} {:?}", mutation.name, mutation.class, mutation.rule).unwrap();
            for one in differences {
                writeln!(wrong, "  {} {} [{}] -> [{}]", one.rule, one.item, one.before, one.after).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn mutations_of_the_code_are_classed_as_the_table_says() {
    check("code.yaml");
}

#[test]
fn broken_promises_of_the_documentation_are_found() {
    check("promises.yaml");
}

#[test]
fn rewordings_of_the_documentation_are_let_through() {
    check("rewordings.yaml");
}

#[test]
fn what_somebody_might_try_is_found_and_honest_rewording_passes() {
    check("hostile.yaml");
}
