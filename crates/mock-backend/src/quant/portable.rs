//! Products of a weight row with an activation column in plain Rust: the definition that SIMD code must meet bit by bit.
//!
//! Integer blocks: lane `l` of eight gathers the exact products of elements `4l..4l+4` of each group of 32, and adds
//! them times the block's scale to a float accumulator with one fused multiply-add. Float rows: element `i` goes to
//! lane `i % 64`, or of 16 lanes, and what is left over comes after. [`sum8`] and [`sum64`] add the lanes up.

use super::activation::Column;
use super::dequantize::{six_bit_quants, small_quants, super_quants};
use super::{Order, TensorType, bf16_at, half_at, k_scales};

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
pub fn product(kind: TensorType, order: Order, row: &[u8], column: Column) -> f32 {
    let blocks = order == Order::Blocks && matches!(kind, TensorType::Q4_0 | TensorType::Q4K);
    match (kind, order) {
        (TensorType::F32, Order::Prompt) => floats::<16>(column.floats, |i| float_at(row, i)),
        (TensorType::F32, _) => floats::<FLOAT_LANES>(column.floats, |i| float_at(row, i)),
        (TensorType::F16, Order::Prompt) => half_row::<16>(row, column.floats),
        (TensorType::F16, _) => half_row::<FLOAT_LANES>(row, column.floats),
        (TensorType::Bf16, _) => floats::<FLOAT_LANES>(column.floats, |i| bf16_at(row, 2 * i)),
        (TensorType::Q4K | TensorType::Q5K, _) => super_blocks(kind, row, column, blocks),
        (TensorType::Q6K, _) => six_bits(row, column),
        _ => small_blocks(kind, row, column, blocks),
    }
}

/// Product of a row of halves with `x`, summed in `LANES` (at most 64) lanes; what is left over is summed in f64.
pub fn half_row<const LANES: usize>(row: &[u8], x: &[f32]) -> f32 {
    let (whole, rest) = x.split_at(x.len() / LANES * LANES);
    let sum = sum64(&lanes_of_floats::<LANES>(whole, |i| half_at(row, 2 * i)));
    rest_of_halves(sum, rest, |i| half_at(row, 2 * (whole.len() + i)))
}

/// `sum` and the products of the elements after the last whole set of lanes of a row of halves.
fn rest_of_halves(sum: f32, rest: &[f32], weight: impl Fn(usize) -> f32) -> f32 {
    let rest = rest.iter().enumerate().map(|(i, x)| f64::from(weight(i) * x));
    rest.fold(f64::from(sum), |sum, product| sum + product) as f32
}

fn floats<const LANES: usize>(x: &[f32], weight: impl Fn(usize) -> f32) -> f32 {
    let (whole, rest) = x.split_at(x.len() / LANES * LANES);
    let sum = sum64(&lanes_of_floats::<LANES>(whole, &weight));
    rest_of_floats(sum, rest, |i| weight(whole.len() + i))
}

/// `sum` and the products of the elements after the last whole set of lanes of a row of floats.
#[inline(always)]
pub fn rest_of_floats(sum: f32, rest: &[f32], weight: impl Fn(usize) -> f32) -> f32 {
    rest.iter().enumerate().fold(sum, |sum, (i, x)| weight(i).mul_add(*x, sum))
}

fn lanes_of_floats<const LANES: usize>(x: &[f32], weight: impl Fn(usize) -> f32) -> [f32; FLOAT_LANES] {
    let mut lanes = [0.0; FLOAT_LANES];
    for (i, &x) in x.iter().enumerate() {
        let lane = &mut lanes[i % LANES];
        *lane = weight(i).mul_add(x, *lane);
    }
    lanes
}

#[inline]
fn float_at(row: &[u8], i: usize) -> f32 {
    f32::from_le_bytes([row[4 * i], row[4 * i + 1], row[4 * i + 2], row[4 * i + 3]])
}

/// Exact products of a group of 32, four to a lane.
#[inline]
fn lanes_of_group(quants: impl Fn(usize) -> i32, x: &[i8]) -> [i32; 8] {
    std::array::from_fn(|lane| (4 * lane..4 * lane + 4).map(|i| quants(i) * i32::from(x[i])).sum())
}

#[inline]
fn accumulate(lanes: &mut [f32; 8], scale: f32, mut exact: [i32; 8], whole_blocks: bool) {
    if whole_blocks {
        // One lane takes it all, the others stay at zero.
        exact = [exact.iter().sum(), 0, 0, 0, 0, 0, 0, 0];
    }
    for (lane, exact) in lanes.iter_mut().zip(exact) {
        *lane = scale.mul_add(exact as f32, *lane);
    }
}

fn small_blocks(kind: TensorType, row: &[u8], column: Column, whole_blocks: bool) -> f32 {
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
        accumulate(&mut lanes, scale, exact, whole_blocks);
        if matches!(kind, TensorType::Q4_1 | TensorType::Q5_1) {
            minimums += half_at(block, 2) * column.sums[i];
        }
    }
    sum8(&lanes) + minimums
}

fn super_blocks(kind: TensorType, row: &[u8], column: Column, whole_blocks: bool) -> f32 {
    let (mut lanes, mut minimums) = ([0.0; 8], [0.0f32; 4]);
    for (i, block) in row.chunks_exact(kind.block_bytes()).enumerate() {
        let (scales, offsets) = k_scales::unpack(&block[4..16]);
        let quants = super_quants(kind, block);
        let mut exact = [0; 8];
        let mut pairs = [0; 4];
        for group in 0..8 {
            let x = &column.quants[256 * i + 32 * group..256 * i + 32 * group + 32];
            let part = lanes_of_group(|j| i32::from(quants[32 * group + j]), x);
            for (exact, part) in exact.iter_mut().zip(part) {
                *exact += i32::from(scales[group]) * part;
            }
            let sums = &column.group_sums[16 * i + 2 * group..16 * i + 2 * group + 2];
            pairs[group / 2] += i32::from(offsets[group]) * (sums[0] + sums[1]);
        }
        accumulate(&mut lanes, half_at(block, 0) * column.scales[i], exact, whole_blocks);
        let scale = -(half_at(block, 2) * column.scales[i]);
        subtract_minimums(&mut minimums, scale, pairs, kind == TensorType::Q4K && !whole_blocks);
    }
    sum8(&lanes) + sum4(&minimums)
}

/// Sum of four lanes in the fixed order.
#[inline]
pub fn sum4(lanes: &[f32; 4]) -> f32 {
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

/// Adds `scale` times the exact minimums of pairs of groups, in four lanes or all in the first.
#[inline(always)]
pub fn subtract_minimums(minimums: &mut [f32; 4], scale: f32, mut pairs: [i32; 4], in_lanes: bool) {
    if !in_lanes {
        pairs = [pairs.iter().sum(), 0, 0, 0];
    }
    for (minimum, pair) in minimums.iter_mut().zip(pairs) {
        *minimum = scale.mul_add(pair as f32, *minimum);
    }
}

fn six_bits(row: &[u8], column: Column) -> f32 {
    let mut lanes = [0.0; 8];
    for (i, block) in row.chunks_exact(TensorType::Q6K.block_bytes()).enumerate() {
        let quants = six_bit_quants(block);
        let scale = |group: usize| i32::from(block[192 + group] as i8);
        // The quants are offset by 32: the lanes gather unsigned products, and lane `l` gives back the offset of
        // sixteens 2l and 2l + 1.
        let sums = &column.group_sums[16 * i..16 * i + 16];
        let mut exact: [i32; 8] =
            std::array::from_fn(|l| -32 * (scale(2 * l) * sums[2 * l] + scale(2 * l + 1) * sums[2 * l + 1]));
        for group in 0..8 {
            let x = &column.quants[256 * i + 32 * group..256 * i + 32 * group + 32];
            let part = lanes_of_group(|j| i32::from(quants[32 * group + j]) + 32, x);
            for (lane, (exact, part)) in exact.iter_mut().zip(part).enumerate() {
                *exact += scale(2 * group + lane / 4) * part;
            }
        }
        accumulate(&mut lanes, half_at(block, 208) * column.scales[i], exact, false);
    }
    sum8(&lanes)
}
