//! Reads a GGUF file, version 3. So far its first bytes only: the rest of the header is yours to read and to check.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::abi::Code;

const HEADER_BYTES: usize = 24;
const VERSION: u32 = 3;

/// The bytes of a model's tensors.
///
/// TODO LOAD-03: read metadata and tensor table, and refuse what does not fit: every count, length and offset is a
/// stranger's number, so check it against what is left of the file before you multiply, allocate or jump by it.
pub fn read(path: &Path) -> Result<u64, Code> {
    let look = || -> std::io::Result<Option<u64>> {
        let status = std::fs::metadata(path)?;
        if !status.is_file() {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        File::open(path)?.read_exact(&mut header)?;
        let version = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let good = header.starts_with(b"GGUF") && version == VERSION;
        Ok(good.then_some(status.len()))
    };
    look().ok().flatten().ok_or(Code::ModelLoadFailed)
}
