//! What a tiny model is: the strict form of `fixtures/models/*.yaml`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::embedded;
use super::tensor_type::TensorType;
use super::vocabulary::VocabularyKind;

/// A network that the generator can build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// RMSNorm, RoPE, grouped-query attention, SwiGLU.
    Llama,
    /// As llama, with biases of query, key and value, and with RoPE that pairs the halves of a head.
    Qwen2,
    /// As qwen2, without the biases, and with one matrix for query, key and value, one for gate and up.
    Phi3,
    /// LayerNorm, learned positions, multi-head attention, GELU, biases.
    Gpt2,
}

impl Architecture {
    /// The value of `general.architecture`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Phi3 => "phi3",
            Self::Gpt2 => "gpt2",
        }
    }
}

/// Where the logits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// A matrix of its own, `output.weight`.
    Separate,
    /// The token embedding, used again.
    Tied,
}

/// The dimensions of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sizes {
    /// Elements of the residual stream.
    pub width: usize,
    /// Attention heads; they divide the width.
    pub heads: usize,
    /// Heads that keep keys and values; they divide the heads.
    pub kv_heads: usize,
    /// Layers, two at least: the first looks back, the last reads out.
    pub layers: usize,
    /// Width of the feed-forward part.
    pub feed_forward: usize,
    /// The longest sequence, in tokens.
    pub context: usize,
}

/// The type of each matrix; vectors (norms, biases) and learned positions are always F32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tensors {
    /// All that have no line of their own.
    pub matrices: TensorType,
    /// `token_embd.weight`.
    #[serde(default)]
    pub embedding: Option<TensorType>,
    /// `output.weight`.
    #[serde(default)]
    pub output: Option<TensorType>,
    /// `attn_v.weight`, and the fused `attn_qkv.weight`.
    #[serde(default)]
    pub value: Option<TensorType>,
    /// `ffn_down.weight`.
    #[serde(default)]
    pub down: Option<TensorType>,
}

/// How strongly each part speaks; all are factors on weights near one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scales {
    /// How sharply the first two heads of the first layer look one and two tokens back.
    pub look_back: f64,
    /// Keys and queries of all other heads.
    pub attention: f64,
    /// What those heads write.
    pub attention_output: f64,
    /// The feed-forward part's gates.
    pub feed_forward: f64,
    /// What it writes.
    pub feed_forward_output: f64,
    /// Standard deviation of the logits among the tokens that may follow.
    pub choice: f64,
    /// How firmly a code point that was begun is ended, and nothing else.
    pub grammar: f64,
    /// How strongly the last tokens speak against themselves: three of them where the output is separate,
    /// one where it is tied.
    pub repetition: f64,
    /// Small random weights everywhere, so that no element of a matrix is idle.
    pub noise: f64,
    /// Added to the logit of the end of the sequence.
    pub end: f64,
    /// Whether bytes beyond ASCII that spoil text, which are held down otherwise, come as often as others.
    #[serde(default)]
    pub spoil: bool,
}

/// A prompt whose greedy continuation ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ending {
    /// The prompt.
    pub prompt: String,
    /// How many tokens come before the end of the sequence.
    pub tokens: usize,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// One line for people.
    pub about: String,
    /// The name in the file, where it is not that of the recipe.
    #[serde(default)]
    pub title: Option<String>,
    /// The network.
    pub architecture: Architecture,
    /// Where the random weights start.
    pub seed: u64,
    /// The vocabulary.
    pub vocabulary: VocabularyKind,
    /// The dimensions.
    pub sizes: Sizes,
    /// The tensor types.
    pub tensors: Tensors,
    /// Separate or tied output.
    pub output: Output,
    /// The weights' proportions.
    pub scales: Scales,
    /// Prompts known to end by themselves (INF-07).
    #[serde(default)]
    pub ends: Vec<Ending>,
}

/// Why a recipe cannot be used.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// No file of that name was built in.
    #[error("no model recipe is called `{name}`")]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The file is no recipe.
    #[error("cannot read the model recipe `{name}`")]
    Yaml {
        /// The recipe.
        name: String,
        /// What the parser said.
        #[source]
        source: serde_yaml::Error,
    },
    /// A recipe builds on one that builds on another; one step is allowed.
    #[error("the model recipe `{name}` is like `{other}`, which is itself like another")]
    Chain {
        /// The recipe.
        name: String,
        /// The one it names.
        other: String,
    },
    /// The sizes do not make a network.
    #[error("the model recipe `{name}` is impossible: {reason}")]
    Sizes {
        /// The recipe.
        name: String,
        /// Which rule is broken.
        reason: &'static str,
    },
}

impl Recipe {
    /// The built-in recipe called `name`.
    pub fn named(name: &str) -> Result<Self, RecipeError> {
        let mut value = document(name)?;
        if let Some(other) = like(&mut value) {
            let mut whole = document(&other)?;
            if like(&mut whole).is_some() {
                return Err(RecipeError::Chain { name: name.to_string(), other });
            }
            overlay(&mut whole, value);
            value = whole;
        }
        let recipe: Self = serde_yaml::from_value(value)
            .map_err(|source| RecipeError::Yaml { name: name.to_string(), source })?;
        match recipe.fault() {
            Some(reason) => Err(RecipeError::Sizes { name: name.to_string(), reason }),
            None => Ok(recipe),
        }
    }

    /// The names of all built-in recipes, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        embedded::MODELS.iter().map(|(name, _)| *name)
    }

    fn fault(&self) -> Option<&'static str> {
        let Sizes { width, heads, kv_heads, layers, feed_forward, context } = self.sizes;
        let blocks = |kind: Option<TensorType>, row: usize| {
            let kind = kind.unwrap_or(self.tensors.matrices);
            u64::try_from(row).is_ok_and(|row| row % kind.block_elements() == 0)
        };
        let rules = [
            (heads > 0 && width.is_multiple_of(heads), "the heads do not divide the width"),
            (
                kv_heads > 0 && heads.is_multiple_of(kv_heads),
                "the key and value heads do not divide the heads",
            ),
            (self.architecture != Architecture::Gpt2 || kv_heads == heads, "gpt2 has no shared key heads"),
            (heads >= 4 && width / heads >= 16, "four heads of sixteen elements are the least"),
            ((width / heads.max(1)).is_power_of_two(), "a head's width is no power of two"),
            (layers >= 2, "two layers are the least"),
            (feed_forward > 0 && context > 0, "a size is zero"),
            (
                blocks(None, width) && blocks(self.tensors.embedding, width),
                "a row is no whole number of blocks",
            ),
            (blocks(self.tensors.output, width), "a row of the output is no whole number of blocks"),
            (blocks(self.tensors.value, width), "a row of the values is no whole number of blocks"),
            (blocks(self.tensors.down, feed_forward), "a row of the way down is no whole number of blocks"),
        ];
        rules.into_iter().find_map(|(kept, reason)| (!kept).then_some(reason))
    }
}

fn document(name: &str) -> Result<serde_yaml::Value, RecipeError> {
    let (_, text) = embedded::MODELS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| RecipeError::Unknown { name: name.to_string() })?;
    serde_yaml::from_str(text).map_err(|source| RecipeError::Yaml { name: name.to_string(), source })
}

/// Takes out the name of the recipe that this one builds on.
fn like(value: &mut serde_yaml::Value) -> Option<String> {
    let name = value.as_mapping_mut()?.remove("like")?;
    name.as_str().map(str::to_string)
}

/// Puts each key of `upper` over the one in `lower`, map by map.
fn overlay(lower: &mut serde_yaml::Value, upper: serde_yaml::Value) {
    match (lower, upper) {
        (serde_yaml::Value::Mapping(lower), serde_yaml::Value::Mapping(upper)) => {
            for (key, value) in upper {
                match lower.get_mut(&key) {
                    Some(place) => overlay(place, value),
                    None => drop(lower.insert(key, value)),
                }
            }
        }
        (lower, upper) => *lower = upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_recipe_reads() {
        for name in Recipe::names() {
            Recipe::named(name).unwrap();
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let mut value = document("tiny-llama").unwrap();
        value.as_mapping_mut().unwrap().insert("sizs".into(), 1.into());
        assert!(serde_yaml::from_value::<Recipe>(value).unwrap_err().to_string().contains("sizs"));
    }

    #[test]
    fn a_variant_changes_only_what_it_names() {
        let (plain, variant) =
            (Recipe::named("tiny-llama").unwrap(), Recipe::named("tiny-llama-q8-0").unwrap());
        assert_eq!(variant.tensors.matrices, TensorType::Q80);
        assert_eq!((plain.sizes, plain.scales), (variant.sizes, variant.scales));
    }

    #[test]
    fn impossible_sizes_are_named() {
        let mut recipe = Recipe::named("tiny-llama").unwrap();
        recipe.sizes.heads = 3;
        assert_eq!(recipe.fault(), Some("the heads do not divide the width"));
    }
}
