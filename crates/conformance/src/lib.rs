//! Puts any worker backend library through the FFI contract and says which requirements it keeps.

pub mod models;
