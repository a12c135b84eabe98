//! How tensor elements are stored: the eleven types, their blocks, and products with activations.
//!
//! A product of a weight row with an activation vector is done the way llama.cpp does it, so that the two agree
//! on all but near ties: the activations are first stored in the companion format of the weight type
//! ([`TensorType::companion`]), and integer blocks are multiplied exactly. Sums of floats have one fixed order,
//! the lanes of an eight-wide vector. [`portable`] states it in plain Rust, `avx2` follows it with SIMD, and a
//! test holds them to the same bits.

use half::{bf16, f16};

pub mod activation;
#[cfg(target_arch = "x86_64")]
mod avx2;
pub mod dequantize;
mod k_scales;
pub mod portable;
pub mod product;

/// Storage of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of GGUF")]
pub enum TensorType {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

/// Storage of activations while they are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion {
    /// As they are.
    F32,
    /// Rounded to IEEE half precision.
    F16,
    /// Rounded to bfloat16.
    Bf16,
    /// Blocks of 32 signed bytes with a scale, and the scaled sum of the block.
    Q8,
    /// Blocks of 256 signed bytes with a scale, and sums of 16.
    Q8K,
}

/// How the sums of a product are ordered: the order decides the last bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Float rows: 64 lanes. Blocks: eight lanes.
    Lanes,
    /// Float rows: 16 lanes, for prompts. Blocks: as `Lanes`.
    Prompt,
    /// Q4_0 and Q4_K: each block is summed whole, and the blocks one after the other. Others: as `Lanes`.
    Blocks,
}

impl TensorType {
    /// Every type, for tests and tools.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
    ];

    /// Type of a GGUF type number, where this backend knows it.
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            _ => return None,
        })
    }

    /// Elements of a block.
    pub const fn block_elements(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Bytes of a row of `columns` elements, a whole number of blocks.
    pub const fn row_bytes(self, columns: usize) -> usize {
        columns / self.block_elements() * self.block_bytes()
    }

    /// Order of sums over a matrix of `rows` by `columns`, for tokens of a prompt or for single ones.
    ///
    /// llama.cpp has a kernel of its own for each of these cases, and a reference that is to agree with it beyond
    /// near ties needs its orders: see [`Order`] for what they are.
    pub const fn order(self, rows: usize, columns: usize, prompt: bool) -> Order {
        match self {
            Self::F32 | Self::F16 if prompt && rows.is_multiple_of(4) && columns.is_multiple_of(16) => {
                Order::Prompt
            }
            Self::Q4_0 | Self::Q4K if rows.is_multiple_of(8) => Order::Blocks,
            _ => Order::Lanes,
        }
    }

    /// What activations are stored as while they meet weights of this type.
    pub const fn companion(self) -> Companion {
        match self {
            Self::F32 => Companion::F32,
            Self::F16 => Companion::F16,
            Self::Bf16 => Companion::Bf16,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => Companion::Q8,
            Self::Q4K | Self::Q5K | Self::Q6K => Companion::Q8K,
        }
    }
}

/// The half at bytes `at` of `block`.
#[inline]
pub(crate) fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32_const()
}

/// The bfloat16 at bytes `at` of `block`.
#[inline]
pub(crate) fn bf16_at(block: &[u8], at: usize) -> f32 {
    bf16::from_le_bytes([block[at], block[at + 1]]).to_f32_const()
}
