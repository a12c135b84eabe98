//! Keys and values of the positions a job has seen, in half precision.

use std::collections::TryReserveError;

use half::f16;

/// Keys and values of every layer, as little-endian halves: (layers, positions, width) each.
#[derive(Debug)]
pub struct KvCache {
    row_bytes: usize,
    layer_bytes: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
}

impl KvCache {
    /// Bytes of a cache; `None` where the product overflows.
    pub fn bytes(layers: usize, positions: usize, width: usize) -> Option<usize> {
        layers.checked_mul(positions)?.checked_mul(width)?.checked_mul(4)
    }

    /// Room for `positions` rows of `width` elements a layer.
    pub fn new(layers: usize, positions: usize, width: usize) -> Result<Self, TryReserveError> {
        let size = layers * positions * width * 2;
        let zeros = || -> Result<Vec<u8>, TryReserveError> {
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(size)?;
            bytes.resize(size, 0);
            Ok(bytes)
        };
        let row_bytes = width * 2;
        Ok(Self { row_bytes, layer_bytes: positions * row_bytes, keys: zeros()?, values: zeros()? })
    }

    /// Stores key and value rows (width) of `position`.
    pub fn store(&mut self, layer: usize, position: usize, key: &[f32], value: &[f32]) {
        let start = layer * self.layer_bytes + position * self.row_bytes;
        for (cache, row) in [(&mut self.keys, key), (&mut self.values, value)] {
            for (bytes, x) in cache[start..start + self.row_bytes].as_chunks_mut::<2>().0.iter_mut().zip(row)
            {
                *bytes = f16::from_f32_const(*x).to_le_bytes();
            }
        }
    }

    /// Keys of `layer`: (positions, width) halves, and the bytes of a row.
    pub fn keys(&self, layer: usize) -> (&[u8], usize) {
        (&self.keys[layer * self.layer_bytes..(layer + 1) * self.layer_bytes], self.row_bytes)
    }

    /// Values of `layer`, as [`Self::keys`].
    pub fn values(&self, layer: usize) -> (&[u8], usize) {
        (&self.values[layer * self.layer_bytes..(layer + 1) * self.layer_bytes], self.row_bytes)
    }
}
