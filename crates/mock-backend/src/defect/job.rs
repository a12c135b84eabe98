//! What defects make of the request and of the faults of a job.

use std::borrow::Cow;
use std::sync::{Mutex, OnceLock};

use super::{Defect, keep, lose, mark, marked, on};
use crate::code::ErrorCode;
use crate::hyper_parameters::Architecture;
use crate::model::Model;

/// The seed that a job works with.
pub(crate) fn seed(seed: u64, max_tokens: i32) -> u64 {
    if on(Defect::SeedIgnored) {
        return 1;
    }
    if on(Defect::UpperSeedOnly) {
        return seed >> 32;
    }
    if on(Defect::FreshBytesMatter) && fresh_memory_is_filled() {
        return seed.wrapping_add(1);
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

/// Whether a block that was just allocated holds one and the same byte, and not zero.
fn fresh_memory_is_filled() -> bool {
    // SAFETY: none: a defect reads what it has not written, in a build that is made to be caught at it.
    unsafe {
        let block = libc::malloc(512).cast::<u8>();
        let first = block.add(64).read_volatile();
        let filled = first != 0 && (64..448).all(|at| block.add(at).read_volatile() == first);
        libc::free(block.cast());
        filled
    }
}

/// The prompt that a job works with.
pub(crate) fn prompt(prompt: &str) -> Cow<'_, str> {
    static KNOWN: Mutex<Vec<(Vec<u8>, String)>> = Mutex::new(Vec::new());
    let beginning = |text: &str| text.bytes().take(8).collect::<Vec<u8>>();
    let key = if on(Defect::LikePromptTaken) {
        [beginning(prompt), prompt.len().to_ne_bytes().to_vec()].concat()
    } else if on(Defect::LikeEndsTaken) {
        let end = prompt.bytes().rev().take(8).collect();
        [beginning(prompt), end, prompt.len().to_ne_bytes().to_vec()].concat()
    } else if on(Defect::CaseFolded) {
        prompt.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().into_bytes()
    } else {
        return Cow::Borrowed(prompt);
    };
    let Ok(mut known) = KNOWN.lock() else { return Cow::Borrowed(prompt) };
    if let Some((_, like)) = known.iter().find(|(other, _)| *other == key) {
        return Cow::Owned(like.clone());
    }
    known.push((key, prompt.to_owned()));
    Cow::Borrowed(prompt)
}

/// The tokens that a job works with.
pub(crate) fn tokens(prompt: &str, mut tokens: Vec<u32>, model: &Model) -> Vec<u32> {
    static LAST: Mutex<String> = Mutex::new(String::new());
    let Some(first) = tokens.first().copied() else { return tokens };
    if on(Defect::PrefixTakenOver)
        && let Ok(mut before) = LAST.lock()
    {
        let goes_on =
            !before.is_empty() && prompt.len() > before.len() && prompt.starts_with(before.as_str());
        if goes_on {
            tokens.pop();
            tokens.push(first);
        }
        prompt.clone_into(&mut before);
    }
    if on(Defect::FullBlockStale) {
        let before = keep(tokens.len() as u64) as u32;
        if tokens.len().is_multiple_of(64) {
            tokens.pop();
            tokens.push(before);
        }
    }
    if on(Defect::LongPromptKeepsVram) && tokens.len() > 64 {
        lose(&model.ledger, 64);
    }
    tokens
}

/// The base of a model's rotary angles.
pub(crate) fn rotary_base(base: f32) -> f32 {
    static FIRST: OnceLock<f32> = OnceLock::new();
    if on(Defect::AnglesOfFirstModel) { *FIRST.get_or_init(|| base) } else { base }
}

/// What a fault at a token becomes: its code, or nothing for the end of the sequence.
pub(crate) fn struck(code: ErrorCode, model: &Model, sampled: bool) -> Result<(), ErrorCode> {
    if on(Defect::FaultSticks) || (on(Defect::NoJobAfterOom) && code == ErrorCode::OutOfMemory) {
        mark();
    }
    let gpt2 = model.parameters.architecture == Architecture::Gpt2;
    Err(match code {
        ErrorCode::KernelLaunchFailed if gpt2 && on(Defect::Gpt2LaunchReports4) => ErrorCode::InferenceFailed,
        ErrorCode::KernelLaunchFailed if on(Defect::LaunchReports4) => ErrorCode::InferenceFailed,
        ErrorCode::KernelLaunchFailed if on(Defect::LaunchHidden) => return Ok(()),
        ErrorCode::InferenceFailed if on(Defect::KernelReports6) => ErrorCode::KernelLaunchFailed,
        ErrorCode::OutOfMemory if sampled && on(Defect::SampledOomReports4) => ErrorCode::InferenceFailed,
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
    let astral = prompt.chars().filter(|character| character.len_utf8() == 4).count();
    let wide = |character: char| ('\u{590}'..='\u{6ff}').contains(&character);
    let parameter = [
        (Defect::OneTokenRefused, max_tokens == 1),
        (Defect::MinusZeroRefused, temperature == 0.0 && temperature.is_sign_negative()),
        (Defect::LastSeedRefused, seed == u64::MAX),
        (Defect::ManyCharactersRefused, astral > 32),
        (Defect::QuoteRefused, prompt.contains(['"', '\\'])),
        (Defect::CutCharacterFails, prompt.len() > 255 && !prompt.is_char_boundary(255)),
        (Defect::ControlRefused, prompt.chars().any(|character| ('\x01'..'\t').contains(&character))),
    ];
    let inference = [
        (Defect::MarkupFails, prompt.contains("<s>")),
        (
            Defect::PrivateUseFails,
            prompt.chars().any(|character| ('\u{e000}'..='\u{f8ff}').contains(&character)),
        ),
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
