//! Rotary position embedding: pairs of elements are turned by an angle.

/// Which elements of a head are pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// Elements 2i and 2i + 1, as `llama` files have them.
    Neighbours,
    /// Element i of either half of what turns, as `qwen2` and `phi3` have them.
    Halves,
}

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
pub fn turn(values: &mut [f32], head_size: usize, pairs: Pairs, angles: &[(f32, f32)]) {
    let turned = |x: f32, y: f32, cos: f32, sin: f32| (x.mul_add(cos, -(y * sin)), x.mul_add(sin, y * cos));
    for head in values.chunks_exact_mut(head_size) {
        match pairs {
            Pairs::Neighbours => {
                for ([x, y], &(cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                    (*x, *y) = turned(*x, *y, cos, sin);
                }
            }
            Pairs::Halves => {
                let (first, second) = head[..2 * angles.len()].split_at_mut(angles.len());
                for ((x, y), &(cos, sin)) in first.iter_mut().zip(second).zip(angles) {
                    (*x, *y) = turned(*x, *y, cos, sin);
                }
            }
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
        turn(&mut values, 8, Pairs::Neighbours, &angles);
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
        for pairs in [Pairs::Neighbours, Pairs::Halves] {
            let mut values = [1.0, 0.0, 7.0, 9.0];
            turn(&mut values, 4, pairs, &[(0.0, 1.0)]);
            assert_eq!(values, [0.0, 1.0, 7.0, 9.0]);
        }
    }

    #[test]
    fn halves_pair_the_same_places_of_both_halves() {
        let mut values = [1.0, 2.0, 3.0, 4.0, 9.0, 9.0];
        turn(&mut values, 6, Pairs::Halves, &[(0.0, 1.0), (1.0, 0.0)]);
        assert_eq!(values, [-3.0, 2.0, 1.0, 4.0, 9.0, 9.0]);
    }
}
