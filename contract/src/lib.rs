//! The locked C ABI between a Rust worker host and its GPU inference backend.
//!
//! - A host starts at [`Backend`], the safe wrapper: `Backend` > [`Context`] > [`Model`] > [`Inference`].
//! - A tool that tests libraries starts at [`library`], which finds the raw functions, and at [`FUNCTIONS`],
//!   [`ErrorCode`] and [`catalogue`], the facts of the contract as data.

pub mod backend;
// Generated code keeps the generator's layout, so that a new run can be compared with it.
#[rustfmt::skip]
pub mod bindings;
pub mod context;
pub mod error;
pub mod error_code;
pub mod functions;
pub mod inference;
pub mod library;
pub mod lock;
pub mod model;
pub mod requirements;

pub use backend::Backend;
pub use bindings::{CudaContext, CudaModel, InferenceResult, WorkerLibrary};
pub use context::Context;
pub use error::Error;
pub use error_code::{ErrorCode, describe_code};
pub use functions::{CType, FUNCTIONS, Function, FunctionSpec, Group, OnNull, Parameter};
pub use inference::{Inference, Sampling, Token};
pub use library::{CompleteSymbols, Flag, OpenError, Symbols};
pub use lock::Lock;
pub use model::Model;
pub use requirements::{Level, Need, Requirement, RequirementId, Source, UnknownRequirement, catalogue};
