//! The exponential function in single precision, by operations that every machine rounds alike.
//!
//! The C library's `expf` differs from version to version; this one gives the same bits everywhere, and its loop
//! can be vectorised. The method is the usual one: `x = n ln 2 + r`, a polynomial for `e^r`, an exact `2^n`.

/// Adding and taking away 1.5 * 2^23 rounds to the nearest integer.
const ROUND: f32 = 12_582_912.0;
const LN2_HIGH: f32 = f32::from_bits(0x3f31_7200);
const LN2_LOW: f32 = f32::from_bits(0x35bf_be8e);
/// Coefficients of the minimax polynomial for `e^r`, from `r` to `r^5`.
const POLYNOMIAL: [f32; 5] = [
    f32::from_bits(0x3f7f_fff6),
    f32::from_bits(0x3eff_fedb),
    f32::from_bits(0x3e2a_af33),
    f32::from_bits(0x3d2b_9f17),
    f32::from_bits(0x3c07_2010),
];
/// Beyond these the result is 0 or infinity.
const RANGE: std::ops::RangeInclusive<f32> = -104.0..=89.0;

/// `e^x` within three units in the last place; 0 and infinity far out, NaN for NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let clamped = x.clamp(*RANGE.start(), *RANGE.end());
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let [c1, c2, c3, c4, c5] = POLYNOMIAL;
    let square = r * r;
    let low = c3.mul_add(r, c2);
    let high = c5.mul_add(r, c4);
    let sum = high.mul_add(square, low).mul_add(square, c1.mul_add(r, 1.0));
    // Two halves of the exponent, so that results below the normal range still round once.
    let n = n as i32;
    let half = n >> 1;
    sum * power_of_two(half) * power_of_two(n - half)
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) as u32) << 23)
}

/// `x = e^(x - largest)` for every element.
#[inline(always)]
pub fn exponentials(values: &mut [f32], largest: f32) {
    values.iter_mut().for_each(|x| *x = exp(*x - largest));
}

/// `gate = gate / (1 + e^-gate) * up`, element by element.
#[inline(always)]
pub fn swiglu(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_within_three_units_of_the_exact_value() {
        for i in -87_000..88_000 {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            let unit = f64::from(f32::from_bits((exact as f32).to_bits() + 1)) - f64::from(exact as f32);
            let error = (f64::from(exp(x)) - exact).abs() / unit;
            assert!(error <= 3.0, "exp({x}) is {error} units off");
        }
    }

    #[test]
    fn the_far_ends_and_nan_are_what_they_should_be() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(1e9), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }
}
