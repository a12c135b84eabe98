//! Tensors in owned memory: matrices stay as the file stores them, vectors become floats.

use std::collections::HashMap;

use crate::defect::{self, Defect};
use crate::gguf::{Header, Source, TensorInfo};
use crate::quant::{TensorType, dequantize};

/// Why the tensors of a file do not make the model that its metadata announces.
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    #[error("tensor `{0}` is missing")]
    Missing(String),
    #[error("tensor `{name}` has shape {found:?} instead of {wanted:?}")]
    Shape { name: String, found: Vec<u64>, wanted: Vec<usize> },
    #[error("tensor `{0}` cannot be read: {1}")]
    Read(String, std::io::Error),
    #[error("tensor `{0}` is not supported")]
    Unsupported(String),
    #[error("no memory for tensor `{0}`")]
    Memory(String),
}

/// `rows` rows of `columns` elements, in the type of the file.
#[derive(Debug)]
pub struct Matrix {
    pub kind: TensorType,
    pub rows: usize,
    pub columns: usize,
    pub data: Vec<u8>,
}

/// A matrix with an optional bias (rows).
#[derive(Debug)]
pub struct Linear {
    pub weight: Matrix,
    pub bias: Option<Vec<f32>>,
}

impl Matrix {
    /// Writes row `index` as floats to `out` (columns).
    pub fn row(&self, index: usize, out: &mut [f32]) {
        let bytes = self.kind.row_bytes(self.columns);
        dequantize::row(self.kind, &self.data[index * bytes..(index + 1) * bytes], out);
    }
}

/// Checks and takes the tensors of one file.
pub struct Loader<'f> {
    tensors: &'f HashMap<String, TensorInfo>,
    source: &'f dyn Source,
}

/// Bytes that are read at once (M0-W-1222).
const CHUNK_BYTES: usize = 1 << 20;

impl<'f> Loader<'f> {
    pub fn new(header: &'f Header, source: &'f dyn Source) -> Self {
        Self { tensors: &header.tensors, source }
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Matrix `name` of the given shape.
    pub fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix, WeightError> {
        let info = self.find(name, &[columns, rows])?;
        Ok(Matrix { kind: info.kind, rows, columns, data: self.read(name, info)? })
    }

    /// Vector `name` of `length` floats, of any type.
    pub fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, WeightError> {
        let info = self.find(name, &[length])?;
        let data = self.read(name, info)?;
        let mut floats = Vec::new();
        floats.try_reserve_exact(length).map_err(|_| WeightError::Memory(name.into()))?;
        floats.resize(length, 0.0);
        dequantize::row(info.kind, &data, &mut floats);
        Ok(floats)
    }

    /// Vector `name`, where the file has it.
    pub fn optional_vector(&self, name: &str, length: usize) -> Result<Option<Vec<f32>>, WeightError> {
        if self.has(name) { self.vector(name, length).map(Some) } else { Ok(None) }
    }

    /// Matrix `{name}.weight` with `{name}.bias` where the file has one.
    pub fn linear(&self, name: &str, rows: usize, columns: usize) -> Result<Linear, WeightError> {
        let weight = self.matrix(&format!("{name}.weight"), rows, columns)?;
        Ok(Linear { weight, bias: self.optional_vector(&format!("{name}.bias"), rows)? })
    }

    fn find(&self, name: &str, wanted: &[usize]) -> Result<&'f TensorInfo, WeightError> {
        let info = self.tensors.get(name).ok_or_else(|| WeightError::Missing(name.into()))?;
        // Trailing axes of length one carry nothing.
        let used = info.dimensions.iter().rposition(|&axis| axis != 1).map_or(1, |last| last + 1);
        let used = used.max(wanted.len()).min(info.dimensions.len());
        let same = used == wanted.len()
            && info.dimensions[..used].iter().zip(wanted).all(|(&found, &wanted)| found == wanted as u64);
        let size = || info.dimensions.iter().product::<u64>() == wanted.iter().product::<usize>() as u64;
        if same || (defect::on(Defect::ShapeIgnored) && size()) {
            return Ok(info);
        }
        Err(WeightError::Shape { name: name.into(), found: info.dimensions.clone(), wanted: wanted.to_vec() })
    }

    fn read(&self, name: &str, info: &TensorInfo) -> Result<Vec<u8>, WeightError> {
        let memory = || WeightError::Memory(name.into());
        let size = usize::try_from(info.bytes).map_err(|_| memory())?;
        let mut data = Vec::new();
        data.try_reserve_exact(size).map_err(|_| memory())?;
        data.resize(size, 0);
        for (i, chunk) in data.chunks_mut(CHUNK_BYTES).enumerate() {
            let offset = info.offset + (i * CHUNK_BYTES) as u64;
            let read = self.source.read_at(chunk, offset);
            if !defect::on(Defect::TruncatedLoads) {
                read.map_err(|error| WeightError::Read(name.into(), error))?;
            }
        }
        Ok(data)
    }
}
