//! What the contract permits beyond single calls: known texts, figures at rest, and files that must be refused.
//!
//! The oracle's own state says what a call may give as far as its arguments and the live handles tell. Where the texts
//! of jobs are known, from the same job alone in a process of its own, much more is settled: each token, the room that
//! it needs, and where the sequence ends. Only generated programs bring this knowledge along.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use super::state::{Facts, State, slot};
use super::{Verdicts, id, tell};
use crate::program::{Call, Handle, Out, Slot, Text};
use crate::trace::{Observation, Returned, Token};
use worker_contract::Level;

/// What settles the text of a job (DET-01 to DET-05).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The model file.
    pub model: Vec<u8>,
    /// The prompt.
    pub prompt: Vec<u8>,
    /// Bits of the temperature, 0 for both zeros.
    pub temperature: u32,
    /// The seed; 0 at temperature 0, where it does not matter.
    pub seed: u64,
}

impl Key {
    /// The key of a job.
    pub fn new(model: &[u8], prompt: &[u8], temperature: f32, seed: u64) -> Self {
        let greedy = temperature == 0.0;
        Self {
            model: model.to_vec(),
            prompt: prompt.to_vec(),
            temperature: if greedy { 0 } else { temperature.to_bits() },
            seed: if greedy { 0 } else { seed },
        }
    }

    /// Whether the text is that of temperature 0.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0
    }
}

/// The beginning of a text, token by token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownText {
    /// Text of each token.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the sequence ends behind the last of them by itself.
    pub ends: bool,
}

/// Where known texts come from.
pub trait Texts: Send + Sync {
    /// The beginning of the text of a job that may give so many tokens; `None` if it is not known.
    fn text(&self, key: &Key, max_tokens: i32) -> Option<Arc<KnownText>>;

    /// The text of a job that may give just so many tokens; `None` if it is not known. It may end before that of a job
    /// that may give more: where the tokens of the model are counted, and the last of them is no whole code point.
    fn text_of_just(&self, _key: &Key, _max_tokens: i32) -> Option<Arc<KnownText>> {
        None
    }
}

/// A file that every library must refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who says so.
    pub requirement: &'static str,
    /// The codes permitted.
    pub codes: Vec<i32>,
}

/// The part of the state that only the reference keeps.
pub struct Reference {
    texts: Arc<dyn Texts>,
    refusals: HashMap<Vec<u8>, Refusal>,
    jobs: BTreeMap<Slot, Job>,
    rest: BTreeMap<Slot, Rest>,
    paths: BTreeMap<Slot, Vec<u8>>,
    wrong_text: Option<Slot>,
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reference")
            .field("jobs", &self.jobs)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}

/// An open job whose text is known.
#[derive(Debug)]
struct Job {
    key: Key,
    text: Arc<KnownText>,
    max_tokens: i32,
    /// A call gave no token and was not the end: whether it lost one is INF-10's affair, which is a SHOULD.
    refused: bool,
    /// The text is found wrong already.
    astray: bool,
}

/// A model's usage without an open job.
#[derive(Debug, Default)]
struct Rest {
    /// Jobs that were freed.
    jobs: u32,
    /// The last figure, and after how many jobs. What the first job brings along stays for the next, so the figure
    /// before it is not compared with those after it.
    figure: Option<(u64, u32)>,
}

/// What the next call for a token must give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'t> {
    /// This text.
    Piece(&'t [u8]),
    /// false with 0.
    End,
    /// The known text does not reach as far.
    Unknown,
}

impl Reference {
    /// Knows these texts, and these files that are to be refused.
    pub fn new(texts: Arc<dyn Texts>, refusals: HashMap<Vec<u8>, Refusal>) -> Self {
        Self {
            texts,
            refusals,
            jobs: BTreeMap::new(),
            rest: BTreeMap::new(),
            paths: BTreeMap::new(),
            wrong_text: None,
        }
    }

    /// The job whose text the last observation showed to be wrong.
    pub fn take_wrong_text(&mut self) -> Option<Slot> {
        self.wrong_text.take()
    }

    /// The file behind a live model.
    pub fn path(&self, model: Slot) -> Option<&[u8]> {
        self.paths.get(&model).map(Vec::as_slice)
    }

    /// Which refusal is owed for a file. Beside another model, a library may refuse it for that alone (LOAD-12).
    pub fn refusal(&self, path: &[u8], beside: bool) -> Option<Refusal> {
        let mut refusal = self.refusals.get(path)?.clone();
        if beside {
            refusal
                .codes
                .extend([2, 99].into_iter().filter(|code| !refusal.codes.contains(code)).collect::<Vec<_>>());
        }
        Some(refusal)
    }

    /// What the job must give next, if that is settled.
    pub fn next(&self, result: Handle, state: &State) -> Next<'_> {
        let (Some(job), Some(progress)) =
            (slot(result).and_then(|slot| self.jobs.get(&slot)), state.job(result))
        else {
            return Next::Unknown;
        };
        let given = usize::try_from(progress.given).unwrap_or(0);
        if job.astray || progress.failed || progress.given as u64 >= progress.room {
            return Next::Unknown;
        }
        if progress.ended || progress.given >= job.max_tokens {
            return Next::End;
        }
        match job.text.pieces.get(given) {
            Some(piece) => Next::Piece(piece),
            None if job.text.ends => Next::End,
            None => Next::Unknown,
        }
    }

    /// Judges a call, and takes over what it did.
    pub(super) fn judge(
        &mut self,
        observation: &Observation,
        call: &Call,
        returned: &Returned,
        facts: &Facts,
        state: &State,
        verdicts: &mut Verdicts,
    ) {
        self.wrong_text = None;
        match call {
            Call::LoadModel { bind, ctx, path: Text::Bytes(path), .. } if !call.has_null() => {
                let refusal = self.refusal(path, state.loaded(*ctx));
                self.load(observation, (*bind, path), refusal, returned, verdicts);
            }
            // Other threads may open and close contexts at the same time.
            Call::Init { .. } if observation.thread == 0 => {
                if let Some(handle) = returned.handle() {
                    // Of one kind, live handles are told apart by their bits alone.
                    let distinct = !state.contexts.values().any(|known| *known == handle);
                    verdicts.judge("DEV-05", distinct, || {
                        tell(observation, "another handle than that of a live context")
                    });
                }
            }
            Call::UnloadModel { model: Handle::Slot(model) } => {
                self.rest.remove(model);
                self.paths.remove(model);
            }
            Call::Start { bind, model: Handle::Slot(model), prompt: Text::Bytes(prompt), .. }
                if returned.handle().is_some() =>
            {
                self.jobs.remove(bind);
                self.start(call, *bind, *model, prompt, facts, state);
            }
            Call::NextToken { result: Handle::Slot(result), .. } => {
                self.token(observation, call, *result, returned, state, verdicts);
            }
            Call::Free { result: Handle::Slot(result) } => {
                self.jobs.remove(result);
                let model = state.jobs.get(result).and_then(|job| job.model);
                if let Some(rest) = model.and_then(|model| self.rest.get_mut(&model)) {
                    rest.jobs += 1;
                }
            }
            // On other threads, something else may be under way.
            Call::ModelVramUsage { model: Handle::Slot(model) }
            | Call::VramUsage { model: Handle::Slot(model) }
                if observation.thread == 0 =>
            {
                self.at_rest(observation, *model, returned, state, verdicts);
            }
            Call::ProcessVramUsage { ctx: Handle::Slot(ctx) } if observation.thread == 0 => {
                process_usage(observation, (*ctx, returned, facts), state, verdicts);
            }
            _ => {}
        }
    }

    fn load(
        &mut self,
        observation: &Observation,
        (bind, path): (Slot, &[u8]),
        refusal: Option<Refusal>,
        returned: &Returned,
        verdicts: &mut Verdicts,
    ) {
        if let Some(refusal) = refusal {
            let code = returned.written_code();
            let refused =
                returned.handle().is_none() && code.is_none_or(|code| refusal.codes.contains(&code));
            verdicts.judge(refusal.requirement, refused, || {
                let codes: Vec<String> =
                    refusal.codes.iter().map(|&code| worker_contract::describe_code(code)).collect();
                tell(observation, format!("NULL with {}", codes.join(" or ")))
            });
        }
        if returned.handle().is_some() {
            self.rest.insert(bind, Rest::default());
            self.paths.insert(bind, path.to_vec());
        }
    }

    fn start(&mut self, call: &Call, bind: Slot, model: Slot, prompt: &[u8], facts: &Facts, state: &State) {
        let Call::Start { max_tokens, temperature, seed, .. } = call else { return };
        let Some(path) = self.paths.get(&model) else { return };
        let Some(known) = state.models.get(&model).and_then(|model| model.facts.as_ref()) else { return };
        let prompt = prompt.split(|&byte| byte == 0).next().unwrap_or_default();
        // What is no text, or may not fit the context, leaves the library too much freedom.
        if facts.faulty || !known.has_room(prompt, *max_tokens) || std::str::from_utf8(prompt).is_err() {
            return;
        }
        let key = Key::new(path, prompt, *temperature, *seed);
        if let Some(text) = self.texts.text(&key, *max_tokens) {
            self.jobs.insert(bind, Job { key, text, max_tokens: *max_tokens, refused: false, astray: false });
        }
    }

    fn token(
        &mut self,
        observation: &Observation,
        call: &Call,
        result: Slot,
        returned: &Returned,
        state: &State,
        verdicts: &mut Verdicts,
    ) {
        let Call::NextToken { buffer, .. } = call else { return };
        let Some(progress) = state.jobs.get(&result) else { return };
        let Some(refused) = self.jobs.get(&result).map(|job| job.refused) else { return };
        let given = progress.given;
        let piece = match self.next(Handle::Slot(result), state) {
            Next::Unknown => return,
            Next::End => None,
            Next::Piece(piece) => Some(piece.to_vec()),
        };
        let over = progress.ended || given >= progress.max_tokens;
        let room = usize::try_from(buffer.size).unwrap_or(0);
        if returned.is_true() {
            // A text without a NUL is UTF8-01's affair, a token after the end INF-07's.
            let Some(Token::Bytes(found)) = &returned.text else { return };
            if !over {
                self.given(observation, result, piece.as_deref(), found, (given, room), verdicts);
            }
            return;
        }
        if returned.written_code().is_none_or(|code| code != 0)
            && let Some(job) = self.jobs.get_mut(&result)
        {
            job.refused = true;
        }
        let Some(piece) = piece.filter(|_| buffer.pointer == Out::Given && room > 0 && !refused) else {
            return;
        };
        let expected = wanted(Some(&piece), given);
        match returned.written_code() {
            Some(0) if self.ends_alone(result, given) => {}
            Some(0) => self.wrong(observation, result, expected, verdicts),
            Some(code) if room <= piece.len() => {
                verdicts.judge("INF-09", code == 5, || tell(observation, TOO_SMALL));
            }
            Some(5) => verdicts.judge("INF-09", false, || {
                tell(observation, format!("{expected}: {room} bytes have room for it and its NUL"))
            }),
            _ => {}
        }
    }

    /// A token was given: whether it is the right one, and had room.
    fn given(
        &mut self,
        observation: &Observation,
        result: Slot,
        piece: Option<&[u8]>,
        found: &[u8],
        (given, room): (i32, usize),
        verdicts: &mut Verdicts,
    ) {
        let Some(job) = self.jobs.get_mut(&result) else { return };
        let last = given + 1 == job.max_tokens;
        if piece.is_some_and(|piece| same(piece, found, last)) {
            verdicts.judge("INF-09", room > found.len(), || tell(observation, TOO_SMALL));
            return;
        }
        let expected = wanted(piece, given);
        if job.refused {
            job.astray = true;
            verdicts.judge_at(id("INF-10"), Level::Should, false, || tell(observation, expected));
            return;
        }
        let cut = |piece: &[u8]| piece.len() >= room && piece.starts_with(found) && found.len() + 1 == room;
        if piece.is_some_and(cut) {
            job.astray = true;
            verdicts.judge("INF-09", false, || tell(observation, TOO_SMALL));
            return;
        }
        self.wrong(observation, result, expected, verdicts);
    }

    /// Whether the job that may give just as many tokens ends after so many, alone too.
    fn ends_alone(&self, result: Slot, given: i32) -> bool {
        let Some(job) = self.jobs.get(&result) else { return false };
        let text = self.texts.text_of_just(&job.key, job.max_tokens);
        text.is_some_and(|text| text.ends && usize::try_from(given) == Ok(text.pieces.len()))
    }

    /// The text is not what the job gives alone. What that breaks depends on what made it so; that nothing may is
    /// DET-08.
    fn wrong(&mut self, observation: &Observation, result: Slot, expected: String, verdicts: &mut Verdicts) {
        if let Some(job) = self.jobs.get_mut(&result) {
            job.astray = true;
        }
        self.wrong_text = Some(result);
        verdicts.judge("DET-08", false, || tell(observation, expected));
    }

    /// VRAM-02 and INF-12: without an open job, a model uses the same all the time.
    fn at_rest(
        &mut self,
        observation: &Observation,
        model: Slot,
        returned: &Returned,
        state: &State,
        verdicts: &mut Verdicts,
    ) {
        let (Some(rest), Some(bytes)) = (self.rest.get_mut(&model), returned.bytes()) else { return };
        if state.busy(Handle::Slot(model)) {
            return;
        }
        if let Some((before, jobs)) = rest.figure.filter(|(_, jobs)| (*jobs == 0) == (rest.jobs == 0)) {
            let requirement = if jobs == rest.jobs { "VRAM-02" } else { "INF-12" };
            verdicts.judge(requirement, bytes == before, || {
                tell(observation, format!("{before} bytes, as without an open job before"))
            });
        }
        rest.figure = Some((bytes, rest.jobs));
    }
}

const TOO_SMALL: &str = "false with CUDA_ERROR_INVALID_PARAMETER (5): the text and its NUL do not fit";

/// Whether a token is the known one. The last token of a job may bring what is left of an unfinished code point, as
/// U+FFFD, which UTF8-04 says that it should not.
fn same(piece: &[u8], found: &[u8], last: bool) -> bool {
    piece == found || (last && found.strip_suffix("\u{FFFD}".as_bytes()).is_some_and(|found| found == piece))
}

fn wanted(piece: Option<&[u8]>, given: i32) -> String {
    match piece {
        Some(piece) => {
            format!("token {given} is {:?}, as the job gives it alone", String::from_utf8_lossy(piece))
        }
        None => format!("false with 0 after {given} tokens, as the job ends alone"),
    }
}

/// VRAM-03: the process uses at least what the models of the context use together.
fn process_usage(
    observation: &Observation,
    (ctx, returned, facts): (Slot, &Returned, &Facts),
    state: &State,
    verdicts: &mut Verdicts,
) {
    let Some(bytes) = returned.bytes().filter(|_| state.contexts.contains_key(&ctx)) else { return };
    let models = state.models.values().filter(|model| model.context == Some(ctx));
    let sum: u64 = models
        .map(|model| model.usage.unwrap_or(model.facts.as_ref().map_or(0, |facts| facts.tensor_bytes)))
        .sum();
    verdicts.judge("VRAM-03", facts.covers(bytes, sum), || {
        tell(observation, format!("at least the {sum} bytes of the context's models"))
    });
}

#[cfg(test)]
mod tests;
