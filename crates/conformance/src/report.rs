//! What a run found, written for machines and for people.

pub mod json;
pub mod progress;
pub mod terminal;
