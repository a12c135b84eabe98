//! One generation: a prompt, its KV cache, and tokens drawn one at a time.

use std::sync::Arc;

use crate::attention::Phase;
use crate::code::ErrorCode;
use crate::defect::spoiler::{Request, Spoiler};
use crate::defect::{self, Defect};
use crate::fault::{Site, strike};
use crate::kv_cache::KvCache;
use crate::ledger::{OutOfMemory, Reservation};
use crate::model::Model;
use crate::network::{BATCH, Batch, Scratch};
use crate::sampler::Sampler;
use crate::text::TextStream;
use crate::tokenizer::EncodeError;

/// Largest number of tokens that a job may ask for (INF-02).
pub const MOST_TOKENS: i32 = 2048;
/// Highest temperature (INF-03).
pub const HIGHEST_TEMPERATURE: f32 = 2.0;

/// Why a job cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A number out of its range.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// A prompt that gives no token or cannot be split.
    #[error(transparent)]
    Prompt(#[from] EncodeError),
    /// A prompt that fills the context without room for one token more (INF-13).
    #[error("the prompt has {tokens} tokens, the context {context}")]
    Context {
        /// Of the prompt.
        tokens: usize,
        /// Of the model.
        context: usize,
    },
    /// The device is too small for KV cache and activations.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The host is too small for them.
    #[error("the host has no memory for the KV cache")]
    HostMemory,
    /// An injected condition.
    #[error("an injected fault")]
    Fault(ErrorCode),
}

impl StartError {
    /// Code at the boundary.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Range(_) | Self::Prompt(EncodeError::NoToken) => ErrorCode::InvalidParameter,
            Self::Prompt(EncodeError::Split(_)) | Self::Context { .. } => ErrorCode::InferenceFailed,
            Self::OutOfMemory(_) | Self::HostMemory => ErrorCode::OutOfMemory,
            Self::Fault(code) => *code,
        }
    }
}

/// A token that the caller has not taken yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Text that became complete with it; may be empty.
    pub text: String,
    /// Position in the generation, from 0.
    pub index: i32,
}

/// An open generation.
pub struct Job {
    model: Arc<Model>,
    reservation: Reservation,
    cache: KvCache,
    scratch: Scratch,
    sampler: Sampler,
    text: TextStream,
    /// Tokens not yet run through the network: the prompt at first, then the last one drawn.
    input: Vec<u32>,
    /// Positions in the cache.
    seen: usize,
    taken: i32,
    limit: i32,
    waiting: Option<Produced>,
    ended: bool,
    spoiler: Spoiler,
    /// What deep defects know it by; 0 without them.
    number: u64,
}

impl Job {
    /// Begins a generation; the prompt is only split here, the first token runs it.
    pub fn start(
        model: &Arc<Model>,
        prompt: &str,
        max_tokens: i32,
        temperature: f32,
        seed: u64,
    ) -> Result<Self, StartError> {
        check_ranges(max_tokens, temperature)?;
        let seed = defect::job::seed(seed, max_tokens);
        let seed = defect::deep::seed(model, temperature, seed);
        let input = defect::job::tokens(prompt, model.tokenizer().encode(prompt)?, model);
        let parameters = &model.parameters;
        if input.len() >= parameters.context {
            if defect::on(Defect::LongPromptBreaksJobs) {
                defect::mark();
            }
            return Err(StartError::Context { tokens: input.len(), context: parameters.context });
        }
        if let Some(code) = strike(Site::Start) {
            let code = if defect::on(Defect::KvFaultReports4) { ErrorCode::InferenceFailed } else { code };
            return Err(StartError::Fault(code));
        }
        // A job that would overrun the context ends at its end (INF-13).
        let room = i32::try_from(parameters.context - input.len()).unwrap_or(i32::MAX);
        let limit = max_tokens.min(room) + i32::from(defect::on(Defect::OneTooMany) && max_tokens < room);
        let positions = input.len() + limit as usize;
        let (layers, width) = (parameters.layers, parameters.kv_width());
        let cache_bytes = KvCache::bytes(layers, positions, width).ok_or(StartError::HostMemory)? as u64;
        let vocabulary = model.tokenizer().vocabulary().tokens.len();
        let scratch_bytes = Scratch::bytes(parameters, vocabulary, input.len());
        let reservation = model.ledger.reserve(cache_bytes.saturating_add(scratch_bytes))?;
        let cache = KvCache::new(layers, positions, width).map_err(|_| StartError::HostMemory)?;
        model.open_job(reservation.bytes());
        if defect::on(Defect::ProcessWithoutJobs) {
            defect::keep(defect::kept() + reservation.bytes());
        }
        Ok(Self {
            model: Arc::clone(model),
            reservation,
            cache,
            scratch: Scratch::default(),
            sampler: Sampler::new(temperature, seed),
            text: TextStream::default(),
            input,
            seen: 0,
            taken: 0,
            limit,
            waiting: None,
            ended: false,
            number: defect::deep::started(model, temperature, seed),
            spoiler: Spoiler::new(&Request { model, max_tokens, temperature, seed }),
        })
    }

    /// The next token, the same one until [`Self::take`]; `None` at the end, for good (INF-07, INF-10).
    pub fn peek(&mut self) -> Result<Option<&Produced>, ErrorCode> {
        if self.waiting.is_none() && !self.ended {
            if self.taken >= self.limit {
                if defect::on(Defect::FullContextAborts) && self.seen + 1 >= self.model.parameters.context {
                    std::process::abort();
                }
                self.ended = true;
                return Ok(None);
            }
            if let Some(code) = strike(Site::Token(self.taken as u64)) {
                if defect::on(Defect::FaultSkipsIndex) {
                    self.taken += 1;
                }
                return defect::job::struck(code, &self.model, self.sampler.draws()).map(|()| None);
            }
            self.produce()?;
        }
        Ok(self.waiting.as_ref())
    }

    /// Marks the token that [`Self::peek`] gave as delivered.
    pub fn take(&mut self) {
        if self.waiting.take().is_some() {
            self.taken += 1;
            if defect::on(Defect::IndexGap) && self.taken == 17 {
                self.taken += 1;
            }
            if defect::on(Defect::LongJobStays) && self.taken == 50 {
                defect::mark();
            }
        }
    }

    /// What defects ask of a job: tokens given, whether it ended, and its model.
    pub(crate) fn progress(&self) -> (i32, bool, &Arc<Model>) {
        (self.taken, self.ended, &self.model)
    }

    /// Whether the model ended it before its limit, as a defect asks.
    pub(crate) fn ended_early(&self) -> bool {
        self.ended && self.taken < self.limit
    }

    /// What deep defects know it by.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Begins the indices anew, as a defect wants it.
    pub(crate) fn restart(&mut self) {
        self.ended = false;
        self.taken = 0;
    }

    /// Logits of the last token that was run, for comparisons: (vocabulary).
    pub fn logits(&self) -> &[f32] {
        &self.scratch.logits
    }

    fn produce(&mut self) -> Result<(), ErrorCode> {
        let Self { model, cache, scratch, input, seen, .. } = self;
        model.pool.run(|| {
            let batches = input.chunks(BATCH);
            let last = batches.len().saturating_sub(1);
            let phase = if input.len() > 1 { Phase::Prompt } else { Phase::Single };
            for (i, tokens) in batches.enumerate() {
                let batch = Batch { tokens, start: *seen, phase, logits: i == last };
                model.network.step(batch, cache, scratch, model.pool.width());
                *seen += tokens.len();
            }
        });
        // A model whose numbers blow up has no next token; there is none later either.
        let Some(token) = self.sampler.draw(&self.scratch.logits) else {
            self.ended = true;
            return Err(ErrorCode::InferenceFailed);
        };
        let shift = self.spoiler.shift(self.taken) + u32::from(defect::deep::spoils(self.number));
        let elsewhere =
            defect::on(Defect::SamplerPerThread) && self.sampler.draws() && defect::foreign_thread();
        let shift = shift + u32::from(elsewhere);
        let token = if shift == 0 { token } else { (token + shift) % self.scratch.logits.len() as u32 };
        self.input.clear();
        self.input.push(token);
        let tokenizer = self.model.tokenizer();
        if tokenizer.vocabulary().ends(token) {
            self.ended = true;
        } else {
            let text = self.text.push(&tokenizer.bytes(token));
            self.waiting = Some(Produced { text, index: self.taken });
        }
        Ok(())
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let bytes = self.reservation.bytes();
        defect::deep::freed(self.number, bytes);
        if defect::on(Defect::ProcessWithoutJobs) {
            defect::keep(defect::kept() - bytes);
        }
        if !defect::on(Defect::JobKeepsUsage) {
            self.model.close_job(bytes);
        }
    }
}

/// INF-02 and INF-03; NaN is in no range.
pub fn check_ranges(max_tokens: i32, temperature: f32) -> Result<(), StartError> {
    if !(1..=MOST_TOKENS).contains(&max_tokens) {
        return Err(StartError::Range("max_tokens"));
    }
    if !(0.0..=HIGHEST_TEMPERATURE).contains(&temperature) {
        return Err(StartError::Range("temperature"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
