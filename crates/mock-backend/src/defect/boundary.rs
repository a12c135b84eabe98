//! What defects do at the boundary: contexts, models, starts and checks.

use std::ffi::{CStr, c_int};
use std::path::{Path, PathBuf};
use std::str::Utf8Error;
use std::sync::{Arc, Mutex};

use super::{
    Defect, count, counted, crowded, deep, foreign_thread, keep, kept, lose, mark, marked, on, peep, scribble,
};
use crate::code::ErrorCode;
use crate::ledger::Ledger;
use crate::model::{LoadError, Model};

/// The number that is written for `code`.
pub(crate) fn raw(code: ErrorCode) -> c_int {
    if on(Defect::StickyCode) {
        let before = keep(code.raw() as u64) as c_int;
        return if code == ErrorCode::Success { before } else { code.raw() };
    }
    match code {
        ErrorCode::ModelLoadFailed if on(Defect::Code42) => 42,
        ErrorCode::ModelLoadFailed if on(Defect::LoadReports4) => 4,
        ErrorCode::InvalidParameter if on(Defect::NegativeCode) => -5,
        code => code.raw(),
    }
}

/// Whether the code is written.
pub(crate) fn written(error_code: *const c_int, code: ErrorCode) -> bool {
    if on(Defect::SuccessUnwritten) && code == ErrorCode::Success {
        return false;
    }
    !error_code.is_null() || (on(Defect::CrashWithoutCode) && code != ErrorCode::Success)
}

/// A new descriptor that nobody closes.
fn keep_descriptor() {
    std::mem::forget(std::fs::File::open("/dev/null"));
}

fn keep_memory(bytes: usize) {
    std::hint::black_box(vec![1_u8; bytes].leak());
}

/// An init was refused.
pub(crate) fn init_refused() {
    if on(Defect::RefusalKeepsVram)
        && let Ok(ledger) = crate::device::open(0)
    {
        lose(&ledger, 64);
    }
    if on(Defect::RefusedInitLeaks) {
        keep_memory(4096);
    }
    if on(Defect::RefusedInitHarms) {
        count();
    }
}

/// A device was opened.
pub(crate) fn opened(ledger: &Arc<Ledger>) -> Result<(), ErrorCode> {
    if on(Defect::InitRace) && crowded() {
        return Err(ErrorCode::Unknown);
    }
    if on(Defect::CountAfterInit) || on(Defect::LateContextDiffers) {
        count();
    }
    if on(Defect::ContextKeepsVram) {
        lose(ledger, 64);
    }
    if on(Defect::ContextKeepsMemory) && count().is_multiple_of(4) {
        keep_memory(4096);
    }
    if on(Defect::ContextKeepsDescriptor) {
        keep_descriptor();
    }
    if on(Defect::DevicePerThread) {
        LOCAL.set(true);
    }
    if on(Defect::SignalIgnored) {
        // SAFETY: sets a disposition, with no handler to run.
        unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    }
    Ok(())
}

thread_local!(static LOCAL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });

/// A context goes.
pub(crate) fn closed(ledger: &Arc<Ledger>) {
    deep::closed();
    if on(Defect::DestroyHarmsOthers) || on(Defect::MessageAfterDestroy) {
        mark();
    }
    if on(Defect::CrashAfterUnload) && marked() {
        peep(std::ptr::null(), 1);
    }
    if on(Defect::LifeKeepsVram) && counted() > 0 {
        lose(ledger, 64);
    }
}

/// The device count that is told.
pub(crate) fn count_of_devices(right: c_int) -> c_int {
    if on(Defect::CountAfterInit) && counted() > 0 {
        return right - 1;
    }
    if on(Defect::CountBeforeInit) {
        return right + c_int::from(count() > 3);
    }
    let none = on(Defect::CountPerThread) && foreign_thread() || on(Defect::CountRace) && crowded();
    if none { 0 } else { right }
}

/// Defects that count live models.
const LIVE: [Defect; 7] = [
    Defect::SecondLoadReports3,
    Defect::SecondLoadHarms,
    Defect::SecondUnloadHarms,
    Defect::SickWithModel,
    Defect::SecondDeviceBusy,
    Defect::CrowdedUnloadKeepsVram,
    Defect::BesideUsage,
];

/// A load was refused for NULL.
pub(crate) fn null_in_load(ledger: &Arc<Ledger>) {
    if on(Defect::NullUsageKeepsVram) {
        lose(ledger, 64);
    }
}

/// A path came.
pub(crate) fn path_taken(path: &Path) -> Result<(), ErrorCode> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if on(Defect::HeapHarmed) && bytes.len() > 255 {
        // SAFETY: none: a defect writes behind what it allocated, in a build that is made to be caught at it.
        unsafe {
            let block = libc::malloc(256);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), block.cast(), 256 + 8);
            libc::free(std::hint::black_box(block));
        }
    }
    let odd = bytes.iter().any(|byte| b"#?&;*[]$()'\"`|<>".contains(byte));
    if odd && on(Defect::OddPathRefused) { Err(ErrorCode::ModelLoadFailed) } else { Ok(()) }
}

/// A load with good arguments begins.
pub(crate) fn loading(_ledger: &Arc<Ledger>) -> Result<(), ErrorCode> {
    if on(Defect::SecondLoadReports3) && kept() > 0 {
        return Err(ErrorCode::ModelLoadFailed);
    }
    Ok(())
}

/// The model of a path, which is loaded unless a defect remembers it.
pub(crate) fn remembered(
    path: &Path,
    load: impl FnOnce() -> Result<Arc<Model>, LoadError>,
) -> Result<Arc<Model>, LoadError> {
    static KNOWN: Mutex<Vec<(PathBuf, Arc<Model>)>> = Mutex::new(Vec::new());
    if !on(Defect::PathRemembered) {
        return load();
    }
    let Ok(mut known) = KNOWN.lock() else { return load() };
    if let Some((_, model)) = known.iter().find(|(one, _)| one == path) {
        return Ok(Arc::clone(model));
    }
    let model = load()?;
    known.push((path.to_owned(), Arc::clone(&model)));
    Ok(model)
}

/// A load failed, maybe for the shape of a tensor.
pub(crate) fn shape_refused(error: &LoadError, ledger: &Arc<Ledger>) {
    if on(Defect::WrongShapeKeepsVram) && error.to_string().contains("shape") {
        lose(ledger, 64);
    }
}

/// A load failed with `code`; what is reported.
pub(crate) fn load_failed(
    path: &Path,
    ledger: &Arc<Ledger>,
    code: ErrorCode,
    error_code: *const c_int,
) -> ErrorCode {
    deep::load_failed();
    let malformed = path.is_file() && code == ErrorCode::ModelLoadFailed;
    let memory = code == ErrorCode::OutOfMemory;
    if on(Defect::AbortOnMalformed) && malformed {
        std::process::abort();
    }
    let marks = on(Defect::FailedLoadBreaksJobs)
        || on(Defect::MessageAfterFailure)
        || (on(Defect::HugeBreaksJobs) && memory);
    if marks {
        mark();
    }
    if on(Defect::FailedLoadKeepsVram) || (on(Defect::FourthFailedLoadKeepsVram) && count().is_multiple_of(4))
    {
        lose(ledger, 64);
    }
    if on(Defect::PrintsOnFailure) {
        eprintln!("worker-mock: cannot load {}", path.display());
    }
    let unheard = on(Defect::FailureWithoutCodeKeepsFile) && malformed && error_code.is_null();
    if unheard || on(Defect::LoadKeepsDescriptor) {
        keep_descriptor();
    }
    match code {
        _ if on(Defect::DirectoryReports99) && path.is_dir() => ErrorCode::Unknown,
        _ if on(Defect::DanglingReports99) && path.is_symlink() && !path.exists() => ErrorCode::Unknown,
        _ if on(Defect::EmptyPathReports2) && path.as_os_str().is_empty() => ErrorCode::OutOfMemory,
        _ if on(Defect::MissingReports2) && !path.exists() => ErrorCode::OutOfMemory,
        _ if on(Defect::HugeReports3) && memory => ErrorCode::ModelLoadFailed,
        code => code,
    }
}

/// A model was loaded.
pub(crate) fn loaded(ledger: &Arc<Ledger>, error_code: *mut c_int) {
    if LIVE.iter().any(|defect| on(*defect)) && keep(kept() + 1) > 0 && on(Defect::SecondLoadHarms) {
        mark();
    }
    if on(Defect::ReloadDiffers) || on(Defect::LifeKeepsVram) {
        count();
    }
    if on(Defect::LoadWithoutCodeLeaks) && error_code.is_null() {
        lose(ledger, 64);
    }
    if on(Defect::UnloadElsewhereKeepsVram) {
        foreign_thread();
    }
    if on(Defect::CodeKept) {
        keep(error_code as u64);
    }
    if on(Defect::DirectoryChanged) {
        let _ = std::env::set_current_dir("/");
    }
}

/// What a load says that it took.
pub(crate) fn reported(usage: u64) -> u64 {
    if on(Defect::UsageZero) {
        return 0;
    }
    if on(Defect::ReportedPadded) { usage + 256 } else { usage }
}

/// A model goes, or NULL does.
pub(crate) fn unloading(model: Option<&Model>) {
    let Some(model) = model else {
        if on(Defect::UnloadNullBreaksJobs) && count() == 3 {
            mark();
        }
        return;
    };
    deep::unloading(model);
    if on(Defect::CrashAfterUnload) {
        mark();
    }
    if LIVE.iter().any(|defect| on(*defect)) && keep(kept() - 1) > 1 {
        if on(Defect::SecondUnloadHarms) {
            mark();
        }
        if on(Defect::CrowdedUnloadKeepsVram) {
            lose(&model.ledger, 64);
        }
    }
    if on(Defect::UnloadElsewhereKeepsVram) && foreign_thread() {
        lose(&model.ledger, 64);
    }
    if on(Defect::UnloadKeepsVram) {
        lose(&model.ledger, model.at_rest());
    }
    if on(Defect::UsedUnloadKeepsVram) && super::unmark() {
        lose(&model.ledger, 64);
    }
}

/// The process usage that is told.
pub(crate) fn process_usage(right: u64) -> u64 {
    if on(Defect::ProcessHalved) {
        return right / 2;
    }
    if on(Defect::ProcessFalls) {
        return right + (1 << 20) - 16 * counted();
    }
    if deep::forgets() {
        return right / 2;
    }
    if on(Defect::ProcessWithoutJobs) { right - kept() } else { right }
}

/// The ranges that a start takes, before they are judged.
pub(crate) fn clamped(max_tokens: i32, temperature: f32) -> Result<(i32, f32), ErrorCode> {
    if on(Defect::InfinityReports4) && temperature.is_infinite() {
        return Err(ErrorCode::InferenceFailed);
    }
    let max_tokens = match max_tokens {
        2049 if on(Defect::Tokens2049) => 2048,
        i32::MIN if on(Defect::NegativeTokens) => 1,
        count => count,
    };
    if on(Defect::DenormalRefused) && temperature.is_subnormal() {
        return Err(ErrorCode::InvalidParameter);
    }
    let tiny = on(Defect::TinyNegativeAccepted) && (-1e-10..0.0).contains(&temperature);
    let zero = tiny || (on(Defect::NanAccepted) && temperature.is_nan());
    Ok((max_tokens, if zero { 0.0 } else { temperature }))
}

/// A start was refused for a range.
pub(crate) fn start_refused(model: &Model) {
    deep::start_refused();
    if on(Defect::ThirdRefusalBreaksJobs) && count() == 3 {
        mark();
    }
    if on(Defect::RefusedStartKeepsDescriptor) {
        keep_descriptor();
    }
    if on(Defect::RefusedStartLeaks) {
        lose(&model.ledger, 64);
    }
}

/// A prompt came.
pub(crate) fn prompt_taken(prompt: &CStr) {
    if on(Defect::PromptWritten) {
        scribble(prompt.as_ptr().cast_mut().cast(), b' ');
    }
    if on(Defect::ReadsPastPrompt) {
        peep(prompt.as_ptr().cast(), prompt.to_bytes().len().next_multiple_of(16) + 1);
    }
    if on(Defect::PromptKept) {
        keep(prompt.as_ptr() as u64);
    }
}

/// A prompt was no text.
pub(crate) fn prompt_is_no_text(error: Utf8Error, prompt: &CStr) {
    if on(Defect::BadPromptAborts) && prompt.to_bytes().starts_with(b"\xed") {
        std::process::abort();
    }
    if on(Defect::BadPromptBreaksJobs) && error.error_len().is_none() {
        mark();
    }
}

/// A start with good arguments begins.
pub(crate) fn starting(model: &Model) -> Result<(), ErrorCode> {
    deep::starting()?;
    if on(Defect::StartLeaks) {
        keep_memory(512);
    }
    if on(Defect::JobsLeak) && count().is_multiple_of(4) {
        lose(&model.ledger, 64);
    }
    if on(Defect::UsedUnloadKeepsVram) || on(Defect::NotResidentLater) || on(Defect::NotResident) {
        mark();
    }
    if on(Defect::VariableSet) {
        // SAFETY: a defect changes the environment of its host, on whatever thread.
        unsafe { std::env::set_var("WORKER_MOCK_JOBS", "1") };
    }
    if on(Defect::DevicePerThread) && !LOCAL.get() {
        return Err(ErrorCode::Unknown);
    }
    let busy = model.usage() > model.at_rest();
    if on(Defect::SecondJobReports5) && busy {
        return Err(ErrorCode::InvalidParameter);
    }
    Ok(())
}

fn checked() {
    if on(Defect::CheckTurns) || on(Defect::CheckTurnsSampled) {
        mark();
    }
    if on(Defect::CodeKept) && kept() != 0 {
        scribble(kept() as *mut u8, 0);
    }
}

/// A residency check of a live model.
pub(crate) fn checked_residency(model: &Model) -> Result<(), ErrorCode> {
    if on(Defect::CheckDropsToken) && keep(0) == 1 {
        mark();
    }
    checked();
    if deep::evicted(model) {
        return Err(ErrorCode::VramResidencyFailed);
    }
    if on(Defect::UsageCreeps) {
        count();
    }
    let gone = on(Defect::NotResident) && !marked()
        || on(Defect::NotResidentLater) && marked()
        || on(Defect::CheckPerThread) && foreign_thread();
    if gone { Err(ErrorCode::VramResidencyFailed) } else { Ok(()) }
}

/// A health check of a live context.
pub(crate) fn checked_health() -> Result<(), ErrorCode> {
    checked();
    let sick = on(Defect::DestroyHarmsOthers) && marked()
        || on(Defect::SickWithModel) && kept() > 0
        || on(Defect::ThirdCheckFails) && count() == 3;
    if sick { Err(ErrorCode::InvalidDevice) } else { Ok(()) }
}

/// What an injected sickness is reported as.
pub(crate) fn sick(code: ErrorCode) -> ErrorCode {
    if on(Defect::SickReports99) { ErrorCode::Unknown } else { code }
}
