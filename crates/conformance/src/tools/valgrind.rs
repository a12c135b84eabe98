//! Sessions under valgrind: its first complaint ends the process, and becomes the observation of the call.

use std::ffi::OsString;
use std::path::Path;

use super::{ToolError, answers, program};
use crate::executor::Instrument;

/// How many times slower calls may be.
pub const SLOWNESS: u64 = 60;
/// Status of a process that valgrind has ended.
const COMPLAINED: u8 = 97;

/// The children's setting for valgrind.
pub fn instrument(reports: &Path) -> Result<Instrument, ToolError> {
    let tool = program("valgrind")?;
    if !answers(&tool) {
        return Err(ToolError::Program { program: "valgrind" });
    }
    let options = [
        "--quiet".to_owned(),
        "--leak-check=no".to_owned(),
        "--exit-on-first-error=yes".to_owned(),
        format!("--error-exitcode={COMPLAINED}"),
        // The suite poisons buffers and catches what is left in them; that the library passes such values on is no fault.
        "--undef-value-errors=no".to_owned(),
        format!("--log-file={}", reports.join("valgrind.log.%p").display()),
    ];
    let mut wrapper: Vec<OsString> = vec![tool.into()];
    wrapper.extend(options.map(Into::into));
    Ok(Instrument {
        wrapper,
        environment: Vec::new(),
        reports: Some(reports.to_owned()),
        options: " --valgrind".to_owned(),
    })
}
