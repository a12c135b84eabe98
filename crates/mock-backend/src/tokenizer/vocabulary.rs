//! The tokens of a model, which of them are special, and which of them end a text.

use std::collections::HashMap;

use super::TokenizerError;
use crate::gguf::Metadata;

/// What a token is for, as GGUF numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of GGUF")]
pub enum TokenKind {
    Undefined,
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// One token.
#[derive(Clone, Debug)]
pub struct Token {
    /// As stored: byte-level or with the mark for a space.
    pub text: String,
    /// Its purpose.
    pub kind: TokenKind,
    /// Merge score of SentencePiece vocabularies.
    pub score: f32,
}

/// All tokens of a model.
#[derive(Debug)]
pub struct Vocabulary {
    /// By id.
    pub tokens: Vec<Token>,
    /// By text; of several tokens with one text the first.
    pub ids: HashMap<String, u32>,
    /// Token that begins a text.
    pub bos: Option<u32>,
    /// Token that ends a text.
    pub eos: Option<u32>,
    /// Stands for what the vocabulary cannot express.
    pub unknown: Option<u32>,
    /// Prompts begin with `bos`.
    pub add_bos: bool,
    /// Prompts end with `eos`.
    pub add_eos: bool,
    /// Texts that are cut out of a prompt before it is split, longest first.
    pub special: Vec<(String, u32)>,
    ends: Vec<bool>,
}

/// Texts that end a generation wherever they are tokens: the names that model families use for it.
const END_TEXTS: [&str; 34] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
    "[e~[",
    // Padding and file separators of fill-in-the-middle training end a text too.
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
    "<|fim_sep|>",
];

/// Metadata keys of further tokens that end a text.
const END_KEYS: [&str; 5] = [
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
];

impl Vocabulary {
    /// Reads the vocabulary; `default_ids` are BOS, EOS and unknown where the file names none.
    pub fn new(
        metadata: &Metadata,
        add_bos_by_default: bool,
        default_ids: Option<[u32; 3]>,
    ) -> Result<Self, TokenizerError> {
        let mut tokens = read_tokens(metadata)?;
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            ids.entry(token.text.clone()).or_insert(id as u32);
        }
        let default =
            |index: usize| default_ids.map(|ids| ids[index]).filter(|&id| (id as usize) < tokens.len());
        let bos = special_id(metadata, "tokenizer.ggml.bos_token_id", tokens.len())?.or(default(0));
        let eos = special_id(metadata, "tokenizer.ggml.eos_token_id", tokens.len())?.or(default(1));
        let unknown = special_id(metadata, "tokenizer.ggml.unknown_token_id", tokens.len())?.or(default(2));
        let add_bos = added(metadata, "tokenizer.ggml.add_bos_token", add_bos_by_default, bos)?;
        let add_eos = added(metadata, "tokenizer.ggml.add_eos_token", false, eos)?;
        let mut ends = vec![false; tokens.len()];
        for text in END_TEXTS {
            if let Some(&id) = ids.get(text) {
                ends[id as usize] = true;
                tokens[id as usize].kind = TokenKind::Control;
            }
        }
        for key in END_KEYS {
            if let Some(id) = special_id(metadata, key, tokens.len())? {
                ends[id as usize] = true;
            }
        }
        if let Some(eos) = eos {
            ends[eos as usize] = true;
        }
        let mut special: Vec<(String, u32)> = tokens
            .iter()
            .zip(0..)
            .filter(|(token, _)| {
                matches!(token.kind, TokenKind::Control | TokenKind::UserDefined | TokenKind::Unknown)
                    && !token.text.is_empty()
            })
            .map(|(token, id)| (token.text.clone(), id))
            .collect();
        special.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Ok(Self { tokens, ids, bos, eos, unknown, add_bos, add_eos, special, ends })
    }

    /// True where token `id` ends a text.
    pub fn ends(&self, id: u32) -> bool {
        self.ends.get(id as usize).copied().unwrap_or(false)
    }
}

fn read_tokens(metadata: &Metadata) -> Result<Vec<Token>, TokenizerError> {
    let key = "tokenizer.ggml.tokens";
    let texts =
        metadata.optional_strings(key)?.ok_or_else(|| crate::gguf::GgufError::MissingKey(key.into()))?;
    if texts.is_empty() {
        return Err(TokenizerError::Empty);
    }
    let numbers = |key| -> Result<Option<&[f32]>, TokenizerError> {
        match metadata.optional_numbers(key)? {
            Some(numbers) if numbers.len() != texts.len() => {
                Err(TokenizerError::Length { key, entries: numbers.len(), tokens: texts.len() })
            }
            numbers => Ok(numbers),
        }
    };
    let scores = numbers("tokenizer.ggml.scores")?;
    let kinds = numbers("tokenizer.ggml.token_type")?;
    let mut tokens = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        let kind = match kinds.map(|kinds| kinds[i]) {
            None | Some(1.0) => TokenKind::Normal,
            Some(0.0) => TokenKind::Undefined,
            Some(2.0) => TokenKind::Unknown,
            Some(3.0) => TokenKind::Control,
            Some(4.0) => TokenKind::UserDefined,
            Some(5.0) => TokenKind::Unused,
            Some(6.0) => TokenKind::Byte,
            Some(_) => return Err(TokenizerError::Kind(i)),
        };
        tokens.push(Token { text: text.clone(), kind, score: scores.map_or(0.0, |scores| scores[i]) });
    }
    Ok(tokens)
}

fn special_id(metadata: &Metadata, key: &'static str, tokens: usize) -> Result<Option<u32>, TokenizerError> {
    match metadata.optional_u64(key)? {
        Some(id) if id >= tokens as u64 => Err(TokenizerError::SpecialId { key, id, tokens }),
        id => Ok(id.map(|id| id as u32)),
    }
}

fn added(
    metadata: &Metadata,
    key: &'static str,
    default: bool,
    token: Option<u32>,
) -> Result<bool, TokenizerError> {
    match metadata.optional_bool(key)? {
        Some(true) if token.is_none() => Err(TokenizerError::NothingToAdd(key)),
        Some(added) => Ok(added),
        None => Ok(default && token.is_some()),
    }
}
