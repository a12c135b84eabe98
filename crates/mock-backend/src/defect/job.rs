//! What defects make of the request and of the faults of a job.

use super::{Defect, mark, marked, on};
use crate::code::ErrorCode;

/// The seed that a job works with.
pub(crate) fn seed(seed: u64, max_tokens: i32) -> u64 {
    if on(Defect::SeedIgnored) {
        return 1;
    }
    if on(Defect::UpperSeedOnly) {
        return seed >> 32;
    }
    if on(Defect::ZeroSeedIsTime) && seed == 0 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        return now.map_or(0, |now| now.as_secs());
    }
    if on(Defect::LongJobDiffers) && max_tokens > 300 {
        return seed.wrapping_add(1);
    }
    if on(Defect::LimitInSeed) { seed ^ max_tokens as u64 } else { seed }
}

/// What a fault at a token becomes: its code, or nothing for the end of the sequence.
pub(crate) fn struck(code: ErrorCode) -> Result<(), ErrorCode> {
    if on(Defect::FaultSticks) || (on(Defect::NoJobAfterOom) && code == ErrorCode::OutOfMemory) {
        mark();
    }
    Err(match code {
        ErrorCode::KernelLaunchFailed if on(Defect::LaunchReports4) => ErrorCode::InferenceFailed,
        ErrorCode::KernelLaunchFailed if on(Defect::LaunchHidden) => return Ok(()),
        ErrorCode::InferenceFailed if on(Defect::KernelReports6) => ErrorCode::KernelLaunchFailed,
        ErrorCode::OutOfMemory if on(Defect::OomReports4) => ErrorCode::InferenceFailed,
        code => code,
    })
}

/// Defects after which, once marked, no job starts.
const BREAKING: [Defect; 9] = [
    Defect::FailedLoadBreaksJobs,
    Defect::NullBufferBreaksJobs,
    Defect::ThirdRefusalBreaksJobs,
    Defect::UnloadNullBreaksJobs,
    Defect::HugeBreaksJobs,
    Defect::BadPromptBreaksJobs,
    Defect::FreeAfterErrorBreaks,
    Defect::LongPromptBreaksJobs,
    Defect::NoJobAfterOom,
];

/// Why a start with good arguments fails all the same.
pub(crate) fn refused(prompt: &str, max_tokens: i32, temperature: f32, seed: u64) -> Result<(), ErrorCode> {
    let wide = |character: char| ('\u{590}'..='\u{6ff}').contains(&character);
    let parameter = [
        (Defect::OneTokenRefused, max_tokens == 1),
        (Defect::MinusZeroRefused, temperature == 0.0 && temperature.is_sign_negative()),
        (Defect::LastSeedRefused, seed == u64::MAX),
        (Defect::CutCharacterFails, prompt.len() > 255 && !prompt.is_char_boundary(255)),
        (Defect::ControlRefused, prompt.chars().any(|character| ('\x01'..'\t').contains(&character))),
    ];
    let inference = [
        (Defect::MarkupFails, prompt.contains("<s>")),
        (Defect::FullBlockFails, prompt.len() == 256),
        (Defect::AstralRefused, prompt.chars().any(|character| character > '\u{ffff}')),
        (Defect::RightToLeftFails, prompt.chars().any(wide)),
    ];
    let strikes = |list: &[(Defect, bool)]| list.iter().any(|(defect, here)| *here && on(*defect));
    if strikes(&parameter) {
        return Err(ErrorCode::InvalidParameter);
    }
    if strikes(&inference) || (marked() && BREAKING.iter().any(|defect| on(*defect))) {
        return Err(ErrorCode::InferenceFailed);
    }
    Ok(())
}
