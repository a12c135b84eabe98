//! Products of a weight row with an activation column in plain Rust: the definition that SIMD code must meet bit by bit.
//!
//! Integer blocks: lane `l` of eight gathers the exact products of elements `4l..4l+4` of each group of 32, and adds
//! them times the block's scale to a float accumulator with one fused multiply-add. Float rows: element `i` goes to
//! lane `i % 64`. [`sum8`] and [`sum64`] add the lanes up.

use super::activation::Column;
use super::dequantize::{six_bit_quants, small_quants, super_quants};
use super::{TensorType, bf16_at, half_at, k_scales};

/// Sum of eight lanes in the fixed order.
#[inline]
pub fn sum8(lanes: &[f32; 8]) -> f32 {
    let four = [lanes[4] + lanes[0], lanes[5] + lanes[1], lanes[6] + lanes[2], lanes[7] + lanes[3]];
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Lanes of a float row.
pub const FLOAT_LANES: usize = 64;

/// Sum of 64 lanes in the fixed order: quarters first, then halves of what is left.
#[inline]
pub fn sum64(lanes: &[f32; FLOAT_LANES]) -> f32 {
    let mut sixteen = [0.0; 16];
    for (i, out) in sixteen.iter_mut().enumerate() {
        *out = (lanes[i] + lanes[i + 32]) + (lanes[i + 16] + lanes[i + 48]);
    }
    sum16(&sixteen)
}

/// Sum of 16 lanes in the fixed order: by halves.
#[inline]
pub fn sum16(lanes: &[f32; 16]) -> f32 {
    let mut eight = [0.0; 8];
    for (i, out) in eight.iter_mut().enumerate() {
        *out = lanes[i] + lanes[i + 8];
    }
    sum8(&eight)
}

/// Product of `row` (weights of type `kind`) and `column` (in the companion format).
pub fn product(kind: TensorType, row: &[u8], column: Column) -> f32 {
    match kind {
        TensorType::F32 => floats::<FLOAT_LANES>(column.floats, |i| {
            let bytes = &row[4 * i..4 * i + 4];
            f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        }),
        TensorType::F16 => half_row::<FLOAT_LANES>(row, column.floats),
        TensorType::Bf16 => floats::<FLOAT_LANES>(column.floats, |i| bf16_at(row, 2 * i)),
        TensorType::Q4K | TensorType::Q5K => super_blocks(kind, row, column),
        TensorType::Q6K => six_bits(row, column),
        _ => small_blocks(kind, row, column),
    }
}

/// Product of a row of halves with `x`, summed in `LANES` (at most 64) lanes.
pub fn half_row<const LANES: usize>(row: &[u8], x: &[f32]) -> f32 {
    floats::<LANES>(x, |i| half_at(row, 2 * i))
}

fn floats<const LANES: usize>(x: &[f32], weight: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0; FLOAT_LANES];
    for (i, &x) in x.iter().enumerate() {
        let lane = &mut lanes[i % LANES];
        *lane = weight(i).mul_add(x, *lane);
    }
    sum64(&lanes)
}

/// Exact products of a group of 32, four to a lane.
#[inline]
fn lanes_of_group(quants: impl Fn(usize) -> i32, x: &[i8]) -> [i32; 8] {
    std::array::from_fn(|lane| (4 * lane..4 * lane + 4).map(|i| quants(i) * i32::from(x[i])).sum())
}

#[inline]
fn accumulate(lanes: &mut [f32; 8], scale: f32, exact: [i32; 8]) {
    for (lane, exact) in lanes.iter_mut().zip(exact) {
        *lane = scale.mul_add(exact as f32, *lane);
    }
}

fn small_blocks(kind: TensorType, row: &[u8], column: Column) -> f32 {
    let (mut lanes, mut minimums) = ([0.0; 8], 0.0f32);
    for (i, block) in row.chunks_exact(kind.block_bytes()).enumerate() {
        let x = &column.quants[32 * i..32 * i + 32];
        let scale = half_at(block, 0) * column.scales[i];
        let exact = if kind == TensorType::Q8_0 {
            lanes_of_group(|j| i32::from(block[2 + j] as i8), x)
        } else {
            let quants = small_quants(kind, block);
            let offset = match kind {
                TensorType::Q4_0 => 8,
                TensorType::Q5_0 => 16,
                _ => 0,
            };
            lanes_of_group(|j| i32::from(quants[j]) - offset, x)
        };
        accumulate(&mut lanes, scale, exact);
        if matches!(kind, TensorType::Q4_1 | TensorType::Q5_1) {
            minimums += half_at(block, 2) * column.sums[i];
        }
    }
    sum8(&lanes) + minimums
}

fn super_blocks(kind: TensorType, row: &[u8], column: Column) -> f32 {
    let (mut lanes, mut minimums) = ([0.0; 8], 0.0f32);
    for (i, block) in row.chunks_exact(kind.block_bytes()).enumerate() {
        let (scales, offsets) = k_scales::unpack(&block[4..16]);
        let quants = super_quants(kind, block);
        let mut exact = [0; 8];
        let mut offset = 0;
        for group in 0..8 {
            let x = &column.quants[256 * i + 32 * group..256 * i + 32 * group + 32];
            let part = lanes_of_group(|j| i32::from(quants[32 * group + j]), x);
            for (exact, part) in exact.iter_mut().zip(part) {
                *exact += i32::from(scales[group]) * part;
            }
            offset += i32::from(offsets[group]) * column.group_sums[8 * i + group];
        }
        accumulate(&mut lanes, half_at(block, 0) * column.scales[i], exact);
        minimums = (-(half_at(block, 2) * column.scales[i])).mul_add(offset as f32, minimums);
    }
    sum8(&lanes) + minimums
}

fn six_bits(row: &[u8], column: Column) -> f32 {
    let mut lanes = [0.0; 8];
    for (i, block) in row.chunks_exact(TensorType::Q6K.block_bytes()).enumerate() {
        let quants = six_bit_quants(block);
        let mut exact = [0; 8];
        for group in 0..8 {
            let x = &column.quants[256 * i + 32 * group..256 * i + 32 * group + 32];
            let part = lanes_of_group(|j| i32::from(quants[32 * group + j]), x);
            for (lane, (exact, part)) in exact.iter_mut().zip(part).enumerate() {
                *exact += i32::from(block[192 + 2 * group + lane / 4] as i8) * part;
            }
        }
        accumulate(&mut lanes, half_at(block, 208) * column.scales[i], exact);
    }
    sum8(&lanes)
}
