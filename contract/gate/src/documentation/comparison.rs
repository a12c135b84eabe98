//! Says whether two sentences promise the same, and what is different if not.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::clause::{Clause, FactChange, PLURALS};
use super::lexicon::{Count, lexicon};

/// What of a section matters to the comparison of its sentences.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'k> {
    /// The first line of a function.
    pub summary: bool,
    /// A parameter, a result, codes, ownership, threads, or what stands under a heading.
    pub normative: bool,
    /// Rules for threads.
    pub threads: bool,
    /// Stems of the words of the whole comment as it was.
    pub known: &'k BTreeSet<String>,
    /// Facts of the whole comment as it was.
    pub facts: &'k BTreeSet<String>,
}

impl Clause {
    /// What the other clause lacks (false) or has more (true).
    pub(super) fn differences(&self, other: &Self, place: &Place) -> Vec<FactChange> {
        let mut found = Vec::new();
        let facts: BTreeSet<&String> = self.bag.keys().chain(other.bag.keys()).collect();
        for fact in facts {
            let (mut old, mut new) =
                (self.bag.get(fact).copied().unwrap_or(0), other.bag.get(fact).copied().unwrap_or(0));
            let count = lexicon().count(fact);
            if count != Count::Hard {
                old = old.min(1);
                new = new.min(1);
            }
            // The first line of a function may be shortened, since its sections say all of it again.
            let forgiven = place.summary && !self.stays_in_summary(fact)
                || fact == "EVERY" && other.bag.contains_key("ALWAYS")
                || PLURALS
                    .iter()
                    .any(|(plural, noun)| fact == plural && self.count(noun) < other.count(noun));
            // An alarming word that was there in another form, or in the same place of the text, alarms nobody.
            let known = || {
                other.stems.get(fact).is_some_and(|stems| stems.iter().all(|stem| place.known.contains(stem)))
            };
            if count == Count::None {
                continue;
            }
            // Elsewhere than among the rules for threads, a thread that comes in is a rule for threads.
            let lost = match count {
                Count::Lost => place.threads || fact != "THREAD",
                Count::Noun => !place.normative || place.facts.contains(fact),
                _ => false,
            };
            if old > new && count != Count::New && !forgiven {
                found.push((fact.clone(), false));
            } else if old < new && !lost && !(count == Count::New && known()) {
                found.push((fact.clone(), true));
            }
        }
        // `no exception, no panic` and `exceptions, no panic` have the same words.
        let moved = self
            .negated
            .difference(&other.negated)
            .next()
            .zip(other.negated.difference(&self.negated).next());
        if found.is_empty() && moved.is_some() {
            found.push(("NOT".to_owned(), true));
        }
        if found.is_empty() {
            found.extend(self.words_apart(other, place));
        }
        if found.is_empty() && !place.summary {
            let kinds: BTreeSet<&str> = self.orders.keys().chain(other.orders.keys()).copied().collect();
            for kind in kinds {
                let (old, new) = (self.orders.get(kind), other.orders.get(kind));
                // A sentence in the passive names no actor first or last.
                let passive = kind == "actor" && (old.is_none() || new.is_none());
                // `or NULL` and `or NULL on failure`: only where both outcomes are spoken of have they an order.
                let one_sided =
                    kind == "outcome" && [old, new].iter().any(|list| list.is_none_or(|l| l.len() < 2));
                if !passive && !one_sided && old != new {
                    found.push((format!("order of {kind}s"), true));
                }
            }
        }
        found
    }

    /// What even the first line of a function has to go on saying.
    fn stays_in_summary(&self, fact: &str) -> bool {
        matches!(fact, "NOT" | "MAY" | "SHOULD" | "GGUF" | "QUANTISED")
            || ["number ", "range ", "code "].iter().any(|kind| fact.starts_with(kind))
    }

    fn count(&self, noun: &str) -> usize {
        self.nouns.get(noun).copied().unwrap_or(0)
    }

    /// Words that nothing is known about and that came, where they count; words that went without a substitute.
    fn words_apart(&self, other: &Self, place: &Place) -> Option<FactChange> {
        let came = other.special.difference(&self.special).find(|word| !place.known.contains(*word));
        if let Some(word) = came.filter(|_| place.normative || self.text.is_empty()) {
            return Some((format!("word {word}"), true));
        }
        // What a sentence is about: a promise about models is none about contexts.
        let lost = self.things.difference(&other.things).next();
        if let Some((thing, _)) =
            other.things.difference(&self.things).next().zip(lost).filter(|_| !place.summary)
        {
            return Some((format!("word {thing}"), true));
        }
        let substitute = other.words.difference(&self.words).next().is_some()
            || other.bag.keys().any(|fact| !self.bag.contains_key(fact));
        let went = self.special.difference(&other.words).next();
        went.filter(|_| !place.summary && !substitute && !other.text.is_empty())
            .map(|word| (format!("word {word}"), false))
    }
}
