//! The locked C ABI between a Rust worker host and its GPU inference backend.

// Generated code keeps the generator's layout, so that a new run can be compared with it.
#[rustfmt::skip]
pub mod bindings;
pub mod error_code;
pub mod functions;
pub mod library;
pub mod requirements;

pub use bindings::{CudaContext, CudaModel, InferenceResult, WorkerLibrary};
pub use error_code::{ErrorCode, describe_code};
pub use functions::{CType, FUNCTIONS, Function, FunctionSpec, Group, OnNull, Parameter};
pub use library::{Flag, OpenError, Symbols};
pub use requirements::{Level, Need, Requirement, RequirementId, Source, UnknownRequirement, catalogue};
