//! Several sources in fixed proportions.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use thiserror::Error;

use super::{Epochs, Order, assert_below, mix};

/// After so many positions at most the pattern of sources must repeat: it is held in memory.
const MAX_PERIOD: u64 = 1 << 16;

/// A set of records to be mixed with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// How many records it has.
    pub len: usize,
    /// Its share of the positions, against the other sources' weights.
    pub weight: u32,
}

/// Several sources mixed in fixed proportions, each in an own shuffled order.
///
/// Counted from the first position of epoch 0, every stretch of `n` positions holds of each source
/// its exact share of `n` within one record. A source is visited from end to end, in an order, before it
/// is visited again in another one; where an epoch of the mixture ends plays no part in that.
///
/// Records are those of the sources one after the other: record 0 of the second source is the
/// number of records of the first. [`source`](Self::source) takes the two apart.
///
/// Memory: 8 bytes for each unit of weight, after the weights are divided by what they have in
/// common; at most half a megabyte.
///
/// To show every record of all sources once an epoch, shuffle their concatenation with an [`Order`]
/// instead.
#[derive(Debug, Clone)]
pub struct Mixed {
    len: usize,
    sources: Vec<Part>,
    /// The pattern of sources, which repeats.
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    /// Records of the sources before it.
    offset: usize,
    order: Order,
    /// Its slots in the pattern.
    share: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    source: u32,
    /// The slots of the same source before it.
    nth: u32,
}

/// Why sources cannot be mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MixedError {
    /// There is nothing to mix.
    #[error("no sources to mix: give at least one")]
    NoSources,
    /// A source that can give nothing.
    #[error("source {source_index} (counted from 0) has no records: leave it out")]
    Empty {
        /// The source's place in the list.
        source_index: usize,
    },
    /// A source that is never visited.
    #[error("source {source_index} (counted from 0) has the weight 0: leave it out")]
    Weight {
        /// The source's place in the list.
        source_index: usize,
    },
    /// Weights without a small common measure.
    #[error(
        "the weights, reduced, add up to {sum}, more than {MAX_PERIOD}: round them, or shuffle the \
         concatenated sources if the weights are their sizes"
    )]
    Period {
        /// The sum of the weights after dividing by what they have in common.
        sum: u64,
    },
    /// More records than can be numbered.
    #[error("the sources have more records together than can be numbered")]
    TooManyRecords,
}

impl Mixed {
    /// A mixture whose epochs have `len` positions. A natural choice is the sum of the sources'
    /// sizes.
    ///
    /// # Errors
    ///
    /// [`MixedError`] if a source has no records or no weight, or the weights cannot be held.
    pub fn new(sources: &[Source], len: usize, seed: u64) -> Result<Self, MixedError> {
        let shares = shares(sources)?;
        let mut offset = 0_usize;
        let mut parts = Vec::with_capacity(sources.len());
        for (number, (source, &share)) in sources.iter().zip(&shares).enumerate() {
            parts.push(Part {
                offset,
                order: Order::new(source.len, mix(&[seed, number as u64])),
                share,
            });
            offset = offset
                .checked_add(source.len)
                .ok_or(MixedError::TooManyRecords)?;
        }
        Ok(Self {
            len,
            sources: parts,
            slots: pattern(&shares),
        })
    }

    /// The source a record belongs to, and its index there.
    #[must_use]
    pub fn source(&self, record: usize) -> (usize, usize) {
        let source = self.sources.partition_point(|part| part.offset <= record) - 1;
        (source, record - self.sources[source].offset)
    }
}

impl Epochs for Mixed {
    fn len(&self) -> usize {
        self.len
    }

    fn record(&self, epoch: u64, position: usize) -> usize {
        assert_below(position, self.len);
        // Wide: no epoch is too late.
        let before = u128::from(epoch) * self.len as u128 + position as u128;
        let period = self.slots.len() as u128;
        let slot = self.slots[(before % period) as usize];
        let part = &self.sources[slot.source as usize];
        let draw = before / period * u128::from(part.share) + u128::from(slot.nth);
        let len = part.order.len() as u128;
        part.offset + part.order.index((draw / len) as u64, (draw % len) as usize)
    }
}

/// The weights divided by what they have in common.
fn shares(sources: &[Source]) -> Result<Vec<u64>, MixedError> {
    if sources.is_empty() {
        return Err(MixedError::NoSources);
    }
    for (source_index, source) in sources.iter().enumerate() {
        if source.len == 0 {
            return Err(MixedError::Empty { source_index });
        }
        if source.weight == 0 {
            return Err(MixedError::Weight { source_index });
        }
    }
    let weights = sources.iter().map(|source| u64::from(source.weight));
    let common = weights.clone().fold(0, greatest_common_divisor);
    let shares: Vec<u64> = weights.map(|weight| weight / common).collect();
    match shares.iter().sum() {
        sum if sum > MAX_PERIOD => Err(MixedError::Period { sum }),
        _ => Ok(shares),
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// One period of the sources. A source with the share `w` of `sum` may get its item `k`, from 0, only
/// after slot `k * sum / w` has begun and must have got it when slot `(k + 1) * sum / w` ends; among
/// those that may, the one that must first goes first. That every item is in time, so that no
/// prefix is off by a whole record, is proven for proportionate-fair schedules (Baruah, Cohen,
/// Plaxton and Varvel, Algorithmica 15, 1996; Tijdeman, Discrete Mathematics 32, 1980).
fn pattern(shares: &[u64]) -> Vec<Slot> {
    let sum: u64 = shares.iter().sum();
    let mut given = vec![0_u64; shares.len()];
    // (first slot it may take, source): each source waits for its next item in one of the two.
    let mut waiting: BinaryHeap<Reverse<(u64, usize)>> = (0..shares.len())
        .map(|source| Reverse((0, source)))
        .collect();
    // (slot before which it must have its item, source).
    let mut ready: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut slots = Vec::with_capacity(sum as usize);
    for slot in 0..sum {
        while let Some(&Reverse((from, source))) = waiting.peek()
            && from <= slot
        {
            waiting.pop();
            ready.push(Reverse((
                ((given[source] + 1) * sum).div_ceil(shares[source]),
                source,
            )));
        }
        let Some(Reverse((_, source))) = ready.pop() else {
            // Never: the shares add up to one item a slot.
            break;
        };
        slots.push(Slot {
            source: source as u32,
            nth: given[source] as u32,
        });
        given[source] += 1;
        let from = (given[source] * sum / shares[source]).max(slot + 1);
        waiting.push(Reverse((from, source)));
    }
    slots
}
