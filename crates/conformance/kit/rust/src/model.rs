//! A model: its weights in device memory. So far the memory is counted, and nothing is copied into it.

use std::path::Path;

use crate::abi::Code;
use crate::device::{Device, Memory};
use crate::gguf;

/// One model.
pub struct Model {
    weights: Memory,
}

impl Model {
    /// TODO LOAD-01: copy the tensors to the device, still quantised (LOAD-07), in pieces, and keep nothing of the file.
    pub fn load(device: &'static Device, path: &Path) -> Result<Self, Code> {
        Ok(Self { weights: Memory::take(device, gguf::read(path)?)? })
    }

    pub fn usage(&self) -> u64 {
        self.weights.bytes()
    }

    /// TODO FAULT-04: look whether the weights still lie where they were put.
    pub fn is_resident(&self) -> bool {
        self.weights.bytes() > 0
    }
}
