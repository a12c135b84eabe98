//! What the oracle knows when a call is made: live handles, open jobs, and facts about models and devices.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use worker_contract::Function;

use crate::program::{Call, Handle, Slot, Text};
use crate::trace::{POISON_U64, Returned, Value};

/// What is known before a session begins.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Models that are valid for the library under test, by path.
    pub models: HashMap<Vec<u8>, ModelFacts>,
    /// Number of devices, if it is known.
    pub devices: Option<i32>,
    /// A fault is injected: calls may fail that succeed otherwise.
    pub faulty: bool,
    /// Bytes by which process usage may be off, since others use the device as well.
    pub tolerance: u64,
    /// Bytes of a buffer that has room for any text of a token, as far as the texts so far tell.
    pub ample: i32,
}

/// Bytes of a buffer that has room for any text of a token, usually.
pub const AMPLE: i32 = 1024;

impl Default for Facts {
    fn default() -> Self {
        Self { models: HashMap::new(), devices: None, faulty: false, tolerance: 0, ample: AMPLE }
    }
}

impl Facts {
    /// Whether a process that uses so many bytes may hold models that use `sum` together (VRAM-03).
    pub fn covers(&self, process: u64, sum: u64) -> bool {
        process.saturating_add(self.tolerance) >= sum
    }
}

/// What the file of a model says.
#[derive(Debug, Clone, Default)]
pub struct ModelFacts {
    /// Context length in tokens.
    pub context_length: u64,
    /// Bytes of all tensors.
    pub tensor_bytes: u64,
    /// Whether the vocabulary is one of SentencePiece, which writes a space as a character of three bytes.
    pub sentence_piece: bool,
}

impl ModelFacts {
    /// Tokens that no prompt of this text has more of, whatever the tokeniser: one a byte, those that begin and end a
    /// text, and a space put first.
    pub fn most_tokens(&self, prompt: &[u8]) -> u64 {
        let spaces = prompt.iter().filter(|&&byte| byte == b' ').count();
        let wide = if self.sentence_piece { 2 * (spaces + 1) } else { 0 };
        (prompt.len() + wide) as u64 + 3
    }

    /// Whether the context is sure to have room for such a job (INF-13).
    pub fn has_room(&self, prompt: &[u8], max_tokens: i32) -> bool {
        self.most_tokens(prompt).saturating_add_signed(max_tokens.max(0).into()) <= self.context_length
    }
}

/// A live model.
#[derive(Debug, Clone, Default)]
pub struct ModelState {
    /// The context that it was loaded in.
    pub context: Option<Slot>,
    /// Its facts, if its file is a known one.
    pub facts: Option<ModelFacts>,
    /// `*vram_bytes_used` of the load, until something other than a query or check happens.
    pub reported: Option<u64>,
    /// The last answer of a usage query, until something other than a query or check happens.
    pub usage: Option<u64>,
    /// The last two answers and which of the two queries gave each, the last one first, until something else happens.
    pub answers: Vec<(Function, u64)>,
    /// What it surely uses: the least figure that was ever given for it.
    pub least: Option<u64>,
}

/// An open job.
#[derive(Debug, Clone, Default)]
pub struct JobState {
    /// Its model.
    pub model: Option<Slot>,
    /// Most tokens that it may give.
    pub max_tokens: i32,
    /// Tokens that surely fit the context behind the prompt; 0 if that is not known.
    pub room: u64,
    /// Tokens given.
    pub given: i32,
    /// Index of the last token given, if it was asked for and written.
    pub last_index: Option<i32>,
    /// Tokens given since `last_index`.
    pub since_index: i32,
    /// Calls with a buffer that was too small, since the last token.
    pub refused: i32,
    /// Calls that gave no token and had no place for a code, since the last token.
    pub silent: i32,
    /// It ended: false with code 0.
    pub ended: bool,
    /// It failed: false with another code, a wrong buffer aside.
    pub failed: bool,
}

/// The live handles of a session.
#[derive(Debug, Default)]
pub struct State {
    /// Device count, as last reported.
    pub count: Option<i32>,
    /// Live contexts: their handle bits.
    pub contexts: BTreeMap<Slot, u64>,
    /// Live models.
    pub models: BTreeMap<Slot, ModelState>,
    /// Open jobs.
    pub jobs: BTreeMap<Slot, JobState>,
    /// Address and bytes of each message seen.
    pub messages: HashMap<i32, (u64, Vec<u8>)>,
    /// Code and bytes of the first message seen at an address.
    pub texts: HashMap<u64, (i32, Vec<u8>)>,
    /// Whether a call has failed in this session.
    pub failed: bool,
    /// Slots of models that a job was freed of.
    pub used: BTreeSet<u32>,
}

impl State {
    /// The model behind a handle.
    pub fn model(&self, handle: Handle) -> Option<&ModelState> {
        slot(handle).and_then(|slot| self.models.get(&slot))
    }

    /// The job behind a handle.
    pub fn job(&self, handle: Handle) -> Option<&JobState> {
        slot(handle).and_then(|slot| self.jobs.get(&slot))
    }

    /// Whether a model has a job open.
    pub fn busy(&self, model: Handle) -> bool {
        let model = slot(model);
        self.jobs.values().any(|job| job.model == model)
    }

    /// What the models of a context surely use together.
    pub fn used(&self, context: Handle) -> u64 {
        let context = slot(context);
        let models = self.models.values().filter(|model| model.context == context);
        // The figure of just before, where nothing has happened since.
        models.fold(0, |sum, model| model.usage.or(model.least).unwrap_or(0).saturating_add(sum))
    }

    /// Whether no job was ever started: then nothing may still be coming or going of itself.
    pub fn untouched(&self) -> bool {
        self.jobs.is_empty() && self.used.is_empty()
    }

    /// Whether a context has a model loaded.
    pub fn loaded(&self, context: Handle) -> bool {
        let context = slot(context);
        self.models.values().any(|model| model.context == context)
    }

    /// Device count, as reported in this session or known before.
    pub fn devices(&self, facts: &Facts) -> Option<i32> {
        self.count.or(facts.devices)
    }

    /// Takes over what a call did.
    pub fn advance(&mut self, call: &Call, returned: &Returned, facts: &Facts) {
        if let Some(code) = returned.written_code() {
            self.failed |= code != 0;
        }
        if changes_usage(call) {
            for model in self.models.values_mut() {
                model.usage = None;
                model.answers.clear();
                model.reported = None;
            }
        }
        match call {
            Call::DeviceCount => {
                if let Some(Value::Int(count)) = returned.value {
                    self.count = Some(count);
                }
            }
            Call::Init { bind, .. } => {
                self.contexts.remove(bind);
                if let Some(handle) = returned.handle() {
                    self.contexts.insert(*bind, handle);
                }
            }
            Call::Destroy { ctx } => drop(slot(*ctx).and_then(|slot| self.contexts.remove(&slot))),
            Call::LoadModel { bind, ctx, path, .. } => {
                self.models.remove(bind);
                self.used.remove(&bind.0);
                if returned.handle().is_some() {
                    let facts = match path {
                        Text::Bytes(path) => facts.models.get(path).cloned(),
                        Text::Null => None,
                    };
                    let vram = returned.vram.filter(|&vram| vram != POISON_U64);
                    let context = slot(*ctx);
                    let model = ModelState {
                        context,
                        facts,
                        reported: returned.vram,
                        least: vram,
                        ..ModelState::default()
                    };
                    self.models.insert(*bind, model);
                }
            }
            Call::UnloadModel { model } => drop(slot(*model).and_then(|slot| self.models.remove(&slot))),
            Call::Start { bind, model, prompt, max_tokens, .. } => {
                self.jobs.remove(bind);
                if returned.handle().is_some() {
                    let bytes = if let Text::Bytes(bytes) = prompt { bytes.as_slice() } else { &[] };
                    let facts = self.model(*model).and_then(|model| model.facts.as_ref());
                    let room = facts
                        .map_or(0, |facts| facts.context_length.saturating_sub(facts.most_tokens(bytes)));
                    let job = JobState {
                        model: slot(*model),
                        max_tokens: *max_tokens,
                        room,
                        ..JobState::default()
                    };
                    self.jobs.insert(*bind, job);
                }
            }
            Call::NextToken { result, index, .. } => {
                if let Some(job) = slot(*result).and_then(|slot| self.jobs.get_mut(&slot)) {
                    job.advance(returned, *index == crate::program::Out::Given);
                }
            }
            Call::Free { result } => {
                let job = slot(*result).and_then(|slot| self.jobs.remove(&slot));
                self.used.extend(job.and_then(|job| job.model).map(|model| model.0));
            }
            Call::ErrorMessage { code } => {
                if let Some(Value::Message(address, Some(bytes))) = &returned.value {
                    self.texts.entry(*address).or_insert_with(|| (*code, bytes.clone()));
                    self.messages.entry(*code).or_insert_with(|| (*address, bytes.clone()));
                }
            }
            Call::ModelVramUsage { model } | Call::VramUsage { model } => {
                if let Some(model) = slot(*model).and_then(|slot| self.models.get_mut(&slot)) {
                    model.usage = returned.bytes();
                    model.answers.insert(0, (call.function(), model.usage.unwrap_or(0)));
                    model.answers.truncate(2);
                    model.least = model.least.min(model.usage).or(model.usage);
                }
            }
            _ => {}
        }
    }
}

impl JobState {
    fn advance(&mut self, returned: &Returned, index_given: bool) {
        if returned.is_true() {
            self.given += 1;
            self.since_index += 1;
            self.refused = 0;
            self.silent = 0;
            if let Some(index) = returned.index.filter(|_| index_given) {
                self.last_index = Some(index);
                self.since_index = 0;
            }
            return;
        }
        match returned.written_code() {
            Some(0) => self.ended = true,
            Some(5) => self.refused += 1,
            None => self.silent += 1,
            Some(_) => self.failed = true,
        }
    }
}

/// The slot of a handle.
pub fn slot(handle: Handle) -> Option<Slot> {
    match handle {
        Handle::Null => None,
        Handle::Slot(slot) => Some(slot),
    }
}

/// Whether a call may change what models use.
fn changes_usage(call: &Call) -> bool {
    !matches!(
        call,
        Call::DeviceCount
            | Call::ErrorMessage { .. }
            | Call::ModelVramUsage { .. }
            | Call::VramUsage { .. }
            | Call::ProcessVramUsage { .. }
            | Call::CheckHealth { .. }
            | Call::CheckResidency { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_only_where_every_tokeniser_leaves_some() {
        let model =
            |sentence_piece| ModelFacts { context_length: 64, sentence_piece, ..ModelFacts::default() };
        // One token a byte, and three that begin and end a text or are put first.
        assert!(model(false).has_room(&[b'x'; 45], 16));
        assert!(!model(false).has_room(&[b'x'; 46], 16));
        assert!(model(false).has_room(b"a b c d e", 52));
        // A space in three bytes, and one more before the first word.
        assert!(model(true).has_room(b"a b c d e", 42));
        assert!(!model(true).has_room(b"a b c d e", 43));
        assert!(model(false).has_room(&[b'x'; 61], -1));
        assert!(!model(false).has_room(b"", i32::MAX));
    }
}
