//! What every architecture offers a job: a step over new tokens, and the buffers for it.

use crate::attention::{Phase, Shape};
use crate::gguf::{Header, Source};
use crate::gpt2::Gpt2;
use crate::hyper_parameters::{Architecture, HyperParameters};
use crate::kv_cache::KvCache;
use crate::llama::Llama;
use crate::operand::Operand;
use crate::weights::{Loader, WeightError};

/// Tokens of a prompt that are processed at once: each weight is read once for all of them.
pub const BATCH: usize = 64;

/// The weights of a model.
#[derive(Debug)]
pub enum Network {
    Llama(Llama),
    Gpt2(Gpt2),
}

/// New tokens of a job.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'t> {
    /// At most [`BATCH`].
    pub tokens: &'t [u32],
    /// Position of the first.
    pub start: usize,
    /// What they are to their job.
    pub phase: Phase,
    /// Whether the logits of the last are wanted.
    pub logits: bool,
}

/// Activations of up to [`BATCH`] tokens; empty until the first step.
#[derive(Debug, Default)]
pub struct Scratch {
    /// (tokens, width): the residual stream.
    pub x: Vec<f32>,
    /// (tokens, width): a normalised copy, or the output of a block.
    pub normed: Vec<f32>,
    /// (tokens, heads * head_size).
    pub queries: Vec<f32>,
    /// (tokens, kv_width).
    pub keys: Vec<f32>,
    /// (tokens, kv_width).
    pub values: Vec<f32>,
    /// (tokens, heads * head_size).
    pub attended: Vec<f32>,
    /// (tokens, feed_forward).
    pub gate: Vec<f32>,
    /// (tokens, feed_forward).
    pub up: Vec<f32>,
    /// (tokens, rows) of a matrix that gives several of the above side by side.
    pub fused: Vec<f32>,
    /// (vocabulary) of the last token.
    pub logits: Vec<f32>,
    /// (rotary dimensions / 2) of one position.
    pub angles: Vec<(f32, f32)>,
    /// Input of products.
    pub operand: Operand,
}

impl Scratch {
    /// Bytes of activations that a job over `tokens` at once keeps, as its account counts them.
    pub fn bytes(parameters: &HyperParameters, vocabulary: usize, tokens: usize) -> u64 {
        let fused = match parameters.architecture {
            Architecture::Phi3 => {
                (parameters.query_width() + 2 * parameters.kv_width()).max(2 * parameters.feed_forward)
            }
            Architecture::Llama | Architecture::Qwen2 | Architecture::Gpt2 => 0,
        };
        let widest = parameters.feed_forward.max(3 * parameters.width).max(parameters.query_width());
        let widest = widest.max(fused) as u64;
        let row = 3 * parameters.width as u64
            + 2 * parameters.query_width() as u64
            + 2 * parameters.kv_width() as u64
            + 2 * parameters.feed_forward as u64
            + fused as u64
            // The input, its stored form and the product before it is gathered.
            + 3 * widest;
        4 * (row * tokens.min(BATCH) as u64 + vocabulary as u64)
    }
}

impl Network {
    /// Takes the weights of the file.
    pub fn load(
        parameters: &HyperParameters,
        vocabulary: usize,
        header: &Header,
        source: &dyn Source,
    ) -> Result<Self, WeightError> {
        let loader = Loader::new(header, source);
        match parameters.architecture {
            Architecture::Llama | Architecture::Qwen2 | Architecture::Phi3 => {
                Llama::load(parameters, vocabulary, &loader).map(Self::Llama)
            }
            Architecture::Gpt2 => Gpt2::load(parameters, vocabulary, &loader).map(Self::Gpt2),
        }
    }

    /// Runs `batch` through the layers; its keys and values go to `cache`, its logits to `scratch`.
    pub fn step(&self, batch: Batch, cache: &mut KvCache, scratch: &mut Scratch, threads: usize) {
        match self {
            Self::Llama(llama) => llama.step(batch, cache, scratch, threads),
            Self::Gpt2(gpt2) => gpt2.step(batch, cache, scratch, threads),
        }
    }
}

/// Heads of `parameters`.
pub fn shape(parameters: &HyperParameters) -> Shape {
    Shape { heads: parameters.heads, kv_heads: parameters.kv_heads, head_size: parameters.head_size }
}

/// `x += y`, element by element.
pub fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
