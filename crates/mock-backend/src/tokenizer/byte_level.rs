//! Byte-level BPE: bytes stand as printable characters, merges are applied by the `tokenizers` crate.

use std::collections::HashSet;

use tokenizers::Model as _;
use tokenizers::models::bpe::{BPE, Vocab};

use super::pre_tokenizer::{PreTokenizer, ignores_merges};
use super::vocabulary::Vocabulary;
use super::{EncodeError, TokenizerError};
use crate::gguf::{GgufError, Metadata};

/// Merges and patterns of a model.
pub struct ByteLevel {
    pre_tokenizer: PreTokenizer,
    merges: BPE,
}

impl ByteLevel {
    /// Builds the merges of `metadata` over `vocabulary`, with the patterns that go by the name `pre`.
    pub fn new(metadata: &Metadata, vocabulary: &Vocabulary, pre: &str) -> Result<Self, TokenizerError> {
        let key = "tokenizer.ggml.merges";
        let texts = metadata.optional_strings(key)?.ok_or_else(|| GgufError::MissingKey(key.into()))?;
        let mut seen = HashSet::with_capacity(texts.len());
        let mut merges = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            // The builder takes it for granted that a product is no longer than the longest token.
            let pair = pair(text).filter(|(left, right)| {
                let known = |part: &str| vocabulary.ids.contains_key(part);
                known(left) && known(right) && known(&format!("{left}{right}"))
            });
            let (left, right) = pair.ok_or_else(|| TokenizerError::Merge { index, text: text.clone() })?;
            // Of a merge that is listed twice the first rank counts.
            if seen.insert((left, right)) {
                merges.push((left.to_owned(), right.to_owned()));
            }
        }
        let ids: Vocab = vocabulary.ids.iter().map(|(text, &id)| (text.clone(), id)).collect();
        let merges = BPE::builder()
            .vocab_and_merges(ids, merges)
            .ignore_merges(ignores_merges(pre))
            // A cache would make memory depend on what was asked before.
            .cache_capacity(0)
            .build()
            .map_err(|error| TokenizerError::Build(error.to_string()))?;
        Ok(Self { pre_tokenizer: PreTokenizer::new(pre)?, merges })
    }

    /// Appends the ids of `text`.
    pub fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), EncodeError> {
        for piece in self.pre_tokenizer.split(text)? {
            let printable: String = piece.bytes().map(printable).collect();
            let tokens =
                self.merges.tokenize(&printable).map_err(|error| EncodeError::Split(error.to_string()))?;
            ids.extend(tokens.into_iter().map(|token| token.id));
        }
        Ok(())
    }
}

/// The two parts of a merge; the first may begin with a space.
fn pair(text: &str) -> Option<(&str, &str)> {
    let first = text.chars().next()?.len_utf8();
    let space = first + text[first..].find(' ')?;
    Some((&text[..space], &text[space + 1..])).filter(|(_, right)| !right.is_empty())
}

/// Bytes that `token` stands for; a character that stands for no byte gives its own UTF-8.
pub fn decode(token: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    for character in token.chars() {
        match byte(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// True for bytes that stand for themselves as Latin-1 characters.
const fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}

/// Character that stands for `byte`: itself, or the next free one from U+0100 on.
fn printable(byte: u8) -> char {
    if is_printable(byte) {
        return char::from(byte);
    }
    let before = match byte {
        0..=0x20 => u32::from(byte),
        0x7f..=0xa0 => u32::from(byte) - 0x7f + 33,
        _ => 67,
    };
    char::from_u32(0x100 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Byte that `character` stands for.
fn byte(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0..=0xff => Some(code as u8).filter(|&byte| is_printable(byte)),
        code @ 0x100..=0x120 => Some((code - 0x100) as u8),
        code @ 0x121..=0x142 => Some((code - 0x121 + 0x7f) as u8),
        0x143 => Some(0xad),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own_that_leads_back() {
        let characters: HashSet<char> = (0..=255).map(printable).collect();
        assert_eq!(characters.len(), 256);
        for value in 0..=255 {
            assert_eq!(byte(printable(value)), Some(value));
            assert!(!printable(value).is_whitespace());
        }
        assert_eq!((printable(b' '), printable(b'\n'), printable(0xad)), ('Ġ', 'Ċ', 'Ń'));
    }

    #[test]
    fn a_character_that_stands_for_no_byte_gives_itself() {
        assert_eq!(decode("Ġ日"), " 日".as_bytes());
    }

    #[test]
    fn a_merge_is_cut_at_the_first_space_after_its_first_character() {
        assert_eq!(pair("Ġ t"), Some(("Ġ", "t")));
        assert_eq!(pair("  a"), Some((" ", "a")));
        for text in ["", "ab", "a ", " a"] {
            assert_eq!(pair(text), None, "{text:?}");
        }
    }
}
