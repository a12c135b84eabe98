//! Bindings to the worker ABI, generated from `include/worker_ffi.h`; `tests/bindings.rs` regenerates them.
#![allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks, rustdoc::all)]

pub const WORKER_FFI_VERSION_MAJOR: u32 = 1;
pub const WORKER_FFI_VERSION_MINOR: u32 = 0;
pub const CudaErrorCode_CUDA_SUCCESS: CudaErrorCode = 0;
pub const CudaErrorCode_CUDA_ERROR_INVALID_DEVICE: CudaErrorCode = 1;
pub const CudaErrorCode_CUDA_ERROR_OUT_OF_MEMORY: CudaErrorCode = 2;
pub const CudaErrorCode_CUDA_ERROR_MODEL_LOAD_FAILED: CudaErrorCode = 3;
pub const CudaErrorCode_CUDA_ERROR_INFERENCE_FAILED: CudaErrorCode = 4;
pub const CudaErrorCode_CUDA_ERROR_INVALID_PARAMETER: CudaErrorCode = 5;
pub const CudaErrorCode_CUDA_ERROR_KERNEL_LAUNCH_FAILED: CudaErrorCode = 6;
pub const CudaErrorCode_CUDA_ERROR_VRAM_RESIDENCY_FAILED: CudaErrorCode = 7;
pub const CudaErrorCode_CUDA_ERROR_DEVICE_NOT_FOUND: CudaErrorCode = 8;
pub const CudaErrorCode_CUDA_ERROR_UNKNOWN: CudaErrorCode = 99;
pub type CudaErrorCode = ::std::os::raw::c_uint;
#[repr(C)]
#[derive(Debug)]
pub struct CudaContext {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug)]
pub struct CudaModel {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug)]
pub struct InferenceResult {
    _unused: [u8; 0],
}
pub struct WorkerLibrary {
    __library: ::libloading::Library,
    pub cuda_error_message: Result<
        unsafe extern "C" fn(
            error_code: ::std::os::raw::c_int,
        ) -> *const ::std::os::raw::c_char,
        ::libloading::Error,
    >,
    pub cuda_init: Result<
        unsafe extern "C" fn(
            gpu_device: ::std::os::raw::c_int,
            error_code: *mut ::std::os::raw::c_int,
        ) -> *mut CudaContext,
        ::libloading::Error,
    >,
    pub cuda_destroy: Result<
        unsafe extern "C" fn(ctx: *mut CudaContext),
        ::libloading::Error,
    >,
    pub cuda_get_device_count: Result<
        unsafe extern "C" fn() -> ::std::os::raw::c_int,
        ::libloading::Error,
    >,
    pub cuda_load_model: Result<
        unsafe extern "C" fn(
            ctx: *mut CudaContext,
            model_path: *const ::std::os::raw::c_char,
            vram_bytes_used: *mut u64,
            error_code: *mut ::std::os::raw::c_int,
        ) -> *mut CudaModel,
        ::libloading::Error,
    >,
    pub cuda_unload_model: Result<
        unsafe extern "C" fn(model: *mut CudaModel),
        ::libloading::Error,
    >,
    pub cuda_model_get_vram_usage: Result<
        unsafe extern "C" fn(model: *mut CudaModel) -> u64,
        ::libloading::Error,
    >,
    pub cuda_inference_start: Result<
        unsafe extern "C" fn(
            model: *mut CudaModel,
            prompt: *const ::std::os::raw::c_char,
            max_tokens: ::std::os::raw::c_int,
            temperature: f32,
            seed: u64,
            error_code: *mut ::std::os::raw::c_int,
        ) -> *mut InferenceResult,
        ::libloading::Error,
    >,
    pub cuda_inference_next_token: Result<
        unsafe extern "C" fn(
            result: *mut InferenceResult,
            token_out: *mut ::std::os::raw::c_char,
            token_buffer_size: ::std::os::raw::c_int,
            token_index: *mut ::std::os::raw::c_int,
            error_code: *mut ::std::os::raw::c_int,
        ) -> bool,
        ::libloading::Error,
    >,
    pub cuda_inference_free: Result<
        unsafe extern "C" fn(result: *mut InferenceResult),
        ::libloading::Error,
    >,
    pub cuda_check_vram_residency: Result<
        unsafe extern "C" fn(
            model: *mut CudaModel,
            error_code: *mut ::std::os::raw::c_int,
        ) -> bool,
        ::libloading::Error,
    >,
    pub cuda_get_vram_usage: Result<
        unsafe extern "C" fn(model: *mut CudaModel) -> u64,
        ::libloading::Error,
    >,
    pub cuda_get_process_vram_usage: Result<
        unsafe extern "C" fn(ctx: *mut CudaContext) -> u64,
        ::libloading::Error,
    >,
    pub cuda_check_device_health: Result<
        unsafe extern "C" fn(
            ctx: *mut CudaContext,
            error_code: *mut ::std::os::raw::c_int,
        ) -> bool,
        ::libloading::Error,
    >,
}
impl WorkerLibrary {
    pub unsafe fn new<P>(path: P) -> Result<Self, ::libloading::Error>
    where
        P: AsRef<::std::ffi::OsStr>,
    {
        let path = path.as_ref();
        let library = unsafe { ::libloading::Library::new(path) }?;
        unsafe { Self::from_library(library) }
    }
    pub unsafe fn from_library<L>(library: L) -> Result<Self, ::libloading::Error>
    where
        L: Into<::libloading::Library>,
    {
        let __library = library.into();
        let cuda_error_message = unsafe { __library.get(b"cuda_error_message\0") }
            .map(|sym| *sym);
        let cuda_init = unsafe { __library.get(b"cuda_init\0") }.map(|sym| *sym);
        let cuda_destroy = unsafe { __library.get(b"cuda_destroy\0") }.map(|sym| *sym);
        let cuda_get_device_count = unsafe { __library.get(b"cuda_get_device_count\0") }
            .map(|sym| *sym);
        let cuda_load_model = unsafe { __library.get(b"cuda_load_model\0") }
            .map(|sym| *sym);
        let cuda_unload_model = unsafe { __library.get(b"cuda_unload_model\0") }
            .map(|sym| *sym);
        let cuda_model_get_vram_usage = unsafe {
            __library.get(b"cuda_model_get_vram_usage\0")
        }
            .map(|sym| *sym);
        let cuda_inference_start = unsafe { __library.get(b"cuda_inference_start\0") }
            .map(|sym| *sym);
        let cuda_inference_next_token = unsafe {
            __library.get(b"cuda_inference_next_token\0")
        }
            .map(|sym| *sym);
        let cuda_inference_free = unsafe { __library.get(b"cuda_inference_free\0") }
            .map(|sym| *sym);
        let cuda_check_vram_residency = unsafe {
            __library.get(b"cuda_check_vram_residency\0")
        }
            .map(|sym| *sym);
        let cuda_get_vram_usage = unsafe { __library.get(b"cuda_get_vram_usage\0") }
            .map(|sym| *sym);
        let cuda_get_process_vram_usage = unsafe {
            __library.get(b"cuda_get_process_vram_usage\0")
        }
            .map(|sym| *sym);
        let cuda_check_device_health = unsafe {
            __library.get(b"cuda_check_device_health\0")
        }
            .map(|sym| *sym);
        Ok(WorkerLibrary {
            __library,
            cuda_error_message,
            cuda_init,
            cuda_destroy,
            cuda_get_device_count,
            cuda_load_model,
            cuda_unload_model,
            cuda_model_get_vram_usage,
            cuda_inference_start,
            cuda_inference_next_token,
            cuda_inference_free,
            cuda_check_vram_residency,
            cuda_get_vram_usage,
            cuda_get_process_vram_usage,
            cuda_check_device_health,
        })
    }
    pub unsafe fn cuda_error_message(
        &self,
        error_code: ::std::os::raw::c_int,
    ) -> *const ::std::os::raw::c_char {
        unsafe {
            (self
                .cuda_error_message
                .as_ref()
                .expect("Expected function, got error."))(error_code)
        }
    }
    pub unsafe fn cuda_init(
        &self,
        gpu_device: ::std::os::raw::c_int,
        error_code: *mut ::std::os::raw::c_int,
    ) -> *mut CudaContext {
        unsafe {
            (self
                .cuda_init
                .as_ref()
                .expect("Expected function, got error."))(gpu_device, error_code)
        }
    }
    pub unsafe fn cuda_destroy(&self, ctx: *mut CudaContext) {
        unsafe {
            (self.cuda_destroy.as_ref().expect("Expected function, got error."))(ctx)
        }
    }
    pub unsafe fn cuda_get_device_count(&self) -> ::std::os::raw::c_int {
        unsafe {
            (self
                .cuda_get_device_count
                .as_ref()
                .expect("Expected function, got error."))()
        }
    }
    pub unsafe fn cuda_load_model(
        &self,
        ctx: *mut CudaContext,
        model_path: *const ::std::os::raw::c_char,
        vram_bytes_used: *mut u64,
        error_code: *mut ::std::os::raw::c_int,
    ) -> *mut CudaModel {
        unsafe {
            (self
                .cuda_load_model
                .as_ref()
                .expect(
                    "Expected function, got error.",
                ))(ctx, model_path, vram_bytes_used, error_code)
        }
    }
    pub unsafe fn cuda_unload_model(&self, model: *mut CudaModel) {
        unsafe {
            (self
                .cuda_unload_model
                .as_ref()
                .expect("Expected function, got error."))(model)
        }
    }
    pub unsafe fn cuda_model_get_vram_usage(&self, model: *mut CudaModel) -> u64 {
        unsafe {
            (self
                .cuda_model_get_vram_usage
                .as_ref()
                .expect("Expected function, got error."))(model)
        }
    }
    pub unsafe fn cuda_inference_start(
        &self,
        model: *mut CudaModel,
        prompt: *const ::std::os::raw::c_char,
        max_tokens: ::std::os::raw::c_int,
        temperature: f32,
        seed: u64,
        error_code: *mut ::std::os::raw::c_int,
    ) -> *mut InferenceResult {
        unsafe {
            (self
                .cuda_inference_start
                .as_ref()
                .expect(
                    "Expected function, got error.",
                ))(model, prompt, max_tokens, temperature, seed, error_code)
        }
    }
    pub unsafe fn cuda_inference_next_token(
        &self,
        result: *mut InferenceResult,
        token_out: *mut ::std::os::raw::c_char,
        token_buffer_size: ::std::os::raw::c_int,
        token_index: *mut ::std::os::raw::c_int,
        error_code: *mut ::std::os::raw::c_int,
    ) -> bool {
        unsafe {
            (self
                .cuda_inference_next_token
                .as_ref()
                .expect(
                    "Expected function, got error.",
                ))(result, token_out, token_buffer_size, token_index, error_code)
        }
    }
    pub unsafe fn cuda_inference_free(&self, result: *mut InferenceResult) {
        unsafe {
            (self
                .cuda_inference_free
                .as_ref()
                .expect("Expected function, got error."))(result)
        }
    }
    pub unsafe fn cuda_check_vram_residency(
        &self,
        model: *mut CudaModel,
        error_code: *mut ::std::os::raw::c_int,
    ) -> bool {
        unsafe {
            (self
                .cuda_check_vram_residency
                .as_ref()
                .expect("Expected function, got error."))(model, error_code)
        }
    }
    pub unsafe fn cuda_get_vram_usage(&self, model: *mut CudaModel) -> u64 {
        unsafe {
            (self
                .cuda_get_vram_usage
                .as_ref()
                .expect("Expected function, got error."))(model)
        }
    }
    pub unsafe fn cuda_get_process_vram_usage(&self, ctx: *mut CudaContext) -> u64 {
        unsafe {
            (self
                .cuda_get_process_vram_usage
                .as_ref()
                .expect("Expected function, got error."))(ctx)
        }
    }
    pub unsafe fn cuda_check_device_health(
        &self,
        ctx: *mut CudaContext,
        error_code: *mut ::std::os::raw::c_int,
    ) -> bool {
        unsafe {
            (self
                .cuda_check_device_health
                .as_ref()
                .expect("Expected function, got error."))(ctx, error_code)
        }
    }
}
