//! The 14 functions of the contract: they judge arguments, report codes, and let no panic pass.

use std::ffi::{c_char, c_int, CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;

use crate::abi::{message, Code};
use crate::device::{self, Device};
use crate::job::Job;
use crate::model::Model;

/// One use of one GPU.
pub struct CudaContext {
    device: &'static Device,
}

/// A model, under its name in the contract.
pub struct CudaModel {
    model: Model,
}

/// A generation, under its name in the contract.
pub struct InferenceResult {
    job: Job,
}

/// Runs a body; a failure or a panic becomes a code and the failure value (ERR-02, ERR-08). The code is written at every
/// call, 0 included, and only if the host wants it (ERR-01, ERR-09).
fn guarded<T>(error_code: *mut c_int, failure: T, body: impl FnOnce() -> Result<T, Code>) -> T {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Code::Unknown));
    let (value, code) = match outcome {
        Ok(value) => (value, 0),
        Err(code) => (failure, code as c_int),
    };
    if !error_code.is_null() {
        // SAFETY: the host gave a place for an int.
        unsafe { error_code.write(code) };
    }
    value
}

/// Ends what `Box::into_raw` made; NULL is nothing (NULL-01).
unsafe fn end<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: the host ends a handle of this library, once.
        let handle = unsafe { Box::from_raw(handle) };
        let _ = catch_unwind(AssertUnwindSafe(move || drop(handle)));
    }
}

fn require(condition: bool) -> Result<(), Code> {
    condition.then_some(()).ok_or(Code::InvalidParameter)
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_init(gpu_device: c_int, error_code: *mut c_int) -> *mut CudaContext {
    guarded(error_code, std::ptr::null_mut(), || {
        Ok(Box::into_raw(Box::new(CudaContext { device: Device::of(gpu_device)? })))
    })
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_destroy(ctx: *mut CudaContext) {
    // SAFETY: as the host promises.
    unsafe { end(ctx) }
}

#[no_mangle]
pub extern "C" fn cuda_get_device_count() -> c_int {
    device::count()
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_load_model(
    ctx: *mut CudaContext,
    model_path: *const c_char,
    vram_bytes_used: *mut u64,
    error_code: *mut c_int,
) -> *mut CudaModel {
    guarded(error_code, std::ptr::null_mut(), || {
        require(!ctx.is_null() && !model_path.is_null() && !vram_bytes_used.is_null())?;
        // SAFETY: a living context, a text with a NUL, and a place for the figure, none of them NULL.
        let (context, path) = unsafe { (&*ctx, CStr::from_ptr(model_path)) };
        let model = Model::load(context.device, Path::new(OsStr::from_bytes(path.to_bytes())))?;
        // SAFETY: as above; written on success only (ERR-07).
        unsafe { vram_bytes_used.write(model.usage()) };
        Ok(Box::into_raw(Box::new(CudaModel { model })))
    })
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_unload_model(model: *mut CudaModel) {
    // SAFETY: as the host promises.
    unsafe { end(model) }
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_model_get_vram_usage(model: *mut CudaModel) -> u64 {
    // SAFETY: NULL, or a living model.
    unsafe { model.as_ref() }.map_or(0, |model| model.model.usage())
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_inference_start(
    model: *mut CudaModel,
    prompt: *const c_char,
    max_tokens: c_int,
    temperature: f32,
    seed: u64,
    error_code: *mut c_int,
) -> *mut InferenceResult {
    guarded(error_code, std::ptr::null_mut(), || {
        // NULL first, then ranges, then content. A comparison with NaN is false.
        require(!model.is_null() && !prompt.is_null())?;
        require((1..=2048).contains(&max_tokens))?;
        require((0.0..=2.0).contains(&temperature))?;
        // SAFETY: a text with a NUL, not NULL.
        let prompt = unsafe { CStr::from_ptr(prompt) }.to_str().map_err(|_| Code::InvalidParameter)?;
        let job = Job::start(prompt, max_tokens, temperature, seed)?;
        Ok(Box::into_raw(Box::new(InferenceResult { job })))
    })
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_inference_next_token(
    result: *mut InferenceResult,
    token_out: *mut c_char,
    token_buffer_size: c_int,
    token_index: *mut c_int,
    error_code: *mut c_int,
) -> bool {
    guarded(error_code, false, || {
        require(!result.is_null() && !token_out.is_null() && token_buffer_size > 0)?;
        // SAFETY: a living job, not NULL, and no other call on it at this time.
        let job = unsafe { &mut (*result).job };
        let Some((text, index)) = job.peek()? else { return Ok(false) };
        require(text.len() < token_buffer_size as usize)?; // or the token stays for the next call (INF-10)
        // SAFETY: the buffer holds the text and its NUL, as was just compared; the index is written if it is wanted.
        unsafe {
            token_out.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
            token_out.add(text.len()).write(0);
            if !token_index.is_null() {
                token_index.write(index);
            }
        }
        job.taken();
        Ok(true)
    })
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_inference_free(result: *mut InferenceResult) {
    // SAFETY: as the host promises.
    unsafe { end(result) }
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_check_vram_residency(model: *mut CudaModel, error_code: *mut c_int) -> bool {
    guarded(error_code, false, || {
        // SAFETY: NULL, or a living model.
        let model = unsafe { model.as_ref() }.ok_or(Code::InvalidParameter)?;
        model.model.is_resident().then_some(true).ok_or(Code::VramResidencyFailed)
    })
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_get_vram_usage(model: *mut CudaModel) -> u64 {
    // SAFETY: as the host promises.
    unsafe { cuda_model_get_vram_usage(model) }
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_get_process_vram_usage(ctx: *mut CudaContext) -> u64 {
    // SAFETY: NULL, or a living context.
    unsafe { ctx.as_ref() }.map_or(0, |context| context.device.used())
}

/// # Safety
/// As `worker_ffi.h` says.
#[no_mangle]
pub unsafe extern "C" fn cuda_check_device_health(ctx: *mut CudaContext, error_code: *mut c_int) -> bool {
    guarded(error_code, false, || {
        // SAFETY: NULL, or a living context.
        let context = unsafe { ctx.as_ref() }.ok_or(Code::InvalidParameter)?;
        context.device.is_healthy().then_some(true).ok_or(Code::InvalidDevice)
    })
}

#[no_mangle]
pub extern "C" fn cuda_error_message(error_code: c_int) -> *const c_char {
    message(error_code).as_ptr()
}
