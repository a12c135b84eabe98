//! Makes the tiny GGUF models, good and bad, that the suite loads, and reads the header of any other.
//!
//! A model is data: `fixtures/models/*.yaml` says what it is, the generator says which bytes follow, and
//! the same recipe gives the same bytes on every machine: integer random numbers, IEEE addition,
//! multiplication, division and square root, and nothing from a platform's mathematics library.
//! `fixtures/malformed/*.yaml` holds one change each to such a model (LOAD-01, LOAD-03, LOAD-13).
//! Nothing here is shared with any backend, so that no mistake can hide in both.

#[cfg(test)]
mod behaviour;
mod blocks;
mod change;
mod claim;
mod embedded;
mod gguf;
pub mod golden;
mod grammar;
pub mod inspect;
mod layout;
pub mod malformed;
mod model;
pub mod mutant;
mod random;
mod raw;
mod reader;
mod recipe;
#[cfg(test)]
mod reference;
mod sparse;
mod store;
mod tensor_type;
mod vocabulary;
mod weights;

pub use recipe::{Architecture, Recipe, RecipeError};
pub use sparse::{BEYOND_ANY_DEVICE, Likeness};
pub use store::{ModelError, Store};
pub use tensor_type::TensorType;
