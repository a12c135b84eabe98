//! Puts any worker backend library through the FFI contract and says which requirements it keeps.

pub mod binary;
pub mod contract;
mod conversation;
pub mod doctor;
pub mod executor;
pub mod exit_code;
pub mod explain;
mod features;
pub mod fuzz;
pub mod generate;
pub mod kit;
mod known_text;
pub mod list;
pub mod manual;
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
