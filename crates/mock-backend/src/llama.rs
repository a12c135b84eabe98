//! The `llama` architecture and its relatives `qwen2` and `phi3`: RMS norm, rotary positions, grouped queries,
//! SwiGLU, tied or separate output. `qwen2` has biases; `phi3` has queries, keys and values in one matrix, gate and
//! up in another; both turn the halves of a head as pairs.

use crate::attention::{Attention, Phase, Shape};
use crate::hyper_parameters::{Architecture, HyperParameters};
use crate::kv_cache::KvCache;
use crate::network::{Batch, Scratch, add, shape};
use crate::norm;
use crate::operand::Operand;
use crate::quant::product::{swiglu, turn};
use crate::rope::{Pairs, Rope};
use crate::weights::{Linear, Loader, Matrix, WeightError};

/// Weights of one block.
#[derive(Debug)]
struct Layer {
    attention_norm: Vec<f32>,
    query_key_value: Parts<3>,
    output: Linear,
    feed_forward_norm: Vec<f32>,
    gate_up: Parts<2>,
    down: Linear,
}

/// Products of one input: a matrix each, or one whose rows are those of all, one after the other.
#[derive(Debug)]
enum Parts<const N: usize> {
    Separate([Linear; N]),
    Fused { all: Linear, rows: [usize; N] },
}

impl<const N: usize> Parts<N> {
    /// `outs[i]` (tokens, rows of part i); `fused` is room for all of them side by side.
    fn apply(&self, operand: &mut Operand, fused: &mut Vec<f32>, outs: [&mut Vec<f32>; N], threads: usize) {
        match self {
            Self::Separate(parts) => {
                parts.iter().zip(outs).for_each(|(part, out)| operand.apply(out, part, threads));
            }
            Self::Fused { all, rows } => {
                operand.apply(fused, all, threads);
                let mut start = 0;
                for (&rows, out) in rows.iter().zip(outs) {
                    out.clear();
                    fused
                        .chunks_exact(all.weight.rows)
                        .for_each(|token| out.extend_from_slice(&token[start..start + rows]));
                    start += rows;
                }
            }
        }
    }
}

/// All weights.
#[derive(Debug)]
pub struct Llama {
    shape: Shape,
    epsilon: f32,
    rope: Rope,
    pairs: Pairs,
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
        for name in ["rope_factors_long.weight", "rope_factors_short.weight"] {
            // They are chosen between by the length of the text; ignored, they would give wrong text.
            if loader.has(name) {
                return Err(WeightError::Unsupported(name.into()));
            }
        }
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
        let pairs = match parameters.architecture {
            Architecture::Qwen2 | Architecture::Phi3 => Pairs::Halves,
            Architecture::Llama | Architecture::Gpt2 => Pairs::Neighbours,
        };
        let epsilon = parameters.epsilon;
        Ok(Self { shape: shape(parameters), epsilon, rope, pairs, embedding, layers, output_norm, output })
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
            let outs = [&mut s.queries, &mut s.keys, &mut s.values];
            let operand = s.operand.input(&s.normed, phase);
            layer.query_key_value.apply(operand, &mut s.fused, outs, threads);
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
            let outs = [&mut s.gate, &mut s.up];
            layer.gate_up.apply(s.operand.input(&s.normed, phase), &mut s.fused, outs, threads);
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
            turn(query, head_size, self.pairs, &s.angles);
            turn(key, head_size, self.pairs, &s.angles);
            cache.store(layer, position, key, value);
        }
    }
}

fn layer(parameters: &HyperParameters, loader: &Loader, index: usize) -> Result<Layer, WeightError> {
    let HyperParameters { width, feed_forward, .. } = *parameters;
    let (queries, kv) = (parameters.query_width(), parameters.kv_width());
    let name = |part: &str| format!("blk.{index}.{part}");
    let attention_norm = loader.vector(&name("attn_norm.weight"), width)?;
    let (query_key_value, gate_up) = if parameters.architecture == Architecture::Phi3 {
        let all = loader.linear(&name("attn_qkv"), queries + 2 * kv, width)?;
        let both = loader.linear(&name("ffn_up"), 2 * feed_forward, width)?;
        (
            Parts::Fused { all, rows: [queries, kv, kv] },
            Parts::Fused { all: both, rows: [feed_forward, feed_forward] },
        )
    } else {
        let linear = |part, rows| loader.linear(&name(part), rows, width);
        let three = [linear("attn_q", queries)?, linear("attn_k", kv)?, linear("attn_v", kv)?];
        if parameters.architecture == Architecture::Qwen2 {
            for (part, linear) in ["attn_q", "attn_k", "attn_v"].iter().zip(&three) {
                linear.bias.as_ref().ok_or_else(|| WeightError::Missing(name(&format!("{part}.bias"))))?;
            }
        }
        let two = [linear("ffn_gate", feed_forward)?, linear("ffn_up", feed_forward)?];
        (Parts::Separate(three), Parts::Separate(two))
    };
    Ok(Layer {
        attention_norm,
        query_key_value,
        output: loader.linear(&name("attn_output"), width, queries)?,
        feed_forward_norm: loader.vector(&name("ffn_norm.weight"), width)?,
        gate_up,
        down: loader.linear(&name("ffn_down"), width, feed_forward)?,
    })
}
