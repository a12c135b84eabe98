//! The two tiny vocabularies: byte-level BPE as GPT-2 has it, and SentencePiece with byte fallback.

use serde::{Deserialize, Serialize};

use super::gguf::Value;

/// Which vocabulary a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VocabularyKind {
    /// `tokenizer.ggml.model` = `gpt2`: 256 byte tokens, merges, two control tokens.
    ByteLevel,
    /// The same with tokens of up to 64 bytes, which are runs of one character.
    LongTokens,
    /// The same with tokens that are no UTF-8 each by itself.
    IllFormed,
    /// As many tokens as `byte-level`, but the merged ones stand in the opposite order.
    TurnedAround,
    /// `tokenizer.ggml.model` = `llama`: three control tokens, 256 byte tokens, scored pieces.
    SentencePieces,
}

/// The merges of the byte-level vocabulary, best first, in the alphabet of `shown`: English pieces,
/// and a few that end inside a code point, as real vocabularies have them.
const MERGES: [&str; 62] = [
    "Ġ t", "h e", "i n", "Ġ a", "r e", "Ġt he", "o n", "e r", "Ġ s", "a t", "Ġ w", "Ġ o", "e n", "i t",
    "Ġ c", "o u", "i s", "o r", "Ġ b", "e s", "a n", "in g", "Ġ f", "Ġ p", "e d", "a l", "Ġ m", "Ġa n",
    "Ġan d", "Ġ in", "Ġt o", "Ġo f", "a r", "l l", "Ġ d", "Ġ h", "Ġ n", "Ġ is", "i c", "l e", "Ġ r", "s t",
    "o m", "v e", "Ġb e", "Ġs t", "r o", "i on", "ou r", "l o", "Ġw or", "l d", "Ġwor ld", "H e", "ll o",
    "He llo", "Ġ Ð", "Ã ©", "ä ¸", "å Ľ", "ð Ł", "Ġ ð",
];

/// Characters that long tokens are runs of, and how often a run is doubled. With these the number of tokens is odd, and
/// their rows in half precision take no multiple of 256 bytes.
const RUNS: [(char, usize); 3] = [('-', 6), ('=', 6), ('*', 5)];

/// What looks like UTF-8 by its first byte and is none: surrogates, one by one and in pairs, forms longer than needed, what
/// lies beyond U+10FFFF, and forms of five and six bytes.
const ILL_FORMED: [&[u8]; 17] = [
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\xbd",
    b"\xed\xb8\x80",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xc0\x80",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf4\xbf\xbf\xbf",
    b"\xf7\xbf\xbf\xbf",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
];

/// Merges that build these from their first byte on, each once.
fn ill_formed() -> Vec<String> {
    let shown = |bytes: &[u8]| bytes.iter().map(|byte| shown(*byte)).collect::<String>();
    let mut all = Vec::new();
    for sequence in ILL_FORMED {
        for length in 1..sequence.len() {
            let merge = format!("{} {}", shown(&sequence[..length]), shown(&sequence[length..=length]));
            if !all.contains(&merge) {
                all.push(merge);
            }
        }
    }
    all
}

/// The merges of a byte-level vocabulary.
fn merges(kind: VocabularyKind) -> Vec<String> {
    let ill_formed = if kind == VocabularyKind::IllFormed { ill_formed() } else { Vec::new() };
    let runs = RUNS.iter().flat_map(|(character, times)| {
        (0..*times).map(|time| {
            let half = character.to_string().repeat(1 << time);
            format!("{half} {half}")
        })
    });
    let long = kind == VocabularyKind::LongTokens;
    MERGES.iter().map(ToString::to_string).chain(runs.filter(|_| long)).chain(ill_formed).collect()
}

/// The pieces of the SentencePiece vocabulary beyond single characters, best first.
const PIECES: [&str; 48] = [
    "▁t", "he", "in", "▁a", "re", "▁the", "on", "er", "▁s", "at", "▁w", "▁o", "en", "it", "▁c", "ou", "is",
    "or", "▁b", "es", "an", "ing", "▁f", "▁p", "ed", "al", "▁m", "▁an", "▁and", "▁in", "▁to", "▁of", "ar",
    "ll", "▁d", "▁h", "▁n", "▁is", "ic", "le", "st", "om", "ve", "▁be", "▁st", "lo", "llo", "▁wor",
];

/// What a token is to the tokenizer (`tokenizer.ggml.token_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    Byte = 6,
}

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// As the file spells it.
    pub text: String,
    /// What it adds to the output; control tokens add nothing.
    pub bytes: Vec<u8>,
    pub kind: TokenKind,
    pub score: f32,
}

/// A whole vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Vocabulary {
    pub kind: VocabularyKind,
    pub tokens: Vec<Token>,
    pub bos: u32,
    pub eos: u32,
}

impl Vocabulary {
    pub(super) fn new(kind: VocabularyKind) -> Self {
        match kind {
            VocabularyKind::SentencePieces => sentence_pieces(),
            _ => byte_level(kind),
        }
    }

    /// The `tokenizer.*` metadata.
    pub(super) fn metadata(&self) -> Vec<(String, Value)> {
        let text = |text: &str| Value::String(text.to_string());
        let tokens = self.tokens.iter().map(|token| text(&token.text)).collect();
        let types = self.tokens.iter().map(|token| Value::I32(token.kind as i32)).collect();
        let mut metadata = match self.kind {
            VocabularyKind::SentencePieces => vec![
                ("model", text("llama")),
                ("pre", text("default")),
                ("tokens", Value::List(tokens)),
                ("scores", Value::List(self.tokens.iter().map(|token| Value::F32(token.score)).collect())),
                ("token_type", Value::List(types)),
                ("unknown_token_id", Value::U32(0)),
                ("add_space_prefix", Value::Bool(true)),
            ],
            _ => vec![
                ("model", text("gpt2")),
                ("pre", text("gpt-2")),
                ("tokens", Value::List(tokens)),
                ("token_type", Value::List(types)),
                ("merges", Value::List(merges(self.kind).iter().map(|merge| text(merge)).collect())),
            ],
        };
        metadata.extend([
            ("bos_token_id", Value::U32(self.bos)),
            ("eos_token_id", Value::U32(self.eos)),
            ("add_bos_token", Value::Bool(true)),
            ("add_eos_token", Value::Bool(false)),
        ]);
        metadata.into_iter().map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)).collect()
    }
}

/// The printable character that GPT-2 vocabularies write for a byte.
pub(super) fn shown(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !printable(*byte)).count();
    char::from_u32(256 + u32::try_from(before).unwrap_or(0)).unwrap_or('?')
}

/// The bytes that a text in that alphabet stands for; characters outside it stand for nothing.
pub(super) fn unshown(text: &str) -> Vec<u8> {
    text.chars().filter_map(|character| (0..=255).find(|byte| shown(*byte) == character)).collect()
}

fn token(text: impl Into<String>, bytes: Vec<u8>, kind: TokenKind, score: f32) -> Token {
    Token { text: text.into(), bytes, kind, score }
}

fn byte_level(kind: VocabularyKind) -> Vocabulary {
    let mut tokens: Vec<Token> =
        (0..=255).map(|byte| token(shown(byte), vec![byte], TokenKind::Normal, 0.0)).collect();
    let mut joined = merges(kind);
    if kind == VocabularyKind::TurnedAround {
        joined.reverse();
    }
    for merge in joined {
        let text = merge.replace(' ', "");
        let bytes = unshown(&text);
        tokens.push(token(text, bytes, TokenKind::Normal, 0.0));
    }
    let bos = u32::try_from(tokens.len()).unwrap_or(0);
    tokens.push(token("<|begin_of_text|>", Vec::new(), TokenKind::Control, 0.0));
    tokens.push(token("<|end_of_text|>", Vec::new(), TokenKind::Control, 0.0));
    Vocabulary { kind, tokens, bos, eos: bos + 1 }
}

fn sentence_pieces() -> Vocabulary {
    let mut tokens = vec![
        token("<unk>", Vec::new(), TokenKind::Unknown, 0.0),
        token("<s>", Vec::new(), TokenKind::Control, 0.0),
        token("</s>", Vec::new(), TokenKind::Control, 0.0),
    ];
    tokens.extend((0..=255).map(|byte| token(format!("<0x{byte:02X}>"), vec![byte], TokenKind::Byte, 0.0)));
    let singles =
        std::iter::once("▁".to_string()).chain((0x21..=0x7e_u8).map(|byte| char::from(byte).to_string()));
    let pieces = PIECES.iter().map(ToString::to_string).chain(singles);
    for (rank, piece) in pieces.enumerate() {
        let bytes = piece.replace('▁', " ").into_bytes();
        tokens.push(token(piece, bytes, TokenKind::Normal, -(rank as f32)));
    }
    Vocabulary { kind: VocabularyKind::SentencePieces, tokens, bos: 1, eos: 2 }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_byte_alphabet_is_the_one_of_gpt_2() {
        assert_eq!(
            [shown(b' '), shown(b'\n'), shown(b'A'), shown(0xad), shown(0xff)],
            ['Ġ', 'Ċ', 'A', 'Ń', 'ÿ']
        );
        assert_eq!((0..=255).map(shown).collect::<HashSet<_>>().len(), 256);
        assert_eq!(unshown("Ġä¸Ń"), b" \xe4\xb8\xad");
    }

    #[test]
    fn every_merge_joins_two_tokens_to_a_third() {
        for kind in [VocabularyKind::LongTokens, VocabularyKind::IllFormed] {
            let vocabulary = Vocabulary::new(kind);
            let texts: Vec<&str> = vocabulary.tokens.iter().map(|token| token.text.as_str()).collect();
            assert!(kind == VocabularyKind::IllFormed || texts.contains(&"-".repeat(64).as_str()));
            for (rank, merge) in merges(kind).iter().enumerate() {
                let (left, right) = merge.split_once(' ').unwrap();
                let earlier = &texts[..256 + rank];
                assert!(earlier.contains(&left) && earlier.contains(&right), "{merge}");
                assert_eq!(texts[256 + rank], format!("{left}{right}"));
            }
        }
    }

    #[test]
    fn ill_formed_tokens_are_no_utf_8() {
        let vocabulary = Vocabulary::new(VocabularyKind::IllFormed);
        for sequence in ILL_FORMED {
            assert!(std::str::from_utf8(sequence).is_err(), "{sequence:x?}");
            assert!(vocabulary.tokens.iter().any(|token| token.bytes == sequence), "{sequence:x?}");
        }
    }

    #[test]
    fn every_piece_longer_than_a_character_joins_two_shorter_ones() {
        let vocabulary = Vocabulary::new(VocabularyKind::SentencePieces);
        let texts: HashSet<&str> = vocabulary.tokens.iter().map(|token| token.text.as_str()).collect();
        for piece in PIECES {
            let cuts = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
            assert!(
                cuts.into_iter().any(|(left, right)| texts.contains(left) && texts.contains(right)),
                "{piece}"
            );
        }
    }

    #[test]
    fn tokens_are_distinct_and_no_cjk_or_emoji_is_whole() {
        for kind in [
            VocabularyKind::ByteLevel,
            VocabularyKind::LongTokens,
            VocabularyKind::IllFormed,
            VocabularyKind::SentencePieces,
        ] {
            let vocabulary = Vocabulary::new(kind);
            let texts: HashSet<&str> = vocabulary.tokens.iter().map(|token| token.text.as_str()).collect();
            assert_eq!(texts.len(), vocabulary.tokens.len());
            for token in &vocabulary.tokens {
                let whole = std::str::from_utf8(&token.bytes).unwrap_or("");
                assert!(whole.chars().all(|character| character.len_utf8() < 3), "{}", token.text);
            }
        }
    }
}
