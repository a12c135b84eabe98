//! The contract gate: compares headers of the worker ABI with their lock, and guards every change of it.
//!
//! Headers and locks are read in one way: a lock is turned into headers ([`locked`]), headers into an [`interface`],
//! two interfaces into [`difference`]s ([`diff`]), each under a [`rule`]; [`check`] holds them against the change
//! [`record`]s.

pub mod check;
pub mod command;
pub mod diff;
pub mod difference;
pub mod documentation;
pub mod interface;
pub mod lexer;
pub mod libclang;
pub mod locked;
pub mod propose;
pub mod record;
pub mod report;
pub mod rule;
pub mod source;
pub mod surface;
pub mod verify;
