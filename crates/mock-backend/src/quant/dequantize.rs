//! Turns stored rows back into floats: for embedding rows, norms and biases, and as the test's oracle.

use super::{TensorType, bf16_at, half_at, k_scales};

/// Writes the elements of `row` (whole blocks of `kind`) to `out`.
pub fn row(kind: TensorType, row: &[u8], out: &mut [f32]) {
    let blocks = row.chunks_exact(kind.block_bytes()).zip(out.chunks_exact_mut(kind.block_elements()));
    match kind {
        TensorType::F32 => {
            blocks.for_each(|(b, out)| out[0] = f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        }
        TensorType::F16 => blocks.for_each(|(block, out)| out[0] = half_at(block, 0)),
        TensorType::Bf16 => blocks.for_each(|(block, out)| out[0] = bf16_at(block, 0)),
        TensorType::Q8_0 => blocks.for_each(|(block, out)| {
            let scale = half_at(block, 0);
            for (out, &quant) in out.iter_mut().zip(&block[2..]) {
                *out = scale * f32::from(quant as i8);
            }
        }),
        TensorType::Q4_0 | TensorType::Q4_1 | TensorType::Q5_0 | TensorType::Q5_1 => {
            blocks.for_each(|(block, out)| small(kind, block, out));
        }
        TensorType::Q4K | TensorType::Q5K => blocks.for_each(|(block, out)| super_block(kind, block, out)),
        TensorType::Q6K => blocks.for_each(|(block, out)| six_bits(block, out)),
    }
}

/// The 32 quants of a small block, before offset and scale.
#[inline]
pub(crate) fn small_quants(kind: TensorType, block: &[u8]) -> [u8; 32] {
    let (high, low) = match kind {
        TensorType::Q4_0 => (0, &block[2..]),
        TensorType::Q4_1 => (0, &block[4..]),
        TensorType::Q5_0 => (u32::from_le_bytes([block[2], block[3], block[4], block[5]]), &block[6..]),
        _ => (u32::from_le_bytes([block[4], block[5], block[6], block[7]]), &block[8..]),
    };
    let mut quants = [0; 32];
    for i in 0..16 {
        quants[i] = (low[i] & 15) | ((high >> i & 1) << 4) as u8;
        quants[i + 16] = (low[i] >> 4) | ((high >> (i + 16) & 1) << 4) as u8;
    }
    quants
}

fn small(kind: TensorType, block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    let quants = small_quants(kind, block);
    for (out, quant) in out.iter_mut().zip(quants) {
        *out = match kind {
            TensorType::Q4_0 => scale * (f32::from(quant) - 8.0),
            TensorType::Q5_0 => scale * (f32::from(quant) - 16.0),
            _ => scale * f32::from(quant) + half_at(block, 2),
        };
    }
}

/// The 256 quants of a Q4_K or Q5_K super-block, before scale and minimum.
#[inline]
pub(crate) fn super_quants(kind: TensorType, block: &[u8]) -> [u8; 256] {
    let mut quants = [0; 256];
    let low = if kind == TensorType::Q4K { &block[16..144] } else { &block[48..176] };
    for chunk in 0..4 {
        for i in 0..32 {
            let byte = low[chunk * 32 + i];
            // Bits 2c and 2c+1 of the i-th high byte belong to the two groups of chunk c.
            let high = if kind == TensorType::Q4K { 0 } else { block[16 + i] >> (2 * chunk) };
            quants[chunk * 64 + i] = (byte & 15) | (high & 1) << 4;
            quants[chunk * 64 + 32 + i] = (byte >> 4) | (high >> 1 & 1) << 4;
        }
    }
    quants
}

fn super_block(kind: TensorType, block: &[u8], out: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (scales, minimums) = k_scales::unpack(&block[4..16]);
    for (i, (out, quant)) in out.iter_mut().zip(super_quants(kind, block)).enumerate() {
        let group = i / 32;
        *out = scale * f32::from(scales[group]) * f32::from(quant) - minimum * f32::from(minimums[group]);
    }
}

/// The 256 quants of a Q6_K super-block, -32..=31.
#[inline]
pub(crate) fn six_bit_quants(block: &[u8]) -> [i8; 256] {
    let mut quants = [0; 256];
    for half in 0..2 {
        let (low, high) = (&block[64 * half..], &block[128 + 32 * half..]);
        let out = &mut quants[128 * half..];
        for i in 0..32 {
            out[i] = ((low[i] & 15) | (high[i] & 3) << 4) as i8 - 32;
            out[i + 32] = ((low[i + 32] & 15) | (high[i] >> 2 & 3) << 4) as i8 - 32;
            out[i + 64] = ((low[i] >> 4) | (high[i] >> 4 & 3) << 4) as i8 - 32;
            out[i + 96] = ((low[i + 32] >> 4) | (high[i] >> 6) << 4) as i8 - 32;
        }
    }
    quants
}

fn six_bits(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 208);
    for (i, (out, quant)) in out.iter_mut().zip(six_bit_quants(block)).enumerate() {
        *out = scale * f32::from(block[192 + i / 16] as i8) * f32::from(quant);
    }
}
