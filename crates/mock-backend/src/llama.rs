//! The `llama` architecture: RMS norm, rotary positions, grouped queries, SwiGLU, tied or separate output.

use crate::attention::{Attention, Phase, Shape};
use crate::hyper_parameters::HyperParameters;
use crate::kv_cache::KvCache;
use crate::network::{Batch, Scratch, add, shape};
use crate::norm;
use crate::quant::product::{swiglu, turn};
use crate::rope::Rope;
use crate::weights::{Linear, Loader, Matrix, WeightError};

/// Weights of one block.
#[derive(Debug)]
struct Layer {
    attention_norm: Vec<f32>,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    feed_forward_norm: Vec<f32>,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// All weights.
#[derive(Debug)]
pub struct Llama {
    shape: Shape,
    epsilon: f32,
    rope: Rope,
    embedding: Matrix,
    layers: Vec<Layer>,
    output_norm: Vec<f32>,
    /// `None`: the embedding serves.
    output: Option<Matrix>,
}

impl Llama {
    pub fn load(
        parameters: &HyperParameters,
        vocabulary: usize,
        loader: &Loader,
    ) -> Result<Self, WeightError> {
        let width = parameters.width;
        let embedding = loader.matrix("token_embd.weight", vocabulary, width)?;
        let output_norm = loader.vector("output_norm.weight", width)?;
        let output = match loader.has("output.weight") {
            true => Some(loader.matrix("output.weight", vocabulary, width)?),
            false => None,
        };
        let layers =
            (0..parameters.layers).map(|i| layer(parameters, loader, i)).collect::<Result<_, _>>()?;
        let rotary = parameters.rope;
        let factors = loader.optional_vector("rope_freqs.weight", rotary.dimensions / 2)?.unwrap_or_default();
        let rope = Rope::new(rotary.dimensions, rotary.base, rotary.linear_factor, factors);
        let epsilon = parameters.epsilon;
        Ok(Self { shape: shape(parameters), epsilon, rope, embedding, layers, output_norm, output })
    }

    pub fn step(&self, batch: Batch, cache: &mut KvCache, scratch: &mut Scratch, threads: usize) {
        let Batch { tokens, start, mut phase, logits } = batch;
        let s = scratch;
        let width = self.embedding.columns;
        s.x.clear();
        s.x.resize(tokens.len() * width, 0.0);
        for (&token, x) in tokens.iter().zip(s.x.chunks_exact_mut(width)) {
            self.embedding.row(token as usize, x);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            norm::root_mean_square(&mut s.normed, &s.x, &layer.attention_norm, self.epsilon);
            let operand = s.operand.input(&s.normed, phase);
            operand.apply(&mut s.queries, &layer.query, threads);
            operand.apply(&mut s.keys, &layer.key, threads);
            operand.apply(&mut s.values, &layer.value, threads);
            self.place(index, start, cache, s);
            s.attended.clear();
            s.attended.resize(s.queries.len(), 0.0);
            let attention =
                Attention { cache, layer: index, start, shape: self.shape, parallel: threads > 1 };
            phase.attend(&mut s.attended, &s.queries, attention);
            s.operand.input(&s.attended, phase).apply(&mut s.normed, &layer.output, threads);
            add(&mut s.x, &s.normed);
            if index + 1 == self.layers.len() {
                // Past the last attention only the token that logits are wanted of matters, as a single one.
                if !logits {
                    return;
                }
                s.x.drain(..(tokens.len() - 1) * width);
                phase = Phase::Single;
            }
            norm::root_mean_square(&mut s.normed, &s.x, &layer.feed_forward_norm, self.epsilon);
            let operand = s.operand.input(&s.normed, phase);
            operand.apply(&mut s.gate, &layer.gate, threads);
            operand.apply(&mut s.up, &layer.up, threads);
            swiglu(&mut s.gate, &s.up);
            s.operand.input(&s.gate, phase).apply(&mut s.normed, &layer.down, threads);
            add(&mut s.x, &s.normed);
        }
        if logits {
            norm::root_mean_square(&mut s.normed, &s.x, &self.output_norm, self.epsilon);
            let output = self.output.as_ref().unwrap_or(&self.embedding);
            s.operand.input(&s.normed, phase).multiply(&mut s.logits, output, threads);
        }
    }

    /// Turns queries and keys to their positions and stores keys and values.
    fn place(&self, layer: usize, start: usize, cache: &mut KvCache, s: &mut Scratch) {
        let Shape { heads, kv_heads, head_size } = self.shape;
        let queries = s.queries.chunks_exact_mut(heads * head_size);
        let keys = s.keys.chunks_exact_mut(kv_heads * head_size);
        let values = s.values.chunks_exact(kv_heads * head_size);
        for (position, ((query, key), value)) in (start..).zip(queries.zip(keys).zip(values)) {
            self.rope.angles(position, &mut s.angles);
            turn(query, head_size, &s.angles);
            turn(key, head_size, &s.angles);
            cache.store(layer, position, key, value);
        }
    }
}

fn layer(parameters: &HyperParameters, loader: &Loader, index: usize) -> Result<Layer, WeightError> {
    let HyperParameters { width, feed_forward, .. } = *parameters;
    let (queries, kv) = (parameters.query_width(), parameters.kv_width());
    let name = |part: &str| format!("blk.{index}.{part}");
    Ok(Layer {
        attention_norm: loader.vector(&name("attn_norm.weight"), width)?,
        query: loader.linear(&name("attn_q"), queries, width)?,
        key: loader.linear(&name("attn_k"), kv, width)?,
        value: loader.linear(&name("attn_v"), kv, width)?,
        output: loader.linear(&name("attn_output"), width, queries)?,
        feed_forward_norm: loader.vector(&name("ffn_norm.weight"), width)?,
        gate: loader.linear(&name("ffn_gate"), feed_forward, width)?,
        up: loader.linear(&name("ffn_up"), feed_forward, width)?,
        down: loader.linear(&name("ffn_down"), width, feed_forward)?,
    })
}
