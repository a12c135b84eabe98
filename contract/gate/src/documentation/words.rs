//! Words that no concept of the vocabulary covers: which of them carry meaning, and which only differ in spelling.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::sync::OnceLock;

use regex::Regex;
use rust_stemmers::{Algorithm, Stemmer};

use super::lexicon::lexicon;

/// Beginnings that turn a word into its opposite; such a word is no misspelling of the other.
const OPPOSITES: [&str; 10] = ["un", "in", "im", "non", "dis", "de", "re", "mis", "pre", "over"];

/// The stem of a word in lower case, British and American spelling alike.
pub(super) fn stem(word: &str) -> String {
    static STEMMER: OnceLock<Stemmer> = OnceLock::new();
    let word = word.trim_end_matches("'s").replace("isation", "ization").replace("our", "or");
    let word = ["ise", "ised", "ises", "ising"]
        .iter()
        .find_map(|end| word.strip_suffix(end).map(|begin| format!("{begin}{}", end.replace("is", "iz"))))
        .unwrap_or(word);
    STEMMER.get_or_init(|| Stemmer::create(Algorithm::English)).stem(&word).into_owned()
}

/// The stems of all words of a text, parts of names among them.
pub(super) fn stems(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).map(stem).collect()
}

/// A text in which words that differ from one of the other text in a letter or two are spelled as there.
pub(super) fn spelled_as(text: &str, other: &str) -> String {
    static WORD: OnceLock<Regex> = OnceLock::new();
    let word = WORD.get_or_init(|| {
        // A constant, which the tests below use.
        Regex::new(r"\b[A-Za-z]{5,}\b").unwrap_or_else(|error| unreachable!("{error}"))
    });
    let known: BTreeSet<String> = word.find_iter(other).map(|m| m.as_str().to_lowercase()).collect();
    let corrected = word.replace_all(text, |captures: &regex::Captures| {
        let one = captures[0].to_lowercase();
        if known.contains(&one) || lexicon().concept(&one).is_some() || lexicon().is_general(&one) {
            return captures[0].to_owned();
        }
        let near = known.iter().find(|other| is_misspelling(&one, other));
        near.cloned().unwrap_or_else(|| captures[0].to_owned())
    });
    corrected.into_owned()
}

/// Whether two different words are one with a slip of the keyboard.
fn is_misspelling(one: &str, other: &str) -> bool {
    let longest = one.len().max(other.len());
    let allowed = if longest >= 8 { 2 } else { 1 };
    let opposite =
        |long: &str, short: &str| long.strip_suffix(short).is_some_and(|begin| OPPOSITES.contains(&begin));
    one.len().abs_diff(other.len()) <= 2
        && strsim::osa_distance(one, other) <= allowed
        && !opposite(one, other)
        && !opposite(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_ignore_number_tense_and_the_sea_between() {
        for (one, other) in
            [("quantised", "quantized"), ("behaviour", "behavior"), ("tokens", "token"), ("gives", "giving")]
        {
            assert_eq!(stem(one), stem(other));
        }
    }

    #[test]
    fn misspelt_words_are_read_as_they_were_and_opposites_are_not() {
        let old = "Any defined number fails, aligned or not; the context is signed by devices.";
        assert_eq!(spelled_as("the contxet of a devcies", old), "the context of a devices");
        assert_eq!(spelled_as("two contexts, numbre", old), "two contexts, number");
        for text in ["undefined", "unaligned", "unsigned", "misaligned"] {
            assert_eq!(spelled_as(text, old), text);
        }
    }
}
