//! Splits text into the pieces that merges stay within, by the patterns that go by a pre-tokenizer's name.

use std::sync::{Arc, Mutex, PoisonError};

use fancy_regex::Regex;

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
                if *pattern == GPT2 && piece.is_ascii() {
                    gpt2_ascii(piece, &mut finer);
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

/// What [`GPT2`] matches in a text without other characters than those of ASCII, which most are.
fn gpt2_ascii<'t>(text: &'t str, pieces: &mut Vec<&'t str>) {
    let bytes = text.as_bytes();
    // White space as Unicode has it, which counts the vertical tab as well.
    let space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let run = |from: usize, wanted: &dyn Fn(&u8) -> bool| {
        from + bytes[from..].iter().position(|byte| !wanted(byte)).unwrap_or(bytes.len() - from)
    };
    let mut at = 0;
    while at < bytes.len() {
        let contraction = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
        let end = match contraction.iter().find(|short| bytes[at..].starts_with(short.as_bytes())) {
            Some(short) => at + short.len(),
            None => {
                // One space may go before a word, a number, or whatever else is no white space.
                let start = at + usize::from(bytes[at] == b' ');
                match bytes.get(start) {
                    Some(byte) if byte.is_ascii_alphabetic() => run(start, &u8::is_ascii_alphabetic),
                    Some(byte) if byte.is_ascii_digit() => run(start, &u8::is_ascii_digit),
                    Some(byte) if !space(byte) => {
                        run(start, &|byte| !space(byte) && !byte.is_ascii_alphanumeric())
                    }
                    _ => {
                        let end = run(at, &space);
                        // The last of a run stays for what follows.
                        if end < bytes.len() && end > at + 1 { end - 1 } else { end }
                    }
                }
            }
        };
        pieces.push(&text[at..end]);
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text of up to five characters of each kind there is.
    #[test]
    fn the_pattern_of_gpt2_and_the_way_by_hand_agree() {
        let alphabet = ["a", "r", "'", "s", "1", " ", "\n", "\u{b}", "\u{1f}", "!", "'re"];
        let regex = Regex::new(GPT2).unwrap();
        for number in 0..alphabet.len().pow(5) {
            let text: String =
                (0..5_u32).map(|at| alphabet[number / alphabet.len().pow(at) % alphabet.len()]).collect();
            let (mut by_regex, mut by_hand) = (Vec::new(), Vec::new());
            super::split(&regex, &text, &mut by_regex).unwrap();
            by_regex.retain(|piece| !piece.is_empty());
            gpt2_ascii(&text, &mut by_hand);
            assert_eq!(by_hand, by_regex, "{text:?}");
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
