//! Random numbers as a function of where they are used.

/// 64 bits that depend on `parts` and their order alone (SplitMix64, its finaliser applied to each
/// part in turn).
pub(crate) fn mixed(parts: impl IntoIterator<Item = u64>) -> u64 {
    parts.into_iter().fold(0, |state, part| {
        let mut z = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// A number evenly spread over `[0, 1)` that depends on `parts` alone.
pub(crate) fn unit_interval(parts: &[u64]) -> f64 {
    // 53 bits: what a double holds.
    (mixed(parts.iter().copied()) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_and_depend_on_every_part() {
        let n = 20_000;
        let numbers: Vec<f64> = (0..n).map(|i| unit_interval(&[7, i, 3])).collect();
        let mean = numbers.iter().sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 0.01);
        let below = numbers.iter().filter(|x| **x < 0.1).count() as f64 / n as f64;
        assert!((below - 0.1).abs() < 0.01);
        assert_ne!(unit_interval(&[1, 2, 3]), unit_interval(&[1, 3, 2]));
        assert_ne!(unit_interval(&[1, 2, 3]), unit_interval(&[2, 2, 3]));
    }
}
