//! A sound model that no device can hold, as a sparse file (LOAD-04).
//!
//! The header is honest: ordinary hyper-parameters, shapes that agree with them, every tensor inside the
//! file. Only the size is beyond any device. The data are holes, which read as zeros and take no disk.
//! Four TiB serve everywhere: more than any accelerator has, less than the largest file of ext4 (16 TiB)
//! and of the other usual file systems, tmpfs included. A library must refuse it from the header alone.

use super::gguf::{Gguf, Tensor};
use super::model::facts;
use super::recipe::{Architecture, Output, Recipe};
use super::store::ModelError;
use super::tensor_type::{TensorType, block};
use super::vocabulary::Vocabulary;

/// The size that serves on every usual file system, in bytes: 4 TiB.
pub const BEYOND_ANY_DEVICE: u64 = 4 << 40;
/// The most that is possible: what ext4 holds, less room for the header.
const MOST: u64 = (16 << 40) - (64 << 30);
const WIDTH: usize = 16_384;
const HEADS: usize = 128;
const FEED_FORWARD: usize = 524_288;

/// What a huge model is to be like, so that a library that runs one such model knows all of it but its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Likeness {
    /// The architecture.
    pub architecture: Architecture,
    /// The number of the tensor type of the matrices; F16 where the type has no known blocks.
    pub matrices: u32,
    /// Whether the vocabulary is one of SentencePiece, not one of byte pairs.
    pub sentence_piece: bool,
}

impl Default for Likeness {
    fn default() -> Self {
        let (architecture, matrices) = (Architecture::Llama, TensorType::F16.id());
        Self { architecture, matrices, sentence_piece: false }
    }
}

/// Everything before the data, and the length of the whole file in bytes.
pub(super) fn front(bytes: u64, like: Likeness) -> Result<(Vec<u8>, u64), ModelError> {
    let Likeness { architecture, matrices: kind, .. } = like;
    let too_large = || ModelError::TooLarge { bytes, most: MOST };
    if bytes > MOST {
        return Err(too_large());
    }
    let tiny = match architecture {
        _ if like.sentence_piece => "tiny-llama-spm",
        Architecture::Llama | Architecture::Qwen2 | Architecture::Phi3 => "tiny-llama",
        Architecture::Gpt2 => "tiny-gpt2",
    };
    let mut recipe = Recipe::named(tiny)?;
    recipe.architecture = architecture;
    recipe.output = Output::Separate;
    recipe.tensors.matrices = TensorType::of(kind).unwrap_or(TensorType::F16);
    let kind = block(kind).map_or(TensorType::F16.id(), |_| kind);
    recipe.sizes.width = WIDTH;
    recipe.sizes.heads = HEADS;
    recipe.sizes.kv_heads = if architecture == Architecture::Gpt2 { HEADS } else { HEADS / 16 };
    recipe.sizes.feed_forward = FEED_FORWARD;
    let vocabulary = Vocabulary::new(recipe.vocabulary);
    let weights = |tensors: &[Tensor]| tensors.iter().map(size).sum::<u64>();
    let layer = weights(&layer(&recipe, kind, 0));
    recipe.sizes.layers = usize::try_from(bytes.div_ceil(layer).max(1)).map_err(|_| too_large())?;
    let mut metadata = facts("huge", &recipe, vocabulary.tokens.len());
    metadata.extend(vocabulary.metadata());
    Gguf::new(metadata, tensors(&recipe, kind, vocabulary.tokens.len())).write_front().ok_or_else(too_large)
}

/// Bytes of a tensor.
fn size(tensor: &Tensor) -> u64 {
    let (elements, bytes) = block(tensor.kind).unwrap_or((1, 4));
    tensor.shape.iter().product::<u64>() / elements * bytes
}

fn bare(name: String, shape: &[usize], matrices: u32) -> Tensor {
    let mut tensor =
        Tensor::new(name, shape.iter().map(|size| *size as u64).collect(), TensorType::F32, Vec::new());
    if shape.len() > 1 {
        tensor.kind = matrices;
    }
    tensor
}

fn layer(recipe: &Recipe, kind: u32, at: usize) -> Vec<Tensor> {
    let (width, wide) = (recipe.sizes.width, recipe.sizes.feed_forward);
    let shared = width / recipe.sizes.heads * recipe.sizes.kv_heads;
    let apart: &[(&str, [usize; 2])] =
        &[("attn_q", [width, width]), ("attn_k", [width, shared]), ("attn_v", [width, shared])];
    let fused: &[(&str, [usize; 2])] = &[("attn_qkv", [width, width + 2 * shared])];
    let gated: &[(&str, [usize; 2])] = &[("ffn_gate", [width, wide]), ("ffn_up", [width, wide])];
    let (attention, forward, biased): (_, &[(&str, [usize; 2])], &[&str]) = match recipe.architecture {
        Architecture::Llama => (apart, gated, &[]),
        Architecture::Qwen2 => (apart, gated, &["attn_q", "attn_k", "attn_v"]),
        Architecture::Phi3 => (fused, &[("ffn_up", [width, 2 * wide])], &[]),
        Architecture::Gpt2 => {
            (fused, &[("ffn_up", [width, wide])], &["attn_qkv", "attn_output", "ffn_up", "ffn_down"])
        }
    };
    let rest = [("attn_output", [width, width]), ("ffn_down", [wide, width])];
    let mut tensors = Vec::new();
    for (part, shape) in attention.iter().chain(forward).chain(&rest) {
        tensors.push(bare(format!("blk.{at}.{part}.weight"), shape, kind));
        if biased.contains(part) {
            tensors.push(bare(format!("blk.{at}.{part}.bias"), &shape[1..], kind));
        }
    }
    for part in ["attn_norm", "ffn_norm"] {
        tensors.extend(norm(recipe, &format!("blk.{at}.{part}")));
    }
    tensors
}

fn norm(recipe: &Recipe, name: &str) -> Vec<Tensor> {
    let parts: &[&str] =
        if recipe.architecture == Architecture::Gpt2 { &["weight", "bias"] } else { &["weight"] };
    parts
        .iter()
        .map(|part| bare(format!("{name}.{part}"), &[recipe.sizes.width], TensorType::F32.id()))
        .collect()
}

fn tensors(recipe: &Recipe, kind: u32, tokens: usize) -> Vec<Tensor> {
    let sizes = recipe.sizes;
    let mut tensors = vec![bare("token_embd.weight".into(), &[sizes.width, tokens], kind)];
    if recipe.architecture == Architecture::Gpt2 {
        let shape = [sizes.width, sizes.context];
        tensors.push(bare("position_embd.weight".into(), &shape, TensorType::F32.id()));
    }
    for at in 0..sizes.layers {
        tensors.extend(layer(recipe, kind, at));
    }
    tensors.extend(norm(recipe, "output_norm"));
    tensors.push(bare("output.weight".into(), &[sizes.width, tokens], kind));
    tensors
}
