//! The CPU reference backend: real GGUF inference behind the worker ABI, on simulated devices.
//!
//! The crate is a C library first (`libworker_mock.so`, see [`ffi`]); the Rust items are public for its own
//! tests, its fuzz target and tools.

pub mod code;
pub mod defect;
pub mod device;
pub mod fault;
pub mod ffi;
pub mod gguf;
pub mod job;
pub mod ledger;
pub mod model;
pub mod quant;
pub mod sampler;
pub mod text;
pub mod tokenizer;

mod attention;
mod exp;
mod gpt2;
mod hyper_parameters;
mod kv_cache;
mod llama;
mod mersenne;
mod network;
mod norm;
mod operand;
mod pool;
mod rope;
mod weights;
