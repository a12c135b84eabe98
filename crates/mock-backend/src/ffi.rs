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
    if !error_code.is_null() {
        // SAFETY: not NULL, so the caller gives room for an int (module header).
        unsafe { error_code.write(code.raw()) };
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
    answer(error_code, std::ptr::null_mut(), || {
        let ledger = device::open(gpu_device)?;
        Ok(Box::into_raw(Box::new(CudaContext(ledger))))
    })
}

/// Closes a context.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_destroy(ctx: *mut CudaContext) {
    release(ctx);
}

/// Number of devices (M0-W-1100).
#[unsafe(no_mangle)]
pub extern "C" fn cuda_get_device_count() -> c_int {
    catch_unwind(device::count).ok().and_then(|count| c_int::try_from(count).ok()).unwrap_or(0)
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
        // SAFETY: NULL or a live context (module header).
        let context = unsafe { borrow(ctx) }?;
        if model_path.is_null() || vram_bytes_used.is_null() {
            return Err(ErrorCode::InvalidParameter);
        }
        // SAFETY: not NULL, so a NUL-terminated string (module header).
        let path = unsafe { CStr::from_ptr(model_path) };
        let path = Path::new(OsStr::from_bytes(path.to_bytes()));
        let model = Model::load(path, &context.0).map_err(|error| error.code())?;
        // SAFETY: not NULL, so room for a u64 (module header).
        unsafe { vram_bytes_used.write(model.usage()) };
        Ok(Box::into_raw(Box::new(CudaModel(Arc::new(model)))))
    })
}

/// Frees a model.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_unload_model(model: *mut CudaModel) {
    release(model);
}

/// Bytes that a model holds on its device, 0 for NULL (M0-W-1011).
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_model_get_vram_usage(model: *mut CudaModel) -> u64 {
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
    answer(error_code, std::ptr::null_mut(), || {
        // SAFETY: NULL or a live model (module header).
        let model = unsafe { borrow(model) }?;
        if prompt.is_null() {
            return Err(ErrorCode::InvalidParameter);
        }
        job::check_ranges(max_tokens, temperature).map_err(|error| error.code())?;
        // SAFETY: not NULL, so a NUL-terminated string (module header).
        let prompt = unsafe { CStr::from_ptr(prompt) };
        let prompt = prompt.to_str().map_err(|_| ErrorCode::InvalidParameter)?;
        let job =
            Job::start(&model.0, prompt, max_tokens, temperature, seed).map_err(|error| error.code())?;
        Ok(Box::into_raw(Box::new(InferenceResult(job))))
    })
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
    answer(error_code, false, || {
        // SAFETY: NULL or a live job that no other call uses (module header).
        let job = unsafe { result.as_mut() }.ok_or(ErrorCode::InvalidParameter)?;
        if token_out.is_null() {
            return Err(ErrorCode::InvalidParameter);
        }
        let room = usize::try_from(token_buffer_size).unwrap_or(0);
        if room == 0 {
            return Err(ErrorCode::InvalidParameter);
        }
        let Some(produced) = job.0.peek()? else { return Ok(false) };
        let bytes = produced.text.as_bytes();
        if bytes.len() >= room {
            return Err(ErrorCode::InvalidParameter);
        }
        // SAFETY: `bytes` and its NUL fit into the `room` bytes at `token_out`, which is no memory of ours.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), token_out.cast(), bytes.len()) };
        // SAFETY: as before; `bytes.len() < room`.
        unsafe { token_out.add(bytes.len()).write(0) };
        if !token_index.is_null() {
            // SAFETY: not NULL, so room for an int (module header).
            unsafe { token_index.write(produced.index) };
        }
        job.0.take();
        Ok(true)
    })
}

/// Frees a job.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_inference_free(result: *mut InferenceResult) {
    release(result);
}

/// Whether the weights are where they were put (M0-W-1012).
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_check_vram_residency(model: *mut CudaModel, error_code: *mut c_int) -> bool {
    answer(error_code, false, || {
        // SAFETY: NULL or a live model (module header).
        unsafe { borrow(model) }?;
        strike(Site::Residency).map_or(Ok(true), Err)
    })
}

/// The figure of [`cuda_model_get_vram_usage`] under its second name.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_get_vram_usage(model: *mut CudaModel) -> u64 {
    // SAFETY: NULL or a live model (module header).
    unsafe { borrow(model) }.map_or(0, |model| model.0.usage())
}

/// Bytes that this process holds on the device of a context, 0 for NULL.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_get_process_vram_usage(ctx: *mut CudaContext) -> u64 {
    // SAFETY: NULL or a live context (module header).
    unsafe { borrow(ctx) }.map_or(0, |context| context.0.used())
}

/// Whether the device works.
///
/// # Safety
/// See the module header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_check_device_health(ctx: *mut CudaContext, error_code: *mut c_int) -> bool {
    answer(error_code, false, || {
        // SAFETY: NULL or a live context (module header).
        unsafe { borrow(ctx) }?;
        strike(Site::Health).map_or(Ok(true), Err)
    })
}

/// Static message of a code (M0-W-1501).
#[unsafe(no_mangle)]
pub extern "C" fn cuda_error_message(error_code: c_int) -> *const c_char {
    code::message(error_code).as_ptr()
}

#[cfg(test)]
mod tests;
