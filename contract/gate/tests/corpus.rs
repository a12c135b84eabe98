//! Every mutation of the corpus is classed as the table says: what matters is refused, what does not is let through.

mod mutation;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mutation::{corpus, headers, mutate};
use worker_gate::diff;
use worker_gate::interface::Interface;
use worker_gate::rule::Class;

fn check(file: &str) {
    let corpus = corpus(file);
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
