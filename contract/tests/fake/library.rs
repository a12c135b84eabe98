//! Builds the fake backend, one copy a test, so that each test loads a library with a state of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A built fake backend and a file that passes for its model, in a folder that goes when this does.
pub struct Fake {
    folder: tempfile::TempDir,
}

impl Fake {
    /// Compile it with the system's C compiler, warnings being errors.
    pub fn build() -> Self {
        let fake = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new("cc")
            .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC", "-I"])
            .arg(root.join("include"))
            .arg("-o")
            .arg(fake.library())
            .arg(root.join("tests/fake/fake.c"))
            .output()
            .expect("a C compiler called cc (Debian: apt-get install gcc)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(fake.model(), "any file will do").expect("a writable folder");
        fake
    }

    /// Where programs of the test may be put.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The library.
    pub fn library(&self) -> PathBuf {
        self.folder.path().join("libfake.so")
    }

    /// A file that it loads.
    pub fn model(&self) -> PathBuf {
        self.folder.path().join("model.gguf")
    }
}
