//! Integer random numbers that are the same on every machine.

/// SplitMix64: one 64-bit state, every seed good, the sequence fixed by integer arithmetic alone.
pub(super) struct Random(u64);

impl Random {
    /// A stream of its own for each `name`, so that adding a tensor changes no other.
    pub(super) fn named(seed: u64, name: &str) -> Self {
        let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
        for byte in name.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(state)
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An even draw from the 255 multiples of 1/128 between -127/128 and 127/128.
    pub(super) fn level(&mut self) -> f64 {
        let step = i32::try_from(self.next() % 255).unwrap_or(0) - 127;
        f64::from(step) / 128.0
    }

    /// Between one half and one in size, either sign: vectors of these have nearly equal lengths.
    pub(super) fn sign(&mut self) -> f64 {
        let bits = self.next();
        let size = 0.5 + f64::from(u32::try_from((bits >> 1) % 65).unwrap_or(0)) / 128.0;
        if bits & 1 == 0 { size } else { -size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64() {
        // First outputs of the published generator for the state 1234567.
        let mut random = Random(1_234_567);
        assert_eq!(
            [random.next(), random.next(), random.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn names_give_streams_of_their_own() {
        assert_ne!(Random::named(1, "a").next(), Random::named(1, "b").next());
        assert_ne!(Random::named(1, "a").next(), Random::named(2, "a").next());
    }

    #[test]
    fn levels_stay_in_range_and_have_both_signs() {
        let mut random = Random::named(0, "levels");
        let levels: Vec<f64> = (0..1000).map(|_| random.level()).collect();
        assert!(levels.iter().all(|level| level.abs() <= 127.0 / 128.0));
        assert!(levels.iter().any(|level| *level > 0.9) && levels.iter().any(|level| *level < -0.9));
    }
}
