//! The contract gate: compares headers of the worker ABI with their lock, and guards every change of it.

pub mod diff;
pub mod difference;
pub mod documentation;
pub mod interface;
pub mod lexer;
pub mod libclang;
pub mod rule;
pub mod surface;
