//! The texts of jobs, each learnt from the same job alone in a process of its own, when a program first needs it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::executor::{Executor, Options};
use crate::oracle::reference::{Key, KnownText, Texts};
use crate::program::{Call, Device, Handle, Op, Out, Slot, Text};
use crate::trace::{Observation, Token};

/// Lengths that texts are learnt in, in tokens: most programs need the shorter alone.
const LENGTHS: [i32; 2] = [32, 170];
/// Bytes of the buffer.
const BUFFER: i32 = 4096;

/// A text by its key and its length.
type Table = HashMap<(Key, i32), Arc<OnceLock<Option<Arc<KnownText>>>>>;

/// Learns texts and keeps them.
pub struct KnownTexts {
    executor: Arc<Executor>,
    contexts: HashMap<Vec<u8>, u64>,
    table: Mutex<Table>,
}

impl KnownTexts {
    /// Nothing is known yet; `contexts` has the context length of each model, in tokens.
    pub fn new(executor: Arc<Executor>, contexts: HashMap<Vec<u8>, u64>) -> Self {
        Self { executor, contexts, table: Mutex::default() }
    }

    /// The job that a text is learnt from, in an empty process.
    pub fn program(key: &Key, max_tokens: i32, seed: Option<u64>) -> Vec<Op> {
        let code = Out::Given;
        let [ctx, model, job] = [Slot(0), Slot(1), Slot(2)];
        vec![
            Op::Call(Call::Init { bind: ctx, device: Device::Id(0), code }),
            Op::Call(Call::LoadModel {
                bind: model,
                ctx: Handle::Slot(ctx),
                path: Text::Bytes(key.model.clone()),
                vram: Out::Given,
                code,
            }),
            Op::Call(Call::Start {
                bind: job,
                model: Handle::Slot(model),
                prompt: Text::Bytes(key.prompt.clone()),
                max_tokens,
                temperature: f32::from_bits(key.temperature),
                seed: seed.unwrap_or(if key.is_greedy() { 1 } else { key.seed }),
                code,
            }),
            Op::Drain {
                result: Handle::Slot(job),
                buffer: BUFFER,
                index: Out::Given,
                limit: max_tokens as u32 + 1,
                pause_us: 0,
            },
        ]
    }

    fn known(&self, key: &Key, length: i32) -> Option<Arc<KnownText>> {
        let cell = {
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(table.entry((key.clone(), length)).or_default())
        };
        cell.get_or_init(|| self.learn(key, length)).clone()
    }

    fn learn(&self, key: &Key, length: i32) -> Option<Arc<KnownText>> {
        let mut session = self.executor.session(&Options::default()).ok()?;
        let trace = session.run(&Self::program(key, length, None)).ok()?;
        session.finish();
        text_of(&trace, length).map(Arc::new)
    }

    /// The length that a text for so many tokens is learnt in; `None` if the context has no room for it.
    pub fn length(&self, key: &Key, max_tokens: i32) -> Option<i32> {
        let context = i64::try_from(*self.contexts.get(&key.model)?).unwrap_or(i64::MAX);
        let room = context - key.prompt.len() as i64 - 2;
        let enough = LENGTHS.iter().copied().find(|length| *length >= max_tokens).unwrap_or(LENGTHS[1]);
        // Where the context is short, the longest that has room serves.
        let fits = LENGTHS.iter().rev().copied().find(|length| i64::from(*length) <= room)?;
        Some(enough.min(fits))
    }
}

impl Texts for KnownTexts {
    fn text(&self, key: &Key, max_tokens: i32) -> Option<Arc<KnownText>> {
        self.known(key, self.length(key, max_tokens)?)
    }

    fn text_of_just(&self, key: &Key, max_tokens: i32) -> Option<Arc<KnownText>> {
        self.known(key, max_tokens)
    }
}

/// The text that a trace of one job shows; `None` where the job did not go as jobs go.
pub fn text_of(trace: &[Observation], most: i32) -> Option<KnownText> {
    let mut text = KnownText::default();
    for observation in trace.iter().filter(|one| matches!(one.call(), Some(Call::NextToken { .. }))) {
        let returned = observation.returned()?;
        match &returned.text {
            Some(Token::Bytes(bytes)) if returned.is_true() => text.pieces.push(bytes.clone()),
            _ if returned.is_true() => return None,
            _ if returned.written_code() == Some(0) => {
                text.ends = (text.pieces.len() as i64) < i64::from(most);
                return Some(text);
            }
            // An error in the middle: what came before it is still the text.
            _ => break,
        }
    }
    (!text.pieces.is_empty()).then_some(text)
}
