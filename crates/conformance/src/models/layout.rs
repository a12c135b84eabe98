//! Where things lie in the residual stream, and how plain matrices and angles are made.

use std::ops::Range;

use super::random::Random;
use super::recipe::{Architecture, Output, Recipe};

/// Elements that a look-back head copies, and factors that a readout has.
pub(super) const COPIED: usize = 16;

/// Sines and cosines of steps that need no mathematics library: Pythagorean triples.
const STEPS: [(f64, f64, f64); 4] =
    [(3.0, 4.0, 5.0), (12.0, 5.0, 13.0), (40.0, 9.0, 41.0), (220.0, 21.0, 221.0)];

/// The parts of the residual stream, as ranges of its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The same in every token: what constant scores and constant keys read.
    pub constant: usize,
    /// One of: one, two, three bytes to come; a continuation byte.
    pub class: Range<usize>,
    /// What tells one token from another.
    pub free: Range<usize>,
    /// Copies of the first elements of class and free, one and two tokens back.
    pub back: [Range<usize>; 2],
    /// Learned positions, as points on four circles.
    pub position: Range<usize>,
    /// What a tied output reads.
    pub readout: Range<usize>,
}

impl Layout {
    pub(super) fn of(recipe: &Recipe) -> Self {
        let width = recipe.sizes.width;
        let readout = if recipe.output == Output::Tied { COPIED } else { 0 };
        let position = if recipe.architecture == Architecture::Gpt2 { 2 * STEPS.len() } else { 0 };
        let readout = width - readout..width;
        let position = readout.start - position..readout.start;
        let second = position.start - COPIED..position.start;
        let first = second.start - COPIED..second.start;
        Self { constant: 0, class: 1..5, free: 5..first.start, back: [first, second], position, readout }
    }
}

/// A matrix by rows: `rows` outputs of `columns` inputs each, as GGUF stores it.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub columns: usize,
    pub values: Vec<f64>,
}

impl Matrix {
    /// Random weights up to `size`, from the stream called `name`.
    pub(super) fn random(seed: u64, name: &str, rows: usize, columns: usize, size: f64) -> Self {
        let mut random = Random::named(seed, name);
        Self { columns, values: (0..rows * columns).map(|_| random.level() * size).collect() }
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    pub(super) fn set(&mut self, row: usize, column: usize, value: f64) {
        self.values[row * self.columns + column] = value;
    }

    pub(super) fn add(&mut self, row: usize, column: usize, value: f64) {
        self.values[row * self.columns + column] += value;
    }

    /// Multiplies a rectangle.
    pub(super) fn scale(&mut self, rows: Range<usize>, columns: Range<usize>, factor: f64) {
        for row in rows {
            for column in columns.clone() {
                self.values[row * self.columns + column] *= factor;
            }
        }
    }

    pub(super) fn floats(&self) -> Vec<f32> {
        self.values.iter().map(|value| *value as f32).collect()
    }
}

/// Cosine and sine of the angle that rotary pair `pair` of a head of `width` turns in `steps` tokens,
/// for the base 10,000. The width is a power of two, so that square roots alone give the powers.
pub(super) fn rotary(pair: usize, width: usize, steps: usize) -> (f64, f64) {
    let mut root = 10_000.0_f64;
    let mut degree = 1;
    while degree < width / 2 {
        root = root.sqrt();
        degree *= 2;
    }
    let angle = (0..pair).fold(1.0, |angle, _| angle / root) * steps as f64;
    let mut terms = (1.0, angle);
    let (mut cosine, mut sine) = terms;
    for order in 1..16 {
        let even = f64::from(2 * order);
        terms = (
            -terms.0 * angle * angle / (even * (even - 1.0)),
            -terms.1 * angle * angle / (even * (even + 1.0)),
        );
        cosine += terms.0;
        sine += terms.1;
    }
    (cosine, sine)
}

/// Cosine and sine of `steps` steps on circle `circle` of the learned positions.
pub(super) fn circle(circle: usize, steps: usize) -> (f64, f64) {
    let (across, up, radius) = STEPS[circle];
    (0..steps).fold((1.0, 0.0), |(x, y), _| ((x * across - y * up) / radius, (x * up + y * across) / radius))
}

/// How many circles the learned positions have.
pub(super) fn circles() -> usize {
    STEPS.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotary_angles_agree_with_the_mathematics_library() {
        for width in [16, 64] {
            for (pair, steps) in [(0, 0), (0, 1), (0, 2), (1, 2), (7, 1)] {
                let angle = steps as f64 * 10_000_f64.powf(-2.0 * pair as f64 / width as f64);
                let (cosine, sine) = rotary(pair, width, steps);
                assert!((cosine - angle.cos()).abs() < 1e-12 && (sine - angle.sin()).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn circles_stay_circles_for_a_whole_context() {
        for at in 0..circles() {
            let (x, y) = circle(at, 512);
            assert!((x * x + y * y - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_parts_fill_the_stream_without_overlap() {
        for name in Recipe::names() {
            let recipe = Recipe::named(name).unwrap();
            let layout = Layout::of(&recipe);
            let [first, second] = layout.back.clone();
            assert_eq!(
                (layout.class.end, layout.free.end, first.end),
                (layout.free.start, first.start, second.start)
            );
            assert_eq!((second.end, layout.position.end), (layout.position.start, layout.readout.start));
            assert_eq!(layout.readout.end, recipe.sizes.width);
            assert!(
                layout.free.len() >= COPIED - layout.class.len(),
                "{name} has too little to tell tokens apart"
            );
        }
    }
}
