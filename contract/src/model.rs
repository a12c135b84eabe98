//! The safe form of a model: it starts jobs, tells its usage and checks that its weights are resident.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use crate::bindings::CudaModel;
use crate::context::Context;
use crate::error::Error;
use crate::functions::Function;
use crate::inference::{Inference, Sampling};

/// One model in device memory. Ends itself with `cuda_unload_model` when dropped. Neither `Send` nor `Sync`.
///
/// A job does not outlive its model:
/// ```compile_fail,E0505
/// # use worker_contract::{Model, Sampling};
/// # fn example(model: Model) -> Result<(), worker_contract::Error> {
/// let mut job = model.infer("Hello", Sampling::default())?;
/// drop(model);
/// job.next();
/// # Ok(())
/// # }
/// ```
/// while the right order compiles:
/// ```no_run
/// # use worker_contract::{Model, Sampling};
/// # fn example(model: Model) -> Result<(), worker_contract::Error> {
/// let mut job = model.infer("Hello", Sampling::default())?;
/// job.next();
/// drop(job);
/// drop(model);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Model<'context> {
    context: &'context Context<'context>,
    handle: NonNull<CudaModel>,
    vram_bytes_at_load: u64,
    /// Jobs that have not been freed. Safe code can forget one, and a model must not end before its jobs.
    jobs: Cell<usize>,
}

impl<'context> Model<'context> {
    pub(crate) fn load(context: &'context Context<'_>, path: &CStr) -> Result<Self, Error> {
        let backend = context.backend();
        let mut vram_bytes_at_load = 0;
        let (handle, code) = backend.report(Function::LoadModel, |code| {
            let vram_bytes = &raw mut vram_bytes_at_load;
            // SAFETY: the context lives and stays on one thread; the path is NUL-terminated; it and both
            // out-parameters outlive the call, after which the library keeps none of them. [MEM-04]
            unsafe { (backend.symbols().cuda_load_model)(context.handle(), path.as_ptr(), vram_bytes, code) }
        })?;
        let handle = NonNull::new(handle);
        backend.judge(Function::LoadModel, handle.is_some(), code)?;
        let handle = handle.ok_or_else(|| Error::breach(Function::LoadModel, "no handle came", "ERR-02"))?;
        context.models().set(context.models().get() + 1);
        Ok(Self { context, handle, vram_bytes_at_load, jobs: Cell::new(0) })
    }

    /// Begin to generate text that follows the prompt. Spec: M0-W-1300.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_PARAMETER` for a sampling value out of its range and for a prompt with a NUL byte (an empty
    /// prompt may be refused so too), `CUDA_ERROR_INFERENCE_FAILED` if the prompt does not fit the context length or
    /// another job is open and the library takes only one, `CUDA_ERROR_OUT_OF_MEMORY`, `CUDA_ERROR_UNKNOWN`.
    pub fn infer(&self, prompt: &str, sampling: Sampling) -> Result<Inference<'_>, Error> {
        let prompt = CString::new(prompt)
            .map_err(|error| Error::nul_byte(Function::InferenceStart, "prompt", error.nul_position()))?;
        Inference::start(self, &prompt, sampling)
    }

    /// Bytes of device memory that the model took when it was loaded. Requirement: LOAD-05.
    #[must_use]
    pub const fn vram_bytes_at_load(&self) -> u64 {
        self.vram_bytes_at_load
    }

    /// Bytes of device memory that the model takes now, open jobs included. Requirements: VRAM-01, VRAM-02.
    #[must_use]
    pub fn vram_usage(&self) -> u64 {
        // SAFETY: the handle lives as long as `self`, which stays on one thread.
        unsafe { (self.context.backend().symbols().cuda_get_vram_usage)(self.handle()) }
    }

    /// Check that all weights still lie in device memory; possible while a job runs.
    /// Requirements: HEALTH-01, HEALTH-03. Spec: M0-W-1012.
    ///
    /// # Errors
    /// `CUDA_ERROR_VRAM_RESIDENCY_FAILED` if they do not, `CUDA_ERROR_UNKNOWN`.
    pub fn check_residency(&self) -> Result<(), Error> {
        let backend = self.context.backend();
        let (resident, code) = backend.report(Function::CheckVramResidency, |code| {
            // SAFETY: the handle lives as long as `self`, which stays on one thread; `code` outlives the call.
            unsafe { (backend.symbols().cuda_check_vram_residency)(self.handle(), code) }
        })?;
        backend.judge(Function::CheckVramResidency, resident != 0, code)
    }

    pub(crate) const fn context(&self) -> &'context Context<'context> {
        self.context
    }

    pub(crate) const fn handle(&self) -> *mut CudaModel {
        self.handle.as_ptr()
    }

    pub(crate) const fn jobs(&self) -> &Cell<usize> {
        &self.jobs
    }
}

impl Drop for Model<'_> {
    fn drop(&mut self) {
        // To end a model before its jobs is an order that the contract leaves undefined: leak it, and so its context.
        if self.jobs.get() == 0 {
            // SAFETY: the handle is this value's own, is used for the last time, and no job of it lives.
            unsafe { (self.context.backend().symbols().cuda_unload_model)(self.handle.as_ptr()) }
            self.context.models().set(self.context.models().get() - 1);
        }
    }
}
