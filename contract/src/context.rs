//! The safe form of a context: it loads models, tells process usage and checks its device.

use std::cell::Cell;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use crate::backend::Backend;
use crate::bindings::CudaContext;
use crate::error::Error;
use crate::functions::Function;
use crate::model::Model;

/// One use of one device. Ends itself with `cuda_destroy` when dropped.
///
/// Neither `Send` nor `Sync`: a context, its models and its jobs take no concurrent calls, and only a SHOULD (THR-04)
/// lets a handle move between threads.
///
/// A model does not outlive its context:
/// ```compile_fail,E0505
/// # use worker_contract::Context;
/// # fn example(context: Context) -> Result<(), worker_contract::Error> {
/// let model = context.load_model("model.gguf")?;
/// drop(context);
/// model.vram_usage();
/// # Ok(())
/// # }
/// ```
/// nor does it leave the scope of its context, even if it is not used there:
/// ```compile_fail,E0597
/// # use worker_contract::{Backend, Error};
/// # fn example(backend: &Backend) -> Result<(), Error> {
/// let model;
/// let context = backend.context(0)?;
/// model = context.load_model("model.gguf")?;
/// # Ok(())
/// # }
/// ```
/// while the right order compiles:
/// ```no_run
/// # use worker_contract::Context;
/// # fn example(context: Context) -> Result<(), worker_contract::Error> {
/// let model = context.load_model("model.gguf")?;
/// model.vram_usage();
/// drop(model);
/// drop(context);
/// # Ok(())
/// # }
/// ```
/// A context does not cross to another thread:
/// ```compile_fail,E0277
/// # use worker_contract::Backend;
/// # fn example(backend: &'static Backend) -> Result<(), worker_contract::Error> {
/// let context = backend.context(0)?;
/// std::thread::spawn(move || context.process_vram_usage());
/// # Ok(())
/// # }
/// ```
/// while the backend does, so that the other thread opens its own:
/// ```no_run
/// # use worker_contract::Backend;
/// # fn example(backend: &'static Backend) {
/// std::thread::spawn(move || backend.context(0).map(|context| context.process_vram_usage()));
/// # }
/// ```
#[derive(Debug)]
pub struct Context<'backend> {
    backend: &'backend Backend,
    handle: NonNull<CudaContext>,
    /// Models that have not been unloaded. Safe code can forget one, and a context must not end before its models.
    models: Cell<usize>,
}

impl<'backend> Context<'backend> {
    pub(crate) fn open(backend: &'backend Backend, device: i32) -> Result<Self, Error> {
        let (handle, code) = backend.report(Function::Init, |code| {
            // SAFETY: `code` is an int that outlives the call; any device number may be given. [DEV-03, DEV-07]
            unsafe { (backend.symbols().cuda_init)(device, code) }
        })?;
        let handle = NonNull::new(handle);
        backend.judge(Function::Init, handle.is_some(), code)?;
        let handle = handle.ok_or_else(|| Error::breach(Function::Init, "no handle came", "ERR-02"))?;
        Ok(Self { backend, handle, models: Cell::new(0) })
    }

    /// Load a GGUF file into the memory of the device. The file is not needed afterwards. Spec: M0-W-1200.
    ///
    /// # Errors
    /// `CUDA_ERROR_MODEL_LOAD_FAILED` if the file cannot be read, is malformed or not supported,
    /// `CUDA_ERROR_OUT_OF_MEMORY` if the device cannot hold it, `CUDA_ERROR_INVALID_PARAMETER` for a path with a NUL
    /// byte, `CUDA_ERROR_UNKNOWN`.
    pub fn load_model(&self, path: impl AsRef<Path>) -> Result<Model<'_>, Error> {
        let path = CString::new(path.as_ref().as_os_str().as_bytes())
            .map_err(|error| Error::nul_byte(Function::LoadModel, "path", error.nul_position()))?;
        Model::load(self, &path)
    }

    /// Bytes of device memory that this process takes on the device. Requirement: VRAM-03. Spec: M0-W-1011.
    #[must_use]
    pub fn process_vram_usage(&self) -> u64 {
        // SAFETY: the handle lives as long as `self`, which stays on one thread.
        unsafe { (self.backend.symbols().cuda_get_process_vram_usage)(self.handle.as_ptr()) }
    }

    /// Check that the device still works; possible while a job runs. Requirements: HEALTH-02, HEALTH-03.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_DEVICE` if it does not, `CUDA_ERROR_UNKNOWN`.
    pub fn check_health(&self) -> Result<(), Error> {
        let (healthy, code) = self.backend.report(Function::CheckDeviceHealth, |code| {
            // SAFETY: the handle lives as long as `self`, which stays on one thread; `code` outlives the call.
            unsafe { (self.backend.symbols().cuda_check_device_health)(self.handle.as_ptr(), code) }
        })?;
        self.backend.judge(Function::CheckDeviceHealth, healthy != 0, code)
    }

    pub(crate) const fn backend(&self) -> &'backend Backend {
        self.backend
    }

    pub(crate) const fn handle(&self) -> *mut CudaContext {
        self.handle.as_ptr()
    }

    pub(crate) const fn models(&self) -> &Cell<usize> {
        &self.models
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // To end a context before its models is the one order that the contract leaves undefined: leak it instead.
        if self.models.get() == 0 {
            // SAFETY: the handle is this value's own, is used for the last time, and no model of it lives.
            unsafe { (self.backend.symbols().cuda_destroy)(self.handle.as_ptr()) }
        }
    }
}
