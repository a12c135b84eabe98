//! The safe way into a backend library: load it, count its devices, open contexts.

use std::ffi::CStr;
use std::path::Path;

use crate::context::Context;
use crate::error::Error;
use crate::error_code::ErrorCode;
use crate::functions::Function;
use crate::library::{CompleteSymbols, OpenError, open_for_good};

/// What `error_code` holds before a call; no library may leave it there.
const UNWRITTEN: i32 = i32::MIN;

/// A backend library.
///
/// Everything that it makes borrows it: a [`Context`] the backend, a [`Model`](crate::Model) its context, an
/// [`Inference`](crate::Inference) its model. The compiler therefore refuses a use after the end and a wrong order
/// of ends. The library stays loaded for the rest of the process: only a SHOULD (ABI-06) promises that it can be
/// unloaded, and error messages stay valid.
///
/// A backend may be shared between threads: counting devices, asking for messages and opening contexts are the calls
/// that may overlap (THR-01, MSG-06, DEV-07). What hangs on a context stays on its thread; a thread that wants to
/// generate opens its own (THR-03).
///
/// ```no_run
/// use worker_contract::{Backend, Sampling};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let backend = Backend::load("./libworker.so")?;
///     let context = backend.context(0)?;
///     let model = context.load_model("model.gguf")?;
///     for token in model.infer("The capital of France is", Sampling::default())? {
///         print!("{}", token?.text);
///     }
///     Ok(())
/// }
/// ```
///
/// A context does not outlive its backend:
/// ```compile_fail,E0505
/// # use worker_contract::Backend;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Backend::load("./libworker.so")?;
/// let context = backend.context(0)?;
/// drop(backend);
/// drop(context);
/// # Ok(())
/// # }
/// ```
/// while the right order compiles:
/// ```no_run
/// # use worker_contract::Backend;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Backend::load("./libworker.so")?;
/// let context = backend.context(0)?;
/// drop(context);
/// drop(backend);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Backend {
    symbols: CompleteSymbols,
}

impl Backend {
    /// Load a library and find its 14 functions.
    ///
    /// Loading runs the library's constructors in this process, and every later call runs its code: load only what
    /// you trust as much as your own binary.
    ///
    /// # Errors
    /// The operating system's reason, or every symbol that is missing.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        open_for_good(path.as_ref()).map(|symbols| Self { symbols })
    }

    /// Count the devices: 0 or more, the same at every call. Requirement: DEV-01. Spec: M0-W-1100.
    #[must_use]
    pub fn device_count(&self) -> i32 {
        // SAFETY: the function takes nothing and may be called at any time from any thread. [DEV-01, THR-01]
        unsafe { (self.symbols.cuda_get_device_count)() }
    }

    /// Open a context on a device, `0..device_count()`. Spec: M0-W-1010.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_DEVICE` for another number, `CUDA_ERROR_DEVICE_NOT_FOUND` on a machine without devices,
    /// `CUDA_ERROR_UNKNOWN`.
    pub fn context(&self, device: i32) -> Result<Context<'_>, Error> {
        Context::open(self, device)
    }

    /// The library's message for a code, defined or not. Requirements: MSG-01 to MSG-06.
    #[must_use]
    pub fn message(&self, code: i32) -> String {
        // SAFETY: the function takes any int and may be called at any time from any thread. [MSG-01, MSG-06]
        let message = unsafe { (self.symbols.cuda_error_message)(code) };
        if message.is_null() {
            return "the library has no message for it".to_owned();
        }
        // SAFETY: a message is NUL-terminated and static. [MSG-02, MSG-03]
        unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
    }

    pub(crate) const fn symbols(&self) -> &CompleteSymbols {
        &self.symbols
    }

    /// Make a call that reports a code, and give its return with the code.
    ///
    /// # Errors
    /// A code that the library did not write, against ERR-01.
    pub(crate) fn report<T>(
        &self,
        function: Function,
        call: impl FnOnce(*mut i32) -> T,
    ) -> Result<(T, i32), Error> {
        let mut code = UNWRITTEN;
        let returned = call(&raw mut code);
        if code == UNWRITTEN {
            return Err(Error::breach(function, "error_code was left unwritten", "ERR-01"));
        }
        Ok((returned, code))
    }

    /// Turn the end of a call into a result: success has code 0, and failure has another. Requirement: ERR-02.
    pub(crate) fn judge(&self, function: Function, succeeded: bool, code: i32) -> Result<(), Error> {
        match (succeeded, code == ErrorCode::Success.raw()) {
            (true, true) => Ok(()),
            (false, false) => Err(Error::new(function, code, self.message(code))),
            (true, false) => {
                Err(Error::breach(function, &format!("it succeeded with code {code}"), "ERR-02"))
            }
            (false, true) => Err(Error::breach(function, "it failed with code 0", "ERR-02")),
        }
    }
}
