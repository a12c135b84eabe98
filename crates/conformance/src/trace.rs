//! What was observed when a program ran: one observation a call, and how the process ended.

use std::fmt;

use serde::{Deserialize, Serialize};
use worker_contract::Function;

use crate::program::Call;

/// The value that out-parameters hold before a call: no code, index or usage of a sound library is equal to it.
pub const POISON_INT: i32 = 0x5AA5_5AA5_u32 as i32;
/// The 64-bit poison; its upper half alone shows a write that was only 4 bytes wide.
pub const POISON_U64: u64 = 0x5AA5_5AA5_5AA5_5AA5;
/// The byte that fills buffers before a call: never part of UTF-8 text, never a NUL.
pub const POISON_BYTE: u8 = 0xF5;

/// Everything observed in one session, in the order in which calls returned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// One observation for each call, measurement and library event.
    pub observations: Vec<Observation>,
}

/// One call and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Thread of the program: 0, or the position in `Op::Threads` plus one.
    pub thread: u16,
    /// What was done.
    pub event: Event,
    /// What came of it.
    pub outcome: Outcome,
    /// Nanoseconds from entry to return.
    pub nanos: u64,
    /// What the call changed in the process that it should not have.
    pub effects: Vec<Effect>,
}

/// What the executor did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// An ABI call.
    Call(Call),
    /// A measurement of the process.
    Measure,
    /// `dlopen` of the library.
    Open,
    /// `dlclose` of the library.
    Close,
    /// `exit` of the process.
    Exit,
    /// The executor's own work between calls.
    Idle,
}

impl Event {
    /// The ABI call, if it is one.
    pub fn call(&self) -> Option<&Call> {
        match self {
            Event::Call(call) => Some(call),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Call(call) => call.fmt(f),
            Event::Measure => f.write_str("a measurement"),
            Event::Open => f.write_str("dlopen"),
            Event::Close => f.write_str("dlclose"),
            Event::Exit => f.write_str("exit"),
            Event::Idle => f.write_str("no call (the process was idle)"),
        }
    }
}

/// What came of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// The call returned.
    Returned(Returned),
    /// A measurement.
    Measured(Measured),
    /// `dlopen` or `dlclose` worked.
    Done,
    /// `dlopen` or `dlclose` failed, with the loader's text.
    Failed(String),
    /// The call was not made.
    Skipped(Skip),
    /// The process ended while this was under way.
    Died(Death),
}

/// Why a call was not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Skip {
    /// The handle that it needs was never returned, or is freed already.
    NoHandle,
    /// The library lacks the function.
    Missing(Function),
}

/// What a call gave back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Returned {
    /// The return value, absent for `void` functions.
    pub value: Option<Value>,
    /// `error_code` after the call, where it was passed.
    pub code: Option<i32>,
    /// `token_index` after the call, where it was passed.
    pub index: Option<i32>,
    /// `vram_bytes_used` after the call, where it was passed.
    pub vram: Option<u64>,
    /// `token_out` up to its NUL, where it was passed and the call returned true.
    pub text: Option<Token>,
    /// Caller memory that was written although it should not have been.
    pub damage: Vec<Damage>,
}

impl Returned {
    /// The handle returned, if the function returns one and it is not NULL.
    pub fn handle(&self) -> Option<u64> {
        match self.value {
            Some(Value::Handle(handle)) if handle != 0 => Some(handle),
            _ => None,
        }
    }

    /// Whether the function returned a truth and it is true.
    pub fn is_true(&self) -> bool {
        matches!(self.value, Some(Value::Bool(value)) if value != 0)
    }

    /// The number returned by a usage query.
    pub fn bytes(&self) -> Option<u64> {
        match self.value {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The code, unless it was not passed or not written.
    pub fn written_code(&self) -> Option<i32> {
        self.code.filter(|&code| code != POISON_INT)
    }
}

/// A return value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// A handle, as its bits; 0 is NULL.
    Handle(u64),
    /// A C `bool`, as the byte returned: 0 is false, 1 is true, all else is no `bool`.
    Bool(u8),
    /// A device count.
    Int(i32),
    /// A number of bytes.
    Bytes(u64),
    /// A message: its address and its bytes up to the NUL; no bytes if the pointer is NULL.
    Message(u64, Option<Vec<u8>>),
}

/// The bytes at `token_out`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Token {
    /// The bytes before the first NUL.
    Bytes(Vec<u8>),
    /// No NUL within the buffer; its bytes.
    Unterminated(Vec<u8>),
}

/// Caller memory that was written although it should not have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Which memory.
    pub region: Region,
    /// Offset in bytes from the start of that memory; negative: before it.
    pub offset: i64,
    /// Size of that memory in bytes.
    pub size: u64,
}

/// Memory of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Region {
    /// `token_out`.
    Buffer,
    /// `error_code`.
    Code,
    /// `token_index`.
    Index,
    /// `vram_bytes_used`.
    Vram,
    /// `prompt`.
    Prompt,
    /// `model_path`.
    Path,
}

impl Region {
    /// The name of the parameter.
    pub fn parameter(self) -> &'static str {
        match self {
            Region::Buffer => "token_out",
            Region::Code => "error_code",
            Region::Index => "token_index",
            Region::Vram => "vram_bytes_used",
            Region::Prompt => "prompt",
            Region::Path => "model_path",
        }
    }
}

/// A change in the process that a call left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the values before and after")]
pub enum Effect {
    /// Bytes written to stdout or stderr, and how they begin.
    Output {
        bytes: u64,
        excerpt: String,
    },
    /// The handler of a signal changed.
    SignalHandler {
        signal: i32,
    },
    SignalMask {
        before: u64,
        after: u64,
    },
    /// Rounding, masks, flush-to-zero: MXCSR (upper half) and the x87 control word (lower half).
    FloatEnvironment {
        before: u64,
        after: u64,
    },
    Locale {
        before: String,
        after: String,
    },
    WorkingDirectory {
        before: String,
        after: String,
    },
    Umask {
        before: u32,
        after: u32,
    },
    Environment {
        variable: String,
    },
    /// A standard descriptor (0, 1, 2) was closed or replaced.
    StandardDescriptor {
        fd: i32,
    },
    /// Child processes that outlived the session.
    ChildProcess {
        count: u32,
    },
}

/// The process at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Resident memory, file mappings aside, in bytes.
    pub resident: u64,
    /// Address space that is taken, in bytes.
    pub address_space: u64,
    /// Bytes in use in the C library's heap.
    pub heap: u64,
    /// Threads of the process.
    pub threads: u32,
    /// Open descriptors and what they refer to.
    pub descriptors: Vec<(i32, String)>,
    /// Files that are mapped into memory, the library's own and the system's among them.
    pub mapped: Vec<String>,
    /// Processor time of all threads since the process began, in nanoseconds.
    pub processor: u64,
    /// How often a thread gave up the processor to wait, and how often it was taken away.
    pub switches: (u64, u64),
}

/// How a process ended, or had to be ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The way it ended.
    pub cause: Cause,
    /// What the process had written to stderr and stdout, its end, at most 400 bytes.
    pub output: String,
}

/// The way a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Killed by a signal, with the address for memory faults.
    Signal {
        /// Number of the signal.
        signal: i32,
        /// What the address means.
        fault: Option<Fault>,
    },
    /// `exit` or `_exit`.
    Exited(i32),
    /// No return within this many milliseconds.
    Deadline(u64),
    /// Calls kept returning, but the program as a whole took more than this many milliseconds.
    Patience(u64),
    /// Took more memory than this limit, in bytes.
    Memory(u64),
    /// Had more threads than this limit.
    Threads(u64),
    /// Control came back in another call than the one under way (`longjmp`).
    Jumped,
    /// Held more in open files on disk than this limit, in bytes, and had written as much.
    Disk(u64),
}

/// The address of a memory fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The address.
    pub address: u64,
    /// Whether the access was a write.
    pub write: bool,
    /// What lies there.
    pub site: Site,
}

/// What lies at a faulting address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Site {
    /// Within the first 64 KiB: a NULL pointer.
    Null,
    /// Memory of the caller that is valid during this call, or next to it.
    Caller {
        /// Which memory.
        region: Region,
        /// Offset from its start in bytes.
        offset: i64,
        /// Its size in bytes.
        size: u64,
    },
    /// Memory of the caller that was valid during an earlier call only.
    Released {
        /// Which memory.
        region: Region,
    },
    /// Anything else.
    Elsewhere,
}

/// Name of a signal, such as `SIGSEGV`.
pub fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal)
        .map_or_else(|_| format!("signal {signal}"), |known| known.as_str().to_owned())
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Signal { signal, fault } => {
                f.write_str(&signal_name(*signal))?;
                if let Some(fault) = fault {
                    write!(f, " ({fault})")?;
                }
            }
            Cause::Exited(status) => write!(f, "the process exited with status {status}")?,
            Cause::Deadline(millis) => write!(f, "no return within {:.1} s", *millis as f64 / 1000.0)?,
            Cause::Patience(millis) => write!(f, "given up after {:.0} s", *millis as f64 / 1000.0)?,
            Cause::Memory(limit) => write!(f, "more than {} MiB of memory taken", limit >> 20)?,
            Cause::Threads(limit) => write!(f, "more than {limit} threads started")?,
            Cause::Jumped => f.write_str("control came back in another call (longjmp)")?,
            Cause::Disk(limit) => write!(f, "more than {} MiB written and held in open files", limit >> 20)?,
        }
        if !self.output.is_empty() {
            write!(f, "; output: {:?}", self.output)?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = if self.write { "write" } else { "read" };
        match &self.site {
            Site::Null => write!(f, "{access} through a NULL pointer, address {:#x}", self.address),
            Site::Caller { region, offset, size } => {
                write!(f, "{access} at byte {offset} of {}, which has {size} bytes", region.parameter())
            }
            Site::Released { region } => {
                write!(f, "{access} of {} after the call that it was passed to", region.parameter())
            }
            Site::Elsewhere => write!(f, "{access} at address {:#x}", self.address),
        }
    }
}

impl Observation {
    /// What the call gave back, if it returned.
    pub fn returned(&self) -> Option<&Returned> {
        match &self.outcome {
            Outcome::Returned(returned) => Some(returned),
            _ => None,
        }
    }

    /// The call, if it is one.
    pub fn call(&self) -> Option<&Call> {
        self.event.call()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Returned(returned) => returned.fmt(f),
            Outcome::Measured(measured) => write!(
                f,
                "{} KiB resident, {} bytes of heap, {} descriptors",
                measured.resident >> 10,
                measured.heap,
                measured.descriptors.len()
            ),
            Outcome::Done => f.write_str("done"),
            Outcome::Failed(reason) => write!(f, "failed: {reason}"),
            Outcome::Skipped(Skip::NoHandle) => f.write_str("not called: no handle to call it with"),
            Outcome::Skipped(Skip::Missing(function)) => {
                write!(f, "not called: the library has no {}", function.name())
            }
            Outcome::Died(death) => death.fmt(f),
        }
    }
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.code {
            None => String::new(),
            Some(POISON_INT) => ", error_code not written".to_owned(),
            Some(code) => format!(", {}", worker_contract::describe_code(code)),
        };
        match &self.value {
            None => f.write_str("returned")?,
            Some(Value::Handle(0)) => f.write_str("NULL")?,
            Some(Value::Handle(_)) => f.write_str("a handle")?,
            Some(Value::Bool(0)) => f.write_str("false")?,
            Some(Value::Bool(1)) => f.write_str("true")?,
            Some(Value::Bool(byte)) => write!(f, "{byte} as bool")?,
            Some(Value::Int(value)) => write!(f, "{value}")?,
            Some(Value::Bytes(bytes)) => write!(f, "{bytes} bytes")?,
            Some(Value::Message(_, None)) => f.write_str("NULL")?,
            Some(Value::Message(_, Some(bytes))) => write!(f, "\"{}\"", bytes.escape_ascii())?,
        }
        f.write_str(&code)?;
        match &self.text {
            None => {}
            Some(Token::Bytes(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => write!(f, ", text {text:?}")?,
                Err(_) => write!(f, ", text \"{}\" (not UTF-8)", bytes.escape_ascii())?,
            },
            Some(Token::Unterminated(bytes)) => write!(f, ", {} bytes without a NUL", bytes.len())?,
        }
        if let Some(index) = self.index.filter(|&index| index != POISON_INT && self.is_true()) {
            write!(f, ", index {index}")?;
        }
        if let Some(vram) = self.vram {
            if vram == POISON_U64 {
                f.write_str(", vram_bytes_used not written")?;
            } else {
                write!(f, ", {vram} bytes of VRAM")?;
            }
        }
        Ok(())
    }
}
