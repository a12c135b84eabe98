//! Puts any worker backend library through the FFI contract and says which requirements it keeps.

pub mod binary;
pub mod contract;
mod conversation;
pub mod executor;
pub mod exit_code;
mod features;
pub mod fuzz;
pub mod generate;
mod known_text;
pub mod models;
pub mod oracle;
pub mod profile;
pub mod program;
pub mod replay;
pub mod report;
pub mod repro;
mod setting;
pub mod shrink;
mod steps;
pub mod suite;
pub mod trace;
pub mod verdict;
pub mod waiver;
