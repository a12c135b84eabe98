//! The 14 functions of the ABI: NULL first, then ranges, then content; the code written on every call.
//!
//! Nothing but a return value crosses this boundary (ERR-08): outside input meets no panicking code, and should a
//! defect panic all the same, the unwinding stops here as code 99.
//!
//! # Safety
//!
//! For all functions alike: a pointer is NULL or points to what the contract says, valid during the call; a
//! handle comes from this library and was not freed. Handles are boxes; a job shares its model, so that freeing
//! the two in the wrong order harms nobody.

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use crate::code::{self, ErrorCode};
use crate::defect::{self, Defect};
use crate::device;
use crate::fault::{Site, strike};
use crate::job::{self, Job};
use crate::ledger::Ledger;
use crate::model::Model;

/// `CudaContext`: a device that a caller has opened.
pub struct CudaContext(Arc<Ledger>);
/// `CudaModel`: a loaded model.
pub struct CudaModel(Arc<Model>);
/// `InferenceResult`: an open job.
pub struct InferenceResult(Job);

/// Runs `body`, writes its code to `error_code` and returns its value, or `failure`.
fn answer<T>(error_code: *mut c_int, failure: T, body: impl FnOnce() -> Result<T, ErrorCode>) -> T {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(ErrorCode::Unknown));
    let (value, code) = match result {
        Ok(value) => (value, ErrorCode::Success),
        Err(code) => (failure, code),
    };
    let raw = defect::boundary::raw(code);
    if defect::boundary::written(error_code, code) {
        // SAFETY: not NULL, so the caller gives room for an int (module header).
        unsafe { error_code.write(raw) };
    }
    value
}

/// The object behind a handle, or `InvalidParameter` for NULL.
///
/// # Safety
/// As the module header says.
unsafe fn borrow<'h, T>(handle: *const T) -> Result<&'h T, ErrorCode> {
    // SAFETY: NULL or a live handle, as the caller promises.
    unsafe { handle.as_ref() }.ok_or(ErrorCode::InvalidParameter)
}

fn release<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: a live handle of ours, made by `Box::into_raw`, that the caller gives up.
        let owned = unsafe { Box::from_raw(handle) };
        // A panic in a drop must not cross either.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(owned)));
    }
}

/// Opens device `gpu_device` (M0-W-1010, M0-W-1110).
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_init(gpu_device: c_int, error_code: *mut c_int) -> *mut CudaContext {
    let context = answer(error_code, std::ptr::null_mut(), || {
        let unasked = defect::on(Defect::InitWithoutCode) && error_code.is_null();
        let ledger = device::open(if unasked { 0 } else { gpu_device });
        let ledger = ledger.inspect_err(|_| defect::boundary::init_refused())?;
        defect::boundary::opened(&ledger)?;
        if defect::on(Defect::SharedContext) && defect::kept() != 0 {
            return Ok(defect::kept() as *mut CudaContext);
        }
        let context = Box::into_raw(Box::new(CudaContext(ledger)));
        if defect::on(Defect::SharedContext) {
            defect::keep(context as u64);
        }
        Ok(context)
    });
    if defect::on(Defect::RefusedInitZero) && context.is_null() {
        defect::overwrite(error_code, 0);
    }
    context
}

/// Closes a context.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_destroy(ctx: *mut CudaContext) {
    // SAFETY: NULL or a live context (module header).
    if let Ok(context) = unsafe { borrow(ctx) } {
        defect::boundary::closed(&context.0);
    }
    if defect::on(Defect::SharedContext) {
        return;
    }
    release(ctx);
}

/// Number of devices (M0-W-1100).
#[unsafe(no_mangle)]
pub extern "C" fn cuda_get_device_count() -> c_int {
    let count = catch_unwind(device::count).ok().and_then(|count| c_int::try_from(count).ok()).unwrap_or(0);
    defect::boundary::count_of_devices(count)
}

/// Loads a GGUF file (M0-W-1200, M0-W-1210 to M0-W-1212, M0-W-1220).
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_load_model(
    ctx: *mut CudaContext,
    model_path: *const c_char,
    vram_bytes_used: *mut u64,
    error_code: *mut c_int,
) -> *mut CudaModel {
    answer(error_code, std::ptr::null_mut(), || {
        if defect::on(Defect::AllNullLoad)
            && ctx.is_null()
            && model_path.is_null()
            && vram_bytes_used.is_null()
        {
            defect::peep(model_path.cast(), 1);
        }
        // SAFETY: NULL or a live context (module header).
        let context = unsafe { borrow(ctx) }?;
        let usage_needed = !defect::on(Defect::NullUsageAccepted);
        if model_path.is_null() && defect::on(Defect::NullPathReports3) {
            return Err(ErrorCode::ModelLoadFailed);
        }
        if model_path.is_null() || (vram_bytes_used.is_null() && usage_needed) {
            defect::boundary::null_in_load(&context.0);
            return Err(ErrorCode::InvalidParameter);
        }
        // SAFETY: not NULL, so a NUL-terminated string (module header).
        let path = unsafe { CStr::from_ptr(model_path) };
        if defect::on(Defect::ReadsPastPath) {
            defect::peep(path.as_ptr().cast(), path.to_bytes().len() + 64);
        }
        let path = Path::new(OsStr::from_bytes(path.to_bytes()));
        defect::boundary::path_taken(path)?;
        defect::boundary::loading(&context.0)?;
        let load = || Model::load(path, &context.0).map(Arc::new);
        let model = defect::boundary::remembered(path, load).map_err(|error| {
            if defect::on(Defect::UsageOfFailedLoad) {
                // SAFETY: not NULL, so room for a u64 (module header).
                unsafe { vram_bytes_used.write(4096) };
            }
            defect::boundary::shape_refused(&error, &context.0);
            defect::boundary::load_failed(path, &context.0, error.code(), error_code)
        })?;
        defect::boundary::loaded(&context.0, error_code);
        if !vram_bytes_used.is_null() && defect::on(Defect::NarrowUsage) {
            // SAFETY: not NULL, so room for a u64 (module header), and for half of it.
            unsafe { vram_bytes_used.cast::<u32>().write(model.usage() as u32) };
        } else if !vram_bytes_used.is_null() {
            // SAFETY: not NULL, so room for a u64 (module header).
            unsafe { vram_bytes_used.write(defect::boundary::reported(model.usage())) };
        }
        defect::deep::loaded(&model);
        Ok(Box::into_raw(Box::new(CudaModel(model))))
    })
}

/// Frees a model.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_unload_model(model: *mut CudaModel) {
    // SAFETY: NULL or a live model (module header).
    let live = unsafe { borrow(model) };
    defect::boundary::unloading(live.ok().map(|model| &*model.0));
    release(model);
}

/// Bytes that a model holds on its device, 0 for NULL (M0-W-1011).
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_model_get_vram_usage(model: *mut CudaModel) -> u64 {
    if defect::on(Defect::QueryRace) && defect::crowded() {
        return 0;
    }
    // SAFETY: NULL or a live model (module header).
    unsafe { borrow(model) }.map_or(0, |model| model.0.usage())
}

/// Begins a job (M0-W-1300).
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_inference_start(
    model: *mut CudaModel,
    prompt: *const c_char,
    max_tokens: c_int,
    temperature: f32,
    seed: u64,
    error_code: *mut c_int,
) -> *mut InferenceResult {
    let result = answer(error_code, std::ptr::null_mut(), || {
        if model.is_null() && defect::on(Defect::NullModelReports4) {
            return Err(ErrorCode::InferenceFailed);
        }
        // SAFETY: NULL or a live model (module header).
        let model = unsafe { borrow(model) }?;
        let word = prompt.is_null() && defect::on(Defect::NullPromptAccepted);
        let prompt = if word { c"word".as_ptr() } else { prompt };
        if prompt.is_null() {
            return Err(ErrorCode::InvalidParameter);
        }
        let (max_tokens, temperature) = defect::boundary::clamped(max_tokens, temperature)?;
        job::check_ranges(max_tokens, temperature).map_err(|error| {
            defect::boundary::start_refused(&model.0);
            error.code()
        })?;
        // SAFETY: not NULL, so a NUL-terminated string (module header).
        let prompt = unsafe { CStr::from_ptr(prompt) };
        defect::boundary::prompt_taken(prompt);
        let prompt = prompt.to_str().map_err(|error| {
            defect::boundary::prompt_is_no_text(error, prompt);
            ErrorCode::InvalidParameter
        })?;
        defect::job::refused(prompt, max_tokens, temperature, seed)?;
        defect::boundary::starting(&model.0)?;
        let job = Job::start(&model.0, &defect::job::prompt(prompt), max_tokens, temperature, seed)
            .map_err(|error| error.code())?;
        Ok(Box::into_raw(Box::new(InferenceResult(job))))
    });
    if defect::on(Defect::NextSticksToStart) && !result.is_null() {
        defect::overwrite(error_code, defect::keep(0) as c_int);
    }
    result
}

/// Gives the next token of a job as text (M0-W-1310, M0-W-1311, M0-W-1824).
///
/// # Safety
/// See the module header; `token_out` has `token_buffer_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_inference_next_token(
    result: *mut InferenceResult,
    token_out: *mut c_char,
    token_buffer_size: c_int,
    token_index: *mut c_int,
    error_code: *mut c_int,
) -> bool {
    let mut ended = false;
    if defect::on(Defect::EndUnwritten) && !error_code.is_null() {
        // SAFETY: not NULL, so the caller gives room for an int, which it has set (module header).
        defect::keep(unsafe { error_code.read() } as u64);
    }
    let given = answer(error_code, false, || {
        defect::token::nulls(result.is_null(), token_out.is_null(), token_index.is_null())?;
        // SAFETY: NULL or a live job that no other call uses (module header).
        let job = unsafe { result.as_mut() }.ok_or(ErrorCode::InvalidParameter)?;
        if token_out.is_null() {
            if defect::on(Defect::NullBufferReports0) {
                return Ok(false);
            }
            return Err(ErrorCode::InvalidParameter);
        }
        defect::token::asked(token_buffer_size, token_index.is_null());
        let trusted = token_buffer_size < 0 && defect::on(Defect::NegativeSizeTrusted);
        let room = if trusted { 1024 } else { usize::try_from(token_buffer_size).unwrap_or(0) };
        let number = job.0.number();
        if room == 0 {
            defect::deep::refused(number);
            return defect::token::no_room();
        }
        if defect::on(Defect::PromptKept) {
            defect::peep(defect::keep(defect::readable()) as *const u8, 1);
        }
        if defect::on(Defect::CheckDropsToken) && defect::unmark() {
            job.0.take();
        }
        let Some(produced) = job.0.peek()? else {
            ended = true;
            if defect::deep::ended(number) {
                job.0.restart();
            }
            return defect::token::ended(&mut job.0);
        };
        let bytes = defect::token::cut(produced.text.as_bytes(), room);
        let needed = bytes.len() + usize::from(defect::on(Defect::ExactFitRefused) && !bytes.is_empty());
        if needed >= room {
            defect::deep::refused(number);
            let code = defect::token::too_small();
            if defect::token::refusal_loses() {
                job.0.take();
            }
            return Err(code);
        }
        // SAFETY: `bytes` and its NUL fit into the `room` bytes at `token_out`, which is no memory of ours.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), token_out.cast(), bytes.len()) };
        if !(defect::on(Defect::NoNul) && produced.index == 5) {
            // SAFETY: as before; `bytes.len() < room`.
            unsafe { token_out.add(bytes.len()).write(0) };
        }
        if !token_index.is_null() {
            let index = defect::token::index(produced.index) + defect::deep::offset(number);
            // SAFETY: not NULL, so room for an int (module header).
            unsafe { token_index.write(index) };
        }
        defect::token::given(token_out.cast(), room, produced, token_index);
        defect::deep::given(number);
        job.0.take();
        Ok(true)
    });
    if defect::on(Defect::EndUnwritten) && ended {
        defect::overwrite(error_code, defect::kept() as c_int);
    }
    given
}

/// Frees a job.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_inference_free(result: *mut InferenceResult) {
    if result.is_null() && defect::on(Defect::FreeNullAborts) {
        std::process::abort();
    }
    // SAFETY: NULL or a live job (module header).
    if let Ok(job) = unsafe { borrow(result) } {
        defect::token::freeing(&job.0);
    }
    release(result);
}

/// Whether the weights are where they were put (M0-W-1012).
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_check_vram_residency(model: *mut CudaModel, error_code: *mut c_int) -> bool {
    let written = if defect::on(Defect::ResidencyUnwritten) { std::ptr::null_mut() } else { error_code };
    answer(written, false, || {
        if model.is_null() && defect::on(Defect::NullResidencyReports7) {
            return Err(ErrorCode::VramResidencyFailed);
        }
        // SAFETY: NULL or a live model (module header).
        let model = unsafe { borrow(model) }?;
        defect::boundary::checked_residency(&model.0)?;
        strike(Site::Residency).filter(|_| !defect::on(Defect::ResidencyHidden)).map_or(Ok(true), Err)
    })
}

/// The figure of [`cuda_model_get_vram_usage`] under its second name.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_get_vram_usage(model: *mut CudaModel) -> u64 {
    // SAFETY: NULL or a live model (module header).
    let model = unsafe { borrow(model) };
    if defect::on(Defect::QueriesDiffer) {
        return model.map_or(0, |model| model.0.at_rest());
    }
    let none = if defect::on(Defect::NullModelUsage) { u64::MAX } else { 0 };
    model.map_or(none, |model| model.0.usage())
}

/// Bytes that this process holds on the device of a context, 0 for NULL.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_get_process_vram_usage(ctx: *mut CudaContext) -> u64 {
    // SAFETY: NULL or a live context (module header).
    let context = unsafe { borrow(ctx) };
    let none = if defect::on(Defect::NullProcessUsage) { 4096 } else { 0 };
    context.map_or(none, |context| defect::boundary::process_usage(context.0.used()))
}

/// Whether the device works.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_check_device_health(ctx: *mut CudaContext, error_code: *mut c_int) -> bool {
    let healthy = answer(error_code, false, || {
        if ctx.is_null() && defect::on(Defect::NullHealthy) {
            return Ok(true);
        }
        // SAFETY: NULL or a live context (module header).
        unsafe { borrow(ctx) }?;
        defect::boundary::checked_health()?;
        strike(Site::Health).map_or(Ok(true), |code| Err(defect::boundary::sick(code)))
    });
    if defect::on(Defect::HealthTrueWithCode) && healthy && defect::count() == 3 {
        defect::overwrite(error_code, 99);
    }
    if defect::on(Defect::WideCode) && !error_code.is_null() {
        // SAFETY: none: four bytes more than the caller gives.
        unsafe { error_code.add(1).write_volatile(0) };
    }
    healthy
}

/// Static message of a code (M0-W-1501).
#[unsafe(no_mangle)]
pub extern "C" fn cuda_error_message(error_code: c_int) -> *const c_char {
    defect::message::spoilt(error_code, code::message(error_code))
}

#[cfg(test)]
mod tests;
