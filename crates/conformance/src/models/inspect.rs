//! What the suite must know of any model that a profile names, from the file itself.

use std::path::{Path, PathBuf};

use thiserror::Error;

pub use super::reader::Reason;
use super::reader::{Found, Header, read};

/// A model as its header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `general.architecture`.
    pub architecture: String,
    /// The longest sequence, in tokens.
    pub context_length: u64,
    /// Elements of the residual stream.
    pub width: u64,
    /// Tokens of the vocabulary.
    pub vocabulary: u64,
    /// Tensors in the file.
    pub tensor_count: u64,
    /// Bytes of all tensors, as the file holds them (LOAD-06, LOAD-07).
    pub tensor_bytes: u64,
    /// Where the tensors' data start, in bytes from the start of the file.
    pub data_offset: u64,
    /// Whether a BOS token goes before a prompt, where the file says so.
    pub add_bos: Option<bool>,
}

impl Facts {
    /// No prompt of this text has more tokens than this: one a byte, BOS, and the space that some
    /// vocabularies put first.
    pub fn prompt_tokens_at_most(&self, prompt: &str) -> u64 {
        u64::try_from(prompt.len()).unwrap_or(u64::MAX).saturating_add(2)
    }
}

/// A file that is no sound GGUF v3.
#[derive(Debug, Error)]
#[error("`{path}` {reason} (at byte {offset})", path = path.display())]
pub struct InspectError {
    /// The file.
    pub path: PathBuf,
    /// How far it was read, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub reason: Reason,
}

/// Reads the header of the GGUF v3 file at `path`. Memory and time are bounded whatever it holds.
pub fn inspect(path: &Path) -> Result<Facts, InspectError> {
    let header = read(path, false).map_err(|(offset, reason)| InspectError {
        path: path.to_path_buf(),
        offset,
        reason,
    })?;
    facts(&header).map_err(|reason| InspectError { path: path.to_path_buf(), offset: header.data, reason })
}

fn facts(header: &Header) -> Result<Facts, Reason> {
    let wrong = |key: &str| Reason::Wrong(key.to_string());
    let architecture = match header.value("general.architecture") {
        Some(Found::Text(name)) => name.clone(),
        Some(_) => return Err(wrong("general.architecture")),
        None => return Err(Reason::Missing("general.architecture".into())),
    };
    let number = |name: &str| {
        let key = format!("{architecture}.{name}");
        match header.value(&key) {
            Some(Found::Unsigned(number)) => Ok(*number),
            Some(Found::Signed(number)) => u64::try_from(*number).map_err(|_| Reason::Wrong(key)),
            Some(_) => Err(Reason::Wrong(key)),
            None => Err(Reason::Missing(key)),
        }
    };
    let vocabulary = match header.value("tokenizer.ggml.tokens") {
        Some(Found::List { length, .. }) => *length,
        Some(_) => return Err(wrong("tokenizer.ggml.tokens")),
        None => return Err(Reason::Missing("tokenizer.ggml.tokens".into())),
    };
    let add_bos = match header.value("tokenizer.ggml.add_bos_token") {
        None => None,
        Some(Found::Bool(add)) => Some(*add),
        Some(_) => return Err(wrong("tokenizer.ggml.add_bos_token")),
    };
    Ok(Facts {
        context_length: number("context_length")?,
        width: number("embedding_length")?,
        vocabulary,
        tensor_count: u64::try_from(header.tensors.len()).unwrap_or(u64::MAX),
        tensor_bytes: header.tensors.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.bytes)),
        data_offset: header.data,
        add_bos,
        architecture,
    })
}
