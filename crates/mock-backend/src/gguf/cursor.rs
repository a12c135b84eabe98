//! Reads little-endian values one after the other, through a buffer, never past the end of the source.

use super::{GgufError, Source};

/// Bytes of header that are read at most: the largest real vocabularies take about 16 MiB.
pub const HEADER_LIMIT: u64 = 64 << 20;
const BUFFER_BYTES: u64 = 64 << 10;

/// A position in a source, with a window of bytes around it.
pub struct Cursor<'s> {
    source: &'s dyn Source,
    position: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl<'s> Cursor<'s> {
    /// At byte 0.
    pub fn new(source: &'s dyn Source) -> Self {
        Self { source, position: 0, window: Vec::new(), window_start: 0 }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Fails unless `wanted` more bytes exist; called before anything is allocated for them.
    pub fn require(&self, wanted: u64) -> Result<(), GgufError> {
        let (at, size) = (self.position, self.source.size());
        match at.checked_add(wanted) {
            Some(end) if end <= size && end <= HEADER_LIMIT => Ok(()),
            Some(end) if end <= size => Err(GgufError::HeaderSize(HEADER_LIMIT)),
            _ => Err(GgufError::Truncated { at, wanted, size }),
        }
    }

    /// Passes over `count` bytes.
    pub fn skip(&mut self, count: u64) -> Result<(), GgufError> {
        self.require(count)?;
        self.position += count;
        Ok(())
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// A `u32`.
    pub fn u32(&mut self) -> Result<u32, GgufError> {
        self.bytes().map(u32::from_le_bytes)
    }

    /// A `u64`.
    pub fn u64(&mut self) -> Result<u64, GgufError> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// A string: length, then that many bytes of UTF-8.
    pub fn string(&mut self) -> Result<String, GgufError> {
        let start = self.position;
        let length = self.u64()?;
        self.require(length)?;
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| GgufError::NotUtf8(start))
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), GgufError> {
        let wanted = out.len() as u64;
        self.require(wanted)?;
        if wanted > BUFFER_BYTES {
            self.source.read_at(out, self.position)?;
        } else {
            let end = self.window_start + self.window.len() as u64;
            if self.position < self.window_start || self.position + wanted > end {
                let length = BUFFER_BYTES.min(self.source.size() - self.position);
                self.window.resize(length as usize, 0);
                self.window_start = self.position;
                self.source.read_at(&mut self.window, self.position)?;
            }
            let start = (self.position - self.window_start) as usize;
            out.copy_from_slice(&self.window[start..start + out.len()]);
        }
        self.position += wanted;
        Ok(())
    }
}
