//! A GGUF file as a structure, and the bytes it becomes: the only writer of the suite.

use serde::{Deserialize, Serialize};

use super::tensor_type::{TensorType, block};

/// A metadata value. `Raw` is any type number with any bytes: how malformed files tell their lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Value {
    /// Type 0.
    U8(u8),
    /// Type 1.
    I8(i8),
    /// Type 2.
    U16(u16),
    /// Type 3.
    I16(i16),
    /// Type 4.
    U32(u32),
    /// Type 5.
    I32(i32),
    /// Type 6.
    F32(f32),
    /// Type 7.
    Bool(bool),
    /// Type 8.
    String(String),
    /// Type 9; the elements are of one type. An empty list is written as a list of type 4.
    List(Vec<Value>),
    /// Type 10.
    U64(u64),
    /// Type 11.
    I64(i64),
    /// Type 12.
    F64(f64),
    /// A type number and the bytes that follow it.
    Raw {
        /// The type number.
        kind: u32,
        /// What stands after it.
        bytes: Vec<u8>,
    },
}

impl Value {
    pub(super) fn kind(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => 8,
            Self::List(_) => 9,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
            Self::Raw { kind, .. } => *kind,
        }
    }

    pub(super) fn encode(&self, order: Encoding, out: &mut Vec<u8>) {
        match self {
            Self::U8(value) => out.push(*value),
            Self::I8(value) => out.extend(value.to_le_bytes()),
            Self::U16(value) => order.push(value.to_le_bytes(), out),
            Self::I16(value) => order.push(value.to_le_bytes(), out),
            Self::U32(value) => order.push(value.to_le_bytes(), out),
            Self::I32(value) => order.push(value.to_le_bytes(), out),
            Self::F32(value) => order.push(value.to_le_bytes(), out),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::String(text) => string(text.as_bytes(), None, order, out),
            Self::List(items) => {
                order.push(items.first().map_or(4, Value::kind).to_le_bytes(), out);
                order.push_length(length(items.len()), out);
                for item in items {
                    item.encode(order, out);
                }
            }
            Self::U64(value) => order.push(value.to_le_bytes(), out),
            Self::I64(value) => order.push(value.to_le_bytes(), out),
            Self::F64(value) => order.push(value.to_le_bytes(), out),
            Self::Raw { bytes, .. } => out.extend(bytes),
        }
    }
}

/// How numbers are written: little-endian in every sound file, the others only to be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Little,
    Big,
    /// As version 1 had it: counts, lengths and dimensions of 32 bits.
    Narrow,
}

impl Encoding {
    fn push<const N: usize>(self, mut bytes: [u8; N], out: &mut Vec<u8>) {
        if self == Self::Big {
            bytes.reverse();
        }
        out.extend(bytes);
    }

    /// A count, a length or a dimension.
    fn push_length(self, length: u64, out: &mut Vec<u8>) {
        if self == Self::Narrow {
            self.push(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes(), out);
        } else {
            self.push(length.to_le_bytes(), out);
        }
    }
}

/// One key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    /// What the file has for the key, where that is no text.
    pub key_bytes: Option<Vec<u8>>,
    /// What the file claims, where that is not the truth.
    pub key_length: Option<u64>,
    pub value: Value,
}

impl Entry {
    pub(super) fn new(key: impl Into<String>, value: Value) -> Self {
        Self { key: key.into(), key_bytes: None, key_length: None, value }
    }
}

/// One tensor: its description, and its data as the file holds them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub name: String,
    /// The claimed length of the name, where that is not the truth.
    pub name_length: Option<u64>,
    /// Elements along each dimension, the row length first.
    pub shape: Vec<u64>,
    /// The claimed number of dimensions, where that is not the truth.
    pub dimension_count: Option<u32>,
    pub kind: u32,
    /// The claimed place within the data, where that is not where the data are.
    pub offset: Option<u64>,
    pub data: Vec<u8>,
}

impl Tensor {
    pub(super) fn new(name: impl Into<String>, shape: Vec<u64>, kind: TensorType, data: Vec<u8>) -> Self {
        let name = name.into();
        Self { name, name_length: None, shape, dimension_count: None, kind: kind.id(), offset: None, data }
    }
}

/// A whole file. The counts are claims, where they are not the truth.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gguf {
    pub magic: [u8; 4],
    pub version: u32,
    pub order: Encoding,
    pub tensor_count: Option<u64>,
    pub metadata_count: Option<u64>,
    pub metadata: Vec<Entry>,
    pub tensors: Vec<Tensor>,
    /// The unit to which tensors and the start of the data are rounded up, in bytes.
    pub alignment: u64,
}

/// The bytes of a file, and where its parts end.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub bytes: Vec<u8>,
    /// The end of the fixed 24 bytes.
    pub header: usize,
    /// The end of the metadata.
    pub metadata: usize,
    /// The end of the tensor descriptions.
    pub tensors: usize,
    /// The start of the data, rounded up.
    pub data: usize,
    /// The end of the last tensor's data, before any padding.
    pub last_tensor: usize,
    /// The end of each metadata entry.
    pub entries: Vec<usize>,
    /// The end of each tensor's description.
    pub descriptions: Vec<usize>,
    /// The end of each tensor's data, before any padding.
    pub places: Vec<usize>,
}

impl Gguf {
    pub(super) fn new(metadata: Vec<(String, Value)>, tensors: Vec<Tensor>) -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            order: Encoding::Little,
            tensor_count: None,
            metadata_count: None,
            metadata: metadata.into_iter().map(|(key, value)| Entry::new(key, value)).collect(),
            tensors,
            alignment: 32,
        }
    }

    /// Everything before the data, rounded up, with `places` as the tensors' offsets.
    fn front(&self, places: &[u64]) -> Written {
        let order = self.order;
        let mut bytes = self.magic.to_vec();
        order.push(self.version.to_le_bytes(), &mut bytes);
        let tensors = self.tensor_count.unwrap_or(length(self.tensors.len()));
        let metadata = self.metadata_count.unwrap_or(length(self.metadata.len()));
        order.push_length(tensors, &mut bytes);
        order.push_length(metadata, &mut bytes);
        let header = bytes.len();
        let (mut entries, mut descriptions) = (Vec::new(), Vec::new());
        for entry in &self.metadata {
            let key = entry.key_bytes.as_deref().unwrap_or(entry.key.as_bytes());
            string(key, entry.key_length, order, &mut bytes);
            order.push(entry.value.kind().to_le_bytes(), &mut bytes);
            entry.value.encode(order, &mut bytes);
            entries.push(bytes.len());
        }
        let metadata = bytes.len();
        for (tensor, place) in self.tensors.iter().zip(places) {
            string(tensor.name.as_bytes(), tensor.name_length, order, &mut bytes);
            let count =
                tensor.dimension_count.unwrap_or(u32::try_from(tensor.shape.len()).unwrap_or(u32::MAX));
            order.push(count.to_le_bytes(), &mut bytes);
            for size in &tensor.shape {
                order.push_length(*size, &mut bytes);
            }
            order.push(tensor.kind.to_le_bytes(), &mut bytes);
            order.push(tensor.offset.unwrap_or(*place).to_le_bytes(), &mut bytes);
            descriptions.push(bytes.len());
        }
        let tensors = bytes.len();
        pad(&mut bytes, self.alignment);
        let data = bytes.len();
        let places = Vec::new();
        Written { bytes, header, metadata, tensors, data, last_tensor: data, entries, descriptions, places }
    }

    /// Where each tensor's data lie, from the start of the data.
    pub(super) fn places(&self) -> Vec<u64> {
        let mut place = 0_u64;
        let mut places = Vec::with_capacity(self.tensors.len());
        for tensor in &self.tensors {
            places.push(place);
            place = (place + length(tensor.data.len())).next_multiple_of(self.alignment);
        }
        places
    }

    /// The file. Every tensor's data follow the last one's, rounded up, in the order of the descriptions.
    pub(super) fn write(&self) -> Written {
        let mut written = self.front(&self.places());
        for tensor in &self.tensors {
            pad(&mut written.bytes, self.alignment);
            written.bytes.extend(&tensor.data);
            written.places.push(written.bytes.len());
        }
        written.last_tensor = written.bytes.len();
        pad(&mut written.bytes, self.alignment);
        written
    }

    /// The front of a file whose tensors have no data here, and the length of the whole in bytes.
    /// `None` where the sizes do not fit 64 bits.
    pub(super) fn write_front(&self) -> Option<(Vec<u8>, u64)> {
        let mut place = 0_u64;
        let mut places = Vec::with_capacity(self.tensors.len());
        for tensor in &self.tensors {
            places.push(place);
            let (elements, bytes) = block(tensor.kind)?;
            let count = tensor.shape.iter().try_fold(1_u64, |product, size| product.checked_mul(*size))?;
            let size = (count / elements).checked_mul(bytes)?;
            place = place.checked_add(size)?.checked_next_multiple_of(self.alignment)?;
        }
        let front = self.front(&places).bytes;
        let total = place.checked_add(length(front.len()))?;
        Some((front, total))
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn string(text: &[u8], claimed: Option<u64>, order: Encoding, out: &mut Vec<u8>) {
    order.push_length(claimed.unwrap_or(length(text.len())), out);
    out.extend(text);
}

fn pad(bytes: &mut Vec<u8>, alignment: u64) {
    let wanted = length(bytes.len()).next_multiple_of(alignment);
    bytes.resize(usize::try_from(wanted).unwrap_or(bytes.len()), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Gguf {
        let metadata =
            vec![("a".to_string(), Value::U16(0x0102)), ("b".to_string(), Value::String("é".into()))];
        let tensor = Tensor::new("t", vec![2], TensorType::F32, vec![1, 2, 3, 4, 5, 6, 7, 8]);
        Gguf::new(metadata, vec![tensor])
    }

    #[test]
    fn a_file_is_laid_out_byte_by_byte() {
        let written = small().write();
        let mut expected = b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0".to_vec();
        expected.extend(b"\x01\0\0\0\0\0\0\0a\x02\0\0\0\x02\x01");
        expected.extend(b"\x01\0\0\0\0\0\0\0b\x08\0\0\0\x02\0\0\0\0\0\0\0\xc3\xa9");
        assert_eq!(written.metadata, expected.len());
        expected.extend(b"\x01\0\0\0\0\0\0\0t\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(written.tensors, expected.len());
        expected.resize(expected.len().next_multiple_of(32), 0);
        expected.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(written.last_tensor, expected.len());
        expected.resize(expected.len().next_multiple_of(32), 0);
        assert_eq!(written.bytes, expected);
    }

    #[test]
    fn big_endian_turns_every_number_but_no_text() {
        let written = Gguf { order: Encoding::Big, ..small() }.write();
        assert!(written.bytes.starts_with(b"GGUF\0\0\0\x03\0\0\0\0\0\0\0\x01"));
    }

    #[test]
    fn version_1_had_lengths_of_32_bits_and_offsets_of_64() {
        let written = Gguf { order: Encoding::Narrow, version: 1, ..small() }.write();
        let mut expected = b"GGUF\x01\0\0\0\x01\0\0\0\x02\0\0\0".to_vec();
        expected.extend(b"\x01\0\0\0a\x02\0\0\0\x02\x01");
        expected.extend(b"\x01\0\0\0b\x08\0\0\0\x02\0\0\0\xc3\xa9");
        expected.extend(b"\x01\0\0\0t\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(written.bytes[..written.tensors], expected);
    }

    #[test]
    fn the_front_alone_names_the_length_of_the_whole() {
        let gguf = small();
        let (front, total) = gguf.write_front().unwrap();
        let whole = gguf.write().bytes;
        assert_eq!(total, whole.len() as u64);
        assert!(whole.starts_with(&front));
    }
}
