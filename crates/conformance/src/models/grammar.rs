//! Which byte may follow which: the scores that make a tiny model's text mostly valid UTF-8.
//!
//! A token's logit is a product of two short vectors: what the token is (`token_factors`), and what the
//! residual stream of the last three tokens asks for (`Grammar::rows`). Three factors carry the grammar of
//! UTF-8, the rest are random: a noisy Markov chain over three tokens.

use super::layout::{COPIED, Layout};
use super::random::Random;
use super::recipe::Recipe;
use super::vocabulary::{Token, TokenKind, Vocabulary};

/// Factors of a score.
pub(super) const FACTORS: usize = COPIED;
/// Held down: control tokens and bytes that only spoil the text.
const UNWANTED: usize = 0;
/// Continuation bytes.
const CONTINUES: usize = 1;
/// Continuation bytes below 0x90, which no four-byte lead of the upper planes allows at once.
const LOW: usize = 2;
/// The first of the random factors.
const RANDOM: usize = 3;
/// The logit taken from what is unwanted.
const REFUSAL: f64 = 24.0;

/// What a token's bytes leave open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Whole characters.
    Whole,
    /// A code point that needs this many bytes more: 1, 2 or 3.
    Begins(usize),
    /// One byte in the middle or at the end of a code point.
    Continues,
    /// Nothing that a text should hold: control characters, bytes that UTF-8 never has, leads with rules
    /// of their own, control tokens.
    Unwanted,
}

/// The class of a token.
pub(super) fn class(token: &Token) -> Class {
    let bytes = token.bytes.as_slice();
    if matches!(token.kind, TokenKind::Control | TokenKind::Unknown) {
        return Class::Unwanted;
    }
    // A SentencePiece vocabulary spells plain characters as pieces; their byte tokens stand idle.
    if token.kind == TokenKind::Byte && matches!(bytes, [0x20..=0x7e]) {
        return Class::Unwanted;
    }
    let open = match bytes {
        [.., 0xf0..=0xf3] => 3,
        [.., 0xf0..=0xf3, 0x80..=0xbf] | [.., 0xe1..=0xec | 0xee | 0xef] => 2,
        [.., 0xe1..=0xef, 0x80..=0xbf] | [.., 0xc3..=0xdf] => 1,
        _ => 0,
    };
    match (open, bytes) {
        (0, [0x80..=0xbf]) => Class::Continues,
        (0, [b'\n']) => Class::Whole,
        (0, [0x00..=0x1f | 0x7f | 0xc0..=0xff]) => Class::Unwanted,
        (0, _) => Class::Whole,
        (open, _) => Class::Begins(open),
    }
}

/// The scores of one recipe.
pub(super) struct Grammar<'a> {
    pub recipe: &'a Recipe,
    pub layout: &'a Layout,
    pub vocabulary: &'a Vocabulary,
}

impl Grammar<'_> {
    /// What a token is to the scores.
    pub(super) fn token_factors(&self, at: usize) -> [f64; FACTORS] {
        let token = &self.vocabulary.tokens[at];
        let mut random = Random::named(self.recipe.seed, &format!("factors of {at}"));
        let mut factors = [0.0; FACTORS];
        for factor in &mut factors[RANDOM..] {
            *factor = random.sign();
        }
        let spoils = self.recipe.scales.spoil && token.bytes.iter().any(|byte| *byte >= 0x80);
        match class(token) {
            Class::Unwanted if spoils => {}
            Class::Unwanted => factors[UNWANTED] = 1.0,
            Class::Continues => factors[CONTINUES] = 1.0,
            Class::Whole | Class::Begins(_) => {}
        }
        if at == self.vocabulary.eos as usize {
            factors[UNWANTED] = -self.recipe.scales.end / REFUSAL;
        }
        if let [0x80..=0x8f] = token.bytes.as_slice() {
            factors[LOW] = 1.0;
        }
        factors
    }

    /// What the normalised stream asks for: one row of weights over the stream for each factor.
    pub(super) fn rows(&self) -> Vec<Vec<f64>> {
        let layout = self.layout;
        let width = self.recipe.sizes.width;
        let grammar = self.recipe.scales.grammar;
        let mut rows = vec![vec![0.0; width]; FACTORS];
        rows[UNWANTED][layout.constant] = -REFUSAL;
        // After a lead of n bytes to come: a continuation next; after the one before it: if two or three were
        // to come; and so on. Otherwise none.
        rows[CONTINUES][layout.constant] = -grammar;
        for to_come in 1..=3 {
            rows[CONTINUES][layout.class.start + to_come - 1] = 2.0 * grammar;
            for (back, copy) in layout.back.iter().enumerate() {
                if to_come > back + 1 {
                    rows[CONTINUES][copy.start + to_come - 1] = grammar;
                }
            }
        }
        rows[LOW][layout.class.start + 2] = -2.0 * grammar;
        let copies = layout.back.iter().flat_map(|copy| copy.start + layout.class.len()..copy.end);
        let read: Vec<usize> = layout.free.clone().chain(copies).collect();
        let size = self.recipe.scales.choice / ((FACTORS - RANDOM) as f64 * read.len() as f64).sqrt();
        for (factor, row) in rows.iter_mut().enumerate().skip(RANDOM) {
            let mut random = Random::named(self.recipe.seed, &format!("reading of {factor}"));
            for column in &read {
                row[*column] = random.sign() * size * 1.75;
            }
        }
        rows
    }

    /// A token's place in the stream, without positions and readout.
    pub(super) fn embedding(&self, at: usize) -> Vec<f64> {
        let mut random = Random::named(self.recipe.seed, &format!("embedding of {at}"));
        let mut row = vec![0.0; self.recipe.sizes.width];
        row[self.layout.constant] = 1.0;
        match class(&self.vocabulary.tokens[at]) {
            Class::Begins(to_come) => row[self.layout.class.start + to_come - 1] = 2.0,
            Class::Continues => row[self.layout.class.end - 1] = 2.0,
            Class::Whole | Class::Unwanted => {}
        }
        for column in self.layout.free.clone() {
            row[column] = random.sign();
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::VocabularyKind;
    use super::*;

    fn of(bytes: &[u8]) -> Class {
        class(&Token { text: String::new(), bytes: bytes.to_vec(), kind: TokenKind::Normal, score: 0.0 })
    }

    #[test]
    fn classes_say_how_many_bytes_are_to_come() {
        assert_eq!(of(b"a"), Class::Whole);
        assert_eq!(of("é".as_bytes()), Class::Whole);
        assert_eq!(of(b"\xd0"), Class::Begins(1));
        assert_eq!(of(b" \xd0"), Class::Begins(1));
        assert_eq!(of(b"\xe4"), Class::Begins(2));
        assert_eq!(of(b"\xe4\xb8"), Class::Begins(1));
        assert_eq!(of(b" \xf0"), Class::Begins(3));
        assert_eq!(of(b"\xf0\x9f"), Class::Begins(2));
        assert_eq!(of(b"\x80"), Class::Continues);
        for unwanted in
            [b"\0".as_slice(), b"\x1b", b"\x7f", b"\xc0", b"\xc2", b"\xe0", b"\xed", b"\xf4", b"\xff"]
        {
            assert_eq!(of(unwanted), Class::Unwanted, "{unwanted:?}");
        }
    }

    #[test]
    fn every_vocabulary_has_all_classes() {
        for kind in [VocabularyKind::ByteLevel, VocabularyKind::SentencePieces] {
            let vocabulary = Vocabulary::new(kind);
            let classes: Vec<Class> = vocabulary.tokens.iter().map(class).collect();
            for wanted in
                [Class::Whole, Class::Continues, Class::Begins(1), Class::Begins(2), Class::Begins(3)]
            {
                assert!(classes.contains(&wanted));
            }
        }
    }
}
