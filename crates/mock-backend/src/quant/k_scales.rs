//! The eight 6-bit scales and minimums that Q4_K and Q5_K pack into twelve bytes.

/// Scales and minimums of the eight groups of 32 in a super-block.
#[inline]
pub fn unpack(packed: &[u8]) -> ([u8; 8], [u8; 8]) {
    let (mut scales, mut minimums) = ([0; 8], [0; 8]);
    for group in 0..4 {
        let (low, high, mixed) = (packed[group], packed[group + 4], packed[group + 8]);
        scales[group] = low & 63;
        minimums[group] = high & 63;
        scales[group + 4] = (mixed & 15) | (low >> 6) << 4;
        minimums[group + 4] = (mixed >> 4) | (high >> 6) << 4;
    }
    (scales, minimums)
}
