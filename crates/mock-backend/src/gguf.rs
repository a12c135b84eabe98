//! Reads the header of a GGUF v3 file: metadata and tensor table, with every count and offset checked.
//!
//! The file is read with positioned reads into owned buffers and never mapped: a file that somebody truncates
//! while it is mapped raises SIGBUS at the next access, which no bounds check can prevent and which a library may
//! not answer with a signal handler of its own (PROC-02, ERR-08). A read past a new end is an ordinary error.
//! Weights are copied to owned memory in any case (LOAD-10), so that a mapping would save nothing.

use std::collections::{HashMap, HashSet};

use crate::defect::{self, Defect};

pub mod cursor;
pub mod error;
pub mod metadata;
pub mod source;
pub mod tensor;

use cursor::Cursor;
pub use error::GgufError;
pub use metadata::{Metadata, Value};
pub use source::{FileSource, Source};
pub use tensor::TensorInfo;

const MAGIC: [u8; 4] = *b"GGUF";
const VERSION: u32 = 3;
/// First refused tensor count (LOAD-03).
const TENSOR_LIMIT: u64 = 10_000;
/// First refused metadata count: far above any real file, low enough to bound time.
const METADATA_LIMIT: u64 = 65_536;
const DEFAULT_ALIGNMENT: u64 = 32;

/// A checked header: nothing in it points outside the file.
#[derive(Debug)]
pub struct Header {
    /// Key-value pairs.
    pub metadata: Metadata,
    /// Tensors by name, offsets from the file's begin.
    pub tensors: HashMap<String, TensorInfo>,
    /// Sum of the sizes of all tensors in bytes.
    pub tensor_bytes: u64,
}

/// Reads and checks the header of `source` (LOAD-03, LOAD-13).
pub fn read_header(source: &dyn Source) -> Result<Header, GgufError> {
    let mut cursor = Cursor::new(source);
    if cursor.bytes::<4>()? != MAGIC {
        return Err(GgufError::Magic);
    }
    let version = cursor.u32()?;
    if version != VERSION && !(defect::on(Defect::Version2Loads) && version == 2) {
        return Err(GgufError::Version(version));
    }
    let tensor_count = cursor.u64()?;
    if tensor_count >= TENSOR_LIMIT {
        return Err(GgufError::TensorCount(tensor_count));
    }
    let metadata_count = cursor.u64()?;
    if metadata_count >= METADATA_LIMIT {
        return Err(GgufError::MetadataCount(metadata_count));
    }
    let metadata = Metadata::read(&mut cursor, metadata_count)?;
    let mut infos = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..tensor_count {
        let (name, info) = TensorInfo::read(&mut cursor)?;
        if !names.insert(name.clone()) {
            return Err(GgufError::DuplicateTensor(name));
        }
        infos.push((name, info));
    }
    let alignment = alignment(&metadata)?;
    let data_start = cursor.position().div_ceil(alignment) * alignment;
    tensor::place(&mut infos, data_start, alignment, source.size())?;
    let tensor_bytes = infos.iter().map(|(_, info)| info.bytes).sum();
    Ok(Header { metadata, tensors: infos.into_iter().collect(), tensor_bytes })
}

fn alignment(metadata: &Metadata) -> Result<u64, GgufError> {
    let alignment = metadata.optional_u64("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
    if alignment.is_power_of_two() && (8..=1 << 20).contains(&alignment) {
        Ok(alignment)
    } else {
        Err(GgufError::Alignment(alignment))
    }
}

#[cfg(test)]
pub(crate) mod tests;
