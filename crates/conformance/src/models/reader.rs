//! A strict reader of GGUF headers that trusts nothing: every length is checked before it is believed.
//!
//! Memory and time are bounded whatever the file says, a sparse file of terabytes included.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use thiserror::Error;

use super::tensor_type::block;

/// One more than the tensors that a file may have (LOAD-03).
const TENSORS: u64 = 10_000;
/// The most keys that a file may have.
const KEYS: u64 = 65_536;
/// The most strings and lists in the lists of one file.
const ITEMS: u64 = 1 << 24;
/// The most bytes of text and list items that are kept; what is beyond is checked and left.
const KEPT: u64 = 1 << 24;
/// How deep lists may lie in lists.
const DEPTH: u32 = 64;

/// What is wrong with a file.
#[derive(Debug, Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "each message says what the fields are")]
pub enum Reason {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("is no regular file")]
    NoFile,
    #[error("ends before {0} does")]
    Short(&'static str),
    #[error("does not begin with `GGUF`")]
    Magic,
    #[error("is big-endian")]
    BigEndian,
    #[error("has version {0}, not 3")]
    Version(u32),
    #[error("claims {count} {what}; fewer than {limit} are allowed")]
    TooMany { what: &'static str, count: u64, limit: u64 },
    #[error("claims a {what} of {length} bytes, and {left} are left")]
    Length { what: &'static str, length: u64, left: u64 },
    #[error("has a {0} that is not UTF-8")]
    Text(&'static str),
    #[error("has the unknown value type {0}")]
    ValueType(u32),
    #[error("has a truth value of {0}")]
    Truth(u8),
    #[error("has lists more than {DEPTH} deep")]
    Deep,
    #[error("has the key `{0}` twice")]
    Key(String),
    #[error("has the tensor `{0}` twice")]
    Tensor(String),
    #[error("has an alignment of {0}, which is no multiple of 8")]
    Alignment(u64),
    #[error("gives the tensor `{name}` {count} dimensions")]
    Dimensions { name: String, count: u32 },
    #[error("gives the tensor `{0}` a dimension of zero")]
    Zero(String),
    #[error("gives the tensor `{0}` more bytes than can be counted")]
    Overflow(String),
    #[error("gives the tensor `{name}` the unknown type {kind}")]
    TensorType { name: String, kind: u32 },
    #[error("gives the tensor `{0}` rows that are no whole number of blocks")]
    Row(String),
    #[error("puts the tensor `{0}` between two units of alignment")]
    Unaligned(String),
    #[error("puts the tensor `{0}` past its end")]
    Outside(String),
    #[error("puts the tensor `{0}` over the one before it")]
    Overlap(String),
    #[error("lacks the key `{0}`")]
    Missing(String),
    #[error("has a key `{0}` of the wrong type or out of range")]
    Wrong(String),
}

/// A value as found; lists and long texts only where there is room for them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    List { length: u64, items: Vec<Found> },
    Left,
}

/// A tensor's description, checked against the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Description {
    pub name: String,
    pub shape: Vec<u64>,
    pub kind: u32,
    pub offset: u64,
    pub bytes: u64,
}

/// Everything before the data.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub metadata: Vec<(String, Found)>,
    pub tensors: Vec<Description>,
    pub data: u64,
}

impl Header {
    pub(super) fn value(&self, key: &str) -> Option<&Found> {
        self.metadata.iter().find_map(|(found, value)| (found == key).then_some(value))
    }
}

/// What went wrong, and where in the file.
pub(super) type Fault = (u64, Reason);

/// Reads the header of the file at `path`. The items of lists are kept only where `lists` says so.
pub(super) fn read(path: &Path, lists: bool) -> Result<Header, Fault> {
    let unreadable = |error: std::io::Error| (0, Reason::Unreadable(error.to_string()));
    // Asked before it is opened: opening a FIFO would wait for a writer.
    let facts = std::fs::metadata(path).map_err(unreadable)?;
    if !facts.is_file() {
        return Err((0, Reason::NoFile));
    }
    let file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut reader = Reader { file, at: 0, length: facts.len(), items: ITEMS, room: KEPT, lists };
    reader.header().map_err(|reason| (reader.at, reason))
}

struct Reader {
    file: BufReader<File>,
    at: u64,
    length: u64,
    items: u64,
    room: u64,
    lists: bool,
}

impl Reader {
    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Reason> {
        let mut bytes = [0; N];
        if self.length - self.at < N as u64 {
            return Err(Reason::Short(what));
        }
        self.file.read_exact(&mut bytes).map_err(|error| Reason::Unreadable(error.to_string()))?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, Reason> {
        self.take(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, Reason> {
        self.take(what).map(u64::from_le_bytes)
    }

    fn fits(&self, what: &'static str, length: u64) -> Result<(), Reason> {
        let left = self.length - self.at;
        if length > left { Err(Reason::Length { what, length, left }) } else { Ok(()) }
    }

    fn skip(&mut self, what: &'static str, length: u64) -> Result<(), Reason> {
        self.fits(what, length)?;
        let step = i64::try_from(length).map_err(|_| Reason::Short(what))?;
        self.file.seek_relative(step).map_err(|error| Reason::Unreadable(error.to_string()))?;
        self.at += length;
        Ok(())
    }

    /// A text that must be kept, of at most `most` bytes.
    fn text(&mut self, what: &'static str, most: u64) -> Result<String, Reason> {
        let length = self.u64(what)?;
        self.fits(what, length)?;
        if length > most {
            return Err(Reason::TooMany { what, count: length, limit: most + 1 });
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact(&mut bytes).map_err(|error| Reason::Unreadable(error.to_string()))?;
        self.at += length;
        String::from_utf8(bytes).map_err(|_| Reason::Text(what))
    }

    fn header(&mut self) -> Result<Header, Reason> {
        if self.take("the magic")? != *b"GGUF" {
            return Err(Reason::Magic);
        }
        match self.u32("the version")? {
            3 => {}
            version if version.swap_bytes() == 3 => return Err(Reason::BigEndian),
            version => return Err(Reason::Version(version)),
        }
        let tensors = self.u64("the tensor count")?;
        let keys = self.u64("the metadata count")?;
        for (what, count, limit) in [("tensors", tensors, TENSORS), ("metadata keys", keys, KEYS)] {
            if count >= limit {
                return Err(Reason::TooMany { what, count, limit });
            }
        }
        let mut metadata = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..keys {
            let key = self.text("key", 65_535)?;
            let kind = self.u32("a value type")?;
            let value = self.value(kind, 0)?;
            if !seen.insert(key.clone()) {
                return Err(Reason::Key(key));
            }
            metadata.push((key, value));
        }
        let mut header = Header { metadata, tensors: Vec::new(), data: 0 };
        let alignment = match header.value("general.alignment") {
            None => 32,
            Some(Found::Unsigned(alignment)) if *alignment > 0 && alignment % 8 == 0 => *alignment,
            Some(Found::Unsigned(alignment)) => return Err(Reason::Alignment(*alignment)),
            Some(_) => return Err(Reason::Wrong("general.alignment".into())),
        };
        let mut names = HashSet::new();
        for _ in 0..tensors {
            let tensor = self.tensor(alignment)?;
            if !names.insert(tensor.name.clone()) {
                return Err(Reason::Tensor(tensor.name));
            }
            header.tensors.push(tensor);
        }
        header.data = self.at.checked_next_multiple_of(alignment).ok_or(Reason::Alignment(alignment))?;
        self.places(&header)?;
        Ok(header)
    }

    /// Every tensor lies inside the file, and none over another.
    fn places(&self, header: &Header) -> Result<(), Reason> {
        let mut by_place: Vec<&Description> = header.tensors.iter().collect();
        by_place.sort_by_key(|tensor| tensor.offset);
        let mut taken = 0;
        for tensor in by_place {
            let end = tensor.offset.checked_add(tensor.bytes);
            let inside =
                end.and_then(|end| end.checked_add(header.data)).is_some_and(|end| end <= self.length);
            if !inside {
                return Err(Reason::Outside(tensor.name.clone()));
            }
            if tensor.offset < taken {
                return Err(Reason::Overlap(tensor.name.clone()));
            }
            taken = tensor.offset + tensor.bytes;
        }
        Ok(())
    }

    fn tensor(&mut self, alignment: u64) -> Result<Description, Reason> {
        let name = self.text("tensor name", 64)?;
        let count = self.u32("a tensor's description")?;
        if !(1..=4).contains(&count) {
            return Err(Reason::Dimensions { name, count });
        }
        let mut shape = Vec::new();
        for _ in 0..count {
            shape.push(self.u64("a tensor's description")?);
        }
        let kind = self.u32("a tensor's description")?;
        let offset = self.u64("a tensor's description")?;
        if shape.contains(&0) {
            return Err(Reason::Zero(name));
        }
        let Some((elements, bytes)) = block(kind) else { return Err(Reason::TensorType { name, kind }) };
        if shape[0] % elements != 0 {
            return Err(Reason::Row(name));
        }
        let product = shape.iter().try_fold(1_u64, |product, size| product.checked_mul(*size));
        let bytes = product.and_then(|product| (product / elements).checked_mul(bytes));
        let Some(bytes) = bytes.filter(|bytes| i64::try_from(*bytes).is_ok()) else {
            return Err(Reason::Overflow(name));
        };
        if offset % alignment != 0 {
            return Err(Reason::Unaligned(name));
        }
        Ok(Description { name, shape, kind, offset, bytes })
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<Found, Reason> {
        let what = "a value";
        Ok(match kind {
            0 => Found::Unsigned(u64::from(u8::from_le_bytes(self.take(what)?))),
            1 => Found::Signed(i64::from(i8::from_le_bytes(self.take(what)?))),
            2 => Found::Unsigned(u64::from(u16::from_le_bytes(self.take(what)?))),
            3 => Found::Signed(i64::from(i16::from_le_bytes(self.take(what)?))),
            4 => Found::Unsigned(u64::from(self.u32(what)?)),
            5 => Found::Signed(i64::from(i32::from_le_bytes(self.take(what)?))),
            6 => Found::Float(f64::from(f32::from_le_bytes(self.take(what)?))),
            7 => match self.take(what)? {
                [truth @ (0 | 1)] => Found::Bool(truth == 1),
                [other] => return Err(Reason::Truth(other)),
            },
            8 => self.string()?,
            9 => self.list(depth)?,
            10 => Found::Unsigned(self.u64(what)?),
            11 => Found::Signed(i64::from_le_bytes(self.take(what)?)),
            12 => Found::Float(f64::from_le_bytes(self.take(what)?)),
            other => return Err(Reason::ValueType(other)),
        })
    }

    fn string(&mut self) -> Result<Found, Reason> {
        let length = self.u64("a text")?;
        if length > self.room {
            self.skip("text", length)?;
            return Ok(Found::Left);
        }
        self.fits("text", length)?;
        self.room -= length;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact(&mut bytes).map_err(|error| Reason::Unreadable(error.to_string()))?;
        self.at += length;
        String::from_utf8(bytes).map(Found::Text).map_err(|_| Reason::Text("text"))
    }

    fn list(&mut self, depth: u32) -> Result<Found, Reason> {
        if depth >= DEPTH {
            return Err(Reason::Deep);
        }
        let kind = self.u32("a list")?;
        let length = self.u64("a list")?;
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 => 8,
            9 => 12,
            10..=12 => 8,
            other => return Err(Reason::ValueType(other)),
        };
        let bytes = length.saturating_mul(size);
        self.fits("list", bytes)?;
        let mut items = Vec::new();
        // Numbers take up to eight times their bytes when kept.
        let kept = matches!(kind, 8 | 9) || (self.lists && bytes.saturating_mul(8) <= self.room);
        if !kept {
            self.skip("list", bytes)?;
            return Ok(Found::List { length, items });
        }
        if length > self.items {
            return Err(Reason::TooMany { what: "list items", count: length, limit: ITEMS });
        }
        self.items -= length;
        for _ in 0..length {
            if kind == 8 && !self.lists {
                let length = self.u64("a text")?;
                self.skip("text", length)?;
                continue;
            }
            let item = self.value(kind, depth + 1)?;
            if self.lists {
                items.push(item);
            }
        }
        Ok(Found::List { length, items })
    }
}
