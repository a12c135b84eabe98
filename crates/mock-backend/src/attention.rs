//! Causal attention of new tokens over the KV cache, one head of one token at a time.

use rayon::prelude::*;

use crate::kv_cache::KvCache;
use crate::quant::activation::round_to_half;
use crate::quant::portable::{FLOAT_LANES, sum16};
use crate::quant::product::{add_scaled_half_row, exponentials, half_rows};

/// Head counts and size of an attention layer; `heads` is a multiple of `kv_heads`.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Elements of a head.
    pub head_size: usize,
}

/// Lanes of sums for the tokens of a prompt.
const PROMPT_LANES: usize = 16;

/// What a token is to its job. It says how sums are ordered, so that the bits hang on it, and not on how many
/// tokens are processed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// One of several tokens of a prompt.
    Prompt,
    /// A generated token, or the only one of its prompt.
    Single,
}

/// Where attention reads, and how.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'c> {
    /// Keys and values, those of the new tokens included.
    pub cache: &'c KvCache,
    /// The layer of the cache.
    pub layer: usize,
    /// Position of the first new token.
    pub start: usize,
    /// Heads.
    pub shape: Shape,
    /// Whether several threads may work.
    pub parallel: bool,
}

impl Phase {
    /// [`attend`] with the lanes of the phase.
    pub fn attend(self, out: &mut [f32], queries: &[f32], attention: Attention) {
        match self {
            Self::Prompt => attend::<PROMPT_LANES>(out, queries, attention),
            Self::Single => attend::<FLOAT_LANES>(out, queries, attention),
        }
    }
}

/// Multiply-adds below which one thread is faster than several.
const PARALLEL_WORK: usize = 1 << 15;

/// `out` (tokens, heads * head_size) = attention of `queries` (same shape), the first of them at position `start`.
///
/// Queries and probabilities are rounded to half precision before they meet the cache. Sums run in `LANES` lanes:
/// [`PROMPT_LANES`] for the tokens of a prompt, [`FLOAT_LANES`] for generated ones. All of that is llama.cpp's way;
/// a sum in another order ends in other bits, a few of these in other rounded activations, and then texts part
/// at choices that are no near ties at all.
fn attend<const LANES: usize>(out: &mut [f32], queries: &[f32], attention: Attention) {
    let Attention { start, shape, parallel, .. } = attention;
    let tokens = queries.len() / (shape.heads * shape.head_size);
    let work = tokens * (start + tokens) * shape.heads * shape.head_size;
    let head = |index: usize, out: &mut [f32]| {
        let token = index / shape.heads;
        let query = &queries[index * shape.head_size..(index + 1) * shape.head_size];
        attend_head::<LANES>(out, query, attention, index % shape.heads, start + token + 1);
    };
    if parallel && work > PARALLEL_WORK {
        out.par_chunks_mut(shape.head_size).enumerate().for_each(|(index, out)| head(index, out));
    } else {
        out.chunks_mut(shape.head_size).enumerate().for_each(|(index, out)| head(index, out));
    }
}

fn attend_head<const LANES: usize>(
    out: &mut [f32],
    query: &[f32],
    attention: Attention,
    head: usize,
    positions: usize,
) {
    let Attention { cache, layer, shape, .. } = attention;
    let query: Vec<f32> = query.iter().map(|&x| round_to_half(x)).collect();
    let at = head / (shape.heads / shape.kv_heads) * shape.head_size * 2;
    let size = shape.head_size * 2;
    let scale = 1.0 / (shape.head_size as f32).sqrt();
    let (keys, row_bytes) = cache.keys(layer);
    let mut scores = vec![0.0; positions];
    half_rows::<LANES>(keys, row_bytes, at, &query, &mut scores);
    scores.iter_mut().for_each(|score| *score *= scale);
    let largest = scores.iter().fold(f32::NEG_INFINITY, |largest, &score| largest.max(score));
    exponentials(&mut scores, largest);
    let total: f64 = scores.chunks(16).map(|chunk| f64::from(sum_of_up_to_16(chunk))).sum();
    let inverse = (1.0 / total) as f32;
    // As in a product of rows, position `i` goes to lane `i % LANES`; here a lane is a whole head.
    let width = shape.head_size;
    let mut lanes = vec![0.0; LANES.min(positions.next_power_of_two()) * width];
    let (values, _) = cache.values(layer);
    for (position, (row, score)) in values.chunks_exact(row_bytes).zip(scores).enumerate() {
        let lane = position % LANES * width;
        let probability = round_to_half(score * inverse);
        add_scaled_half_row(&mut lanes[lane..lane + width], probability, &row[at..at + size]);
    }
    // The order of `sum64`, which halves too.
    let mut left = lanes.len();
    while left > width {
        left /= 2;
        let (low, high) = lanes.split_at_mut(left);
        low.iter_mut().zip(high.iter()).for_each(|(low, high)| *low += high);
        lanes.truncate(left);
    }
    out.copy_from_slice(&lanes[..width]);
}

fn sum_of_up_to_16(values: &[f32]) -> f32 {
    let mut lanes = [0.0; 16];
    lanes[..values.len()].copy_from_slice(values);
    sum16(&lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_position_gives_its_value() {
        let mut cache = KvCache::new(1, 2, 4).unwrap();
        cache.store(0, 0, &[1.0, 0.0, 0.0, 1.0], &[0.5, 1.0, -2.0, 3.0]);
        let shape = Shape { heads: 4, kv_heads: 2, head_size: 2 };
        let mut out = [0.0; 8];
        let attention = Attention { cache: &cache, layer: 0, start: 0, shape, parallel: false };
        attend::<FLOAT_LANES>(&mut out, &[1.0; 8], attention);
        assert_eq!(out, [0.5, 1.0, 0.5, 1.0, -2.0, 3.0, -2.0, 3.0]);
    }

    #[test]
    fn equal_keys_average_the_values_seen_so_far() {
        let mut cache = KvCache::new(1, 3, 1).unwrap();
        for (position, value) in [1.0, 3.0, 8.0].into_iter().enumerate() {
            cache.store(0, position, &[2.0], &[value]);
        }
        let shape = Shape { heads: 1, kv_heads: 1, head_size: 1 };
        let mut out = [0.0; 2];
        // Two tokens, at positions 0 and 1: neither sees position 2.
        let attention = Attention { cache: &cache, layer: 0, start: 0, shape, parallel: false };
        attend::<FLOAT_LANES>(&mut out, &[1.0, 1.0], attention);
        assert_eq!(out, [1.0, 2.0]);
    }
}
