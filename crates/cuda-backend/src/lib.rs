//! Where the CUDA backend lies, once the build script has built it.
//!
//! The backend itself is the C++ project in `cuda/`. The feature `cuda` builds it for GPUs, `cuda-host` builds the same
//! sources for the CPU; without them nothing is built and there is no library.
#![forbid(unsafe_code)]

use std::path::Path;

/// `libworker_cuda.so`, where the feature `cuda` is on.
pub fn library() -> Option<&'static Path> {
    option_env!("WORKER_CUDA_LIBRARY").map(Path::new)
}

/// `libworker_cuda_host.so`, where the feature `cuda-host` is on.
pub fn host_library() -> Option<&'static Path> {
    option_env!("WORKER_CUDA_HOST_LIBRARY").map(Path::new)
}

/// A program that prints token ids as the backend's tokenizers find them, where the feature `cuda-host` is on.
pub fn host_tokenizer() -> Option<&'static Path> {
    option_env!("WORKER_CUDA_TOKENIZE").map(Path::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_library_for_each_feature_and_none_without() {
        assert_eq!(library().is_some(), cfg!(feature = "cuda"));
        assert_eq!(host_library().is_some(), cfg!(feature = "cuda-host"));
        assert_eq!(host_tokenizer().is_some(), cfg!(feature = "cuda-host"));
    }
}
