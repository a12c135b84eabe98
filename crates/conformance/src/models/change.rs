//! The one change that makes a malformed model out of a good one: the strict form in the YAML files.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::blocks::encode;
pub use super::claim::Claim;
use super::claim::find;
use super::gguf::{Encoding, Entry, Gguf, Tensor, Value, Written};
use super::raw::{claimed_list, claimed_text, nested, plain, wrapped_back};
use super::tensor_type::TensorType;

/// A change to a model's structure, or to its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// No change: the model is sound as it is.
    None,
    /// Several changes, one after the other.
    All(Vec<Change>),
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
    /// Version 1 as it was: counts, lengths and dimensions of 32 bits.
    VersionOne,
    /// Another architecture, with its keys under that name.
    Architecture(String),
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
    /// Adds a long text, of the letter x.
    AddText {
        /// The key.
        key: String,
        /// How many letters.
        letters: usize,
    },
    /// Adds a long list, of the numbers from zero.
    AddList {
        /// The key.
        key: String,
        /// How many numbers.
        items: u32,
    },
    /// Adds keys that nobody knows.
    AddKeys(usize),
    /// Writes other bytes for a key.
    KeyBytes {
        /// The key.
        key: String,
        /// What stands for it.
        bytes: Vec<u8>,
    },
    /// Writes a key that is as long as asked for, of the letter x.
    LongKey {
        /// The key.
        key: String,
        /// How many letters.
        letters: usize,
    },
    /// Adds two entries that are three to a reader whose sums wrap.
    WrapBack {
        /// A list of bytes wraps, not a text.
        list: bool,
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
    /// Claims a text that ends some bytes past the end of the file.
    TextPastEnd {
        /// The key of the text.
        key: String,
        /// How many bytes past the end.
        bytes: u64,
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
    /// Adds tensors of 8 zeros, until there are so many in all.
    FillTensors(usize),
    /// Takes out every tensor.
    NoTensors,
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
    /// Bytes before the begin.
    Prepend(Vec<u8>),
    /// Another file altogether.
    Content {
        /// Bytes it begins with.
        bytes: Vec<u8>,
        /// Zeros that follow.
        zeros: usize,
    },
}

/// A part of a file, for its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// One metadata entry, by its key.
    Entry(String),
    /// One tensor's description.
    Description(String),
    /// One tensor's data.
    Tensor(String),
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
        self.cut(&gguf, &mut written)?;
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
            // A part that is not there any more cannot be cut at.
            let _ = change.cut(&gguf, &mut written);
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
            Self::BigEndian => gguf.order = Encoding::Big,
            Self::VersionOne => {
                gguf.version = 1;
                gguf.order = Encoding::Narrow;
            }
            Self::All(changes) => {
                for change in changes {
                    change.restructure(gguf)?;
                }
            }
            Self::Architecture(name) => rename(gguf, name)?,
            Self::Remove(key) => {
                entry(gguf, key)?;
                gguf.metadata.retain(|entry| entry.key != *key);
            }
            Self::Set { key, value } => match entry(gguf, key) {
                Ok(entry) => entry.value = value.clone(),
                Err(_) => add(gguf, key, value.clone()),
            },
            Self::Add { key, value } => add(gguf, key, value.clone()),
            Self::AddText { key, letters } => add(gguf, key, Value::String("x".repeat(*letters))),
            Self::AddList { key, items } => {
                add(gguf, key, Value::List((0..*items).map(Value::U32).collect()))
            }
            Self::AddKeys(count) => {
                for at in 0..*count {
                    add(gguf, &format!("odd.key.{at}"), Value::U64(at as u64));
                }
            }
            Self::KeyBytes { key, bytes } => entry(gguf, key)?.key_bytes = Some(bytes.clone()),
            Self::LongKey { key, letters } => entry(gguf, key)?.key_bytes = Some(vec![b'x'; *letters]),
            Self::WrapBack { list } => {
                gguf.metadata.extend(wrapped_back(*list));
                gguf.metadata_count = Some(gguf.metadata.len() as u64 + 1);
            }
            Self::Nest { key, depth } => add(gguf, key, nested(*depth)),
            Self::KeyLength { key, length } => entry(gguf, key)?.key_length = Some(*length),
            Self::TextLength { key, length } => {
                let value = &mut entry(gguf, key)?.value;
                let Value::String(text) = value else { return Err(absent("text", key)) };
                *value = Value::Raw { kind: 8, bytes: claimed_text(text, *length) };
            }
            Self::TextPastEnd { key, bytes } => {
                let end = end_of(gguf, &gguf.write(), &Part::Entry(key.clone()))?;
                let beyond = (gguf.write().bytes.len() - end) as u64 + bytes;
                let value = &mut entry(gguf, key)?.value;
                let Value::String(text) = value else { return Err(absent("text", key)) };
                *value = Value::Raw { kind: 8, bytes: claimed_text(text, text.len() as u64 + beyond) };
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
            Self::FillTensors(count) => {
                for at in gguf.tensors.len()..*count {
                    gguf.tensors.push(Tensor::new(
                        format!("odd.{at}"),
                        vec![8],
                        TensorType::F32,
                        vec![0; 32],
                    ));
                }
            }
            Self::NoTensors => gguf.tensors.clear(),
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
            | Self::Prepend(_)
            | Self::Content { .. } => {}
        }
        Ok(())
    }

    fn cut(&self, gguf: &Gguf, written: &mut Written) -> Result<(), ChangeError> {
        match self {
            Self::All(changes) => {
                for change in changes {
                    change.cut(gguf, written)?;
                }
            }
            Self::Length(length) => written.bytes.truncate(*length),
            Self::EndNear { part, bytes } => {
                let end = end_of(gguf, written, part)?;
                written.bytes.truncate(end.saturating_add_signed(isize::try_from(*bytes).unwrap_or(0)));
            }
            Self::Append { bytes, value } => written.bytes.extend(std::iter::repeat_n(*value, *bytes)),
            Self::Prepend(bytes) => drop(written.bytes.splice(0..0, bytes.iter().copied())),
            Self::Content { bytes, zeros } => {
                written.bytes.clone_from(bytes);
                written.bytes.extend(std::iter::repeat_n(0, *zeros));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Where a part ends in the file.
fn end_of(gguf: &Gguf, written: &Written, part: &Part) -> Result<usize, ChangeError> {
    let found = |ends: &[usize], at: usize| ends.get(at).copied().unwrap_or(written.bytes.len());
    Ok(match part {
        Part::Header => written.header,
        Part::Metadata => written.metadata,
        Part::Tensors => written.tensors,
        Part::Data => written.last_tensor,
        Part::Entry(key) => {
            let at = gguf.metadata.iter().position(|entry| entry.key == *key);
            found(&written.entries, at.ok_or_else(|| absent("key", key))?)
        }
        Part::Description(name) => found(&written.descriptions, find(gguf, name)?),
        Part::Tensor(name) => found(&written.places, find(gguf, name)?),
    })
}

/// Another architecture, its keys under that name.
fn rename(gguf: &mut Gguf, name: &str) -> Result<(), ChangeError> {
    let Value::String(old) = entry(gguf, "general.architecture")?.value.clone() else {
        return Err(absent("text", "general.architecture"));
    };
    entry(gguf, "general.architecture")?.value = Value::String(name.to_string());
    for entry in &mut gguf.metadata {
        if let Some(rest) = entry.key.strip_prefix(&format!("{old}.")) {
            entry.key = format!("{name}.{rest}");
        }
    }
    Ok(())
}

pub(super) fn absent(what: &'static str, name: &str) -> ChangeError {
    ChangeError::Absent { what, name: name.to_string() }
}

fn entry<'a>(gguf: &'a mut Gguf, key: &str) -> Result<&'a mut Entry, ChangeError> {
    gguf.metadata.iter_mut().find(|entry| entry.key == key).ok_or_else(|| absent("key", key))
}

fn add(gguf: &mut Gguf, key: &str, value: Value) {
    gguf.metadata.push(Entry::new(key, value));
}

/// The items of the list at `key`.
fn list(gguf: &mut Gguf, key: &str) -> Result<Vec<Value>, ChangeError> {
    match &entry(gguf, key)?.value {
        Value::List(items) => Ok(items.clone()),
        _ => Err(absent("list", key)),
    }
}
