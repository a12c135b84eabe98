//! Numbers to tensor bytes, for every type that a recipe may name.
//!
//! The quantisers are the plain ones (scale from the extremes, round to nearest): what matters here is
//! that the bytes are valid blocks and the same everywhere, not the last tenth of a bit.

use super::tensor_type::TensorType;

/// The bytes of `values` as `kind`. The length must be a whole number of blocks.
pub(super) fn encode(kind: TensorType, values: &[f32]) -> Vec<u8> {
    let elements = usize::try_from(kind.block_elements()).unwrap_or(1);
    debug_assert_eq!(values.len() % elements, 0, "a part of a block has no bytes");
    let mut out = Vec::new();
    for values in values.chunks_exact(elements) {
        match kind {
            TensorType::F32 => out.extend(values[0].to_le_bytes()),
            TensorType::F16 => out.extend(half(values[0]).to_le_bytes()),
            TensorType::BF16 => out.extend(brain(values[0]).to_le_bytes()),
            TensorType::Q80 => q8_0(values, &mut out),
            TensorType::Q40 => symmetric(values, 4, &mut out),
            TensorType::Q50 => symmetric(values, 5, &mut out),
            TensorType::Q41 => with_minimum(values, 4, &mut out),
            TensorType::Q51 => with_minimum(values, 5, &mut out),
            TensorType::Q4K => super_block(values, 4, &mut out),
            TensorType::Q5K => super_block(values, 5, &mut out),
            TensorType::Q6K => q6_k(values, &mut out),
        }
    }
    out
}

/// IEEE binary16, nearest, ties to even.
pub(super) fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let size = bits & 0x7fff_ffff;
    if size > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    if size >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    if size < 0x3880_0000 {
        // Subnormal: a multiple of 2^-24. Scaling by a power of two is exact, so the rounding is the only one.
        let steps = (f32::from_bits(size) * 16_777_216.0).round_ties_even();
        return sign | steps as u16;
    }
    let rounded = size + 0x0fff + ((size >> 13) & 1);
    sign | ((rounded - 0x3800_0000) >> 13) as u16
}

/// The value of an IEEE binary16.
pub(super) fn from_half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x03ff);
    match (bits >> 10) & 0x1f {
        0 => sign * fraction / 16_777_216.0,
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        exponent => {
            sign * f32::from_bits(((u32::from(exponent) + 112) << 23) | (u32::from(bits & 0x3ff) << 13))
        }
    }
}

/// The upper half of an F32, nearest, ties to even.
fn brain(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// The scale as the file will hold it: what is quantised with must be what is read back.
fn stored(scale: f32, out: &mut Vec<u8>) -> f32 {
    let bits = half(scale);
    out.extend(bits.to_le_bytes());
    from_half(bits)
}

/// `value / scale` to the nearest whole number within the range; 0 where there is no scale.
fn level(value: f32, scale: f32, lowest: i32, highest: i32) -> i32 {
    if scale == 0.0 {
        0.clamp(lowest, highest)
    } else {
        ((value / scale).round() as i32).clamp(lowest, highest)
    }
}

fn extremes(values: &[f32]) -> (f32, f32) {
    let (low, high) = values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    // Which of two zeros is the smaller is left to the machine; adding makes both positive.
    (low + 0.0, high + 0.0)
}

/// The value furthest from zero, with its sign.
fn furthest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |best: f32, value| if value.abs() > best.abs() { *value } else { best })
}

fn q8_0(values: &[f32], out: &mut Vec<u8>) {
    let scale = stored(furthest(values).abs() / 127.0, out);
    out.extend(values.iter().map(|value| level(*value, scale, -127, 127) as u8));
}

/// Fifth bits first (where there are any), then low nibbles: element j with element j + 16.
fn nibbles(levels: &[i32], bits: u32, out: &mut Vec<u8>) {
    if bits == 5 {
        let high = levels
            .iter()
            .enumerate()
            .fold(0_u32, |high, (at, level)| high | (((*level as u32) >> 4) & 1) << at);
        out.extend(high.to_le_bytes());
    }
    let (first, second) = levels.split_at(16);
    out.extend(first.iter().zip(second).map(|(low, high)| (*low as u8 & 15) | (*high as u8 & 15) << 4));
}

/// Q4_0 and Q5_0: one scale, zero in the middle; the furthest value takes the one spare negative level.
fn symmetric(values: &[f32], bits: u32, out: &mut Vec<u8>) {
    let middle = 1_i32 << (bits - 1);
    let scale = stored(furthest(values) / -(middle as f32), out);
    let levels: Vec<i32> =
        values.iter().map(|value| level(*value, scale, -middle, middle - 1) + middle).collect();
    nibbles(&levels, bits, out);
}

/// Q4_1 and Q5_1: a scale and the smallest value.
fn with_minimum(values: &[f32], bits: u32, out: &mut Vec<u8>) {
    let highest = (1_i32 << bits) - 1;
    let (low, high) = extremes(values);
    let scale = stored((high - low) / highest as f32, out);
    let low = stored(low, out);
    let levels: Vec<i32> = values.iter().map(|value| level(*value - low, scale, 0, highest)).collect();
    nibbles(&levels, bits, out);
}

/// Q4_K and Q5_K: eight runs of 32, each with a 6-bit scale and a 6-bit minimum.
fn super_block(values: &[f32], bits: u32, out: &mut Vec<u8>) {
    let highest = (1_i32 << bits) - 1;
    let wanted: Vec<(f32, f32)> = values
        .chunks_exact(32)
        .map(|run| {
            let (low, high) = extremes(run);
            let low = low.min(0.0);
            ((high - low).max(0.0) / highest as f32, 0.0 - low)
        })
        .collect();
    let top = wanted.iter().fold((0.0_f32, 0.0_f32), |top, run| (top.0.max(run.0), top.1.max(run.1)));
    let scale = stored(top.0 / 63.0, out);
    let minimum = stored(top.1 / 63.0, out);
    let runs: Vec<(i32, i32)> =
        wanted.iter().map(|run| (level(run.0, scale, 0, 63), level(run.1, minimum, 0, 63))).collect();
    let mut packed = [0_u8; 12];
    for at in 0..4 {
        let (scale, minimum) = (runs[at].0 as u8, runs[at].1 as u8);
        let (later_scale, later_minimum) = (runs[at + 4].0 as u8, runs[at + 4].1 as u8);
        packed[at] = scale | (later_scale >> 4) << 6;
        packed[at + 4] = minimum | (later_minimum >> 4) << 6;
        packed[at + 8] = (later_scale & 15) | (later_minimum & 15) << 4;
    }
    out.extend(packed);
    let levels: Vec<i32> = values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let (run_scale, run_minimum) = runs[at / 32];
            level(*value + minimum * run_minimum as f32, scale * run_scale as f32, 0, highest)
        })
        .collect();
    if bits == 5 {
        for lane in 0..32 {
            out.push((0..8).fold(0, |byte, run| byte | ((levels[run * 32 + lane] >> 4) as u8 & 1) << run));
        }
    }
    for pair in levels.chunks_exact(64) {
        let (first, second) = pair.split_at(32);
        out.extend(first.iter().zip(second).map(|(low, high)| (*low as u8 & 15) | (*high as u8 & 15) << 4));
    }
}

/// Q6_K: sixteen runs of 16, each with a signed 8-bit scale.
fn q6_k(values: &[f32], out: &mut Vec<u8>) {
    let wanted: Vec<f32> = values.chunks_exact(16).map(|run| furthest(run) / -32.0).collect();
    let mut scale_bytes = Vec::new();
    let scale = stored(furthest(&wanted) / -128.0, &mut scale_bytes);
    let runs: Vec<i32> = wanted.iter().map(|run| level(*run, scale, -128, 127)).collect();
    let levels: Vec<u8> = values
        .iter()
        .enumerate()
        .map(|(at, value)| (level(*value, scale * runs[at / 16] as f32, -32, 31) + 32) as u8)
        .collect();
    for half in levels.chunks_exact(128) {
        out.extend((0..64).map(|lane| (half[lane] & 15) | (half[lane + 64] & 15) << 4));
    }
    for half in levels.chunks_exact(128) {
        out.extend((0..32).map(|lane| {
            (0..4).fold(0, |byte, quarter| byte | (half[lane + 32 * quarter] >> 4) << (2 * quarter))
        }));
    }
    out.extend(runs.iter().map(|run| *run as u8));
    out.extend(scale_bytes);
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::super::reference::decode;
    use super::super::tensor_type::block;
    use super::*;

    const TYPES: [TensorType; 11] = [
        TensorType::F32,
        TensorType::F16,
        TensorType::BF16,
        TensorType::Q80,
        TensorType::Q40,
        TensorType::Q41,
        TensorType::Q50,
        TensorType::Q51,
        TensorType::Q4K,
        TensorType::Q5K,
        TensorType::Q6K,
    ];

    /// The worst error of a value that went through `kind`, as a share of the largest value.
    fn worst(kind: TensorType, values: &[f32]) -> f64 {
        let bytes = encode(kind, values);
        let size = block(kind.id()).unwrap().1 as usize;
        let back: Vec<f64> = bytes.chunks_exact(size).flat_map(|block| decode(kind.id(), block)).collect();
        assert_eq!(back.len(), values.len());
        let top = values.iter().fold(0.0_f32, |top, value| top.max(value.abs()));
        values.iter().zip(back).map(|(value, back)| (f64::from(*value) - back).abs()).fold(0.0, f64::max)
            / f64::from(top)
    }

    #[test]
    fn every_type_reads_back_within_its_step() {
        // Half a step of each type over values between -1 and 1, and a little for the scales' own rounding.
        let bounds = [0.0, 5e-4, 4e-3, 5e-3, 0.13, 0.08, 0.07, 0.04, 0.1, 0.055, 0.035];
        let mut random = Random::named(1, "blocks");
        let values: Vec<f32> = (0..4096).map(|_| random.level() as f32 / 0.9921875 * 0.99999).collect();
        for (kind, bound) in TYPES.into_iter().zip(bounds) {
            let worst = worst(kind, &values);
            assert!(worst <= bound, "{kind:?}: {worst} > {bound}");
            assert!(
                kind == TensorType::F32 || worst > bound / 8.0 || bound < 5e-4,
                "{kind:?}: {worst} << {bound}"
            );
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        for kind in TYPES {
            let bytes = encode(kind, &[0.0; 256]);
            let size = block(kind.id()).unwrap().1 as usize;
            assert!(
                bytes.chunks_exact(size).flat_map(|block| decode(kind.id(), block)).all(|value| value == 0.0)
            );
        }
    }

    #[test]
    fn halves_round_to_nearest_even_and_read_back() {
        let cases = [
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (65504.0, 0x7bff),
            (65520.0, 0x7c00),
            (6e-8, 0x0001),
            (0.1, 0x2e66),
        ];
        for (value, bits) in cases {
            assert_eq!(half(value), bits, "{value}");
        }
        assert_eq!([half(1.0 + 1.0 / 2048.0), half(1.0 + 3.0 / 2048.0)], [0x3c00, 0x3c02]);
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
            assert_eq!(half(from_half(bits)), bits);
        }
    }
}
