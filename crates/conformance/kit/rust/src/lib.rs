//! my_backend: a backend of the worker FFI contract. `ffi` alone knows C; the rest is Rust.

mod abi;
mod device;
mod ffi;
mod gguf;
mod job;
mod model;
