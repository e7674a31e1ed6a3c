//! An order that needs a few shards at a time.

use std::sync::{Arc, Mutex, PoisonError};

use crate::order::{Epochs, Order, mix};

/// Shuffles shards, then samples within a window of a few shards: read over a network, each shard
/// is needed in one stretch of the epoch. `window` shards are mixed at a time; the more, the better
/// mixed, and the larger the cache must be.
///
/// As [`Epochs`] it is what a [`Loader`](crate::Loader) follows: its records are the samples.
#[derive(Debug, Clone)]
pub struct ShardOrder {
    /// First sample of each shard, and the number of all samples.
    starts: Vec<usize>,
    window: usize,
    seed: u64,
    /// The epoch that was asked for last: to make one takes a walk over the shards.
    latest: Arc<Mutex<Option<Arc<ShardEpoch>>>>,
}

/// The order of one epoch. Holds three numbers a shard, none a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardEpoch {
    number: u64,
    seed: u64,
    window: usize,
    /// First sample of each shard, the shards shuffled.
    firsts: Vec<usize>,
    /// First position of each shard, the shards shuffled, and the number of all samples.
    positions: Vec<usize>,
}

impl ShardOrder {
    /// The order of shards with these numbers of samples. A `window` of 0 is taken as 1.
    #[must_use]
    pub fn new(samples: &[usize], window: usize, seed: u64) -> Self {
        Self {
            starts: running_sum(samples.iter().copied()),
            window: window.max(1),
            seed,
            latest: Arc::default(),
        }
    }

    /// The order of `epoch`: a pure function of shards, window, seed and epoch.
    #[must_use]
    pub fn epoch(&self, epoch: u64) -> ShardEpoch {
        let shards = self.starts.len() - 1;
        let order = Order::new(shards, self.seed);
        let shuffled: Vec<usize> = (0..shards).map(|at| order.index(epoch, at)).collect();
        let sizes = shuffled
            .iter()
            .map(|&shard| self.starts[shard + 1] - self.starts[shard]);
        ShardEpoch {
            number: epoch,
            seed: mix(&[self.seed, epoch]),
            window: self.window,
            positions: running_sum(sizes),
            firsts: shuffled.iter().map(|&shard| self.starts[shard]).collect(),
        }
    }
}

impl Epochs for ShardOrder {
    fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    fn record(&self, epoch: u64, position: usize) -> usize {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let order = match &*latest {
            Some(order) if order.number == epoch => Arc::clone(order),
            _ => {
                let order = Arc::new(self.epoch(epoch));
                *latest = Some(Arc::clone(&order));
                order
            }
        };
        drop(latest);
        order.index(position)
    }
}

impl ShardEpoch {
    /// The sample, counted over all shards, at `position`. An epoch visits each sample once.
    ///
    /// # Panics
    ///
    /// If `position` is not below the number of samples, as indexing a slice does.
    #[must_use]
    pub fn index(&self, position: usize) -> usize {
        let samples = self.positions[self.firsts.len()];
        assert!(
            position < samples,
            "position {position} of an epoch of {samples} samples"
        );
        let window = self.shard_at(position) / self.window;
        let first_shard = window * self.window;
        let first = self.positions[first_shard];
        let end = self.positions[(first_shard + self.window).min(self.firsts.len())];
        // The whole window is one small epoch of its own.
        let within = Order::new(end - first, self.seed).index(window as u64, position - first);
        let shard = self.shard_at(first + within);
        self.firsts[shard] + (first + within - self.positions[shard])
    }

    /// Which of the shuffled shards holds `position`.
    fn shard_at(&self, position: usize) -> usize {
        self.positions.partition_point(|&first| first <= position) - 1
    }
}

fn running_sum(sizes: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut sum = 0;
    let mut sums = vec![0];
    sums.extend(sizes.map(|size| {
        sum += size;
        sum
    }));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes that are uneven, and some of nothing.
    const SIZES: [usize; 11] = [7, 0, 1, 100, 33, 0, 64, 2, 9, 50, 0];

    fn epoch(sizes: &[usize], window: usize, seed: u64, epoch: u64) -> Vec<usize> {
        let order = ShardOrder::new(sizes, window, seed);
        let epoch = order.epoch(epoch);
        (0..order.len()).map(|at| epoch.index(at)).collect()
    }

    #[test]
    fn each_epoch_visits_each_sample_once() {
        let all: Vec<usize> = (0..SIZES.iter().sum()).collect();
        for window in [0, 1, 2, 3, 10, 11, 12, usize::MAX / 2] {
            for number in [0, 1, u64::MAX] {
                let mut visited = epoch(&SIZES, window, 5, number);
                visited.sort_unstable();
                assert_eq!(visited, all, "window {window}, epoch {number}");
            }
        }
    }

    #[test]
    fn each_shard_is_needed_in_one_stretch_with_at_most_its_window() {
        let sizes = [20; 30];
        for window in [1, 4, 7] {
            let visited = epoch(&sizes, window, 9, 2);
            for (number, stretch) in visited.chunks(window * 20).enumerate() {
                let mut shards: Vec<usize> = stretch.iter().map(|sample| sample / 20).collect();
                shards.sort_unstable();
                shards.dedup();
                assert!(shards.len() <= window, "stretch {number}: {shards:?}");
            }
        }
    }

    #[test]
    fn shards_and_samples_are_shuffled_anew_every_epoch() {
        let sizes = [50; 8];
        let (first, second) = (epoch(&sizes, 2, 1, 0), epoch(&sizes, 2, 1, 1));
        assert_ne!(first, second);
        assert_ne!(first, epoch(&sizes, 2, 2, 0));
        assert_eq!(first, epoch(&sizes, 2, 1, 0));
        // Both shards of a window come from its beginning on, and no window is in file order.
        for stretch in first.chunks(100) {
            let mut shards: Vec<usize> = stretch[..20].iter().map(|at| at / 50).collect();
            shards.sort_unstable();
            shards.dedup();
            assert_eq!(shards.len(), 2, "{stretch:?}");
            assert!(!stretch.is_sorted());
        }
    }

    #[test]
    fn whatever_was_asked_before_the_answer_is_the_same() {
        let order = ShardOrder::new(&SIZES, 3, 5);
        for (number, position) in [(0, 5), (7, 5), (0, 6), (7, 0), (7, 265), (0, 5)] {
            let alone = order.epoch(number).index(position);
            assert_eq!(order.clone().record(number, position), alone);
        }
    }

    #[test]
    fn nothing_is_an_order_too() {
        assert!(ShardOrder::new(&[], 3, 0).is_empty());
        assert!(ShardOrder::new(&[0, 0], 3, 0).is_empty());
        let _ = ShardOrder::new(&[], 3, 0).epoch(0);
    }

    #[test]
    #[should_panic(expected = "position 3 of an epoch of 3 samples")]
    fn a_position_outside_the_epoch_is_a_fault_of_the_caller() {
        let _ = ShardOrder::new(&[2, 1], 1, 0).epoch(0).index(3);
    }
}
