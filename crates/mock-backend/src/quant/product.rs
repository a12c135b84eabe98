//! Chooses SIMD or portable code for products, once per process.

use std::sync::OnceLock;

use super::activation::Column;
use super::{Order, TensorType, half_at, portable};
use crate::{exp, rope};

/// `out[r * columns.len() + c]` = row `r` of `rows` times column `c`.
pub fn products(
    kind: TensorType,
    order: Order,
    rows: &[u8],
    row_bytes: usize,
    columns: &[Column],
    out: &mut [f32],
) {
    #[cfg(target_arch = "x86_64")]
    if simd() {
        // SAFETY: `simd` is true only where the processor has every feature that the function enables.
        return unsafe { super::avx2::products(kind, order, rows, row_bytes, columns, out) };
    }
    for (row, out) in rows.chunks_exact(row_bytes).zip(out.chunks_exact_mut(columns.len())) {
        for (column, out) in columns.iter().zip(out) {
            *out = portable::product(kind, order, row, *column);
        }
    }
}

/// `out[i]` = product of `x` and the halves from byte `at` on of row `i`, little-endian, summed in `LANES` (at most
/// 64) lanes.
#[inline]
pub fn half_rows<const LANES: usize>(rows: &[u8], row_bytes: usize, at: usize, x: &[f32], out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if simd() {
        // SAFETY: as in `products`.
        return unsafe { super::avx2::half_rows::<LANES>(rows, row_bytes, at, x, out) };
    }
    for (row, out) in rows.chunks_exact(row_bytes).zip(out) {
        *out = portable::half_row::<LANES>(&row[at..at + 2 * x.len()], x);
    }
}

/// `out += weight * row`, element by element; `row` holds little-endian halves.
#[inline]
pub fn add_scaled_half_row(out: &mut [f32], weight: f32, row: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if simd() {
        // SAFETY: as in `products`.
        return unsafe { super::avx2::add_scaled_half_row(out, weight, row) };
    }
    for (i, out) in out.iter_mut().enumerate() {
        *out = weight.mul_add(half_at(row, 2 * i), *out);
    }
}

/// `x = e^(x - largest)` for every element.
pub fn exponentials(values: &mut [f32], largest: f32) {
    #[cfg(target_arch = "x86_64")]
    if simd() {
        // SAFETY: as in `products`.
        return unsafe { super::avx2::exponentials(values, largest) };
    }
    exp::exponentials(values, largest);
}

/// `gate = gate / (1 + e^-gate) * up`, element by element.
pub fn swiglu(gate: &mut [f32], up: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    if simd() {
        // SAFETY: as in `products`.
        return unsafe { super::avx2::swiglu(gate, up) };
    }
    exp::swiglu(gate, up);
}

/// Turns every head of `values` (heads, head_size) by `angles`.
pub fn turn(values: &mut [f32], head_size: usize, pairs: rope::Pairs, angles: &[(f32, f32)]) {
    #[cfg(target_arch = "x86_64")]
    if simd() {
        // SAFETY: as in `products`.
        return unsafe { super::avx2::turn(values, head_size, pairs, angles) };
    }
    rope::turn(values, head_size, pairs, angles);
}

#[cfg(target_arch = "x86_64")]
fn simd() -> bool {
    static SIMD: OnceLock<bool> = OnceLock::new();
    // The switch exists so that a whole run can be compared with the portable code.
    *SIMD.get_or_init(|| std::env::var_os("WORKER_MOCK_PORTABLE").is_none() && super::avx2::available())
}

#[cfg(test)]
mod tests;
