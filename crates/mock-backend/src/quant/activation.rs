//! Stores activations in the companion format of a weight type.

use half::{bf16, f16};

use super::Companion;

/// Activations of `count` tokens, `columns` each, in one companion format.
#[derive(Debug, Default)]
pub struct Stored {
    /// Elements of a token.
    pub columns: usize,
    /// (count, columns): floats, where the format keeps floats.
    pub floats: Vec<f32>,
    /// (count, columns): quants of `Q8` and `Q8K`.
    pub quants: Vec<i8>,
    /// (count, columns / block): scales.
    pub scales: Vec<f32>,
    /// (count, columns / 32): scale times sum of a `Q8` block.
    pub sums: Vec<f32>,
    /// (count, columns / 16): sums of 16 quants of `Q8K`.
    pub group_sums: Vec<i32>,
}

/// One token of [`Stored`].
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of `Stored`")]
pub struct Column<'a> {
    pub floats: &'a [f32],
    pub quants: &'a [i8],
    pub scales: &'a [f32],
    pub sums: &'a [f32],
    pub group_sums: &'a [i32],
}

impl Stored {
    /// Stores `values` (count, columns); `columns` is a whole number of blocks.
    pub fn store(&mut self, format: Companion, values: &[f32], columns: usize) {
        self.columns = columns;
        self.floats.clear();
        self.quants.clear();
        self.scales.clear();
        self.sums.clear();
        self.group_sums.clear();
        match format {
            Companion::F32 => self.floats.extend_from_slice(values),
            Companion::F16 => self.floats.extend(values.iter().map(|&x| round_to_half(x))),
            Companion::Bf16 => {
                self.floats.extend(values.iter().map(|&x| bf16::from_f32_const(x).to_f32_const()))
            }
            Companion::Q8 => values.chunks_exact(32).for_each(|block| self.push_q8(block)),
            Companion::Q8K => values.chunks_exact(256).for_each(|block| self.push_q8k(block)),
        }
    }

    /// Token `index`.
    pub fn column(&self, index: usize) -> Column<'_> {
        fn part<T>(all: &[T], index: usize, size: usize) -> &[T] {
            all.get(index * size..(index + 1) * size).unwrap_or(&[])
        }
        let groups = self.columns / 32;
        let scales = if self.group_sums.is_empty() { groups } else { self.columns / 256 };
        Column {
            floats: part(&self.floats, index, self.columns),
            quants: part(&self.quants, index, self.columns),
            scales: part(&self.scales, index, scales),
            sums: part(&self.sums, index, groups),
            group_sums: part(&self.group_sums, index, 2 * groups),
        }
    }

    fn push_q8(&mut self, block: &[f32]) {
        let largest = block.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let scale = largest / 127.0;
        let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
        let mut sum = 0;
        self.quants.extend(block.iter().map(|x| {
            let quant = round(x * inverse) as i8;
            sum += i32::from(quant);
            quant
        }));
        self.scales.push(round_to_half(scale));
        self.sums.push(round_to_half(scale * sum as f32));
    }

    fn push_q8k(&mut self, block: &[f32]) {
        let mut extreme = 0.0f32;
        for &x in block {
            if x.abs() > extreme.abs() {
                extreme = x;
            }
        }
        let inverse = if extreme == 0.0 { 0.0 } else { -127.0 / extreme };
        for group in block.chunks_exact(16) {
            let mut sum = 0;
            self.quants.extend(group.iter().map(|x| {
                let quant = round(x * inverse).min(127.0) as i8;
                sum += i32::from(quant);
                quant
            }));
            self.group_sums.push(sum);
        }
        self.scales.push(if extreme == 0.0 { 0.0 } else { 1.0 / inverse });
    }
}

/// The nearest integer, of two the even one, for |x| below 2^22: an addition where a call would be slower.
#[inline]
fn round(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT) - SHIFT
}

/// `x` rounded to half precision and back.
#[inline]
pub fn round_to_half(x: f32) -> f32 {
    f16::from_f32_const(x).to_f32_const()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q8_keeps_every_value_within_half_a_step() {
        let values: Vec<f32> = (0..64).map(|i| ((i * 37 % 64) as f32 - 31.0) * 0.37).collect();
        let mut stored = Stored::default();
        stored.store(Companion::Q8, &values, 64);
        let column = stored.column(0);
        for (i, x) in values.iter().enumerate() {
            let back = f32::from(column.quants[i]) * column.scales[i / 32];
            assert!((back - x).abs() <= column.scales[i / 32] * 0.6, "{back} {x}");
        }
    }

    #[test]
    fn rounding_takes_the_even_neighbour_of_a_tie() {
        for i in -508..=508 {
            let x = i as f32 / 4.0;
            assert_eq!(round(x), x.round_ties_even());
        }
    }

    #[test]
    fn a_zero_block_stays_zero() {
        for format in [Companion::Q8, Companion::Q8K] {
            let mut stored = Stored::default();
            stored.store(format, &[0.0; 256], 256);
            assert!(stored.column(0).quants.iter().all(|&quant| quant == 0));
            assert!(stored.column(0).scales.iter().all(|&scale| scale == 0.0));
        }
    }

    #[test]
    fn the_extreme_of_a_q8k_block_becomes_minus_127() {
        let mut values = [0.5f32; 256];
        values[100] = 2.0;
        let mut stored = Stored::default();
        stored.store(Companion::Q8K, &values, 256);
        assert_eq!(stored.column(0).quants[100], -127);
        assert!((stored.column(0).scales[0] * -127.0 - 2.0).abs() < 1e-6);
    }

    #[test]
    fn values_that_are_no_numbers_do_not_stop_the_store() {
        let mut stored = Stored::default();
        for format in [Companion::Q8, Companion::Q8K, Companion::F16, Companion::Bf16] {
            stored.store(format, &[f32::NAN; 256], 256);
            stored.store(format, &[f32::INFINITY; 256], 256);
        }
    }
}
