//! Draws the next token from logits: the largest at temperature 0, else by inverse distribution function.

use crate::mersenne::Mersenne;

/// Temperature and random state of a job (M0-W-1030, M0-W-1032).
#[derive(Debug)]
pub struct Sampler {
    temperature: f32,
    generator: Box<Mersenne>,
    weights: Vec<f64>,
}

impl Sampler {
    /// `temperature` in 0..=2, -0.0 included; any `seed`.
    pub fn new(temperature: f32, seed: u64) -> Self {
        Self { temperature, generator: Box::new(Mersenne::new(seed)), weights: Vec::new() }
    }

    /// Whether tokens hang on the seed; at temperature 0 they do not.
    pub fn draws(&self) -> bool {
        self.temperature != 0.0
    }

    /// Index drawn from `logits` (vocabulary); `None` where a logit is no number.
    pub fn draw(&mut self, logits: &[f32]) -> Option<u32> {
        let mut best = 0;
        for (i, logit) in logits.iter().enumerate() {
            if !logit.is_finite() {
                return None;
            }
            // Strictly greater: among equals the lowest index wins.
            if *logit > logits[best] {
                best = i;
            }
        }
        if self.temperature == 0.0 || logits.is_empty() {
            return logits.get(best).map(|_| best as u32);
        }
        let (temperature, largest) = (f64::from(self.temperature), f64::from(logits[best]));
        self.weights.clear();
        self.weights.extend(logits.iter().map(|&logit| ((f64::from(logit) - largest) / temperature).exp()));
        let total: f64 = self.weights.iter().sum();
        let target = self.generator.next_uniform() * total;
        let mut cumulative = 0.0;
        for (i, weight) in self.weights.iter().enumerate() {
            cumulative += weight;
            if cumulative > target {
                return Some(i as u32);
            }
        }
        // Not reached while u < 1 and sums run in one order; the most probable token is a safe answer.
        Some(best as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_lowest_of_equal_maximums() {
        for temperature in [0.0, -0.0] {
            assert_eq!(Sampler::new(temperature, 3).draw(&[0.5, 2.0, -1.0, 2.0]), Some(1));
        }
    }

    #[test]
    fn draws_follow_the_softmax() {
        let mut sampler = Sampler::new(1.0, 42);
        let logits = [0.0, 1.0f32, 2.0];
        let mut counts = [0.0; 3];
        for _ in 0..30_000 {
            counts[sampler.draw(&logits).unwrap() as usize] += 1.0 / 30_000.0;
        }
        let total: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
        for (count, logit) in counts.iter().zip(logits) {
            let error = (count - f64::from(logit).exp() / total).abs();
            assert!(error < 0.01, "{counts:?}");
        }
    }

    #[test]
    fn a_draw_is_the_inverse_distribution_function_of_the_uniform_number() {
        let mut generator = Mersenne::new(9);
        let mut sampler = Sampler::new(2.0, 9);
        for _ in 0..100 {
            let expected = (generator.next_uniform() * 4.0).floor() as u32;
            assert_eq!(sampler.draw(&[1.25; 4]), Some(expected));
        }
    }

    #[test]
    fn the_smallest_temperature_is_greedy_without_dividing_by_zero() {
        let mut sampler = Sampler::new(f32::from_bits(1), 1);
        assert_eq!(sampler.draw(&[1.0, 1.5, 1.0]), Some(1));
    }

    #[test]
    fn logits_that_are_no_numbers_give_no_token() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(Sampler::new(1.0, 1).draw(&[0.0, bad]), None);
        }
    }
}
