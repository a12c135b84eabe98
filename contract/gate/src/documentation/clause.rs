//! Reads a sentence: which concepts of the contract it speaks of, which numbers and names, and in which order.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use regex::Regex;

use super::lexicon::{Count, lexicon};
use super::phrase::{number, prepare};
use super::words::stem;

/// A fact that has gone (false) or come (true).
pub(super) type FactChange = (String, bool);

/// A sentence, or a part of one between semicolons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clause {
    /// As written.
    pub text: String,
    /// Concepts and facts with the number of their occurrences.
    pub bag: BTreeMap<String, usize>,
    /// Concepts, those of doing aside, that a `not`, `no` or `never` stands directly before.
    pub negated: BTreeSet<String>,
    /// Stems of the words that no concept covers, particles left out.
    pub words: BTreeSet<String>,
    /// Which of them are none of the general words.
    pub special: BTreeSet<String>,
    /// What it is about.
    pub things: BTreeSet<&'static str>,
    /// How often the singular of a noun occurs whose plural is a concept.
    pub nouns: BTreeMap<&'static str, usize>,
    /// Stems of the words of each concept.
    pub stems: BTreeMap<String, BTreeSet<String>>,
    /// Facts whose order matters, by kind: codes, functions, truth values, actors, numbers, and what comes before what.
    pub orders: BTreeMap<&'static str, Vec<String>>,
}

/// What a section says besides its sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Requirements named.
    pub requirements: BTreeSet<String>,
    /// Parts of the spec named.
    pub references: BTreeSet<String>,
    /// Sentences.
    pub clauses: Vec<Clause>,
    /// Whether a parameter is said to go in, out or both ways, as in `@param[out]`.
    pub direction: Option<String>,
}

pub(super) fn regex(cell: &'static OnceLock<Regex>, pattern: &str) -> &'static Regex {
    // Patterns are constants of this file, and its tests use each.
    cell.get_or_init(|| Regex::new(pattern).unwrap_or_else(|error| unreachable!("{pattern}: {error}")))
}

impl Facts {
    /// Reads the text of a section. `own` is the name of the parameter that it describes, `parameters` are all of the
    /// function; `codes` says that it lists codes.
    pub(super) fn read(text: &str, own: &str, parameters: &[String], codes: bool) -> Self {
        static REQUIREMENT: OnceLock<Regex> = OnceLock::new();
        static REFERENCE: OnceLock<Regex> = OnceLock::new();
        static BRACKET: OnceLock<Regex> = OnceLock::new();
        let (direction, text) = match text.strip_prefix("direction").and_then(|text| text.split_once(' ')) {
            Some((way, text)) => (Some(way.to_owned()), text),
            None => (None, text),
        };
        let reference = regex(&REFERENCE, r"\bM\d-W-\d+\b|\bCUDA-\d{4}\b");
        let requirement = regex(&REQUIREMENT, r"\b[A-Z][A-Z0-9]{1,9}-\d{1,3}\b");
        let references = reference.find_iter(text).map(|m| m.as_str().to_owned()).collect();
        let rest = reference.replace_all(text, " ");
        // UTF-8 and its like look like requirements.
        let is_requirement =
            |id: &str| !["UTF-8", "UTF-16", "UTF-32", "UCS-2", "LATIN-1", "ISO-8859"].contains(&id);
        let requirements = requirement
            .find_iter(&rest)
            .map(|m| m.as_str().to_owned())
            .filter(|id| is_requirement(id))
            .collect();
        let rest = requirement.replace_all(&rest, |captures: &regex::Captures| {
            if is_requirement(&captures[0]) { String::new() } else { captures[0].to_owned() }
        });
        let bracket = regex(&BRACKET, r"\[[\s,;]*\]|\s\([\s,;]*\)|,\s*(?:,\s*)+");
        let rest = bracket.replace_all(&rest, " ");
        let clauses = split(&rest, codes)
            .into_iter()
            .map(|part| (is_aside(&part), Clause::read(&part, own, parameters)))
            .filter(|(aside, clause)| !aside || clause.is_weighty())
            .map(|(_, clause)| clause)
            .collect();
        Self { requirements, references, clauses, direction }
    }
}

/// The sentences of a text; in a list of codes every code begins one.
fn split(text: &str, codes: bool) -> Vec<String> {
    static CODE: OnceLock<Regex> = OnceLock::new();
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut depth = 0_i32;
    let chars: Vec<char> = text.chars().collect();
    for (at, &c) in chars.iter().enumerate() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        let previous = at.checked_sub(1).and_then(|at| chars.get(at)).copied().unwrap_or(' ');
        let full_stop = c == '.' && next.is_whitespace() && previous != '.' && !abbreviation(&part)
            || matches!(c, '!' | '?') && next.is_whitespace();
        if full_stop || c == ';' {
            parts.push(std::mem::take(&mut part));
            depth = 0;
        } else if codes && c == ',' && depth <= 0 {
            let ahead: String = chars[at + 1..].iter().take(40).collect();
            let code = regex(&CODE, r"^\s*(?:and |or )?(?:`)?(?:CUDA_[A-Z_]+|\d+)\b");
            if code.is_match(&ahead) {
                parts.push(std::mem::take(&mut part));
            } else {
                part.push(c);
            }
        } else {
            part.push(c);
        }
    }
    parts.push(part);
    parts.retain(|part| part.chars().any(char::is_alphanumeric));
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// Whether a sentence is an example or points elsewhere; unless it forbids, permits or counts, it promises nothing.
fn is_aside(part: &str) -> bool {
    let lower = part.to_lowercase();
    ["see also", "for example", "for instance", "e.g.", "example:"]
        .iter()
        .any(|begin| lower.starts_with(begin))
}

fn abbreviation(part: &str) -> bool {
    ["e.g", "i.e", "etc", "vs", "cf", "max", "min", "no"].iter().any(|short| {
        part.to_lowercase().strip_suffix(short).is_some_and(|before| !before.ends_with(char::is_alphanumeric))
    }) && !part.ends_with("no")
}

const NUMBERS: [(&str, &str); 22] = [
    ("eleven", "11"),
    ("fifteen", "15"),
    ("sixteen", "16"),
    ("twenty", "20"),
    ("hundred", "100"),
    ("thousand", "1000"),
    ("million", "1000000"),
    ("dozen", "12"),
    ("zero", "0"),
    ("two", "2"),
    ("both", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("twelve", "12"),
    ("thirteen", "13"),
    ("fourteen", "14"),
];

/// Nouns whose order matters beside `before` and `after`.
const THINGS: [&str; 9] =
    ["context", "model", "result", "results", "range", "ranges", "content", "pointer", "pointers"];

/// Concepts that a plural stands for, with its singular: `models end` and `a model ends` are one promise.
pub(super) const PLURALS: [(&str, &str); 3] =
    [("CONTEXTS", "context"), ("MODELS", "model"), ("RESULTS", "result")];

/// What promises are about, by the words for it.
const SUBJECTS: [(&str, &str); 21] = [
    ("context", "context"),
    ("contexts", "context"),
    ("model", "model"),
    ("models", "model"),
    ("job", "job"),
    ("jobs", "job"),
    ("generation", "job"),
    ("generations", "job"),
    ("inference", "job"),
    ("result", "job"),
    ("results", "job"),
    ("device", "device"),
    ("devices", "device"),
    ("gpu", "device"),
    ("gpus", "device"),
    ("prompt", "prompt"),
    ("file", "file"),
    ("process", "process"),
    ("thread", "thread"),
    ("threads", "thread"),
    ("machine", "machine"),
];

/// Concepts of doing: `keeps no pointer` and `does not keep a pointer` are one promise.
const VERBS: [&str; 9] = ["WRITE", "KEEP", "FREE", "OWN", "SUPPORT", "WORKS", "DEPEND", "FAIL", "NEED"];

impl Clause {
    fn read(text: &str, own: &str, parameters: &[String]) -> Self {
        let mut clause = Self { text: text.to_owned(), ..Self::default() };
        // In an example the arguments of a call are examples.
        static CALL: OnceLock<Regex> = OnceLock::new();
        let plain = is_aside(text).then(|| regex(&CALL, r"(\w+)\([^()]*\)").replace_all(text, "$1()"));
        let prepared = prepare(plain.as_deref().unwrap_or(text), parameters);
        static WORD: OnceLock<Regex> = OnceLock::new();
        let word = regex(
            &WORD,
            r"\{[^}]+\}|<[a-z_./]+>|-?\d[\d,']*(?:\.\d+)?(?:e-?\d+)?|[a-z_][\w]*(?:['\-][\w]+)*(?:\.h\b)?(?:\(\))?|[<>%]",
        );
        let mut relation = Vec::new();
        let mut related = false;
        let mut after_not = false;
        for found in word.find_iter(&prepared) {
            let token = found.as_str();
            clause.things.extend(SUBJECTS.iter().find(|(word, _)| *word == token).map(|(_, thing)| *thing));
            if let Some(thing) = THINGS.iter().find(|thing| **thing == token) {
                relation.push(thing.trim_end_matches('s').to_owned());
            }
            let Some(fact) = clause.fact(token, own, parameters) else {
                clause.note(token, own);
                after_not &= ["a", "an", "the", "be", "any", "its"].contains(&token);
                continue;
            };
            if after_not && fact != "NOT" && !VERBS.contains(&fact.as_str()) {
                clause.negated.insert(fact.clone());
            }
            after_not = fact == "NOT";
            if fact == "BEFORE" || fact == "AFTER" {
                related = true;
                relation.push(fact.clone());
            } else if fact.starts_with("call ") || fact == "NULL" {
                relation.push(fact.clone());
            }
            if token.starts_with(char::is_alphabetic) {
                clause.stems.entry(fact.clone()).or_default().insert(stem(token));
            }
            *clause.bag.entry(fact).or_default() += 1;
        }
        if ["by the host", "by the caller", "by the library", "by the backend"]
            .iter()
            .any(|by| prepared.contains(by))
        {
            clause.orders.remove("actor");
        }
        if related {
            relation.dedup();
            clause.orders.insert("relation", relation);
        }
        clause
    }

    /// The concept or fact of a word, and its place among its kind.
    fn fact(&mut self, token: &str, own: &str, parameters: &[String]) -> Option<String> {
        let mut ordered = |kind: &'static str, fact: &str| {
            let list = self.orders.entry(kind).or_default();
            if list.last().is_none_or(|last| last != fact) {
                list.push(fact.to_owned());
            }
        };
        if let Some(inner) = token.strip_prefix('{').and_then(|token| token.strip_suffix('}')) {
            let fact = inner.to_owned();
            match fact.as_str() {
                "TO" => return None,
                _ if fact.starts_with("range ") => ordered("number", &fact),
                _ => {}
            }
            return Some(fact);
        }
        if token.starts_with(|c: char| c.is_ascii_digit())
            || token.starts_with('-') && token[1..].starts_with(|c: char| c.is_ascii_digit())
        {
            let number = number(token);
            ordered("number", &number);
            return Some(number);
        }
        if let Some((_, number)) = NUMBERS.iter().find(|(word, _)| *word == token) {
            let number = format!("number {number}");
            if token != "both" {
                ordered("number", &number);
            }
            return Some(number);
        }
        if token.starts_with('<') && token.len() > 1 || token.ends_with(".h") {
            return Some(format!("header {}", token.trim_matches(['<', '>'])));
        }
        let name = token.trim_end_matches("()");
        if name == "cuda_success" {
            ordered("number", "number 0");
            return Some("number 0".to_owned());
        }
        if name.starts_with("cuda_error_") && name != "cuda_error_message" {
            ordered("code", name);
            return Some(format!("code {name}"));
        }
        if token.ends_with("()") || name.starts_with("cuda_") {
            ordered("function", name);
            return Some(format!("call {name}"));
        }
        if name.contains('_') {
            let known = parameters.iter().any(|parameter| parameter == name);
            return (name != own && known)
                .then(|| format!("parameter {name}"))
                .or_else(|| (name != own && !known).then(|| format!("name {name}")));
        }
        let concept = lexicon().concept(name)?;
        match concept {
            "TRUE" | "FALSE" => ordered("truth", concept),
            "HOST" | "LIBRARY" => ordered("actor", concept),
            "SUCCESS" | "FAIL" => ordered("outcome", concept),
            _ => {}
        }
        Some(concept.to_owned())
    }

    /// Takes note of a word that is no concept.
    fn note(&mut self, token: &str, own: &str) {
        if let Some((_, noun)) = PLURALS.iter().find(|(_, noun)| *noun == token) {
            *self.nouns.entry(noun).or_default() += 1;
        }
        for word in token.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 1) {
            if !lexicon().is_particle(word) && !own.split('_').any(|part| part == word) {
                let stem = stem(word);
                if !lexicon().is_general(word) {
                    self.special.insert(stem.clone());
                }
                self.words.insert(stem);
            }
        }
    }

    /// Whether nothing in it is a promise.
    pub(super) fn is_empty(&self) -> bool {
        self.bag.keys().all(|fact| lexicon().count(fact) == Count::None)
    }

    /// Whether it forbids, permits, demands, warns, or gives a number or a code.
    pub(super) fn is_weighty(&self) -> bool {
        let facts = ["code ", "number ", "range "];
        self.bag.keys().any(|fact| {
            let count = lexicon().count(fact);
            matches!(count, Count::Hard | Count::New | Count::None)
                || facts.iter().any(|kind| fact.starts_with(kind))
        })
    }

    /// Both clauses as one.
    pub(super) fn merge(&mut self, other: &Self) {
        if !self.text.is_empty() {
            self.text.push_str(". ");
        }
        self.text.push_str(&other.text);
        for (fact, count) in &other.bag {
            *self.bag.entry(fact.clone()).or_default() += count;
        }
        self.negated.extend(other.negated.iter().cloned());
        self.things.extend(other.things.iter().copied());
        for (noun, count) in &other.nouns {
            *self.nouns.entry(noun).or_default() += count;
        }
        self.words.extend(other.words.iter().cloned());
        self.special.extend(other.special.iter().cloned());
        for (fact, stems) in &other.stems {
            self.stems.entry(fact.clone()).or_default().extend(stems.iter().cloned());
        }
        for (kind, list) in &other.orders {
            self.orders.entry(kind).or_default().extend(list.iter().cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> String {
        let parameters = ["ctx".to_owned(), "error_code".to_owned(), "max_tokens".to_owned()];
        let read = Facts::read(text, "error_code", &parameters, false);
        let bags = read.clauses.iter().map(|clause| {
            let one = |(fact, count): (&String, &usize)| {
                if *count == 1 { fact.clone() } else { format!("{fact} x{count}") }
            };
            clause.bag.iter().map(one).collect::<Vec<_>>().join(", ")
        });
        bags.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn ranges_are_read_in_many_spellings() {
        let one = facts("Most tokens to produce, 1 to 2048.");
        assert_eq!(one, "MOST, range 1 2048");
        for text in [
            "Maximum number of tokens, from 1 to 2048",
            "Maximum number of tokens, 1..2048.",
            "Upper limit of tokens to produce: [1, 2048].",
            "Maximum number of tokens, between 1 and 2048 (inclusive).",
            "Maximum number of tokens (1 through 2048).",
            "Maximum number of tokens: 1-2048.",
            "Maximum number of tokens, at least 1 and at most 2048",
            "Maximum number of tokens, from 1 up to and including 2048",
        ] {
            assert_eq!(facts(text), one, "{text}");
        }
        assert_ne!(facts("Most tokens to produce, 1 to 2048 exclusive."), one);
        assert_ne!(facts("Most tokens to produce, [1, 2048)."), one);
        let device = facts("Device number, 0 to cuda_get_device_count() - 1.");
        assert_eq!(device, "range 0 beneath cuda_get_device_count");
        assert_eq!(
            facts("Index of the device, from 0 up to, but not including, cuda_get_device_count()."),
            device
        );
    }

    #[test]
    fn sentences_end_at_full_stops_and_semicolons_only() {
        let parts = split("0, 1, 2, ... without. 1.5 to 2; e.g. this", false);
        assert_eq!(parts, ["0, 1, 2, ... without", "1.5 to 2", "e.g. this"]);
        let parts = split("0, CUDA_A (no such, at all), CUDA_B, CUDA_C", true);
        assert_eq!(parts, ["0", "CUDA_A (no such, at all)", "CUDA_B", "CUDA_C"]);
    }
}
