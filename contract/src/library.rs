//! Opens a backend library and finds the 14 functions in it, naming every one that is missing.

use std::error::Error as _;
use std::ffi::{c_char, c_int};
use std::path::{Path, PathBuf};

use libloading::os::unix;

use crate::bindings::{CudaContext, CudaModel, InferenceResult, WorkerLibrary};
use crate::functions::Function;

/// Why a library cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The dynamic loader refused the file.
    #[error("cannot load `{}`: {reason}; give the path of a shared library built for this machine", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file is a library, but not a whole backend. Requirement: ABI-01.
    #[error(
        "cannot use `{}`: {} missing; export each with C linkage and default visibility, as worker_ffi.h and \
         worker_errors.h declare it",
        path.display(),
        name_symbols(missing)
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Every function that it does not export, in the order of the headers.
        missing: Vec<Function>,
    },
}

fn name_symbols(missing: &[Function]) -> String {
    let names: Vec<String> = missing.iter().map(|function| format!("`{function}`")).collect();
    format!("symbol{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

/// What a C `bool` comes back as: the byte itself, because a `bool` other than 0 and 1, which a faulty library may
/// return, would be undefined behaviour in Rust. Anything but 0 is true.
pub type Flag = u8;

macro_rules! symbols {
    ($($field:ident, $function:ident: $type:ty;)*) => {
        /// The functions of a library as plain pointers: those that it exports, and `None` for the others.
        ///
        /// The pointers hold nothing alive: they may be called only while the library they came from stays open.
        #[derive(Clone, Copy, Debug)]
        pub struct Symbols {
            $(
                #[doc = concat!("`", stringify!($field), "` of the headers.")]
                pub $field: Option<$type>,
            )*
        }

        /// The functions of a whole backend as plain pointers, under the same rule as [`Symbols`].
        #[derive(Clone, Copy, Debug)]
        pub struct CompleteSymbols {
            $(
                #[doc = concat!("`", stringify!($field), "` of the headers.")]
                pub $field: $type,
            )*
        }

        impl Symbols {
            /// Look all 14 functions up. A symbol that is defined as NULL counts as missing.
            #[must_use]
            pub fn resolve(library: &libloading::Library) -> Self {
                Self {
                    $(
                        $field: {
                            // SAFETY: the symbol is only stored, not called, and an `Option` of a function pointer
                            // can hold any address, NULL included; its type is the one of the headers, by ABI-04.
                            let symbol = unsafe { library.get::<Option<$type>>(concat!(stringify!($field), "\0")) };
                            symbol.ok().and_then(|symbol| *symbol)
                        },
                    )*
                }
            }

            /// The functions that the library does not export, in the order of the headers. Requirement: ABI-01.
            #[must_use]
            pub fn missing(&self) -> Vec<Function> {
                let mut missing = Vec::new();
                $(
                    if self.$field.is_none() {
                        missing.push(Function::$function);
                    }
                )*
                missing
            }

            /// All 14 pointers, if none is missing.
            ///
            /// # Errors
            /// The missing functions, in the order of the headers.
            pub fn complete(self) -> Result<CompleteSymbols, Vec<Function>> {
                if let Self { $($field: Some($field),)* } = self {
                    Ok(CompleteSymbols { $($field,)* })
                } else {
                    Err(self.missing())
                }
            }
        }

        const _: fn(&WorkerLibrary) = |library| {
            // Types that differ from the header's do not compile here; C's `bool` is the one deliberate difference.
            type Flag = bool;
            $(let _: Option<$type> = library.$field.as_ref().ok().copied();)*
        };
    };
}

symbols! {
    cuda_init, Init: unsafe extern "C" fn(gpu_device: c_int, error_code: *mut c_int) -> *mut CudaContext;
    cuda_destroy, Destroy: unsafe extern "C" fn(ctx: *mut CudaContext);
    cuda_get_device_count, GetDeviceCount: unsafe extern "C" fn() -> c_int;
    cuda_load_model, LoadModel: unsafe extern "C" fn(
        ctx: *mut CudaContext,
        model_path: *const c_char,
        vram_bytes_used: *mut u64,
        error_code: *mut c_int,
    ) -> *mut CudaModel;
    cuda_unload_model, UnloadModel: unsafe extern "C" fn(model: *mut CudaModel);
    cuda_model_get_vram_usage, ModelGetVramUsage: unsafe extern "C" fn(model: *mut CudaModel) -> u64;
    cuda_inference_start, InferenceStart: unsafe extern "C" fn(
        model: *mut CudaModel,
        prompt: *const c_char,
        max_tokens: c_int,
        temperature: f32,
        seed: u64,
        error_code: *mut c_int,
    ) -> *mut InferenceResult;
    cuda_inference_next_token, InferenceNextToken: unsafe extern "C" fn(
        result: *mut InferenceResult,
        token_out: *mut c_char,
        token_buffer_size: c_int,
        token_index: *mut c_int,
        error_code: *mut c_int,
    ) -> Flag;
    cuda_inference_free, InferenceFree: unsafe extern "C" fn(result: *mut InferenceResult);
    cuda_check_vram_residency, CheckVramResidency: unsafe extern "C" fn(
        model: *mut CudaModel,
        error_code: *mut c_int,
    ) -> Flag;
    cuda_get_vram_usage, GetVramUsage: unsafe extern "C" fn(model: *mut CudaModel) -> u64;
    cuda_get_process_vram_usage, GetProcessVramUsage: unsafe extern "C" fn(ctx: *mut CudaContext) -> u64;
    cuda_check_device_health, CheckDeviceHealth: unsafe extern "C" fn(
        ctx: *mut CudaContext,
        error_code: *mut c_int,
    ) -> Flag;
    cuda_error_message, ErrorMessage: unsafe extern "C" fn(error_code: c_int) -> *const c_char;
}

/// Load a shared library, whatever it exports, with RTLD_NOW and RTLD_LOCAL. Requirement: ABI-03.
///
/// Loading runs the library's own constructors: a host that does not trust them loads in a child process.
///
/// # Errors
/// [`OpenError::Load`] with the words of the operating system.
pub fn load(path: &Path) -> Result<libloading::Library, OpenError> {
    // A bare file name means the file beside us, as everywhere else; the loader alone would search its own path for it.
    let file = if path.components().count() == 1 { Path::new(".").join(path) } else { path.to_owned() };
    // SAFETY: constructors and destructors of the library run as the host's own code would; that they harm nothing is
    // what the caller asks for by loading it, and all that any dynamic loading can ask for.
    let opened = unsafe { unix::Library::open(Some(&file), unix::RTLD_NOW | unix::RTLD_LOCAL) };
    opened.map(libloading::Library::from).map_err(|error| OpenError::Load {
        path: path.to_owned(),
        // The display of libloading's error leaves the system's words to the source.
        reason: error.source().map_or_else(|| error.to_string(), ToString::to_string),
    })
}

/// Load a backend and resolve its 14 functions, all of which are `Ok` in the result.
///
/// # Errors
/// [`OpenError::Load`] as for [`load`]; [`OpenError::Incomplete`] with every missing symbol.
pub fn open(path: &Path) -> Result<WorkerLibrary, OpenError> {
    let library = load(path)?;
    complete(path, &library)?;
    // SAFETY: the functions are resolved, not called, and their types are those of the headers.
    let bound = unsafe { WorkerLibrary::from_library(library) };
    bound.map_err(|error| OpenError::Load { path: path.to_owned(), reason: error.to_string() })
}

/// Load a backend for the rest of the process, so that its functions may be called at any time.
///
/// # Errors
/// As for [`open`].
pub(crate) fn open_for_good(path: &Path) -> Result<CompleteSymbols, OpenError> {
    let library = load(path)?;
    let symbols = complete(path, &library)?;
    std::mem::forget(library);
    Ok(symbols)
}

fn complete(path: &Path, library: &libloading::Library) -> Result<CompleteSymbols, OpenError> {
    let symbols = Symbols::resolve(library).complete();
    symbols.map_err(|missing| OpenError::Incomplete { path: path.to_owned(), missing })
}
