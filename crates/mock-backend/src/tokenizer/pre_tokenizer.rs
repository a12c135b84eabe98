//! Splits text into the pieces that merges stay within, by the patterns that go by a pre-tokenizer's name.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use fancy_regex::Regex;
use regex_syntax::hir::{self, ClassUnicodeRange, HirKind};

use super::{EncodeError, TokenizerError};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Patterns applied one after the other, each to the pieces of the one before.
pub struct PreTokenizer {
    patterns: &'static [&'static str],
}

/// Patterns that were compiled: it takes longer than loading a tiny model, so each is compiled once in a process, when
/// a text needs it.
static COMPILED: Mutex<Vec<(&str, Arc<Regex>)>> = Mutex::new(Vec::new());

fn compiled(pattern: &'static str) -> Result<Arc<Regex>, EncodeError> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, regex)) = compiled.iter().find(|(known, _)| *known == pattern) {
        return Ok(Arc::clone(regex));
    }
    let regex = Arc::new(Regex::new(pattern).map_err(|error| EncodeError::Split(error.to_string()))?);
    compiled.push((pattern, Arc::clone(&regex)));
    Ok(regex)
}

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
        let patterns: &'static [&'static str] = match name {
            "gpt-2" => &[GPT2],
            // Digits stand alone.
            "smollm" => &[r"\p{N}", GPT2],
            "qwen2" => &[QWEN2],
            name if is_llama3(name) => &[LLAMA3],
            // What a file without a name gets.
            "default" => &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
            other => return Err(TokenizerError::PreTokenizer(other.into())),
        };
        Ok(Self { patterns })
    }

    /// Pieces of `text` in order; nothing is lost: what no pattern matches is a piece too.
    pub fn split<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, EncodeError> {
        let mut pieces = vec![text];
        for pattern in self.patterns {
            let mut finer = Vec::new();
            for piece in pieces {
                if *pattern == GPT2 {
                    gpt2(piece, &mut finer);
                } else {
                    split(&*compiled(pattern)?, piece, &mut finer)?;
                }
            }
            finer.retain(|piece| !piece.is_empty());
            pieces = finer;
        }
        Ok(pieces)
    }
}

/// The matches of a pattern, and what lies between them.
fn split<'t>(pattern: &Regex, text: &'t str, pieces: &mut Vec<&'t str>) -> Result<(), EncodeError> {
    let mut end = 0;
    for found in pattern.find_iter(text) {
        let found = found.map_err(|error| EncodeError::Split(error.to_string()))?;
        pieces.extend([&text[end..found.start()], found.as_str()]);
        end = found.end();
    }
    pieces.push(&text[end..]);
    Ok(())
}

/// What [`GPT2`] matches, without compiling it, which takes longer than a job of a tiny model.
fn gpt2<'t>(text: &'t str, pieces: &mut Vec<&'t str>) {
    let run = |from: usize, wanted: &dyn Fn(char) -> bool| {
        from + text[from..].find(|c| !wanted(c)).unwrap_or(text.len() - from)
    };
    let mut at = 0;
    while at < text.len() {
        let contraction = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
        let end = match contraction.iter().find(|short| text[at..].starts_with(**short)) {
            Some(short) => at + short.len(),
            None => {
                // One space may go before a word, a number, or whatever else is no white space.
                let start = at + usize::from(text[at..].starts_with(' '));
                match text[start..].chars().next() {
                    Some(c) if is_letter(c) => run(start, &is_letter),
                    Some(c) if is_number(c) => run(start, &is_number),
                    Some(c) if !c.is_whitespace() => {
                        run(start, &|c| !c.is_whitespace() && !is_number(c) && !is_letter(c))
                    }
                    _ => {
                        let end = run(at, &char::is_whitespace);
                        let last = text[at..end].char_indices().next_back().map_or(0, |(last, _)| last);
                        // The last of a run stays for what follows.
                        if end < text.len() && last > 0 { at + last } else { end }
                    }
                }
            }
        };
        pieces.push(&text[at..end]);
        at = end;
    }
}

/// The characters of a class, as the patterns have them: the standard library may follow another version of Unicode.
struct Class(Vec<ClassUnicodeRange>);

static LETTERS: LazyLock<Class> = LazyLock::new(|| Class::new(r"\p{L}"));
static NUMBERS: LazyLock<Class> = LazyLock::new(|| Class::new(r"\p{N}"));

impl Class {
    fn new(pattern: &str) -> Self {
        match regex_syntax::parse(pattern).map(|class| class.into_kind()) {
            Ok(HirKind::Class(hir::Class::Unicode(class))) => Self(class.ranges().to_vec()),
            _ => Self(Vec::new()),
        }
    }

    fn has(&self, c: char) -> bool {
        let after = self.0.partition_point(|range| range.start() <= c);
        after > 0 && c <= self.0[after - 1].end()
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || !c.is_ascii() && LETTERS.has(c)
}

fn is_number(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && NUMBERS.has(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text of up to five characters of each kind there is.
    #[test]
    fn the_pattern_of_gpt2_and_the_way_by_hand_agree() {
        let alphabet = [
            "a", "r", "'", "s", "1", " ", "\n", "\u{b}", "\u{1f}", "!", "'re", "\u{e9}", "\u{3000}",
            "\u{301}",
        ];
        let regex = Regex::new(GPT2).unwrap();
        for number in 0..alphabet.len().pow(5) {
            let text: String =
                (0..5_u32).map(|at| alphabet[number / alphabet.len().pow(at) % alphabet.len()]).collect();
            let (mut by_regex, mut by_hand) = (Vec::new(), Vec::new());
            super::split(&regex, &text, &mut by_regex).unwrap();
            by_regex.retain(|piece| !piece.is_empty());
            gpt2(&text, &mut by_hand);
            assert_eq!(by_hand, by_regex, "{text:?}");
        }
    }

    #[test]
    fn characters_are_of_the_classes_that_the_pattern_has() {
        let [letter, number, space] = [r"\p{L}", r"\p{N}", r"\s"].map(|class| Regex::new(class).unwrap());
        for c in '\0'..=char::MAX {
            let text = c.to_string();
            let by_regex = [&letter, &number, &space].map(|class| class.is_match(&text).unwrap());
            assert_eq!(by_regex, [is_letter(c), is_number(c), c.is_whitespace()], "{c:?}");
        }
    }

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
