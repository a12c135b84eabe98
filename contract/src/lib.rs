//! The locked C ABI between a Rust worker host and its GPU inference backend.
