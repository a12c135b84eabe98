//! The exit codes of the program: stable, other tools read them.

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// The library conforms at the level asked for.
    Conformant = 0,
    /// A requirement is broken.
    NonConformant = 1,
    /// The suite could not do its work: bad usage, no such library, a broken feature file.
    CouldNotRun = 2,
    /// Nothing is broken, but a requirement that counts was not verified and is not waived.
    Incomplete = 3,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
