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
use super::tensor_type::TensorType;
use super::vocabulary::Vocabulary;

/// The size that serves on every usual file system, in bytes: 4 TiB.
pub const BEYOND_ANY_DEVICE: u64 = 4 << 40;
/// The most that is possible: what ext4 holds, less room for the header.
const MOST: u64 = (16 << 40) - (64 << 30);
const WIDTH: usize = 16_384;
const HEADS: usize = 128;
const FEED_FORWARD: usize = 524_288;

/// Everything before the data, and the length of the whole file in bytes.
pub(super) fn front(bytes: u64, architecture: Architecture) -> Result<(Vec<u8>, u64), ModelError> {
    let too_large = || ModelError::TooLarge { bytes, most: MOST };
    if bytes > MOST {
        return Err(too_large());
    }
    let tiny = match architecture {
        Architecture::Llama | Architecture::Qwen2 | Architecture::Phi3 => "tiny-llama",
        Architecture::Gpt2 => "tiny-gpt2",
    };
    let mut recipe = Recipe::named(tiny)?;
    recipe.output = Output::Separate;
    recipe.tensors.matrices = TensorType::F16;
    recipe.sizes.width = WIDTH;
    recipe.sizes.heads = HEADS;
    recipe.sizes.kv_heads = if architecture == Architecture::Gpt2 { HEADS } else { HEADS / 16 };
    recipe.sizes.feed_forward = FEED_FORWARD;
    let vocabulary = Vocabulary::new(recipe.vocabulary);
    let weights = |tensors: &[Tensor]| {
        tensors.iter().map(|tensor| tensor.shape.iter().product::<u64>() * element(tensor)).sum::<u64>()
    };
    let layer = weights(&layer(&recipe, 0));
    recipe.sizes.layers = usize::try_from(bytes.div_ceil(layer).max(1)).map_err(|_| too_large())?;
    let mut metadata = facts("huge", &recipe, vocabulary.tokens.len());
    metadata.extend(vocabulary.metadata());
    Gguf::new(metadata, tensors(&recipe, vocabulary.tokens.len())).write_front().ok_or_else(too_large)
}

fn element(tensor: &Tensor) -> u64 {
    if tensor.kind == TensorType::F32.id() { 4 } else { 2 }
}

fn bare(name: String, shape: &[usize]) -> Tensor {
    let kind = if shape.len() == 1 { TensorType::F32 } else { TensorType::F16 };
    Tensor::new(name, shape.iter().map(|size| *size as u64).collect(), kind, Vec::new())
}

fn layer(recipe: &Recipe, at: usize) -> Vec<Tensor> {
    let sizes = recipe.sizes;
    let shared = sizes.width / sizes.heads * sizes.kv_heads;
    let (llama, wide) = (recipe.architecture == Architecture::Llama, sizes.feed_forward);
    let linears: &[(&str, [usize; 2])] = if llama {
        &[
            ("attn_q", [sizes.width, sizes.width]),
            ("attn_k", [sizes.width, shared]),
            ("attn_v", [sizes.width, shared]),
            ("attn_output", [sizes.width, sizes.width]),
            ("ffn_gate", [sizes.width, wide]),
            ("ffn_up", [sizes.width, wide]),
            ("ffn_down", [wide, sizes.width]),
        ]
    } else {
        &[
            ("attn_qkv", [sizes.width, 3 * sizes.width]),
            ("attn_output", [sizes.width, sizes.width]),
            ("ffn_up", [sizes.width, wide]),
            ("ffn_down", [wide, sizes.width]),
        ]
    };
    let mut tensors = Vec::new();
    for (part, shape) in linears {
        tensors.push(bare(format!("blk.{at}.{part}.weight"), shape));
        if !llama {
            tensors.push(bare(format!("blk.{at}.{part}.bias"), &shape[1..]));
        }
    }
    for part in ["attn_norm", "ffn_norm"] {
        tensors.extend(norm(recipe, &format!("blk.{at}.{part}")));
    }
    tensors
}

fn norm(recipe: &Recipe, name: &str) -> Vec<Tensor> {
    let parts: &[&str] =
        if recipe.architecture == Architecture::Llama { &["weight"] } else { &["weight", "bias"] };
    parts.iter().map(|part| bare(format!("{name}.{part}"), &[recipe.sizes.width])).collect()
}

fn tensors(recipe: &Recipe, tokens: usize) -> Vec<Tensor> {
    let sizes = recipe.sizes;
    let mut tensors = vec![bare("token_embd.weight".into(), &[sizes.width, tokens])];
    if recipe.architecture == Architecture::Gpt2 {
        let mut positions = bare("position_embd.weight".into(), &[sizes.width, sizes.context]);
        positions.kind = TensorType::F32.id();
        tensors.push(positions);
    }
    for at in 0..sizes.layers {
        tensors.extend(layer(recipe, at));
    }
    tensors.extend(norm(recipe, "output_norm"));
    tensors.push(bare("output.weight".into(), &[sizes.width, tokens]));
    tensors
}
