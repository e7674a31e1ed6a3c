//! The order of an epoch as a pure function, so that the state of a loader is one integer.
//!
//! A stored permutation must be rebuilt to resume and held for millions of records. Here a Feistel
//! network permutes the smallest power of two that holds all indices, and cycle walking (permute
//! again until the value is in range; Black and Rogaway, "Ciphers with arbitrary finite domains",
//! 2002) restricts it to `0..len`.
//!
//! All orders are [`Epochs`]: [`Sequential`], shuffled ([`Order`]), [`Grouped`] by image, and
//! [`Mixed`] from several sources. [`Batches`] cuts their epochs into batches and deals each batch
//! to the ranks of a distributed run; [`InOrder`] shows one epoch as a `burn_dataset::Dataset`.

mod batches;
mod grouped;
mod in_order;
mod mixed;

pub use batches::{Batches, RankError};
pub use grouped::{Grouped, TooManyRecords};
pub use in_order::InOrder;
pub use mixed::{Mixed, MixedError, Source};

use std::sync::Arc;

/// Enough for a well mixed order: each half passes through the round function four times.
const ROUNDS: u64 = 8;
/// Below this a half of the network would be too narrow to mix; small sets walk a little longer
/// instead.
const MIN_BITS: u32 = 6;
/// 2^64 divided by the golden ratio, the increment of splitmix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Epochs as a pure function: which record stands at which position of which epoch.
///
/// Whoever implements it answers the same question with the same record, always, on any thread:
/// that is what lets a run resume from one integer.
pub trait Epochs: Send + Sync {
    /// How many positions an epoch has.
    fn len(&self) -> usize;

    /// The record at `position` of `epoch`.
    ///
    /// # Panics
    ///
    /// If `position` is not below [`len`](Self::len), as indexing a slice does.
    fn record(&self, epoch: u64, position: usize) -> usize;

    /// Whether an epoch has no positions.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One order for several users, or one chosen at run time.
impl<Shared: Epochs + ?Sized> Epochs for Arc<Shared> {
    fn len(&self) -> usize {
        self.as_ref().len()
    }

    fn record(&self, epoch: u64, position: usize) -> usize {
        self.as_ref().record(epoch, position)
    }
}

/// The order of the file, in every epoch: for evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequential {
    /// How many records there are.
    pub len: usize,
}

impl Epochs for Sequential {
    fn len(&self) -> usize {
        self.len
    }

    fn record(&self, _epoch: u64, position: usize) -> usize {
        assert_below(position, self.len);
        position
    }
}

/// A shuffled order: each epoch another permutation of the records.
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
        assert_below(position, self.len);
        let key = mix(&[self.seed, epoch]);
        let mut value = position as u64;
        loop {
            value = self.permute(key, value);
            if value < self.len as u64 {
                return value as usize;
            }
        }
    }

    /// One pass of the network over `left_bits + right_bits` bits. Either half is changed by a
    /// function of the other alone, hence the pass can be undone, hence it is a permutation,
    /// whatever the round function.
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

impl Epochs for Order {
    fn len(&self) -> usize {
        self.len
    }

    fn record(&self, epoch: u64, position: usize) -> usize {
        self.index(epoch, position)
    }
}

fn assert_below(position: usize, len: usize) {
    assert!(
        position < len,
        "position {position} of an epoch of {len} records"
    );
}

/// One number out of several: the seed of every derived random stream, as in `mix(&[seed, epoch,
/// record])`.
///
/// `h = 0; for each part: h = f(h xor part + G)`, where `f` and `G` are the output function and the
/// increment of splitmix64 (Steele, Lea and Flood, OOPSLA 2014). The order of the parts matters.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(order: &Order, epoch: u64, len: usize) -> Vec<usize> {
        (0..len)
            .map(|position| order.index(epoch, position))
            .collect()
    }

    fn is_permutation(indices: &[usize]) -> bool {
        let mut seen = vec![false; indices.len()];
        indices
            .iter()
            .all(|&index| !std::mem::replace(&mut seen[index], true))
    }

    #[test]
    fn each_epoch_visits_each_record_once() {
        let around_powers = (1..17).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1]);
        for len in (1..=300).chain(around_powers) {
            let order = Order::new(len, len as u64 * 31);
            for number in [0, 1, u64::MAX] {
                assert!(
                    is_permutation(&epoch(&order, number, len)),
                    "{len} records, epoch {number}"
                );
            }
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_repeat() {
        let order = Order::new(1000, 7);
        assert_eq!(epoch(&order, 3, 1000), epoch(&Order::new(1000, 7), 3, 1000));
        assert_ne!(epoch(&order, 3, 1000), epoch(&order, 4, 1000));
        assert_ne!(epoch(&order, 3, 1000), epoch(&Order::new(1000, 8), 3, 1000));
    }

    /// The order is fixed for good: a run resumed under another version must go on with the same
    /// records.
    #[test]
    fn the_order_is_what_it_always_was() {
        // Computed from the description by another program.
        assert_eq!(
            epoch(&Order::new(10, 1), 0, 10),
            [6, 7, 1, 2, 8, 4, 5, 3, 0, 9]
        );
    }

    /// Over 4,000 epochs each record stands at each position about as often as any other.
    #[test]
    fn no_position_prefers_a_record() {
        for len in [2_usize, 5, 7, 16, 33] {
            let order = Order::new(len, 11);
            let epochs = 4_000;
            for position in [0, len / 2, len - 1] {
                let mut counts = vec![0.0; len];
                (0..epochs).for_each(|number| counts[order.index(number, position)] += 1.0);
                let expected = epochs as f64 / len as f64;
                let chi_square: f64 = counts
                    .iter()
                    .map(|count| (count - expected).powi(2) / expected)
                    .sum();
                // Mean len - 1, standard deviation sqrt(2 (len - 1)); six of them are never met by
                // chance.
                let freedom = (len - 1) as f64;
                let limit = freedom + 6.0 * (2.0 * freedom).sqrt();
                assert!(
                    chi_square < limit,
                    "{len} records, position {position}: {chi_square} > {limit}"
                );
            }
        }
    }

    #[test]
    fn neighbours_do_not_stay_neighbours() {
        let order = Order::new(10_000, 5);
        let indices = epoch(&order, 0, 10_000);
        let neighbours = indices
            .windows(2)
            .filter(|pair| pair[0].abs_diff(pair[1]) == 1)
            .count();
        // Expected 2 of 10,000 pairs.
        assert!(neighbours < 20, "{neighbours} neighbours");
    }

    #[test]
    fn ten_million_records_need_no_permutation() {
        let order = Order::new(10_000_000, 3);
        let seen: std::collections::BTreeSet<usize> =
            (0..1000).map(|position| order.index(9, position)).collect();
        assert_eq!(seen.len(), 1000);
        assert!(size_of::<Order>() <= 32);
    }

    #[test]
    #[should_panic(expected = "position 3 of an epoch of 3 records")]
    fn a_position_outside_the_epoch_is_a_fault_of_the_caller() {
        let _ = Order::new(3, 0).index(0, 3);
    }

    #[test]
    fn mixing_separates_order_and_number_of_parts() {
        let mixed = [
            mix(&[1, 2]),
            mix(&[2, 1]),
            mix(&[1, 2, 0]),
            mix(&[0, 1, 2]),
            mix(&[]),
            mix(&[0]),
        ];
        for (index, value) in mixed.iter().enumerate() {
            assert!(!mixed[..index].contains(value));
        }
    }

    /// `mix(&[0])` is the first output of splitmix64 seeded with 0, as its authors' code prints it.
    #[test]
    fn mixing_is_splitmix64() {
        assert_eq!(mix(&[0]), 0xE220_A839_7B1D_CDAF);
    }
}
