//! SentencePiece vocabularies of the `llama` kind: neighbours merge in the order of their product's score.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::TokenizerError;
use super::vocabulary::Vocabulary;
use crate::gguf::Metadata;

/// BOS, EOS and unknown of the family, where a file names none.
pub const DEFAULT_IDS: [u32; 3] = [1, 2, 0];
/// Stands for a space.
const SPACE: char = '\u{2581}';

/// Settings of the algorithm.
#[derive(Debug)]
pub struct SentencePiece {
    add_space: bool,
}

/// A stretch of text that may still merge with its neighbours; `length` 0 where it was merged away.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    length: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// A pair of neighbours whose product is a token.
struct Candidate {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Ord for Candidate {
    // The best score first, of equal ones the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl SentencePiece {
    /// Reads the settings.
    pub fn new(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let add_space = metadata.optional_bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
        Ok(Self { add_space })
    }

    /// Appends the ids of `text`, which stands at the begin or after a special token where `after_special`.
    pub fn encode(&self, vocabulary: &Vocabulary, text: &str, after_special: bool, ids: &mut Vec<u32>) {
        let mut marked = String::with_capacity(text.len() + 8);
        if self.add_space && after_special {
            marked.push(SPACE);
        }
        marked.extend(text.chars().map(|character| if character == ' ' { SPACE } else { character }));
        for piece in merge(vocabulary, &marked) {
            match vocabulary.ids.get(piece) {
                Some(&id) => ids.push(id),
                None => ids.extend(piece.bytes().filter_map(|byte| byte_id(vocabulary, byte))),
            }
        }
    }
}

/// Token of a byte that no other token covers.
fn byte_id(vocabulary: &Vocabulary, byte: u8) -> Option<u32> {
    vocabulary.ids.get(&format!("<0x{byte:02X}>")).copied().or(vocabulary.unknown)
}

/// Byte of a token named like `<0x0A>`.
pub fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 2)
}

/// Bytes that `token` stands for.
pub fn decode(token: &str) -> Vec<u8> {
    token.replace(SPACE, " ").into_bytes()
}

fn merge<'t>(vocabulary: &Vocabulary, text: &'t str) -> Vec<&'t str> {
    let mut symbols: Vec<Symbol> = text
        .char_indices()
        .enumerate()
        .map(|(i, (start, character))| Symbol {
            start,
            length: character.len_utf8(),
            previous: i.checked_sub(1),
            next: Some(i + 1),
        })
        .collect();
    if let Some(last) = symbols.last_mut() {
        last.next = None;
    }
    let mut queue = BinaryHeap::new();
    for right in 1..symbols.len() {
        queue.extend(candidate(vocabulary, text, &symbols, Some(right - 1), Some(right)));
    }
    while let Some(Candidate { left, right, length, .. }) = queue.pop() {
        let (first, second) = (symbols[left], symbols[right]);
        // One of the two has merged with another neighbour since.
        if first.length == 0 || second.length == 0 || first.length + second.length != length {
            continue;
        }
        symbols[left].length = length;
        symbols[left].next = second.next;
        symbols[right].length = 0;
        if let Some(next) = second.next {
            symbols[next].previous = Some(left);
        }
        queue.extend(candidate(vocabulary, text, &symbols, first.previous, Some(left)));
        queue.extend(candidate(vocabulary, text, &symbols, Some(left), second.next));
    }
    symbols
        .iter()
        .filter(|symbol| symbol.length > 0)
        .map(|symbol| &text[symbol.start..symbol.start + symbol.length])
        .collect()
}

fn candidate(
    vocabulary: &Vocabulary,
    text: &str,
    symbols: &[Symbol],
    left: Option<usize>,
    right: Option<usize>,
) -> Option<Candidate> {
    let (left, right) = (left?, right?);
    let length = symbols[left].length + symbols[right].length;
    let id = vocabulary.ids.get(&text[symbols[left].start..symbols[left].start + length])?;
    let score = vocabulary.tokens.get(*id as usize)?.score;
    Some(Candidate { score, left, right, length })
}
