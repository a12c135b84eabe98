//! Rotary position embedding of the `llama` architecture: neighbouring pairs are turned by an angle.

/// Angles per position: `position * base^(-2i / dimensions)`, over the pair's factor and the linear scale.
#[derive(Debug)]
pub struct Rope {
    dimensions: usize,
    step: f32,
    scale: f32,
    factors: Vec<f32>,
}

impl Rope {
    /// `dimensions` (even) leading elements of a head turn; `factors` is empty or (dimensions / 2).
    pub fn new(dimensions: usize, base: f32, linear_factor: f32, factors: Vec<f32>) -> Self {
        Self { dimensions, step: base.powf(-2.0 / dimensions as f32), scale: 1.0 / linear_factor, factors }
    }

    /// Cosines and sines at `position`, one pair after the other: (dimensions / 2).
    pub fn angles(&self, position: usize, out: &mut Vec<(f32, f32)>) {
        out.clear();
        // The angle is carried from pair to pair in single precision, as the reference implementation does.
        let mut angle = position as f32;
        for pair in 0..self.dimensions / 2 {
            let turned = self.scale * (angle / self.factors.get(pair).copied().unwrap_or(1.0));
            out.push((turned.cos(), turned.sin()));
            angle *= self.step;
        }
    }
}

/// Turns every head of `values` (heads, head_size).
#[inline(always)]
pub fn turn(values: &mut [f32], head_size: usize, angles: &[(f32, f32)]) {
    for head in values.chunks_exact_mut(head_size) {
        for (pair, (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
            let [x, y] = *pair;
            *pair = [x.mul_add(*cos, -(y * sin)), x.mul_add(*sin, y * cos)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_zero_turns_nothing() {
        let mut angles = Vec::new();
        Rope::new(8, 10_000.0, 1.0, Vec::new()).angles(0, &mut angles);
        let mut values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        turn(&mut values, 8, &angles);
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn pairs_turn_by_position_times_falling_frequency() {
        let mut angles = Vec::new();
        Rope::new(4, 100.0, 2.0, vec![1.0, 4.0]).angles(6, &mut angles);
        for ((cos, sin), angle) in angles.iter().zip([3.0f32, 0.075]) {
            assert!((cos - angle.cos()).abs() < 1e-6 && (sin - angle.sin()).abs() < 1e-6);
        }
    }

    #[test]
    fn elements_past_the_rotated_ones_stay() {
        let mut values = [1.0, 0.0, 7.0, 9.0];
        turn(&mut values, 4, &[(0.0, 1.0)]);
        assert_eq!(values, [0.0, 1.0, 7.0, 9.0]);
    }
}
