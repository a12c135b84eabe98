//! Puts any worker backend library through the FFI contract and says which requirements it keeps.

pub mod executor;
pub mod oracle;
pub mod program;
pub mod trace;
