//! The tensor types of GGUF: which the generator writes, and how large a block of each known one is.

use serde::{Deserialize, Serialize};

/// A tensor type that the generator can write; recipes name it as the format does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the format's own and say all there is")]
pub enum TensorType {
    F32,
    F16,
    BF16,
    #[serde(rename = "Q8_0")]
    Q80,
    #[serde(rename = "Q4_0")]
    Q40,
    #[serde(rename = "Q4_1")]
    Q41,
    #[serde(rename = "Q5_0")]
    Q50,
    #[serde(rename = "Q5_1")]
    Q51,
    #[serde(rename = "Q4_K")]
    Q4K,
    #[serde(rename = "Q5_K")]
    Q5K,
    #[serde(rename = "Q6_K")]
    Q6K,
}

impl TensorType {
    /// The number that stands for the type in a tensor's description.
    pub fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q40 => 2,
            Self::Q41 => 3,
            Self::Q50 => 6,
            Self::Q51 => 7,
            Self::Q80 => 8,
            Self::Q4K => 12,
            Self::Q5K => 13,
            Self::Q6K => 14,
            Self::BF16 => 30,
        }
    }

    /// The type numbered `id`, if the generator can write it.
    pub fn of(id: u32) -> Option<Self> {
        use TensorType::{BF16, F16, F32, Q4K, Q5K, Q6K, Q40, Q41, Q50, Q51, Q80};
        [F32, F16, BF16, Q80, Q40, Q41, Q50, Q51, Q4K, Q5K, Q6K].into_iter().find(|one| one.id() == id)
    }

    /// Elements a block holds; a row must be a whole number of blocks.
    pub fn block_elements(self) -> u64 {
        block(self.id()).map_or(1, |(elements, _)| elements)
    }

    /// The `general.file_type` of a file whose matrices are mostly of this type.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q40 => 2,
            Self::Q41 => 3,
            Self::Q80 => 7,
            Self::Q50 => 8,
            Self::Q51 => 9,
            Self::Q4K => 15,
            Self::Q5K => 17,
            Self::Q6K => 18,
            Self::BF16 => 32,
        }
    }
}

/// Elements and bytes of one block of the type numbered `id`; `None` where the format knows no such type.
pub(super) fn block(id: u32) -> Option<(u64, u64)> {
    Some(match id {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        24 => (1, 1),
        27 | 28 => (1, 8),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        40 => (64, 36),
        41 => (128, 18),
        _ => return None,
    })
}
