//! The 64-bit Mersenne Twister, mt19937_64: the random source of every backend of the project.

const SIZE: usize = 312;
const MIDDLE: usize = 156;

/// State of the generator.
#[derive(Clone, Debug)]
pub struct Mersenne {
    state: [u64; SIZE],
    index: usize,
}

impl Mersenne {
    /// The generator that C++ calls `std::mt19937_64(seed)`.
    pub fn new(seed: u64) -> Self {
        let mut state = [seed; SIZE];
        for i in 1..SIZE {
            let previous = state[i - 1];
            state[i] =
                (previous ^ (previous >> 62)).wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(i as u64);
        }
        Self { state, index: SIZE }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        if self.index == SIZE {
            self.refill();
        }
        let mut x = self.state[self.index];
        self.index += 1;
        x ^= (x >> 29) & 0x5555_5555_5555_5555;
        x ^= (x << 17) & 0x71d6_7fff_eda6_0000;
        x ^= (x << 37) & 0xfff7_eee0_0000_0000;
        x ^ (x >> 43)
    }

    /// Uniform in [0, 1): the upper 53 bits as a fraction.
    pub fn next_uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    fn refill(&mut self) {
        for i in 0..SIZE {
            let x = (self.state[i] & !0x7fff_ffff) | (self.state[(i + 1) % SIZE] & 0x7fff_ffff);
            let twist = if x & 1 == 1 { 0xb502_6f5a_a966_19e9 } else { 0 };
            self.state[i] = self.state[(i + MIDDLE) % SIZE] ^ (x >> 1) ^ twist;
        }
        self.index = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_thousandth_number_of_the_default_seed_is_the_one_of_the_cpp_standard() {
        let mut generator = Mersenne::new(5489);
        let last = (0..10_000).map(|_| generator.next_u64()).last();
        assert_eq!(last, Some(9_981_545_732_273_789_042));
    }

    #[test]
    fn the_first_numbers_of_the_default_seed_are_the_reference_ones() {
        let mut generator = Mersenne::new(5489);
        let first = [(); 3].map(|()| generator.next_u64());
        assert_eq!(
            first,
            [14_514_284_786_278_117_030, 4_620_546_740_167_642_908, 13_109_570_281_517_897_720]
        );
    }

    #[test]
    fn uniform_numbers_are_at_least_zero_and_below_one() {
        let mut generator = Mersenne::new(1 << 63);
        assert!((0..10_000).all(|_| (0.0..1.0).contains(&generator.next_uniform())));
    }

    #[test]
    fn seeds_that_differ_only_in_the_high_half_give_other_numbers() {
        assert_ne!(Mersenne::new(7).next_u64(), Mersenne::new(7 | 1 << 40).next_u64());
    }
}
