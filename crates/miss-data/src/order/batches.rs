//! How epochs are cut into batches, and who takes which part of a batch.

use std::num::NonZeroUsize;
use std::ops::Range;

use thiserror::Error;

/// Epochs cut into batches. Batches are numbered from 0 over all epochs, so that one integer says
/// where a run stands; no batch reaches over the end of an epoch.
///
/// In a distributed run every rank takes an own slice of each batch, in rank order. `size` is that
/// of the whole batch, whatever the number of ranks: a run that goes on with more or fewer ranks
/// sees the same batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batches {
    size: NonZeroUsize,
    drop_last: bool,
    rank: usize,
    world: usize,
}

/// A rank that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("rank {rank} of {world}: ranks are counted from 0 and lie below their number")]
pub struct RankError {
    /// The rank asked for.
    pub rank: usize,
    /// The number of ranks.
    pub world: usize,
}

impl Batches {
    /// Batches of `size` records, the last of an epoch with what is left, all for one rank.
    #[must_use]
    pub fn new(size: NonZeroUsize) -> Self {
        Self {
            size,
            drop_last: false,
            rank: 0,
            world: 1,
        }
    }

    /// Without the last batch of an epoch where it would be smaller than the others.
    #[must_use]
    pub fn drop_last(self) -> Self {
        Self {
            drop_last: true,
            ..self
        }
    }

    /// The slices that `rank` of `world` takes: of `n` records those from `n * rank / world` to
    /// `n * (rank + 1) / world`. They differ by at most one record between ranks, and a batch
    /// smaller than `world` leaves some ranks an empty slice, so that all count the same batches.
    ///
    /// # Errors
    ///
    /// [`RankError`] if `rank` is not below `world`.
    pub fn of_rank(self, rank: usize, world: usize) -> Result<Self, RankError> {
        if rank < world {
            Ok(Self {
                rank,
                world,
                ..self
            })
        } else {
            Err(RankError { rank, world })
        }
    }

    /// How many batches an epoch of `len` positions has.
    #[must_use]
    pub fn per_epoch(&self, len: usize) -> usize {
        if self.drop_last {
            len / self.size
        } else {
            len.div_ceil(self.size.get())
        }
    }

    /// The epoch of batch `number`, and this rank's positions in it, in an order whose epochs have
    /// `len` positions; `None` if such epochs have no batches.
    #[must_use]
    pub fn positions(&self, len: usize, number: u64) -> Option<(u64, Range<usize>)> {
        let per_epoch = self.per_epoch(len) as u64;
        let epoch = number.checked_div(per_epoch)?;
        let start = (number % per_epoch) as usize * self.size.get();
        let whole = self.size.get().min(len - start);
        // Wide, because a product of two `usize` may not fit one.
        let cut = |rank| start + (whole as u128 * rank as u128 / self.world as u128) as usize;
        Some((epoch, cut(self.rank)..cut(self.rank + 1)))
    }
}
