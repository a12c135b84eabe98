//! Prompt text to token ids and token ids to bytes, by the vocabulary that the model file carries.
//!
//! A prompt is parsed the way llama.cpp parses one with special tokens enabled: the text of a control token in
//! the prompt stands for that token, and BOS and EOS are added where the file asks for them.

pub mod byte_level;
pub mod pre_tokenizer;
pub mod sentence_piece;
pub mod vocabulary;

use crate::gguf::{GgufError, Metadata};
use byte_level::ByteLevel;
use sentence_piece::SentencePiece;
use vocabulary::{TokenKind, Vocabulary};

/// Why a vocabulary was refused; becomes code 3.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// Missing or mistyped metadata.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// A `tokenizer.ggml.model` that is neither `gpt2` nor `llama`.
    #[error("tokenizer `{0}` is not supported")]
    Model(String),
    /// A `tokenizer.ggml.pre` that is not known.
    #[error("pre-tokenizer `{0}` is not supported")]
    PreTokenizer(String),
    /// No tokens at all.
    #[error("the vocabulary is empty")]
    Empty,
    /// Scores or types that are not as many as the tokens.
    #[error("{tokens} tokens but {entries} entries in `{key}`")]
    Length {
        /// The array.
        key: &'static str,
        /// Its length.
        entries: usize,
        /// Length of the vocabulary.
        tokens: usize,
    },
    /// A token type outside 0..=6.
    #[error("token {0} has an unknown type")]
    Kind(usize),
    /// A special token id outside the vocabulary.
    #[error("`{key}` names token {id} of {tokens}")]
    SpecialId {
        /// The metadata key.
        key: &'static str,
        /// The id.
        id: u64,
        /// Length of the vocabulary.
        tokens: usize,
    },
    /// BOS or EOS is to be added but not named.
    #[error("`{0}` is set but the vocabulary has no such token")]
    NothingToAdd(&'static str),
    /// A merge whose parts or product are no tokens.
    #[error("merge {index} `{text}` names no token")]
    Merge {
        /// Position in the list.
        index: usize,
        /// As written.
        text: String,
    },
    /// The library that applies merges or patterns refused them.
    #[error("the tokenizer cannot be built: {0}")]
    Build(String),
}

/// A prompt that cannot be turned into tokens.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Nothing to start from, and no token that could stand in for it.
    #[error("the prompt gives no token")]
    NoToken,
    /// The library that applies merges or patterns failed.
    #[error("the prompt cannot be split: {0}")]
    Split(String),
}

enum Algorithm {
    ByteLevel(Box<ByteLevel>),
    SentencePiece(SentencePiece),
}

/// Vocabulary and algorithm of a model.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    algorithm: Algorithm,
}

/// A stretch of a prompt.
enum Fragment<'t> {
    Text(&'t str),
    Token(u32),
}

impl Tokenizer {
    /// Builds what `metadata` describes.
    pub fn new(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let model = metadata.string("tokenizer.ggml.model")?;
        let pre = metadata.optional_string("tokenizer.ggml.pre")?.unwrap_or("default");
        let (vocabulary, algorithm) = match model {
            "gpt2" => {
                let vocabulary = Vocabulary::new(metadata, pre_tokenizer::adds_bos(pre), None)?;
                let byte_level = ByteLevel::new(metadata, &vocabulary, pre)?;
                (vocabulary, Algorithm::ByteLevel(Box::new(byte_level)))
            }
            "llama" => {
                let vocabulary = Vocabulary::new(metadata, true, Some(sentence_piece::DEFAULT_IDS))?;
                let sentence_piece = SentencePiece::new(metadata)?;
                (vocabulary, Algorithm::SentencePiece(sentence_piece))
            }
            other => return Err(TokenizerError::Model(other.into())),
        };
        Ok(Self { vocabulary, algorithm })
    }

    /// The tokens.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Ids of `prompt`, at least one: a prompt without any starts from BOS, or from EOS where there is no BOS.
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>, EncodeError> {
        let vocabulary = &self.vocabulary;
        let mut ids = Vec::new();
        ids.extend(vocabulary.bos.filter(|_| vocabulary.add_bos));
        let mut after_special = true;
        for fragment in self.fragments(prompt) {
            match fragment {
                Fragment::Token(id) => {
                    ids.push(id);
                    after_special = true;
                }
                Fragment::Text(text) => {
                    match &self.algorithm {
                        Algorithm::ByteLevel(byte_level) => byte_level.encode(text, &mut ids)?,
                        Algorithm::SentencePiece(pieces) => {
                            pieces.encode(vocabulary, text, after_special, &mut ids);
                        }
                    }
                    after_special = false;
                }
            }
        }
        ids.extend(vocabulary.eos.filter(|_| vocabulary.add_eos));
        if ids.is_empty() {
            ids.extend(vocabulary.bos.or(vocabulary.eos));
        }
        if ids.is_empty() { Err(EncodeError::NoToken) } else { Ok(ids) }
    }

    /// Bytes that token `id` adds to the text; none for control tokens.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        let Some(token) = self.vocabulary.tokens.get(id as usize) else { return Vec::new() };
        match (token.kind, &self.algorithm) {
            (TokenKind::Control | TokenKind::Unknown | TokenKind::Unused, _) => Vec::new(),
            (TokenKind::UserDefined, _) => token.text.clone().into_bytes(),
            (TokenKind::Byte, _) => sentence_piece::byte_of(&token.text).into_iter().collect(),
            (_, Algorithm::ByteLevel(_)) => byte_level::decode(&token.text),
            (_, Algorithm::SentencePiece(_)) => sentence_piece::decode(&token.text),
        }
    }

    /// Cuts the special tokens out of `prompt`, the longest texts first.
    fn fragments<'t>(&self, prompt: &'t str) -> Vec<Fragment<'t>> {
        let mut fragments = Vec::new();
        if !prompt.is_empty() {
            fragments.push(Fragment::Text(prompt));
        }
        for (text, id) in &self.vocabulary.special {
            if !prompt.contains(text.as_str()) {
                continue;
            }
            fragments = fragments.into_iter().flat_map(|fragment| cut(fragment, text, *id)).collect();
        }
        fragments
    }
}

fn cut<'t>(fragment: Fragment<'t>, special: &str, id: u32) -> Vec<Fragment<'t>> {
    let Fragment::Text(text) = fragment else { return vec![fragment] };
    let mut parts = Vec::new();
    for (i, part) in text.split(special).enumerate() {
        if i > 0 {
            parts.push(Fragment::Token(id));
        }
        if !part.is_empty() {
            parts.push(Fragment::Text(part));
        }
    }
    parts
}

#[cfg(test)]
mod tests;
