//! What a malformed file says of one tensor.

use serde::{Deserialize, Serialize};

use super::change::{ChangeError, absent};
use super::gguf::{Gguf, Tensor};
use super::tensor_type::block;

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
    /// Another shape, and as many bytes as it takes: those there over and over.
    Resized(Vec<u64>),
    /// Another number of dimensions than are listed.
    DimensionCount(u32),
    /// Another type number.
    Kind(u32),
    /// Another type that is known, and as many bytes as it takes: those there over and over.
    Retyped(u32),
    /// Another place in the data, in bytes.
    Offset(u64),
    /// The place of another tensor.
    OffsetOf(String),
    /// A place some bytes after the true one.
    OffsetShift(u64),
    /// A place some bytes later, and the data really are there, upon no other's.
    Moved(u64),
    /// A place some bytes before the end of the data.
    OffsetBeforeEnd(u64),
}

impl Claim {
    pub(super) fn apply(&self, gguf: &mut Gguf, name: &str) -> Result<(), ChangeError> {
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
            Self::Resized(shape) => {
                tensor.shape.clone_from(shape);
                fit(tensor)?;
            }
            Self::DimensionCount(count) => tensor.dimension_count = Some(*count),
            Self::Kind(kind) => tensor.kind = *kind,
            Self::Retyped(kind) => {
                tensor.kind = *kind;
                fit(tensor)?;
            }
            Self::Offset(offset) => tensor.offset = Some(*offset),
            Self::OffsetOf(other) => {
                let place = places[find(gguf, other)?];
                gguf.tensors[at].offset = Some(place);
            }
            Self::OffsetShift(bytes) => tensor.offset = Some(places[at].saturating_add(*bytes)),
            Self::Moved(bytes) => {
                let gap = vec![0; usize::try_from(*bytes).unwrap_or(0)];
                tensor.data.splice(0..0, gap);
                tensor.offset = Some(places[at].saturating_add(*bytes));
            }
            Self::OffsetBeforeEnd(bytes) => {
                let whole = (written.bytes.len() - written.data) as u64;
                tensor.offset = Some(whole.saturating_sub(*bytes));
            }
        }
        Ok(())
    }
}

pub(super) fn find(gguf: &Gguf, name: &str) -> Result<usize, ChangeError> {
    gguf.tensors.iter().position(|tensor| tensor.name == name).ok_or_else(|| absent("tensor", name))
}

/// As many bytes of data as the type and the shape take.
fn fit(tensor: &mut Tensor) -> Result<(), ChangeError> {
    let (elements, bytes) = block(tensor.kind).ok_or_else(|| absent("known type of", &tensor.name))?;
    let size = tensor.shape.iter().product::<u64>() / elements * bytes;
    let size = usize::try_from(size).map_err(|_| absent("size that fits", &tensor.name))?;
    tensor.data = tensor.data.iter().copied().cycle().take(size).collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tensor_type::TensorType;
    use super::*;

    fn two() -> Gguf {
        let tensor = |name: &str| Tensor::new(name, vec![8], TensorType::F32, (0..32).collect());
        Gguf::new(Vec::new(), vec![tensor("a"), tensor("b")])
    }

    #[test]
    fn a_tensor_of_another_size_has_data_for_all_of_it() {
        let mut gguf = two();
        Claim::Resized(vec![8, 3]).apply(&mut gguf, "a").unwrap();
        assert_eq!(gguf.tensors[0].data.len(), 96);
        Claim::Retyped(1).apply(&mut gguf, "a").unwrap();
        assert_eq!(gguf.tensors[0].data.len(), 48);
        assert!(Claim::Retyped(999).apply(&mut gguf, "a").is_err());
    }

    #[test]
    fn a_tensor_that_moved_lies_where_it_says_and_upon_no_other() {
        let mut gguf = two();
        Claim::Moved(8).apply(&mut gguf, "a").unwrap();
        let written = gguf.write();
        assert_eq!(gguf.tensors[0].offset, Some(8));
        assert_eq!(written.bytes[written.data + 8..written.data + 40], (0..32).collect::<Vec<u8>>());
        assert_eq!(gguf.places()[1], 64);
    }
}
