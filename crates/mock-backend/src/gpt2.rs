//! The `gpt2` architecture: layer norm, learned positions, one matrix for query, key and value, GELU, biases.

use crate::attention::{Attention, Phase, Shape};
use crate::hyper_parameters::HyperParameters;
use crate::kv_cache::KvCache;
use crate::network::{Batch, Scratch, add, shape};
use crate::norm;
use crate::quant::activation::round_to_half;
use crate::weights::{Linear, Loader, Matrix, WeightError};

/// Scale and shift of a layer norm.
#[derive(Debug)]
struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Weights of one block.
#[derive(Debug)]
struct Layer {
    attention_norm: Norm,
    query_key_value: Linear,
    output: Linear,
    feed_forward_norm: Norm,
    up: Linear,
    down: Linear,
}

/// All weights.
#[derive(Debug)]
pub struct Gpt2 {
    shape: Shape,
    epsilon: f32,
    embedding: Matrix,
    positions: Matrix,
    layers: Vec<Layer>,
    output_norm: Norm,
    /// `None`: the embedding serves.
    output: Option<Matrix>,
}

impl Gpt2 {
    pub fn load(
        parameters: &HyperParameters,
        vocabulary: usize,
        loader: &Loader,
    ) -> Result<Self, WeightError> {
        let width = parameters.width;
        Ok(Self {
            shape: shape(parameters),
            epsilon: parameters.epsilon,
            embedding: loader.matrix("token_embd.weight", vocabulary, width)?,
            positions: loader.matrix("position_embd.weight", parameters.context, width)?,
            output_norm: norm(loader, "output_norm", width)?,
            output: match loader.has("output.weight") {
                true => Some(loader.matrix("output.weight", vocabulary, width)?),
                false => None,
            },
            layers: (0..parameters.layers).map(|i| layer(parameters, loader, i)).collect::<Result<_, _>>()?,
        })
    }

    pub fn step(&self, batch: Batch, cache: &mut KvCache, scratch: &mut Scratch, threads: usize) {
        let Batch { tokens, start, mut phase, logits } = batch;
        let s = scratch;
        let width = self.embedding.columns;
        s.x.clear();
        s.x.resize(tokens.len() * width, 0.0);
        s.normed.resize(width, 0.0);
        for (position, (&token, x)) in (start..).zip(tokens.iter().zip(s.x.chunks_exact_mut(width))) {
            self.embedding.row(token as usize, x);
            self.positions.row(position, &mut s.normed[..width]);
            add(x, &s.normed[..width]);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            self.normalise(&mut s.normed, &s.x, &layer.attention_norm);
            s.operand.input(&s.normed, phase).apply(&mut s.up, &layer.query_key_value, threads);
            s.queries.clear();
            for (position, all) in (start..).zip(s.up.chunks_exact(3 * width)) {
                s.queries.extend_from_slice(&all[..width]);
                cache.store(index, position, &all[width..2 * width], &all[2 * width..]);
            }
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
            self.normalise(&mut s.normed, &s.x, &layer.feed_forward_norm);
            s.operand.input(&s.normed, phase).apply(&mut s.up, &layer.up, threads);
            s.up.iter_mut().for_each(|x| *x = gelu(*x));
            s.operand.input(&s.up, phase).apply(&mut s.normed, &layer.down, threads);
            add(&mut s.x, &s.normed);
        }
        if logits {
            self.normalise(&mut s.normed, &s.x, &self.output_norm);
            let output = self.output.as_ref().unwrap_or(&self.embedding);
            s.operand.input(&s.normed, phase).multiply(&mut s.logits, output, threads);
        }
    }

    fn normalise(&self, out: &mut Vec<f32>, x: &[f32], by: &Norm) {
        norm::layer(out, x, &by.weight, &by.bias, self.epsilon);
    }
}

/// GELU by the tanh formula, in and out of half precision: the reference implementation looks it up in a table of
/// halves, and its choices hang on that rounding.
fn gelu(x: f32) -> f32 {
    if x <= -10.0 {
        return 0.0;
    }
    if x >= 10.0 {
        return x;
    }
    let x = round_to_half(x);
    let inner = 0.797_884_6 * x * (1.0 + 0.044_715 * x * x);
    round_to_half(0.5 * x * (1.0 + inner.tanh()))
}

fn norm(loader: &Loader, name: &str, width: usize) -> Result<Norm, WeightError> {
    let weight = loader.vector(&format!("{name}.weight"), width)?;
    Ok(Norm { weight, bias: loader.vector(&format!("{name}.bias"), width)? })
}

fn layer(parameters: &HyperParameters, loader: &Loader, index: usize) -> Result<Layer, WeightError> {
    let HyperParameters { width, feed_forward, .. } = *parameters;
    let name = |part: &str| format!("blk.{index}.{part}");
    Ok(Layer {
        attention_norm: norm(loader, &name("attn_norm"), width)?,
        query_key_value: loader.linear(&name("attn_qkv"), 3 * width, width)?,
        output: loader.linear(&name("attn_output"), width, width)?,
        feed_forward_norm: norm(loader, &name("ffn_norm"), width)?,
        up: loader.linear(&name("ffn_up"), feed_forward, width)?,
        down: loader.linear(&name("ffn_down"), width, feed_forward)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_the_identity_far_right_and_zero_far_left() {
        assert_eq!((gelu(12.0), gelu(-12.0), gelu(0.0)), (12.0, 0.0, 0.0));
        assert!((gelu(1.0) - 0.841_192).abs() < 1e-3);
        assert!((gelu(-1.0) + 0.158_808).abs() < 1e-3);
    }
}
