//! Threads that load batches, and the iterator that takes them.
//!
//! Workers claim single records, in order, as long as no more than `prefetch` batches are held;
//! results go to their place. The consumer waits for the first batch to be whole. Everything shared
//! is under one lock, and no code of the user runs under it.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::{Batch, LoadError, Loaded, Plan};

/// Nobody means more threads than this.
const MAX_WORKERS: usize = 256;

/// Batches, loaded ahead by threads of its own. Dropping it stops and joins them, which takes as
/// long as the records being loaded need.
///
/// A record that cannot be loaded is the error of its batch, of the first such record if there are
/// several, and costs that batch alone: the next call of `next` gives the next batch. Who wants to
/// stop at the first error stops asking.
pub struct Stream<Item, Failure: fmt::Display> {
    plan: Arc<Plan<Item, Failure>>,
    numbers: Range<u64>,
    shared: Arc<Shared<Item, Failure>>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared<Item, Failure: fmt::Display> {
    state: Mutex<State<Item, Failure>>,
    /// There may be something to claim, or to stop for.
    work: Condvar,
    /// The first batch may be whole.
    whole: Condvar,
}

struct State<Item, Failure: fmt::Display> {
    /// Number of the first batch held or, with none held, of the next to be claimed.
    first: u64,
    /// The batches being loaded, in order.
    held: VecDeque<Held<Item, Failure>>,
    stopped: bool,
}

struct Held<Item, Failure: fmt::Display> {
    epoch: u64,
    positions: Range<usize>,
    claimed: usize,
    missing: usize,
    /// One for each position.
    loaded: Vec<Option<Result<Item, LoadError<Failure>>>>,
}

/// A record to be loaded.
struct Claim {
    batch: u64,
    epoch: u64,
    position: usize,
    place: usize,
}

impl<Item, Failure> Stream<Item, Failure>
where
    Item: Send + 'static,
    Failure: fmt::Display + Send + 'static,
{
    pub(super) fn new(
        plan: Arc<Plan<Item, Failure>>,
        numbers: Range<u64>,
        workers: usize,
        prefetch: usize,
    ) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                first: numbers.start,
                held: VecDeque::new(),
                stopped: false,
            }),
            work: Condvar::new(),
            whole: Condvar::new(),
        });
        // More threads than records that may be loaded at once would only wait.
        let batch = plan.positions(0).1.len().max(1);
        let useful = prefetch.saturating_mul(batch).min(MAX_WORKERS);
        let workers = if numbers.is_empty() {
            0
        } else {
            workers.min(useful)
        };
        let spawn = |number| {
            let (plan, shared, end) = (Arc::clone(&plan), Arc::clone(&shared), numbers.end);
            let work = move || shared.work(&plan, end, prefetch);
            Builder::new().name(format!("loader {number}")).spawn(work)
        };
        // Where the system refuses a thread, those it gave do all the work; where it gave none, the
        // consumer does. Only the speed differs.
        let workers = (0..workers)
            .map_while(|number| spawn(number).ok())
            .collect();
        Self {
            plan,
            numbers,
            shared,
            workers,
        }
    }
}

impl<Item, Failure: fmt::Display> Stream<Item, Failure> {
    /// The number of the batch that comes next: the state to be saved.
    #[must_use]
    pub fn next_batch(&self) -> u64 {
        self.numbers.start
    }

    /// The results of one batch, loaded here or by the workers.
    fn results(&self, number: u64) -> (u64, Vec<Result<Item, LoadError<Failure>>>) {
        if self.workers.is_empty() {
            let (epoch, positions) = self.plan.positions(number);
            let load = |position| self.plan.load(number, epoch, position);
            return (epoch, positions.map(load).collect());
        }
        let mut state = self.shared.lock();
        loop {
            if state.held.front().is_some_and(|batch| batch.missing == 0)
                && let Some(batch) = state.held.pop_front()
            {
                state.first += 1;
                self.shared.work.notify_all();
                return (batch.epoch, batch.loaded.into_iter().flatten().collect());
            }
            state = wait(&self.shared.whole, state);
        }
    }
}

impl<Item, Failure: fmt::Display> Iterator for Stream<Item, Failure> {
    type Item = Loaded<Item, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.numbers.is_empty() {
            return None;
        }
        let number = self.numbers.start;
        let (epoch, results) = self.results(number);
        self.numbers.start += 1;
        let items = results.into_iter().collect::<Result<_, _>>();
        Some(items.map(|items| Batch {
            number,
            epoch,
            items,
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.numbers.end.saturating_sub(self.numbers.start);
        usize::try_from(left).map_or((usize::MAX, None), |left| (left, Some(left)))
    }
}

impl<Item, Failure: fmt::Display> FusedIterator for Stream<Item, Failure> {}

impl<Item, Failure: fmt::Display> Drop for Stream<Item, Failure> {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.work.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches what the load function throws.
            let _ = worker.join();
        }
    }
}

impl<Item, Failure: fmt::Display> Shared<Item, Failure> {
    /// What a worker does until the stream is dropped or all is claimed.
    fn work(&self, plan: &Plan<Item, Failure>, end: u64, prefetch: usize) {
        let mut state = self.lock();
        while !state.stopped {
            let Some(claim) = state.claim(plan, end, prefetch, &self.whole) else {
                state = wait(&self.work, state);
                continue;
            };
            drop(state);
            let result = plan.load(claim.batch, claim.epoch, claim.position);
            state = self.lock();
            // The batch is held until it is whole, and so at least until now.
            let index = (claim.batch - state.first) as usize;
            if let Some(batch) = state.held.get_mut(index) {
                batch.loaded[claim.place] = Some(result);
                batch.missing -= 1;
                if batch.missing == 0 && index == 0 {
                    self.whole.notify_one();
                }
            }
        }
    }

    /// A panic under the lock would be a fault of this file; the state is whole in between.
    fn lock(&self) -> MutexGuard<'_, State<Item, Failure>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Item, Failure: fmt::Display> State<Item, Failure> {
    /// The next record to be loaded, if one may be.
    fn claim(
        &mut self,
        plan: &Plan<Item, Failure>,
        end: u64,
        prefetch: usize,
        whole: &Condvar,
    ) -> Option<Claim> {
        loop {
            let held = self.held.len();
            let open = self
                .held
                .back_mut()
                .filter(|batch| batch.claimed < batch.loaded.len());
            if let Some(batch) = open {
                let place = batch.claimed;
                batch.claimed += 1;
                return Some(Claim {
                    batch: self.first + held as u64 - 1,
                    epoch: batch.epoch,
                    position: batch.positions.start + place,
                    place,
                });
            }
            let number = self.first + held as u64;
            if held >= prefetch || number >= end {
                return None;
            }
            let (epoch, positions) = plan.positions(number);
            let count = positions.len();
            self.held.push_back(Held {
                epoch,
                positions,
                claimed: 0,
                missing: count,
                loaded: std::iter::repeat_with(|| None).take(count).collect(),
            });
            if count == 0 {
                whole.notify_one();
            }
        }
    }
}

fn wait<'a, T>(condition: &Condvar, state: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition
        .wait(state)
        .unwrap_or_else(PoisonError::into_inner)
}

impl<Item, Failure: fmt::Display> fmt::Debug for Stream<Item, Failure> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stream")
            .field("numbers", &self.numbers)
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}
