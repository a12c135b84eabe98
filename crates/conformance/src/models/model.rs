//! A recipe's whole file: metadata as loaders demand them, and the tensors of the architecture.

use super::blocks::encode;
use super::gguf::{Gguf, Tensor, Value};
use super::layout::Matrix;
use super::recipe::{Architecture, Output, Recipe};
use super::tensor_type::TensorType;
use super::vocabulary::Vocabulary;
use super::weights::Weights;

/// The file that `recipe` describes, under the name `name`.
pub(super) fn build(name: &str, recipe: &Recipe) -> Gguf {
    let vocabulary = Vocabulary::new(recipe.vocabulary);
    let mut metadata = facts(name, recipe, vocabulary.tokens.len());
    metadata.extend(vocabulary.metadata());
    Gguf::new(metadata, tensors(recipe, &Weights::new(recipe, &vocabulary)))
}

/// `general.*` and the hyper-parameters.
pub(super) fn facts(name: &str, recipe: &Recipe, tokens: usize) -> Vec<(String, Value)> {
    let text = |text: &str| Value::String(text.to_string());
    let number = |number: usize| Value::U32(u32::try_from(number).unwrap_or(u32::MAX));
    let sizes = recipe.sizes;
    let mut metadata = vec![
        ("general.architecture".to_string(), text(recipe.architecture.name())),
        ("general.type".to_string(), text("model")),
        ("general.name".to_string(), text(recipe.title.as_deref().unwrap_or(name))),
        ("general.file_type".to_string(), Value::U32(recipe.tensors.matrices.file_type())),
        ("general.quantization_version".to_string(), Value::U32(2)),
    ];
    let mut add = |key: &str, value| metadata.push((format!("{}.{key}", recipe.architecture.name()), value));
    add("context_length", number(sizes.context));
    add("embedding_length", number(sizes.width));
    add("block_count", number(sizes.layers));
    add("feed_forward_length", number(sizes.feed_forward));
    add("attention.head_count", number(sizes.heads));
    match recipe.architecture {
        Architecture::Llama | Architecture::Qwen2 | Architecture::Phi3 => {
            add("attention.head_count_kv", number(sizes.kv_heads));
            add("attention.layer_norm_rms_epsilon", Value::F32(1e-5));
            add("rope.dimension_count", number(sizes.width / sizes.heads.max(1)));
            add("rope.freq_base", Value::F32(10_000.0));
            add("vocab_size", number(tokens));
        }
        Architecture::Gpt2 => add("attention.layer_norm_epsilon", Value::F32(1e-5)),
    }
    metadata
}

fn matrix(name: String, kind: TensorType, matrix: &Matrix) -> Tensor {
    let shape = vec![matrix.columns as u64, matrix.rows() as u64];
    Tensor::new(name, shape, kind, encode(kind, &matrix.floats()))
}

fn vector(name: String, values: &[f32]) -> Tensor {
    Tensor::new(name, vec![values.len() as u64], TensorType::F32, encode(TensorType::F32, values))
}

fn tensors(recipe: &Recipe, weights: &Weights) -> Vec<Tensor> {
    let kinds = recipe.tensors;
    let plain = kinds.matrices;
    let width = recipe.sizes.width;
    let biased = recipe.architecture == Architecture::Gpt2;
    let embedding = kinds.embedding.unwrap_or(plain);
    let mut tensors = vec![matrix("token_embd.weight".into(), embedding, &weights.embedding())];
    if biased {
        tensors.push(matrix("position_embd.weight".into(), TensorType::F32, &weights.positions()));
    }
    let norm = |tensors: &mut Vec<Tensor>, name: String, last: bool| {
        tensors.push(vector(format!("{name}.weight"), &weights.norm(&name, last)));
        if biased {
            tensors.push(vector(format!("{name}.bias"), &weights.bias(&format!("{name}.bias"), width)));
        }
    };
    let linear = |tensors: &mut Vec<Tensor>, name: String, kind: TensorType, values: &Matrix| {
        tensors.push(matrix(format!("{name}.weight"), kind, values));
        if biased {
            let bias = weights.bias(&format!("{name}.bias"), values.rows());
            tensors.push(vector(format!("{name}.bias"), &bias));
        }
    };
    for layer in 0..recipe.sizes.layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let attention = weights.attention(layer);
        norm(&mut tensors, name("attn_norm"), false);
        let value = kinds.value.unwrap_or(plain);
        match recipe.architecture {
            Architecture::Llama => {
                linear(&mut tensors, name("attn_q"), plain, &attention.query);
                linear(&mut tensors, name("attn_k"), plain, &attention.key);
                linear(&mut tensors, name("attn_v"), value, &attention.value);
            }
            Architecture::Qwen2 => {
                let parts = [("q", plain, &attention.query), ("k", plain, &attention.key)];
                for (part, kind, values) in parts.into_iter().chain([("v", value, &attention.value)]) {
                    let name = name(&format!("attn_{part}"));
                    linear(&mut tensors, name.clone(), kind, values);
                    let bias = weights.bias(&format!("{name}.bias"), values.rows());
                    tensors.push(vector(format!("{name}.bias"), &bias));
                }
            }
            Architecture::Phi3 | Architecture::Gpt2 => {
                let parts = [attention.query.values, attention.key.values, attention.value.values];
                let fused = Matrix { columns: width, values: parts.concat() };
                linear(&mut tensors, name("attn_qkv"), value, &fused);
            }
        }
        linear(&mut tensors, name("attn_output"), plain, &attention.output);
        norm(&mut tensors, name("ffn_norm"), false);
        let (gate, up) = (weights.up(layer, "gate"), weights.up(layer, "up"));
        match recipe.architecture {
            Architecture::Llama | Architecture::Qwen2 => {
                linear(&mut tensors, name("ffn_gate"), plain, &gate);
                linear(&mut tensors, name("ffn_up"), plain, &up);
            }
            Architecture::Phi3 => {
                let fused = Matrix { columns: width, values: [gate.values, up.values].concat() };
                linear(&mut tensors, name("ffn_up"), plain, &fused);
            }
            Architecture::Gpt2 => linear(&mut tensors, name("ffn_up"), plain, &up),
        }
        linear(&mut tensors, name("ffn_down"), kinds.down.unwrap_or(plain), &weights.down(layer));
    }
    norm(&mut tensors, "output_norm".into(), true);
    if recipe.output == Output::Separate {
        tensors.push(matrix("output.weight".into(), kinds.output.unwrap_or(plain), &weights.output()));
    }
    tensors
}
