//! Splits text into the pieces that merges stay within, by the patterns that go by a pre-tokenizer's name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fancy_regex::Regex;

use super::{EncodeError, TokenizerError};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Patterns applied one after the other, each to the pieces of the one before.
pub struct PreTokenizer {
    patterns: Arc<[Regex]>,
}

/// Compiled patterns by name: they take longer to compile than a tiny model to load, and never change.
static COMPILED: Mutex<Option<HashMap<String, Arc<[Regex]>>>> = Mutex::new(None);

/// True for the families whose prompts begin with BOS unless the file says otherwise.
pub fn adds_bos(name: &str) -> bool {
    is_llama3(name)
}

/// True for the families that take a piece that is a token as it is, without merging.
pub fn ignores_merges(name: &str) -> bool {
    is_llama3(name)
}

fn is_llama3(name: &str) -> bool {
    matches!(name, "llama-bpe" | "llama3" | "llama-v3")
}

impl PreTokenizer {
    /// The patterns of `name`.
    pub fn new(name: &str) -> Result<Self, TokenizerError> {
        let patterns: &[&str] = match name {
            "gpt-2" => &[GPT2],
            // Digits stand alone.
            "smollm" => &[r"\p{N}", GPT2],
            "qwen2" => &[QWEN2],
            name if is_llama3(name) => &[LLAMA3],
            // What a file without a name gets.
            "default" => &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
            other => return Err(TokenizerError::PreTokenizer(other.into())),
        };
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = compiled.get_or_insert_default();
        if let Some(patterns) = compiled.get(name) {
            return Ok(Self { patterns: Arc::clone(patterns) });
        }
        let fresh = patterns.iter().map(|pattern| Regex::new(pattern)).collect::<Result<_, _>>();
        let fresh: Arc<[Regex]> = fresh.map_err(|error| TokenizerError::Build(error.to_string()))?;
        compiled.insert(name.to_owned(), Arc::clone(&fresh));
        Ok(Self { patterns: fresh })
    }

    /// Pieces of `text` in order; nothing is lost: what no pattern matches is a piece too.
    pub fn split<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, EncodeError> {
        let mut pieces = vec![text];
        for pattern in self.patterns.iter() {
            let mut finer = Vec::new();
            for piece in pieces {
                let mut end = 0;
                for found in pattern.find_iter(piece) {
                    let found = found.map_err(|error| EncodeError::Split(error.to_string()))?;
                    finer.extend([&piece[end..found.start()], found.as_str()]);
                    end = found.end();
                }
                finer.push(&piece[end..]);
            }
            finer.retain(|piece| !piece.is_empty());
            pieces = finer;
        }
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(name: &str, text: &'static str) -> Vec<&'static str> {
        PreTokenizer::new(name).unwrap().split(text).unwrap()
    }

    #[test]
    fn gpt2_keeps_a_space_with_its_word_and_the_last_of_a_run() {
        assert_eq!(
            split("gpt-2", "I'll  see 2024!!\n x"),
            ["I", "'ll", " ", " see", " 2024", "!!", "\n", " x"]
        );
    }

    #[test]
    fn smollm_lets_digits_stand_alone() {
        assert_eq!(split("smollm", "in 1999."), ["in", " ", "1", "9", "9", "9", "."]);
    }

    #[test]
    fn llama3_groups_digits_by_three_and_ignores_the_case_of_contractions() {
        assert_eq!(split("llama-bpe", "12345 WE'LL\n\nx"), ["123", "45", " WE", "'LL", "\n\n", "x"]);
    }

    #[test]
    fn qwen2_takes_digits_one_by_one() {
        assert_eq!(split("qwen2", "a 12\r\n"), ["a", " ", "1", "2", "\r\n"]);
    }

    #[test]
    fn every_name_loses_nothing() {
        for name in ["gpt-2", "smollm", "qwen2", "llama-bpe", "default"] {
            for text in ["", " ", "日本語 текст", "👩‍👩‍👧\t\u{3000}x", "a\u{301}\u{1}\u{7f}"]
            {
                assert_eq!(split(name, text).concat(), text);
            }
        }
    }

    #[test]
    fn a_long_run_of_white_space_is_split_in_bounded_time() {
        let text = " ".repeat(200_000);
        assert_eq!(PreTokenizer::new("gpt-2").unwrap().split(&text).unwrap().concat(), text);
    }
}
