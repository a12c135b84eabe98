//! The tensor table of a GGUF file: types, shapes and where the data lies.

use super::GgufError;
use super::cursor::Cursor;
use crate::defect::{self, Defect};
use crate::quant::TensorType;

/// Longest tensor name that GGUF permits, in bytes.
const NAME_LIMIT: usize = 64;

/// One tensor as the header describes it.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// How its elements are stored.
    pub kind: TensorType,
    /// Elements along each axis, fastest first.
    pub dimensions: Vec<u64>,
    /// First byte: from the data section's begin until [`place`] makes it the file's begin.
    pub offset: u64,
    /// Size of the data in bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Reads one entry and checks what can be checked without its neighbours.
    pub fn read(cursor: &mut Cursor) -> Result<(String, Self), GgufError> {
        let name = cursor.string()?;
        if name.is_empty() || name.len() > NAME_LIMIT {
            return Err(GgufError::TensorName(name.len()));
        }
        let count = cursor.u32()?;
        if !(1..=4).contains(&count) {
            return Err(GgufError::Dimensions { name, dimensions: Vec::new() });
        }
        let dimensions = (0..count).map(|_| cursor.u64()).collect::<Result<Vec<_>, _>>()?;
        let kind = cursor.u32()?;
        let offset = cursor.u64()?;
        let Some(kind) = TensorType::from_number(kind) else {
            return Err(GgufError::TensorType { name, kind });
        };
        match size(kind, &dimensions) {
            Some(bytes) => Ok((name, Self { kind, dimensions, offset, bytes })),
            None => Err(GgufError::Dimensions { name, dimensions }),
        }
    }
}

/// Bytes of a tensor; `None` for an empty axis, an overflow or a row that is no whole number of blocks.
fn size(kind: TensorType, dimensions: &[u64]) -> Option<u64> {
    let elements = dimensions.iter().try_fold(1u64, |product, &axis| product.checked_mul(axis))?;
    let row = *dimensions.first()?;
    if elements == 0 || elements > i64::MAX as u64 || !row.is_multiple_of(kind.block_elements() as u64) {
        return None;
    }
    (elements / kind.block_elements() as u64).checked_mul(kind.block_bytes() as u64)
}

/// Turns offsets into file positions; refuses data that is unaligned, past the end or shared.
pub fn place(
    infos: &mut [(String, TensorInfo)],
    data_start: u64,
    alignment: u64,
    file_size: u64,
) -> Result<(), GgufError> {
    for (name, info) in infos.iter_mut() {
        if !info.offset.is_multiple_of(alignment) {
            return Err(GgufError::Unaligned(name.clone()));
        }
        let start = data_start.checked_add(info.offset);
        let end = start.and_then(|start| start.checked_add(info.bytes));
        match (start, end) {
            (Some(start), Some(end))
                if end <= file_size || (defect::on(Defect::TruncatedLoads) && start < file_size) =>
            {
                info.offset = start;
            }
            _ => return Err(GgufError::PastEnd(name.clone())),
        }
    }
    let mut order: Vec<_> = infos.iter().collect();
    order.sort_by_key(|(_, info)| info.offset);
    for pair in order.windows(2) {
        let ((first, before), (second, after)) = (pair[0], pair[1]);
        if before.offset + before.bytes > after.offset {
            if defect::on(Defect::OverlapCrashes) {
                std::process::abort();
            }
            return Err(GgufError::Overlap(first.clone(), second.clone()));
        }
    }
    Ok(())
}
