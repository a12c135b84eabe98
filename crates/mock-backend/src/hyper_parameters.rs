//! The numbers that fix a model's shapes, read from metadata and checked against one another.

use crate::gguf::metadata::wrong;
use crate::gguf::{GgufError, Metadata};

/// Largest value of any dimension: far above real models, low enough that products of two fit.
const DIMENSION_LIMIT: u64 = 1 << 31;
const LAYER_LIMIT: u64 = 4096;

/// Model families that this backend runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// RMS norm, rotary positions, grouped queries, SwiGLU.
    Llama,
    /// As `llama`, with biases of queries, keys and values; the halves of a head turn as pairs.
    Qwen2,
    /// As `qwen2` without the biases, with one matrix for query, key and value, and one for gate and up.
    Phi3,
    /// Layer norm, learned positions, GELU, biases.
    Gpt2,
}

/// Shapes and constants of a model.
#[derive(Clone, Debug)]
pub struct HyperParameters {
    pub architecture: Architecture,
    pub layers: usize,
    pub context: usize,
    pub width: usize,
    pub feed_forward: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_size: usize,
    pub epsilon: f32,
    pub rope: RopeParameters,
}

/// Rotary positions; unused by architectures without them.
#[derive(Clone, Copy, Debug)]
pub struct RopeParameters {
    pub dimensions: usize,
    pub base: f32,
    pub linear_factor: f32,
}

/// Why the numbers do not make a model that this backend can run.
#[derive(Debug, thiserror::Error)]
pub enum HyperParameterError {
    #[error(transparent)]
    Metadata(#[from] GgufError),
    #[error("architecture `{0}` is not supported")]
    Architecture(String),
    #[error("{heads} heads do not divide {of}")]
    Heads { heads: usize, of: usize },
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

impl HyperParameters {
    /// Reads them from `metadata`.
    pub fn new(metadata: &Metadata) -> Result<Self, HyperParameterError> {
        let name = metadata.string("general.architecture")?;
        let architecture = match name {
            "llama" => Architecture::Llama,
            "qwen2" => Architecture::Qwen2,
            "phi3" => Architecture::Phi3,
            "gpt2" => Architecture::Gpt2,
            other => return Err(HyperParameterError::Architecture(other.into())),
        };
        let key = |suffix: &str| format!("{name}.{suffix}");
        let positive = |suffix: &str, limit| metadata.positive(&key(suffix), limit);
        let optional = |suffix: &str, default: usize| -> Result<usize, GgufError> {
            match metadata.get(&key(suffix)) {
                None => Ok(default),
                Some(_) => positive(suffix, DIMENSION_LIMIT),
            }
        };
        let width = positive("embedding_length", DIMENSION_LIMIT)?;
        let heads = positive("attention.head_count", DIMENSION_LIMIT)?;
        if !width.is_multiple_of(heads) {
            return Err(HyperParameterError::Heads { heads, of: width });
        }
        let kv_heads = optional("attention.head_count_kv", heads)?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(HyperParameterError::Heads { heads: kv_heads, of: heads });
        }
        let head_size = optional("attention.key_length", width / heads)?;
        if optional("attention.value_length", width / heads)? != head_size {
            return Err(HyperParameterError::Unsupported("a value head unlike the key head"));
        }
        if optional("expert_count", 1).is_err() || optional("expert_count", 1)? > 1 {
            return Err(HyperParameterError::Unsupported("a mixture of experts"));
        }
        let epsilon_key = key(match architecture {
            Architecture::Llama | Architecture::Qwen2 | Architecture::Phi3 => {
                "attention.layer_norm_rms_epsilon"
            }
            Architecture::Gpt2 => "attention.layer_norm_epsilon",
        });
        let epsilon = metadata.optional_f32(&epsilon_key)?;
        let epsilon = epsilon.ok_or_else(|| GgufError::MissingKey(epsilon_key.clone()))?;
        if !(0.0..1.0).contains(&epsilon) {
            return Err(wrong(&epsilon_key, "number from 0 to 1").into());
        }
        let parameters = Self {
            architecture,
            layers: positive("block_count", LAYER_LIMIT)?,
            context: positive("context_length", DIMENSION_LIMIT)?,
            width,
            feed_forward: positive("feed_forward_length", DIMENSION_LIMIT)?,
            heads,
            kv_heads,
            head_size,
            epsilon,
            rope: rope(metadata, &key, optional("rope.dimension_count", head_size)?)?,
        };
        parameters.checked()
    }

    /// Elements of a key or value row of one position.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_size
    }

    /// Elements of a query row.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_size
    }

    fn checked(self) -> Result<Self, HyperParameterError> {
        let rotary = self.rope.dimensions;
        let turns = self.architecture != Architecture::Gpt2;
        if turns && (rotary > self.head_size || !rotary.is_multiple_of(2)) {
            return Err(HyperParameterError::Unsupported("the number of rotary dimensions"));
        }
        if self.architecture == Architecture::Gpt2 && self.query_width() != self.width {
            return Err(HyperParameterError::Unsupported("a head size other than width over heads"));
        }
        if self.architecture == Architecture::Gpt2 && self.kv_heads != self.heads {
            return Err(HyperParameterError::Unsupported("grouped queries"));
        }
        Ok(self)
    }
}

fn rope(
    metadata: &Metadata,
    key: &dyn Fn(&str) -> String,
    dimensions: usize,
) -> Result<RopeParameters, HyperParameterError> {
    let positive = |suffix: &str| -> Result<Option<f32>, GgufError> {
        match metadata.optional_f32(&key(suffix))? {
            Some(number) if number <= 0.0 => Err(wrong(&key(suffix), "positive number")),
            number => Ok(number),
        }
    };
    let linear_factor = match metadata.optional_string(&key("rope.scaling.type"))? {
        None | Some("linear") => match positive("rope.scaling.factor")? {
            None => positive("rope.scale_linear")?.unwrap_or(1.0),
            Some(factor) => factor,
        },
        Some("none") => 1.0,
        Some(_) => return Err(HyperParameterError::Unsupported("this kind of rotary scaling")),
    };
    let base = crate::defect::job::rotary_base(positive("rope.freq_base")?.unwrap_or(10_000.0));
    Ok(RopeParameters { dimensions, base, linear_factor })
}
