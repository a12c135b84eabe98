//! Products of weight rows with activation columns by AVX2, FMA and F16C: the bits of `portable`, faster.

use std::arch::x86_64::*;

use super::activation::Column;
use super::portable::{FLOAT_LANES, rest_of_floats, subtract_minimums, sum4, sum8, sum64};
use super::{Order, TensorType, k_scales};
use crate::{exp, rope};

/// True where this processor has the instructions.
pub fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// `out[r * columns.len() + c]` = row `r` of `rows` times column `c`.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn products(
    kind: TensorType,
    order: Order,
    rows: &[u8],
    row_bytes: usize,
    columns: &[Column],
    out: &mut [f32],
) {
    for (row, out) in rows.chunks_exact(row_bytes).zip(out.chunks_exact_mut(columns.len())) {
        for (column, out) in columns.iter().zip(out) {
            *out = match (kind, order) {
                (TensorType::F32, Order::Prompt) => float_row::<16>(row, column.floats),
                (TensorType::F32, _) => float_row::<FLOAT_LANES>(row, column.floats),
                (TensorType::F16, Order::Prompt) => half_row::<16>(row, column.floats),
                (TensorType::F16, _) => half_row::<FLOAT_LANES>(row, column.floats),
                (TensorType::Bf16, _) => bf16_row(row, column.floats),
                (TensorType::Q4_0, Order::Blocks) => {
                    signed_blocks::<18, true>(row, column, |block| q4_0(block))
                }
                (TensorType::Q4_0, _) => signed_blocks::<18, false>(row, column, |block| q4_0(block)),
                (TensorType::Q5_0, _) => signed_blocks::<22, false>(row, column, |block| q5_0(block)),
                (TensorType::Q8_0, _) => signed_blocks::<34, false>(row, column, |block| q8_0(block)),
                (TensorType::Q4_1, _) => unsigned_blocks::<20>(row, column, |block| q4_1(block)),
                (TensorType::Q5_1, _) => unsigned_blocks::<24>(row, column, |block| q5_1(block)),
                (TensorType::Q4K, Order::Blocks) => super_blocks::<144, false, true>(row, column),
                (TensorType::Q4K, _) => super_blocks::<144, false, false>(row, column),
                (TensorType::Q5K, _) => super_blocks::<176, true, false>(row, column),
                (TensorType::Q6K, _) => six_bits(row, column),
            };
        }
    }
}

/// Product of a row of halves with floats.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn half_row<const LANES: usize>(row: &[u8], x: &[f32]) -> f32 {
    let row = row.as_chunks::<2>().0;
    // Heads are often shorter than the lanes, whose sum is then a long way to a zero.
    let (sum, rest) = match x.len() < LANES {
        true => (0.0, x),
        false => float_lanes::<LANES>(x, |i| _mm256_cvtph_ps(load16(row[i..i + 8].as_flattened()))),
    };
    let row = &row[x.len() - rest.len()..];
    let (eights, tail) = rest.as_chunks::<8>();
    let mut sum = f64::from(sum);
    for (x, row) in eights.iter().zip(row.as_chunks::<8>().0) {
        let products = store8f(_mm256_mul_ps(_mm256_cvtph_ps(load16(row.as_flattened())), load8f(x)));
        sum = products.iter().fold(sum, |sum, &product| sum + f64::from(product));
    }
    let row = &row[8 * eights.len()..];
    tail.iter().zip(row).fold(sum, |sum, (x, &weight)| sum + f64::from(half(weight) * x)) as f32
}

/// Products of `x` and the halves from `at` on in row after row, each the one of [`half_row`].
#[target_feature(enable = "avx2,fma,f16c")]
pub fn half_rows<const LANES: usize>(rows: &[u8], row_bytes: usize, at: usize, x: &[f32], out: &mut [f32]) {
    let row = |i: usize| &rows[i * row_bytes + at..][..2 * x.len()];
    let mut done = 0;
    if x.len() < LANES && x.len().is_multiple_of(8) {
        let fours = out.as_chunks_mut::<4>().0;
        for (i, four) in fours.iter_mut().enumerate() {
            *four = four_short_rows([0, 1, 2, 3].map(|j| row(4 * i + j)), x);
        }
        done = 4 * fours.len();
    }
    for (i, out) in out.iter_mut().enumerate().skip(done) {
        *out = half_row::<LANES>(row(i), x);
    }
}

/// [`half_row`] of four rows shorter than its lanes: one sum waits for each of its additions, four wait together.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn four_short_rows(rows: [&[u8]; 4], x: &[f32]) -> [f32; 4] {
    let mut sums = _mm256_setzero_pd();
    for (i, x) in x.as_chunks::<8>().0.iter().enumerate() {
        let x = load8f(x);
        let [a, b, c, d] =
            rows.map(|row| _mm256_mul_ps(_mm256_cvtph_ps(load16(&row[16 * i..16 * i + 16])), x));
        // Turned about, so that a vector has one element of each row: 0 to 3 in the lower halves, 4 to 7 in the upper.
        let pairs = [
            (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d)),
            (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d)),
        ];
        let turned = pairs.map(|(left, right)| {
            [_mm256_shuffle_ps::<0x44>(left, right), _mm256_shuffle_ps::<0xee>(left, right)]
        });
        for element in turned.as_flattened() {
            sums = _mm256_add_pd(sums, _mm256_cvtps_pd(_mm256_castps256_ps128(*element)));
        }
        for element in turned.as_flattened() {
            sums = _mm256_add_pd(sums, _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(*element)));
        }
    }
    let mut out = [0.0; 4];
    // SAFETY: the array has room for the four floats of the unaligned store.
    unsafe { _mm_storeu_ps(out.as_mut_ptr(), _mm256_cvtpd_ps(sums)) };
    out
}

/// `out += weight * row`, element by element.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn add_scaled_half_row(out: &mut [f32], weight: f32, row: &[u8]) {
    let row = row.as_chunks::<2>().0;
    let (chunks, tail) = out.as_chunks_mut::<8>();
    let done = 8 * chunks.len();
    for (chunk, row) in chunks.iter_mut().zip(row.as_chunks::<8>().0) {
        let sum = _mm256_fmadd_ps(
            _mm256_set1_ps(weight),
            _mm256_cvtph_ps(load16(row.as_flattened())),
            load8f(chunk),
        );
        *chunk = store8f(sum);
    }
    for (out, &bytes) in tail.iter_mut().zip(&row[done..]) {
        *out = weight.mul_add(half(bytes), *out);
    }
}

/// [`exp::exponentials`] with the instructions of this file.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn exponentials(values: &mut [f32], largest: f32) {
    exp::exponentials(values, largest);
}

/// [`exp::swiglu`] with the instructions of this file.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn swiglu(gate: &mut [f32], up: &[f32]) {
    exp::swiglu(gate, up);
}

/// [`rope::turn`] with the instructions of this file.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn turn(values: &mut [f32], head_size: usize, pairs: rope::Pairs, angles: &[(f32, f32)]) {
    rope::turn(values, head_size, pairs, angles);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn float_row<const LANES: usize>(row: &[u8], x: &[f32]) -> f32 {
    let row = row.as_chunks::<4>().0;
    let load = |i: usize| _mm256_castsi256_ps(load32(row[i..i + 8].as_flattened()));
    let (sum, rest) = float_lanes::<LANES>(x, load);
    rest_of_floats(sum, rest, |i| f32::from_le_bytes(row[x.len() - rest.len() + i]))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn bf16_row(row: &[u8], x: &[f32]) -> f32 {
    let row = row.as_chunks::<2>().0;
    let load = |i: usize| {
        let wide = _mm256_cvtepu16_epi32(load16(row[i..i + 8].as_flattened()));
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
    };
    let (sum, rest) = float_lanes::<FLOAT_LANES>(x, load);
    let weight =
        |i: usize| f32::from_bits(u32::from(u16::from_le_bytes(row[x.len() - rest.len() + i])) << 16);
    rest_of_floats(sum, rest, weight)
}

/// Sum over all whole sets of lanes, and the elements after them.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn float_lanes<const LANES: usize>(x: &[f32], eight: impl Fn(usize) -> __m256) -> (f32, &[f32]) {
    let mut accumulators = [_mm256_setzero_ps(); 8];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for (i, chunk) in chunks.iter().enumerate() {
        for (j, (accumulator, x)) in accumulators.iter_mut().zip(chunk.as_chunks::<8>().0).enumerate() {
            *accumulator = _mm256_fmadd_ps(eight(LANES * i + 8 * j), load8f(x), *accumulator);
        }
    }
    let mut lanes = [0.0; FLOAT_LANES];
    for (lanes, accumulator) in lanes.as_chunks_mut::<8>().0.iter_mut().zip(accumulators) {
        *lanes = store8f(accumulator);
    }
    (sum64(&lanes), rest)
}

/// All eight numbers in the first lane, zeros in the others.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn total(numbers: __m256i) -> __m256i {
    let four = _mm_add_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0x4e>(four));
    let one = _mm_add_epi32(two, _mm_shuffle_epi32::<0xb1>(two));
    _mm256_zextsi128_si256(_mm_cvtsi32_si128(_mm_cvtsi128_si32(one)))
}

/// Sums of four products of signed bytes, exact: no operand is -128 on both sides.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn signed_products(weights: __m256i, x: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(x, weights));
    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn signed_blocks<const BYTES: usize, const WHOLE: bool>(
    row: &[u8],
    column: &Column,
    unpack: impl Fn(&[u8; BYTES]) -> __m256i,
) -> f32 {
    let mut sum = _mm256_setzero_ps();
    let blocks = row.as_chunks::<BYTES>().0.iter();
    for ((block, x), x_scale) in blocks.zip(column.quants.as_chunks::<32>().0).zip(column.scales) {
        let scale = half([block[0], block[1]]) * x_scale;
        let lanes = signed_products(unpack(block), load32i(x));
        let exact = if WHOLE { total(lanes) } else { lanes };
        sum = _mm256_fmadd_ps(_mm256_set1_ps(scale), _mm256_cvtepi32_ps(exact), sum);
    }
    sum8(&store8f(sum))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn unsigned_blocks<const BYTES: usize>(
    row: &[u8],
    column: &Column,
    unpack: impl Fn(&[u8; BYTES]) -> __m256i,
) -> f32 {
    let (mut sum, mut minimums) = (_mm256_setzero_ps(), _mm_setzero_ps());
    let blocks = row.as_chunks::<BYTES>().0.iter();
    let x_scales = column.scales.iter().zip(column.sums);
    for ((block, x), (x_scale, x_sum)) in blocks.zip(column.quants.as_chunks::<32>().0).zip(x_scales) {
        let pairs = _mm256_maddubs_epi16(unpack(block), load32i(x));
        let exact = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
        // Scale and minimum lie side by side: one conversion and one product serve both.
        let halves = _mm_cvtsi32_si128(i32::from_le_bytes([block[0], block[1], block[2], block[3]]));
        let scaled =
            _mm_mul_ps(_mm_cvtph_ps(halves), _mm_unpacklo_ps(_mm_set_ss(*x_scale), _mm_set_ss(*x_sum)));
        sum = _mm256_fmadd_ps(_mm256_broadcastss_ps(scaled), _mm256_cvtepi32_ps(exact), sum);
        minimums = _mm_add_ss(minimums, _mm_movehdup_ps(scaled));
    }
    sum8(&store8f(sum)) + _mm_cvtss_f32(minimums)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q8_0(block: &[u8; 34]) -> __m256i {
    load32(&block[2..])
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q4_0(block: &[u8; 18]) -> __m256i {
    _mm256_sub_epi8(nibbles(&block[2..]), _mm256_set1_epi8(8))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q4_1(block: &[u8; 20]) -> __m256i {
    nibbles(&block[4..])
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q5_0(block: &[u8; 22]) -> __m256i {
    let high = spread_bits([block[2], block[3], block[4], block[5]]);
    let quants = _mm256_or_si256(nibbles(&block[6..]), _mm256_and_si256(high, _mm256_set1_epi8(16)));
    _mm256_sub_epi8(quants, _mm256_set1_epi8(16))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q5_1(block: &[u8; 24]) -> __m256i {
    let high = spread_bits([block[4], block[5], block[6], block[7]]);
    _mm256_or_si256(nibbles(&block[8..]), _mm256_and_si256(high, _mm256_set1_epi8(16)))
}

/// Sixteen bytes as 32 nibbles: all low ones, then all high ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn nibbles(bytes: &[u8]) -> __m256i {
    let low = load16(bytes);
    let both = _mm256_set_m128i(_mm_srli_epi16::<4>(low), low);
    _mm256_and_si256(both, _mm256_set1_epi8(15))
}

/// Bit `i` of four bytes as byte `i`: 0 or 255.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn spread_bits(bits: [u8; 4]) -> __m256i {
    let all = _mm256_set1_epi32(i32::from_le_bytes(bits));
    let order = _mm256_set_epi64x(0x0303_0303_0303_0303, 0x0202_0202_0202_0202, 0x0101_0101_0101_0101, 0);
    let mask = _mm256_set1_epi64x(0x7fbf_dfef_f7fb_fdfe);
    let bytes = _mm256_or_si256(_mm256_shuffle_epi8(all, order), mask);
    _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(-1))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn super_blocks<const BYTES: usize, const FIVE_BITS: bool, const WHOLE: bool>(
    row: &[u8],
    column: &Column,
) -> f32 {
    let (mut sum, mut minimums) = (_mm256_setzero_ps(), [0.0f32; 4]);
    let columns = column.quants.as_chunks::<256>().0.iter().zip(column.group_sums.as_chunks::<16>().0);
    let blocks = row.as_chunks::<BYTES>().0.iter();
    for ((block, (x, x_sums)), x_scale) in blocks.zip(columns).zip(column.scales) {
        let (scales, offsets) = k_scales::unpack(&block[4..16]);
        let fifteen = _mm256_set1_epi8(15);
        let (high, low_start) =
            if FIVE_BITS { (load32(&block[16..]), 48) } else { (_mm256_setzero_si256(), 16) };
        let x = x.as_chunks::<32>().0;
        let mut exact = _mm256_setzero_si256();
        for chunk in 0..4 {
            let low = load32(&block[low_start + 32 * chunk..]);
            let mut first = _mm256_and_si256(low, fifteen);
            let mut second = _mm256_and_si256(_mm256_srli_epi16::<4>(low), fifteen);
            if FIVE_BITS {
                first = _mm256_or_si256(first, fifth_bits(high, 1 << (2 * chunk)));
                second = _mm256_or_si256(second, fifth_bits(high, 2 << (2 * chunk)));
            }
            for (group, quants) in [(2 * chunk, first), (2 * chunk + 1, second)] {
                let pairs = _mm256_maddubs_epi16(quants, load32i(&x[group]));
                let scale = _mm256_set1_epi16(i16::from(scales[group]));
                exact = _mm256_add_epi32(exact, _mm256_madd_epi16(scale, pairs));
            }
        }
        let mut pairs = [0; 4];
        for (i, (offset, sums)) in offsets.iter().zip(x_sums.as_chunks::<2>().0).enumerate() {
            pairs[i / 2] += i32::from(*offset) * (sums[0] + sums[1]);
        }
        let scale = half([block[0], block[1]]) * x_scale;
        let exact = if WHOLE { total(exact) } else { exact };
        sum = _mm256_fmadd_ps(_mm256_set1_ps(scale), _mm256_cvtepi32_ps(exact), sum);
        let scale = -(half([block[2], block[3]]) * x_scale);
        subtract_minimums(&mut minimums, scale, pairs, !FIVE_BITS && !WHOLE);
    }
    sum8(&store8f(sum)) + sum4(&minimums)
}

/// Sixteen in every byte whose `bit` is set.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn fifth_bits(high: __m256i, bit: u8) -> __m256i {
    let bit = _mm256_set1_epi8(bit as i8);
    let set = _mm256_cmpeq_epi8(_mm256_and_si256(high, bit), bit);
    _mm256_and_si256(set, _mm256_set1_epi8(16))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn six_bits(row: &[u8], column: &Column) -> f32 {
    let mut sum = _mm256_setzero_ps();
    let blocks = row.as_chunks::<210>().0.iter();
    let columns = column.quants.as_chunks::<256>().0.iter().zip(column.group_sums.as_chunks::<16>().0);
    for ((block, (x, x_sums)), x_scale) in blocks.zip(columns).zip(column.scales) {
        let x = x.as_chunks::<32>().0;
        // Minus 32 times the sums, as `portable` does it.
        let mut offsets = [0i32; 8];
        let scales = block[192..208].as_chunks::<2>().0;
        for (offset, (scales, sums)) in offsets.iter_mut().zip(scales.iter().zip(x_sums.as_chunks::<2>().0)) {
            *offset = -32 * (i32::from(scales[0] as i8) * sums[0] + i32::from(scales[1] as i8) * sums[1]);
        }
        let mut exact = load8i(&offsets);
        for half in 0..2 {
            let first = load32(&block[64 * half..]);
            let second = load32(&block[64 * half + 32..]);
            let high = load32(&block[128 + 32 * half..]);
            let fifteen = _mm256_set1_epi8(15);
            let quarters = [
                (_mm256_and_si256(first, fifteen), _mm256_slli_epi16::<4>(high)),
                (_mm256_and_si256(second, fifteen), _mm256_slli_epi16::<2>(high)),
                (_mm256_and_si256(_mm256_srli_epi16::<4>(first), fifteen), high),
                (_mm256_and_si256(_mm256_srli_epi16::<4>(second), fifteen), _mm256_srli_epi16::<2>(high)),
            ];
            for (quarter, (low, high)) in quarters.into_iter().enumerate() {
                let group = 4 * half + quarter;
                let quants = _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(0x30)));
                let pairs = _mm256_maddubs_epi16(quants, load32i(&x[group]));
                let scales = _mm256_set_m128i(
                    _mm_set1_epi16(i16::from(block[193 + 2 * group] as i8)),
                    _mm_set1_epi16(i16::from(block[192 + 2 * group] as i8)),
                );
                exact = _mm256_add_epi32(exact, _mm256_madd_epi16(scales, pairs));
            }
        }
        let scale = half([block[208], block[209]]) * x_scale;
        sum = _mm256_fmadd_ps(_mm256_set1_ps(scale), _mm256_cvtepi32_ps(exact), sum);
    }
    sum8(&store8f(sum))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn half(bytes: [u8; 2]) -> f32 {
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(u16::from_le_bytes(bytes)))))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load16(bytes: &[u8]) -> __m128i {
    let bytes = &bytes[..16];
    // SAFETY: the slice has the 16 bytes that the unaligned load reads.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load32(bytes: &[u8]) -> __m256i {
    let bytes = &bytes[..32];
    // SAFETY: the slice has the 32 bytes that the unaligned load reads.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load32i(bytes: &[i8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that the unaligned load reads.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load8i(numbers: &[i32; 8]) -> __m256i {
    // SAFETY: the array has the 8 numbers that the unaligned load reads.
    unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load8f(floats: &[f32; 8]) -> __m256 {
    // SAFETY: the array has the 8 floats that the unaligned load reads.
    unsafe { _mm256_loadu_ps(floats.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store8f(vector: __m256) -> [f32; 8] {
    let mut floats = [0.0; 8];
    // SAFETY: the array has room for the 8 floats that the unaligned store writes.
    unsafe { _mm256_storeu_ps(floats.as_mut_ptr(), vector) };
    floats
}
