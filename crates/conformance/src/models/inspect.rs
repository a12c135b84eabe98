//! What the suite must know of any model that a profile names, from the file itself.

use std::collections::BTreeMap;
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
    /// The number of the tensor type that most bytes of matrices are of; 1, F16, if there is none.
    pub matrices: u32,
    /// Whether the vocabulary is one of SentencePiece, not one of byte pairs.
    pub sentence_piece: bool,
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
        matrices: most_matrices(header),
        sentence_piece: matches!(header.value("tokenizer.ggml.model"), Some(Found::Text(name)) if name == "llama"),
        data_offset: header.data,
        add_bos,
        architecture,
    })
}

fn most_matrices(header: &Header) -> u32 {
    let mut bytes: BTreeMap<u32, u64> = BTreeMap::new();
    for tensor in header.tensors.iter().filter(|tensor| tensor.shape.len() > 1) {
        let sum = bytes.entry(tensor.kind).or_default();
        *sum = sum.saturating_add(tensor.bytes);
    }
    bytes.into_iter().max_by_key(|(_, bytes)| *bytes).map_or(1, |(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::super::{Recipe, Store};
    use super::*;

    #[test]
    fn the_header_of_a_good_model_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        for name in Recipe::names() {
            let recipe = Recipe::named(name).unwrap();
            let path = store.path(name).unwrap();
            let facts = inspect(&path).unwrap();
            assert_eq!(facts.architecture, recipe.architecture.name());
            let sizes = (recipe.sizes.context as u64, recipe.sizes.width as u64);
            assert_eq!((facts.context_length, facts.width), sizes);
            assert_eq!(facts.add_bos, Some(true));
            let length = std::fs::metadata(&path).unwrap().len();
            // Padding alone is neither header nor tensor: under one unit for each tensor.
            let padding = length - facts.data_offset - facts.tensor_bytes;
            assert!(padding < 32 * facts.tensor_count, "{name}: {padding}");
        }
    }

    #[test]
    fn facts_of_the_default_model_are_exact() {
        let folder = tempfile::tempdir().unwrap();
        let facts = inspect(&Store::new(folder.path()).path("tiny-llama").unwrap()).unwrap();
        // Two tables of 320 x 64, two layers of 4 + 2 + 2 + 4 + 3 x 8 Ki, all F16; five norms of 64, F32.
        let matrices = 2 * 320 * 64 + 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128);
        assert_eq!(facts.tensor_bytes, 2 * matrices + 5 * 64 * 4);
        assert_eq!((facts.vocabulary, facts.tensor_count), (320, 21));
        assert_eq!(facts.prompt_tokens_at_most("é!"), 5);
    }

    #[test]
    fn an_error_names_the_file_the_place_and_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gguf");
        std::fs::write(&path, b"GGUF\x04\0\0\0").unwrap();
        let error = inspect(&path).unwrap_err();
        assert_eq!(error.reason, Reason::Version(4));
        assert_eq!(error.to_string(), format!("`{}` has version 4, not 3 (at byte 8)", path.display()));
    }

    #[test]
    fn a_folder_and_a_missing_file_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(inspect(folder.path()).unwrap_err().reason, Reason::NoFile);
        let missing = inspect(&folder.path().join("none")).unwrap_err();
        assert!(matches!(missing.reason, Reason::Unreadable(_)));
    }

    #[test]
    fn every_cut_of_a_header_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let whole = std::fs::read(Store::new(folder.path()).path("tiny-llama").unwrap()).unwrap();
        let path = folder.path().join("cut");
        for length in (0..8000).step_by(37) {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(inspect(&path).is_err(), "{length}");
        }
    }

    #[test]
    fn any_byte_of_a_header_may_be_wrong_without_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let whole = std::fs::read(Store::new(folder.path()).path("tiny-llama").unwrap()).unwrap();
        let path = folder.path().join("wrong");
        let mut refused = 0;
        for at in (0..7400).step_by(23) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            std::fs::write(&path, &bytes).unwrap();
            refused += u32::from(inspect(&path).is_err());
        }
        assert!(refused > 100, "{refused}");
    }

    #[test]
    fn holes_of_terabytes_are_read_in_no_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holes");
        // One list of 2^38 empty texts, all of them holes.
        let mut front = b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
        front.extend(b"\x01\0\0\0\0\0\0\0a\x09\0\0\0\x08\0\0\0");
        front.extend((1_u64 << 38).to_le_bytes());
        std::fs::write(&path, &front).unwrap();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4 << 40).unwrap();
        let reason = inspect(&path).unwrap_err().reason;
        assert_eq!(reason, Reason::TooMany { what: "list items", count: 1 << 38, limit: 1 << 24 });
    }
}
