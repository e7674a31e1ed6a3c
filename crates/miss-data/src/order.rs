//! The order of an epoch as a pure function, so that the state of a loader is one integer.
//!
//! A stored permutation must be rebuilt to resume and held for millions of records. Here a Feistel network permutes
//! the smallest power of two that holds all indices, and cycle walking (permute again until the value is in range;
//! Black and Rogaway, "Ciphers with arbitrary finite domains", 2002) restricts it to `0..len`.

/// Enough for a well mixed order: each half passes through the round function four times.
const ROUNDS: u64 = 8;
/// Below this a half of the network would be too narrow to mix; small sets walk a little longer instead.
const MIN_BITS: u32 = 6;
/// 2^64 divided by the golden ratio, the increment of splitmix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Which record stands at which position of which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    len: usize,
    seed: u64,
    left_bits: u32,
    right_bits: u32,
}

impl Order {
    /// The order of `len` records under `seed`.
    #[must_use]
    pub fn new(len: usize, seed: u64) -> Self {
        let needed = usize::BITS - len.saturating_sub(1).leading_zeros();
        let bits = needed.max(MIN_BITS);
        Self {
            len,
            seed,
            left_bits: bits / 2,
            right_bits: bits - bits / 2,
        }
    }

    /// The record, in `0..len`, at `position` of `epoch`. Each epoch visits each record once.
    ///
    /// # Panics
    ///
    /// If `position` is not below the number of records, as indexing a slice does.
    #[must_use]
    pub fn index(&self, epoch: u64, position: usize) -> usize {
        assert!(
            position < self.len,
            "position {position} of an epoch of {} records",
            self.len
        );
        let key = mix(&[self.seed, epoch]);
        let mut value = position as u64;
        loop {
            value = self.permute(key, value);
            if value < self.len as u64 {
                return value as usize;
            }
        }
    }

    /// One pass of the network over `left_bits + right_bits` bits. Either half is changed by a function of the other
    /// alone, hence the pass can be undone, hence it is a permutation, whatever the round function.
    fn permute(&self, key: u64, value: u64) -> u64 {
        let left_mask = (1 << self.left_bits) - 1;
        let right_mask = (1 << self.right_bits) - 1;
        let mut left = value >> self.right_bits;
        let mut right = value & right_mask;
        for round in 0..ROUNDS {
            let round_key = key.wrapping_add(round.wrapping_mul(GOLDEN));
            if round % 2 == 0 {
                left ^= finalise(right ^ round_key) & left_mask;
            } else {
                right ^= finalise(left ^ round_key) & right_mask;
            }
        }
        left << self.right_bits | right
    }
}

/// One number out of several: the seed of every derived random stream, as in `mix(&[seed, epoch, record])`.
///
/// `h = 0; for each part: h = f(h xor part + G)`, where `f` and `G` are the output function and the increment of
/// splitmix64 (Steele, Lea and Flood, OOPSLA 2014). The order of the parts matters.
#[must_use]
pub fn mix(parts: &[u64]) -> u64 {
    parts
        .iter()
        .fold(0, |hash, part| finalise((hash ^ part).wrapping_add(GOLDEN)))
}

/// The output function of splitmix64 (Stafford's variant 13 of the MurmurHash3 finaliser).
fn finalise(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
