//! The vocabulary of the contract, `lexicon.yaml`: phrases and words, and the concepts that they stand for.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use regex::Regex;
use serde::Deserialize;

use super::words::stem;

const SOURCE: &str = include_str!("../../lexicon.yaml");

/// How much a concept counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Count {
    /// Each occurrence.
    Hard,
    /// Whether it is there.
    Kept,
    /// Whether it has gone.
    Lost,
    /// Whether it has gone, or come where promises stand and nothing spoke of it.
    Noun,
    /// Whether it has come.
    New,
    /// Not at all.
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    phrases: Vec<Phrase>,
    concepts: BTreeMap<String, Concept>,
    /// Words that say nothing, and those that may stand for each other without a change of what is promised.
    particles: String,
    general: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phrase {
    of: String,
    is: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Concept {
    count: Count,
    words: Vec<String>,
}

/// The vocabulary, ready for use.
pub(super) struct Lexicon {
    phrases: Vec<(Regex, String)>,
    counts: BTreeMap<String, Count>,
    words: BTreeMap<String, String>,
    beginnings: Vec<(String, String)>,
    particles: BTreeSet<String>,
    general: BTreeSet<String>,
}

impl Lexicon {
    fn parse(text: &str) -> Result<Self, String> {
        let file: File = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let mut lexicon = Self {
            phrases: Vec::new(),
            counts: BTreeMap::new(),
            words: BTreeMap::new(),
            beginnings: Vec::new(),
            particles: file.particles.split_whitespace().map(stem).collect(),
            general: file.general.split_whitespace().map(stem).collect(),
        };
        for Phrase { of, is } in file.phrases {
            let regex = Regex::new(&of).map_err(|error| format!("phrase `{of}`: {error}"))?;
            lexicon.phrases.push((regex, format!(" {is} ")));
        }
        for (name, concept) in file.concepts {
            for word in concept.words {
                match word.strip_suffix('*') {
                    Some(beginning) => lexicon.beginnings.push((beginning.to_owned(), name.clone())),
                    None => {
                        if let Some(other) = lexicon.words.insert(word.clone(), name.clone()) {
                            return Err(format!("`{word}` is a word of {other} and of {name}"));
                        }
                    }
                }
            }
            lexicon.counts.insert(name, concept.count);
        }
        Ok(lexicon)
    }

    /// The text, in lower case, with phrases replaced by concepts in braces.
    pub(super) fn replace_phrases(&self, text: &str) -> String {
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut text = one_line(text);
        for (regex, concepts) in &self.phrases {
            if regex.is_match(&text) {
                text = one_line(&regex.replace_all(&text, concepts.as_str()));
            }
        }
        text
    }

    /// The concept of a word in lower case.
    pub(super) fn concept(&self, word: &str) -> Option<&str> {
        let exact = self.words.get(word).map(String::as_str);
        exact.or_else(|| {
            self.beginnings.iter().find(|(begin, _)| word.starts_with(begin)).map(|(_, name)| name.as_str())
        })
    }

    /// Whether a word in lower case says nothing by itself, such as `the`.
    pub(super) fn is_particle(&self, word: &str) -> bool {
        self.particles.contains(&stem(word))
    }

    /// Whether a word in lower case is one of the general words, which paraphrases exchange freely.
    pub(super) fn is_general(&self, word: &str) -> bool {
        self.is_particle(word) || self.general.contains(&stem(word))
    }

    /// How much a concept counts; what is no concept of the vocabulary is a fact, such as a number or a name.
    pub(super) fn count(&self, concept: &str) -> Count {
        self.counts.get(concept).copied().unwrap_or(Count::Kept)
    }
}

/// The vocabulary of the contract.
pub(super) fn lexicon() -> &'static Lexicon {
    static LEXICON: OnceLock<Lexicon> = OnceLock::new();
    LEXICON.get_or_init(|| {
        // The text is part of the crate, and a test reads it.
        Lexicon::parse(SOURCE)
            .unwrap_or_else(|error| unreachable!("the embedded vocabulary is sound: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_is_sound() {
        let lexicon = Lexicon::parse(SOURCE).unwrap();
        for (_, is) in &lexicon.phrases {
            for name in is.split_whitespace().filter_map(|word| word.strip_prefix('{')?.strip_suffix('}')) {
                assert!(lexicon.counts.contains_key(name) || name == "TO", "{name}");
            }
        }
    }

    #[test]
    fn words_and_phrases_find_their_concept() {
        let lexicon = lexicon();
        assert_eq!(lexicon.concept("frees"), Some("FREE"));
        assert_eq!(lexicon.concept("truncated"), Some("CLAMP"));
        assert_eq!(lexicon.concept("table"), None);
        assert_eq!(lexicon.replace_phrases("if and only if it is").split_whitespace().next(), Some("{IFF}"));
    }
}
