//! A conversation with a backend as data: a list of ABI calls with symbolic handles.

use std::fmt;

use serde::{Deserialize, Serialize};
use worker_contract::Function;

/// A symbolic handle: where the executor keeps what a call returned. Rebinding a slot forgets the old handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot(pub u32);

/// A handle argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Handle {
    /// The NULL pointer.
    Null,
    /// What the slot holds. A call on a slot that holds nothing is skipped, never made with NULL instead.
    Slot(Slot),
}

/// Whether an out-parameter is passed or NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Out {
    /// A pointer to poisoned memory between canaries.
    Given,
    /// NULL.
    Null,
}

/// The `gpu_device` argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Device {
    /// This very number.
    Id(i32),
    /// The device count last reported in this session, plus an offset (saturating).
    Count(i32),
}

/// A string argument, without its terminating NUL: the executor appends it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Text {
    /// The NULL pointer.
    Null,
    /// These bytes; not necessarily UTF-8.
    Bytes(Vec<u8>),
}

impl Text {
    /// The text as bytes.
    pub fn new(text: impl Into<Vec<u8>>) -> Self {
        Text::Bytes(text.into())
    }
}

/// The `token_out` and `token_buffer_size` arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Buffer {
    /// NULL, or memory of exactly `size` bytes.
    pub pointer: Out,
    /// The size passed, in bytes. Zero or less gives a pointer that may not be touched at all.
    pub size: i32,
    /// Which end of the buffer borders on an inaccessible page.
    pub guard: Guard,
}

impl Buffer {
    /// A buffer of `size` bytes that ends at a guard page.
    pub fn of(size: i32) -> Self {
        Buffer { pointer: Out::Given, size, guard: Guard::After }
    }
}

/// Where the guard page lies; canaries guard the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Guard {
    /// Directly behind the last byte.
    After,
    /// Directly before the first byte.
    Before,
}

/// One call of the ABI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the parameters of the C functions, under their C meaning")]
pub enum Call {
    Init { bind: Slot, device: Device, code: Out },
    Destroy { ctx: Handle },
    DeviceCount,
    LoadModel { bind: Slot, ctx: Handle, path: Text, vram: Out, code: Out },
    UnloadModel { model: Handle },
    ModelVramUsage { model: Handle },
    Start { bind: Slot, model: Handle, prompt: Text, max_tokens: i32, temperature: f32, seed: u64, code: Out },
    NextToken { result: Handle, buffer: Buffer, index: Out, code: Out },
    Free { result: Handle },
    CheckResidency { model: Handle, code: Out },
    VramUsage { model: Handle },
    ProcessVramUsage { ctx: Handle },
    CheckHealth { ctx: Handle, code: Out },
    ErrorMessage { code: i32 },
}

impl Call {
    /// The function called.
    pub fn function(&self) -> Function {
        match self {
            Call::Init { .. } => Function::Init,
            Call::Destroy { .. } => Function::Destroy,
            Call::DeviceCount => Function::GetDeviceCount,
            Call::LoadModel { .. } => Function::LoadModel,
            Call::UnloadModel { .. } => Function::UnloadModel,
            Call::ModelVramUsage { .. } => Function::ModelGetVramUsage,
            Call::Start { .. } => Function::InferenceStart,
            Call::NextToken { .. } => Function::InferenceNextToken,
            Call::Free { .. } => Function::InferenceFree,
            Call::CheckResidency { .. } => Function::CheckVramResidency,
            Call::VramUsage { .. } => Function::GetVramUsage,
            Call::ProcessVramUsage { .. } => Function::GetProcessVramUsage,
            Call::CheckHealth { .. } => Function::CheckDeviceHealth,
            Call::ErrorMessage { .. } => Function::ErrorMessage,
        }
    }

    /// The slot that the call binds, for the three calls that make a handle.
    pub fn bind(&self) -> Option<Slot> {
        match self {
            Call::Init { bind, .. } | Call::LoadModel { bind, .. } | Call::Start { bind, .. } => Some(*bind),
            _ => None,
        }
    }

    /// The handle argument, for the calls that take one.
    pub fn handle(&self) -> Option<Handle> {
        match self {
            Call::Init { .. } | Call::DeviceCount | Call::ErrorMessage { .. } => None,
            Call::Destroy { ctx }
            | Call::LoadModel { ctx, .. }
            | Call::ProcessVramUsage { ctx }
            | Call::CheckHealth { ctx, .. } => Some(*ctx),
            Call::UnloadModel { model }
            | Call::ModelVramUsage { model }
            | Call::Start { model, .. }
            | Call::CheckResidency { model, .. }
            | Call::VramUsage { model } => Some(*model),
            Call::NextToken { result, .. } | Call::Free { result } => Some(*result),
        }
    }

    /// Whether `error_code` is passed; `None` for functions without one.
    pub fn code(&self) -> Option<Out> {
        match self {
            Call::Init { code, .. }
            | Call::LoadModel { code, .. }
            | Call::Start { code, .. }
            | Call::NextToken { code, .. }
            | Call::CheckResidency { code, .. }
            | Call::CheckHealth { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether any pointer that must not be NULL is NULL (`error_code` and `token_index` may be).
    pub fn has_null(&self) -> bool {
        self.handle() == Some(Handle::Null)
            || match self {
                Call::LoadModel { path, vram, .. } => *path == Text::Null || *vram == Out::Null,
                Call::Start { prompt, .. } => *prompt == Text::Null,
                Call::NextToken { buffer, .. } => buffer.pointer == Out::Null,
                _ => false,
            }
    }
}

/// Something to do to a file between calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FileAction {
    /// Replace the content of `path` by these bytes, in place (same inode).
    Write {
        path: Vec<u8>,
        bytes: Vec<u8>,
    },
    /// Fill the existing content of `path` with zeros, in place.
    Overwrite {
        path: Vec<u8>,
    },
    /// Give `path` the content of the file `from`, in place (same inode).
    Copy {
        path: Vec<u8>,
        from: Vec<u8>,
    },
    /// Put a copy of the file `from` in the place of `path` (another inode).
    Replace {
        path: Vec<u8>,
        from: Vec<u8>,
    },
    Truncate {
        path: Vec<u8>,
        length: u64,
    },
    Delete {
        path: Vec<u8>,
    },
}

/// One step of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// Make one call.
    Call(Call),
    /// Call `cuda_inference_next_token` until it returns false or `limit` calls were made.
    Drain {
        /// The job.
        result: Handle,
        /// Bytes of the buffer of every call.
        buffer: i32,
        /// Whether `token_index` is passed.
        index: Out,
        /// Most calls to make.
        limit: u32,
        /// Microseconds to rest after every call.
        pause_us: u32,
    },
    /// Run each list on a thread of its own, started together, and join them all.
    Threads(Vec<Vec<Op>>),
    /// Run the body so many times; fewer, but at least 16, if the library is so slow that it takes too long.
    Repeat(u32, Vec<Op>),
    /// Change a file.
    File(FileAction),
    /// Measure the process: memory, descriptors, threads.
    Measure,
    /// Make no call for so many microseconds: what a library gives back by the clock is back then.
    Rest(u32),
    /// `dlclose` the library, and wait a moment for what may still run in it.
    Close,
    /// `Close`, beside a thread that has done this before and ends after it.
    CloseBeside(Vec<Op>),
    /// `dlopen` the library again.
    Open,
    /// Leave the process by `exit`, so that its destructors run.
    ExitProcess,
}

impl From<Call> for Op {
    fn from(call: Call) -> Self {
        Op::Call(call)
    }
}

/// A list of steps.
pub type Program = Vec<Op>;

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Handle::Null => f.write_str("NULL"),
            Handle::Slot(Slot(n)) => write!(f, "#{n}"),
        }
    }
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Out::Given => "out",
            Out::Null => "NULL",
        })
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 60;
        // A path is worth nothing without its end, which names the file.
        const PATH: usize = 200;
        let Text::Bytes(bytes) = self else { return f.write_str("NULL") };
        let most = if bytes.starts_with(b"/") { PATH } else { SHOWN };
        let shown = &bytes[..bytes.len().min(most)];
        match std::str::from_utf8(shown) {
            Ok(text) => write!(f, "{text:?}")?,
            Err(_) => write!(f, "\"{}\"", shown.escape_ascii())?,
        }
        if bytes.len() > most {
            write!(f, "... ({} bytes)", bytes.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function().name())?;
        match self {
            Call::Init { device: Device::Id(id), code, .. } => write!(f, "{id}, {code}")?,
            Call::Init { device: Device::Count(by), code, .. } => write!(f, "count{by:+}, {code}")?,
            Call::DeviceCount => {}
            Call::LoadModel { ctx, path, vram, code, .. } => write!(f, "{ctx}, {path}, {vram}, {code}")?,
            Call::Start { model, prompt, max_tokens, temperature, seed, code, .. } => {
                write!(f, "{model}, {prompt}, {max_tokens}, {temperature:?}, {seed}, {code}")?;
            }
            Call::NextToken { result, buffer, index, code } => {
                write!(f, "{result}, {}, {}, {index}, {code}", buffer.pointer, buffer.size)?;
            }
            Call::CheckResidency { model: handle, code } | Call::CheckHealth { ctx: handle, code } => {
                write!(f, "{handle}, {code}")?;
            }
            Call::Destroy { ctx: handle }
            | Call::UnloadModel { model: handle }
            | Call::ModelVramUsage { model: handle }
            | Call::Free { result: handle }
            | Call::VramUsage { model: handle }
            | Call::ProcessVramUsage { ctx: handle } => write!(f, "{handle}")?,
            Call::ErrorMessage { code } => write!(f, "{code}")?,
        }
        f.write_str(")")
    }
}
