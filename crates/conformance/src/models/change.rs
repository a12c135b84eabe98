//! The one change that makes a malformed model out of a good one: the strict form in the YAML files.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::blocks::encode;
use super::gguf::{ByteOrder, Entry, Gguf, Tensor, Value, Written};
use super::tensor_type::TensorType;

/// A change to a model's structure, or to its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// No change: the model is sound as it is.
    None,
    /// Another magic, four characters.
    Magic(String),
    /// Another version.
    Version(u32),
    /// Another count of tensors than there are.
    TensorCount(u64),
    /// Another count of metadata keys than there are.
    MetadataCount(u64),
    /// Every number turned.
    BigEndian,
    /// Takes out a key.
    Remove(String),
    /// Gives a key another value, or adds it.
    Set {
        /// The key.
        key: String,
        /// Its value.
        value: Value,
    },
    /// Adds a key, even if there is one of that name.
    Add {
        /// The key.
        key: String,
        /// Its value.
        value: Value,
    },
    /// Adds a list of lists of lists.
    Nest {
        /// The key.
        key: String,
        /// How deep.
        depth: usize,
    },
    /// Claims another length of a key.
    KeyLength {
        /// The key.
        key: String,
        /// The claim, in bytes.
        length: u64,
    },
    /// Claims another length of a text.
    TextLength {
        /// The key of the text.
        key: String,
        /// The claim, in bytes.
        length: u64,
    },
    /// Claims another value type.
    ValueType {
        /// The key.
        key: String,
        /// The type number.
        kind: u32,
    },
    /// Claims another number of items.
    ListLength {
        /// The key of the list.
        key: String,
        /// The claim.
        length: u64,
    },
    /// Claims another type of the items.
    ItemType {
        /// The key of the list.
        key: String,
        /// The type number.
        kind: u32,
    },
    /// Claims another length of the text at `at` in a list.
    ItemLength {
        /// The key of the list.
        key: String,
        /// Which item.
        at: usize,
        /// The claim, in bytes.
        length: u64,
    },
    /// Gives one item of a list another value.
    Item {
        /// The key of the list.
        key: String,
        /// Which item.
        at: usize,
        /// Its value, as the list holds them.
        value: Value,
    },
    /// Takes items from the end of a list.
    Shorten {
        /// The key of the list.
        key: String,
        /// How many.
        by: usize,
    },
    /// Repeats the last item of a list.
    Lengthen {
        /// The key of the list.
        key: String,
        /// How often.
        by: usize,
    },
    /// Changes what the file says of a tensor; its data stay.
    Tensor {
        /// The tensor.
        name: String,
        /// What is said.
        claim: Claim,
    },
    /// Adds a tensor of zeros.
    AddTensor {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// Fills an F32 tensor with one value.
    Fill {
        /// The tensor.
        name: String,
        /// The value.
        value: f32,
    },
    /// Lays the file out to another alignment, and says so.
    Alignment(u64),
    /// The tensors, descriptions and data, in the other order.
    ReverseTensors,
    /// The keys in the other order.
    ReverseMetadata,
    /// Only the first bytes.
    Length(usize),
    /// Ends near the end of a part: some bytes after it, or before it if negative.
    EndNear {
        /// The part.
        part: Part,
        /// Bytes from its end.
        bytes: i64,
    },
    /// Bytes after the end.
    Append {
        /// How many.
        bytes: usize,
        /// Which.
        value: u8,
    },
    /// Another file altogether.
    Content {
        /// Bytes it begins with.
        bytes: Vec<u8>,
        /// Zeros that follow.
        zeros: usize,
    },
}

/// What a file may say of a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Claim {
    /// Nothing: it is not there, its data neither.
    Absent,
    /// It is there twice, data too.
    Twice,
    /// Another name.
    Name(String),
    /// Another length of the name, in bytes.
    NameLength(u64),
    /// Another shape.
    Shape(Vec<u64>),
    /// Another number of dimensions than are listed.
    DimensionCount(u32),
    /// Another type number.
    Kind(u32),
    /// Another place in the data, in bytes.
    Offset(u64),
    /// The place of another tensor.
    OffsetOf(String),
    /// A place some bytes after the true one.
    OffsetShift(u64),
    /// A place some bytes before the end of the data.
    OffsetBeforeEnd(u64),
}

/// A part of a file, for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The fixed 24 bytes.
    Header,
    /// The metadata.
    Metadata,
    /// The tensor descriptions.
    Tensors,
    /// The last tensor's data.
    Data,
}

/// Why a change cannot be made to its base.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The base lacks what is to be changed.
    #[error("the base has no {what} `{name}`")]
    Absent {
        /// A key, a text, a list, an item or a tensor.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The magic has not four bytes.
    #[error("a magic has four bytes, `{0}` has not")]
    Magic(String),
}

impl Change {
    /// The bytes of `gguf` with this change.
    pub(super) fn apply(&self, mut gguf: Gguf) -> Result<Vec<u8>, ChangeError> {
        self.restructure(&mut gguf)?;
        let mut written = gguf.write();
        self.cut(&mut written);
        Ok(written.bytes)
    }

    /// The bytes of `gguf` with several changes, and where its data begin. What finds nothing to change does nothing.
    pub(super) fn apply_all(changes: &[Self], mut gguf: Gguf) -> (Vec<u8>, usize) {
        for change in changes {
            let mut changed = gguf.clone();
            if change.restructure(&mut changed).is_ok() {
                gguf = changed;
            }
        }
        let mut written = gguf.write();
        for change in changes {
            change.cut(&mut written);
        }
        (written.bytes, written.tensors)
    }

    fn restructure(&self, gguf: &mut Gguf) -> Result<(), ChangeError> {
        match self {
            Self::Magic(magic) => {
                gguf.magic = magic.as_bytes().try_into().map_err(|_| ChangeError::Magic(magic.clone()))?;
            }
            Self::Version(version) => gguf.version = *version,
            Self::TensorCount(count) => gguf.tensor_count = Some(*count),
            Self::MetadataCount(count) => gguf.metadata_count = Some(*count),
            Self::BigEndian => gguf.order = ByteOrder::Big,
            Self::Remove(key) => {
                entry(gguf, key)?;
                gguf.metadata.retain(|entry| entry.key != *key);
            }
            Self::Set { key, value } => match entry(gguf, key) {
                Ok(entry) => entry.value = value.clone(),
                Err(_) => add(gguf, key, value.clone()),
            },
            Self::Add { key, value } => add(gguf, key, value.clone()),
            Self::Nest { key, depth } => add(gguf, key, nested(*depth)),
            Self::KeyLength { key, length } => entry(gguf, key)?.key_length = Some(*length),
            Self::TextLength { key, length } => {
                let value = &mut entry(gguf, key)?.value;
                let Value::String(text) = value else { return Err(absent("text", key)) };
                *value = Value::Raw { kind: 8, bytes: claimed_text(text, *length) };
            }
            Self::ValueType { key, kind } => {
                let value = &mut entry(gguf, key)?.value;
                *value = Value::Raw { kind: *kind, bytes: plain(value) };
            }
            Self::ListLength { key, length } => {
                let items = list(gguf, key)?;
                let kind = items.first().map_or(4, Value::kind);
                entry(gguf, key)?.value = claimed_list(kind, *length, &items);
            }
            Self::ItemType { key, kind } => {
                let items = list(gguf, key)?;
                entry(gguf, key)?.value = claimed_list(*kind, items.len() as u64, &items);
            }
            Self::ItemLength { key, at, length } => {
                let mut items = list(gguf, key)?;
                let Some(Value::String(text)) = items.get(*at) else { return Err(absent("item of", key)) };
                items[*at] = Value::Raw { kind: 8, bytes: claimed_text(text, *length) };
                entry(gguf, key)?.value = Value::List(items);
            }
            Self::Item { key, at, value } => {
                let mut items = list(gguf, key)?;
                *items.get_mut(*at).ok_or_else(|| absent("item of", key))? = value.clone();
                entry(gguf, key)?.value = Value::List(items);
            }
            Self::Shorten { key, by } => {
                let mut items = list(gguf, key)?;
                items.truncate(items.len().saturating_sub(*by));
                entry(gguf, key)?.value = Value::List(items);
            }
            Self::Lengthen { key, by } => {
                let mut items = list(gguf, key)?;
                let last = items.last().ok_or_else(|| absent("item of", key))?.clone();
                items.extend(std::iter::repeat_n(last, *by));
                entry(gguf, key)?.value = Value::List(items);
            }
            Self::Tensor { name, claim } => claim.apply(gguf, name)?,
            Self::AddTensor { name, shape } => {
                let count = shape.iter().product::<u64>();
                let zeros = vec![0; usize::try_from(count * 4).unwrap_or(0)];
                gguf.tensors.push(Tensor::new(name, shape.clone(), TensorType::F32, zeros));
            }
            Self::Fill { name, value } => {
                let at = find(gguf, name)?;
                let tensor = &mut gguf.tensors[at];
                if tensor.kind != TensorType::F32.id() {
                    return Err(absent("F32 tensor", name));
                }
                tensor.data = encode(TensorType::F32, &vec![*value; tensor.data.len() / 4]);
            }
            Self::Alignment(alignment) => {
                gguf.alignment = *alignment;
                add(gguf, "general.alignment", Value::U32(u32::try_from(*alignment).unwrap_or(u32::MAX)));
            }
            Self::ReverseTensors => gguf.tensors.reverse(),
            Self::ReverseMetadata => gguf.metadata.reverse(),
            Self::None
            | Self::Length(_)
            | Self::EndNear { .. }
            | Self::Append { .. }
            | Self::Content { .. } => {}
        }
        Ok(())
    }

    fn cut(&self, written: &mut Written) {
        match self {
            Self::Length(length) => written.bytes.truncate(*length),
            Self::EndNear { part, bytes } => {
                let end = match part {
                    Part::Header => written.header,
                    Part::Metadata => written.metadata,
                    Part::Tensors => written.tensors,
                    Part::Data => written.last_tensor,
                };
                written.bytes.truncate(end.saturating_add_signed(isize::try_from(*bytes).unwrap_or(0)));
            }
            Self::Append { bytes, value } => written.bytes.extend(std::iter::repeat_n(*value, *bytes)),
            Self::Content { bytes, zeros } => {
                written.bytes.clone_from(bytes);
                written.bytes.extend(std::iter::repeat_n(0, *zeros));
            }
            _ => {}
        }
    }
}

impl Claim {
    fn apply(&self, gguf: &mut Gguf, name: &str) -> Result<(), ChangeError> {
        let at = find(gguf, name)?;
        let written = gguf.write();
        let places = gguf.places();
        let tensor = &mut gguf.tensors[at];
        match self {
            Self::Absent => drop(gguf.tensors.remove(at)),
            Self::Twice => {
                let again = tensor.clone();
                gguf.tensors.push(again);
            }
            Self::Name(name) => tensor.name.clone_from(name),
            Self::NameLength(length) => tensor.name_length = Some(*length),
            Self::Shape(shape) => tensor.shape.clone_from(shape),
            Self::DimensionCount(count) => tensor.dimension_count = Some(*count),
            Self::Kind(kind) => tensor.kind = *kind,
            Self::Offset(offset) => tensor.offset = Some(*offset),
            Self::OffsetOf(other) => {
                let place = places[find(gguf, other)?];
                gguf.tensors[at].offset = Some(place);
            }
            Self::OffsetShift(bytes) => tensor.offset = Some(places[at] + bytes),
            Self::OffsetBeforeEnd(bytes) => {
                let whole = (written.bytes.len() - written.data) as u64;
                tensor.offset = Some(whole.saturating_sub(*bytes));
            }
        }
        Ok(())
    }
}

fn absent(what: &'static str, name: &str) -> ChangeError {
    ChangeError::Absent { what, name: name.to_string() }
}

fn entry<'a>(gguf: &'a mut Gguf, key: &str) -> Result<&'a mut Entry, ChangeError> {
    gguf.metadata.iter_mut().find(|entry| entry.key == key).ok_or_else(|| absent("key", key))
}

fn add(gguf: &mut Gguf, key: &str, value: Value) {
    gguf.metadata.push(Entry { key: key.to_string(), key_length: None, value });
}

fn find(gguf: &Gguf, name: &str) -> Result<usize, ChangeError> {
    gguf.tensors.iter().position(|tensor| tensor.name == name).ok_or_else(|| absent("tensor", name))
}

/// The bytes of a value, as a sound file holds them.
fn plain(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(ByteOrder::Little, &mut bytes);
    bytes
}

/// The items of the list at `key`.
fn list(gguf: &mut Gguf, key: &str) -> Result<Vec<Value>, ChangeError> {
    match &entry(gguf, key)?.value {
        Value::List(items) => Ok(items.clone()),
        _ => Err(absent("list", key)),
    }
}

fn claimed_list(kind: u32, length: u64, items: &[Value]) -> Value {
    let mut bytes = [kind.to_le_bytes().as_slice(), &length.to_le_bytes()].concat();
    for item in items {
        item.encode(ByteOrder::Little, &mut bytes);
    }
    Value::Raw { kind: 9, bytes }
}

fn claimed_text(text: &str, length: u64) -> Vec<u8> {
    [length.to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// Lists as deep as asked for, each of one item, the last of none.
fn nested(depth: usize) -> Value {
    let level = [9_u32.to_le_bytes().as_slice(), &1_u64.to_le_bytes()].concat();
    let last = [4_u32.to_le_bytes().as_slice(), &0_u64.to_le_bytes()].concat();
    Value::Raw { kind: 9, bytes: [level.repeat(depth.saturating_sub(1)), last].concat() }
}
