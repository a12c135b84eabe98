//! What the safe wrapper reports when a call fails: code, name, function and the library's own words.

#![forbid(unsafe_code)]

use crate::error_code::ErrorCode;
use crate::functions::Function;

/// A call that failed.
///
/// Mostly the library reported it. A call that the wrapper does not make (a prompt with a NUL byte) carries
/// `CUDA_ERROR_INVALID_PARAMETER`, and an answer that breaks the contract carries `CUDA_ERROR_UNKNOWN`; the message
/// then says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{function} failed with {name} ({code}): {message}")]
#[non_exhaustive]
pub struct Error {
    /// The function that was called.
    pub function: Function,
    /// The number of the code, which the contract may not define.
    pub code: i32,
    /// The name of the code, or `undefined code`.
    pub name: &'static str,
    /// The message of the library for this code, or the wrapper's own.
    pub message: String,
}

impl Error {
    /// The code as one of the ten; a number that the contract does not define counts as [`ErrorCode::Unknown`].
    #[must_use]
    pub fn error_code(&self) -> ErrorCode {
        ErrorCode::from_raw(self.code).unwrap_or(ErrorCode::Unknown)
    }

    pub(crate) fn new(function: Function, code: i32, message: String) -> Self {
        let name = ErrorCode::from_raw(code).map_or("undefined code", ErrorCode::name);
        Self { function, code, name, message }
    }

    /// A text that C cannot carry.
    pub(crate) fn nul_byte(function: Function, what: &str, position: usize) -> Self {
        let message = format!("the {what} holds a NUL byte at offset {position}, where a C string would end");
        Self::new(function, ErrorCode::InvalidParameter.raw(), message)
    }

    /// An answer that the contract does not allow, with the requirement that it breaks.
    pub(crate) fn breach(function: Function, what: &str, requirement: &str) -> Self {
        let message = format!("the library broke its contract: {what} [{requirement}]");
        Self::new(function, ErrorCode::Unknown.raw(), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_one_line() {
        let error = Error::new(Function::LoadModel, 3, "no such model".to_owned());
        insta::assert_snapshot!(error, @"cuda_load_model failed with CUDA_ERROR_MODEL_LOAD_FAILED (3): no such model");
        let error = Error::breach(Function::InferenceStart, "no handle came with code 0", "ERR-02");
        insta::assert_snapshot!(error, @"cuda_inference_start failed with CUDA_ERROR_UNKNOWN (99): the library broke its contract: no handle came with code 0 [ERR-02]");
    }

    #[test]
    fn an_undefined_code_keeps_its_number() {
        let error = Error::new(Function::Init, 42, "what".to_owned());
        assert_eq!((error.code, error.name, error.error_code()), (42, "undefined code", ErrorCode::Unknown));
    }
}
