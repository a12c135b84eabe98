//! Makes one ABI call with hostile caller memory, and gathers what came of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use worker_contract::{Function, Symbols};

use super::memory::{Arena, Placed};
use crate::program::{Call, Device, Handle, Out, Slot, Text};
use crate::trace::{Region, Returned, Skip, Value};

/// Handles that one program may hold.
pub const MAX_SLOTS: u32 = 1 << 16;
/// Longest message read, in bytes.
const MAX_MESSAGE: usize = 64 << 10;

/// What calls of all threads share: the library and the handles.
pub struct World {
    /// The functions of the library.
    pub symbols: Symbols,
    /// Handles by slot, in pieces that are there from the first use on: memory that a process touches costs it time, and
    /// most programs have few handles.
    handles: Vec<OnceLock<Box<[AtomicU64; PIECE]>>>,
    count: AtomicU64,
}

/// Slots of a piece.
const PIECE: usize = 256;

impl World {
    /// No handles yet.
    pub fn new(symbols: Symbols) -> Self {
        let handles = (0..MAX_SLOTS as usize / PIECE).map(|_| OnceLock::new()).collect();
        Self { symbols, handles, count: AtomicU64::new(0) }
    }

    fn cell(&self, Slot(n): Slot) -> Option<&AtomicU64> {
        let piece = self.handles.get(n as usize / PIECE)?;
        Some(&piece.get_or_init(|| Box::new([const { AtomicU64::new(0) }; PIECE]))[n as usize % PIECE])
    }

    fn handle(&self, handle: Handle) -> Result<u64, Skip> {
        match handle {
            Handle::Null => Ok(0),
            Handle::Slot(slot) => match self.cell(slot) {
                Some(cell) if cell.load(Ordering::SeqCst) != 0 => Ok(cell.load(Ordering::SeqCst)),
                _ => Err(Skip::NoHandle),
            },
        }
    }

    fn bind(&self, slot: Slot, handle: u64) {
        if let Some(cell) = self.cell(slot) {
            cell.store(handle, Ordering::SeqCst);
        }
    }

    fn forget(&self, handle: Handle) {
        if let Handle::Slot(slot) = handle {
            self.bind(slot, 0);
        }
    }

    /// The call as it will be made, with everything that the program left open filled in, or why it cannot be made.
    pub fn prepare(&self, call: &Call) -> Result<Call, Skip> {
        if let Some(handle) = call.handle() {
            self.handle(handle)?;
        }
        let function = call.function();
        if self.symbols.missing().contains(&function) {
            return Err(Skip::Missing(function));
        }
        let mut call = call.clone();
        if let Call::Init { device, .. } = &mut call
            && let Device::Count(offset) = *device
        {
            *device = Device::Id((self.count.load(Ordering::SeqCst) as i32).saturating_add(offset));
        }
        Ok(call)
    }
}

/// A missing function that `prepare` should have reported.
struct Gone(Function);

impl From<Gone> for Skip {
    fn from(gone: Gone) -> Skip {
        Skip::Missing(gone.0)
    }
}

/// Makes the call that `prepare` returned. `enter` runs right before the jump into the library, `leave` right after.
pub fn invoke(
    world: &World,
    arena: &mut Arena,
    call: &Call,
    enter: impl FnOnce(),
    leave: impl FnOnce(),
) -> Result<Returned, Skip> {
    let symbols = &world.symbols;
    let given = givens(call);
    let outs = given.contains(&Out::Given).then(|| arena.place_outs());
    let out = |region, way| outs.map_or(0, |placed| Arena::out(placed, region, way));
    let code = out(Region::Code, given[0]) as *mut i32;
    let index = out(Region::Index, given[1]) as *mut i32;
    let vram = out(Region::Vram, given[2]) as *mut u64;
    let input = place_text(arena, call);
    let text = input.map_or(0, |placed| placed.pointer) as *const libc::c_char;
    let buffer = match call {
        Call::NextToken { buffer, .. } if buffer.pointer == Out::Given => {
            Some(arena.place_buffer(buffer.size, buffer.guard))
        }
        _ => None,
    };
    let handle = call.handle().map_or(Ok(0), |handle| world.handle(handle))?;
    let need = |function: Function| Gone(function);

    enter();
    // SAFETY: a library under test may do anything; that is why this runs in a process of its own, with memory
    // that the library may harm. The arguments are what the contract allows a caller to pass: handles come from the
    // same library and are not freed yet, pointers are NULL or valid until the call returns, sizes are honest.
    let value = unsafe {
        let function = call.function();
        match call {
            Call::Init { device, .. } => {
                let Device::Id(id) = *device else { return Err(Skip::NoHandle) };
                let ctx = symbols.cuda_init.ok_or(need(function))?(id, code);
                Some(Value::Handle(ctx as u64))
            }
            Call::Destroy { .. } => {
                symbols.cuda_destroy.ok_or(need(function))?(handle as *mut _);
                None
            }
            Call::DeviceCount => Some(Value::Int(symbols.cuda_get_device_count.ok_or(need(function))?())),
            Call::LoadModel { .. } => {
                let model =
                    symbols.cuda_load_model.ok_or(need(function))?(handle as *mut _, text, vram, code);
                Some(Value::Handle(model as u64))
            }
            Call::UnloadModel { .. } => {
                symbols.cuda_unload_model.ok_or(need(function))?(handle as *mut _);
                None
            }
            Call::ModelVramUsage { .. } => {
                Some(Value::Bytes(symbols.cuda_model_get_vram_usage.ok_or(need(function))?(handle as *mut _)))
            }
            Call::Start { max_tokens, temperature, seed, .. } => {
                let start = symbols.cuda_inference_start.ok_or(need(function))?;
                let result = start(handle as *mut _, text, *max_tokens, *temperature, *seed, code);
                Some(Value::Handle(result as u64))
            }
            Call::NextToken { buffer: asked, .. } => {
                let next = symbols.cuda_inference_next_token.ok_or(need(function))?;
                let pointer = buffer.map_or(0, |placed| placed.pointer) as *mut libc::c_char;
                Some(Value::Bool(next(handle as *mut _, pointer, asked.size, index, code)))
            }
            Call::Free { .. } => {
                symbols.cuda_inference_free.ok_or(need(function))?(handle as *mut _);
                None
            }
            Call::CheckResidency { .. } => Some(Value::Bool(symbols
                .cuda_check_vram_residency
                .ok_or(need(function))?(
                handle as *mut _, code
            ))),
            Call::VramUsage { .. } => {
                Some(Value::Bytes(symbols.cuda_get_vram_usage.ok_or(need(function))?(handle as *mut _)))
            }
            Call::ProcessVramUsage { .. } => {
                Some(Value::Bytes(symbols.cuda_get_process_vram_usage.ok_or(need(function))?(
                    handle as *mut _,
                )))
            }
            Call::CheckHealth { .. } => Some(Value::Bool(symbols
                .cuda_check_device_health
                .ok_or(need(function))?(
                handle as *mut _, code
            ))),
            Call::ErrorMessage { code } => {
                let message = symbols.cuda_error_message.ok_or(need(function))?(*code);
                Some(Value::Message(message as u64, read_message(message)))
            }
        }
    };
    leave();

    let mut returned = Returned { value, ..Returned::default() };
    match call {
        Call::Destroy { ctx: gone } | Call::UnloadModel { model: gone } | Call::Free { result: gone } => {
            world.forget(*gone);
        }
        Call::DeviceCount => {
            if let Some(Value::Int(count)) = returned.value {
                world.count.store(count as u64, Ordering::SeqCst);
            }
        }
        _ => {}
    }
    if let (Some(slot), Some(Value::Handle(handle))) = (call.bind(), &returned.value) {
        world.bind(slot, *handle);
    }
    if let Some(placed) = outs {
        let (code, index, vram) = arena.release_outs(placed, given, &mut returned.damage);
        returned.code = (given[0] == Out::Given).then_some(code);
        returned.index = (given[1] == Out::Given).then_some(index);
        returned.vram = (given[2] == Out::Given).then_some(vram);
    }
    if let Some(placed) = buffer {
        returned.text = arena.release_buffer(placed, returned.is_true(), &mut returned.damage);
    }
    if let Some(placed) = input {
        arena.release_input(placed);
    }
    Ok(returned)
}

/// Whether `error_code`, `token_index` and `vram_bytes_used` are passed.
fn givens(call: &Call) -> [Out; 3] {
    let code = call.code().unwrap_or(Out::Null);
    match call {
        Call::NextToken { index, .. } => [code, *index, Out::Null],
        Call::LoadModel { vram, .. } => [code, Out::Null, *vram],
        _ => [code, Out::Null, Out::Null],
    }
}

fn place_text(arena: &mut Arena, call: &Call) -> Option<Placed> {
    match call {
        Call::LoadModel { path: Text::Bytes(bytes), .. } => Some(arena.place_input(Region::Path, bytes)),
        Call::Start { prompt: Text::Bytes(bytes), .. } => Some(arena.place_input(Region::Prompt, bytes)),
        _ => None,
    }
}

/// Copies a message. A pointer that leads nowhere ends the process here, while the call still counts as under way.
unsafe fn read_message(message: *const libc::c_char) -> Option<Vec<u8>> {
    if message.is_null() {
        return None;
    }
    // SAFETY: the contract says that the text is NUL-terminated; where it is not, the bound or the fault handler ends it.
    unsafe {
        let length = libc::strnlen(message, MAX_MESSAGE);
        Some(in_short(std::slice::from_raw_parts(message.cast::<u8>(), length)))
    }
}

/// A long message by its beginning, its length and a hash of the whole, else a scenario that asks for many of them fills
/// the trace. What is not UTF-8 stays so.
fn in_short(message: &[u8]) -> Vec<u8> {
    const LONG: usize = 1024;
    if message.len() <= LONG {
        return message.to_vec();
    }
    match std::str::from_utf8(message) {
        Ok(text) => {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            let beginning: String = text.chars().take(80).collect();
            format!("{beginning}... ({} bytes, hash {:016x})", text.len(), hasher.finish()).into_bytes()
        }
        // The bound may lie within a character.
        Err(error) if error.error_len().is_none() && message.len() == MAX_MESSAGE => {
            in_short(&message[..error.valid_up_to()])
        }
        Err(error) => {
            let from = error.valid_up_to();
            message[from..message.len().min(from + LONG)].to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_told_apart_in_short() {
        let long = "é".repeat(30_000);
        let short = in_short(long.as_bytes());
        assert!(short.len() < 300 && std::str::from_utf8(&short).is_ok());
        assert_eq!(short, in_short(long.as_bytes()));
        assert_ne!(short, in_short(format!("{long}.").as_bytes()));
        assert_eq!(in_short(b"as it is"), b"as it is");
    }

    #[test]
    fn a_long_message_stays_text_or_no_text() {
        let cut = &"x".repeat(MAX_MESSAGE - 1).into_bytes();
        assert!(std::str::from_utf8(&in_short(&[cut, &b"\xc3"[..]].concat())).is_ok());
        assert!(std::str::from_utf8(&in_short(&[cut, &b"\xff"[..]].concat())).is_err());
    }
}
