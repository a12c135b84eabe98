//! Mutated model files.

use std::path::Path;

use super::Limits;
use super::stage::Stage;
use crate::exit_code::ExitCode;

/// placeholder
pub fn execute(_stage: &Stage, _library: &Path, _folder: &Path, _limits: &Limits) -> anyhow::Result<ExitCode> {
    Err(anyhow::anyhow!("not there yet"))
}
