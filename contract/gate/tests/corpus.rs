//! Every mutation of the corpus is classed as the table says: what matters is refused, what does not is let through.

mod mutation;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mutation::{Mutation, corpus, headers, mutate};
use worker_contract::lock;
use worker_gate::diff;
use worker_gate::difference::Difference;
use worker_gate::interface::{Interface, Sources};
use worker_gate::locked;
use worker_gate::rule::Class;

fn check(file: &str) {
    let corpus = corpus(file);
    let mut names = BTreeMap::new();
    let sources = headers();
    let locked = locked();
    let mut wrong = String::new();
    for mutation in &corpus {
        assert!(names.insert(mutation.name.clone(), ()).is_none(), "{} occurs twice", mutation.name);
        let (worst, differences) = judge(&locked, &sources, mutation);
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

/// The interface that `contract check` compares with: that of the lock, not that of the headers beside it.
fn locked() -> Interface {
    Interface::read(&locked::sources(lock::current())).unwrap()
}

/// What a mutation comes to: class, and the differences for a message.
fn judge(locked: &Interface, sources: &Sources, mutation: &Mutation) -> (Class, Vec<Difference>) {
    let mutated = mutate(sources, mutation);
    assert_ne!(mutated, *sources, "{} changes nothing", mutation.name);
    let differences = diff::compare(locked, &Interface::read(&mutated).unwrap());
    (differences.iter().map(Difference::class).min().unwrap_or(Class::Editorial), differences)
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

#[test]
fn what_another_hand_wrote_is_classed_as_it_said() {
    check("independent.yaml");
}

#[test]
fn code_and_form_that_another_hand_changed_are_classed_as_it_said() {
    check("independent-code.yaml");
}

#[test]
fn what_the_gate_is_known_to_mistake_it_still_mistakes() {
    let sources = headers();
    let locked = locked();
    for mutation in corpus("mistaken.yaml") {
        let (worst, _) = judge(&locked, &sources, &mutation);
        let right = (worst == Class::Editorial) == (mutation.class == Class::Editorial);
        assert!(!right, "{} is judged rightly now: move it to another file", mutation.name);
    }
}
