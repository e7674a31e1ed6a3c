//! Loading batches ahead of their use, on several threads, in an order that does not depend on them.
//!
//! A [`Loader`] joins an order ([`Epochs`]), a load function and [`Options`]. The load function makes
//! an item of a record: it reads, decodes, tokenises, augments. It is called on several threads at
//! once and told epoch and position, so that what it draws can be a pure function of them (see
//! [`mix`](crate::order::mix)). Then the batches depend on order and load function alone, and one
//! integer, [`Stream::next_batch`], is the whole state of the loader.

mod stream;

pub use stream::Stream;

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use thiserror::Error;

use crate::order::{Batches, Epochs};

/// How batches are cut and how far ahead they are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Size of the batches, and the slice of them that is loaded here.
    pub batches: Batches,
    /// Threads that load. None: each batch is loaded when it is asked for, by who asks.
    /// More than 256, or than there are records to load ahead, are not started.
    pub workers: usize,
    /// How many batches may be loaded, or being loaded, and not yet taken; at least 1 is. This bounds
    /// the memory the loader needs.
    pub prefetch: usize,
}

/// What the load function is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Visit {
    /// The epoch.
    pub epoch: u64,
    /// The position in the epoch.
    pub position: usize,
    /// The record the order puts there.
    pub record: usize,
}

/// Items loaded together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<Item> {
    /// Counted from 0 over all epochs.
    pub number: u64,
    /// The epoch it belongs to.
    pub epoch: u64,
    /// In the order of their positions.
    pub items: Vec<Item>,
}

/// A record that could not be loaded.
#[derive(Debug, Error)]
#[error(
    "record {name} cannot be loaded (batch {batch}, epoch {epoch}, position {position}): {cause}"
)]
pub struct LoadError<Failure: fmt::Display> {
    /// The batch it would have been in, counted from 0 over all epochs.
    pub batch: u64,
    /// The epoch.
    pub epoch: u64,
    /// The position in the epoch.
    pub position: usize,
    /// What [`Loader::named`] calls the record; without names, its index.
    pub name: String,
    /// Why.
    pub cause: Cause<Failure>,
}

/// Why a record could not be loaded.
#[derive(Debug, Error)]
pub enum Cause<Failure: fmt::Display> {
    /// The load function said so.
    #[error("{0}")]
    Failed(Failure),
    /// The load function panicked, which is a fault of the program.
    #[error("the load function panicked, a fault of the program and not of the data: {0}")]
    Panicked(String),
}

/// A batch, or its first record that could not be loaded.
pub type Loaded<Item, Failure> = Result<Batch<Item>, LoadError<Failure>>;

type Load<Item, Failure> = dyn Fn(Visit) -> Result<Item, Failure> + Send + Sync;
type Name = dyn Fn(usize) -> String + Send + Sync;

/// Makes batches of an order's records.
///
/// ```
/// use std::convert::Infallible;
/// use std::num::NonZeroUsize;
///
/// use miss_data::loader::{Loader, Options, Visit};
/// use miss_data::order::{Batches, Order};
///
/// let records = ["a", "b", "c", "d", "e"];
/// let size = NonZeroUsize::new(2).expect("not 0");
/// let options = Options { batches: Batches::new(size), workers: 2, prefetch: 4 };
/// let load = move |visit: Visit| Ok::<_, Infallible>(records[visit.record]);
/// let loader = Loader::new(Order::new(records.len(), 1), load, options);
///
/// let mut epoch = loader.epoch(0);
/// let first = epoch.next().expect("three batches").expect("no record fails");
/// assert_eq!(first.items.len(), 2);
/// // The state of the loader is one number; another loader goes on from there.
/// let resumed: Vec<_> = loader.batches(epoch.next_batch()..3).map(|batch| batch.expect("ok").items).collect();
/// let rest: Vec<_> = epoch.map(|batch| batch.expect("ok").items).collect();
/// assert_eq!(resumed, rest);
/// ```
pub struct Loader<Item, Failure> {
    plan: Arc<Plan<Item, Failure>>,
    workers: usize,
    prefetch: usize,
}

/// All that a batch depends on.
struct Plan<Item, Failure> {
    order: Box<dyn Epochs>,
    /// Positions of an epoch, asked for once.
    len: usize,
    batches: Batches,
    load: Box<Load<Item, Failure>>,
    name: Box<Name>,
}

impl<Item, Failure> Loader<Item, Failure>
where
    Item: Send + 'static,
    Failure: fmt::Display + Send + 'static,
{
    /// A loader of the records of `order`, each made by `load`. Nothing is loaded before batches
    /// are asked for.
    #[must_use]
    pub fn new(
        order: impl Epochs + 'static,
        load: impl Fn(Visit) -> Result<Item, Failure> + Send + Sync + 'static,
        options: Options,
    ) -> Self {
        Self::named(order, load, options, |record| record.to_string())
    }

    /// As [`new`](Self::new), with what errors are to call a record: its id.
    #[must_use]
    pub fn named(
        order: impl Epochs + 'static,
        load: impl Fn(Visit) -> Result<Item, Failure> + Send + Sync + 'static,
        options: Options,
        name: impl Fn(usize) -> String + Send + Sync + 'static,
    ) -> Self {
        Self {
            plan: Arc::new(Plan {
                len: order.len(),
                order: Box::new(order),
                batches: options.batches,
                load: Box::new(load),
                name: Box::new(name),
            }),
            workers: options.workers,
            prefetch: options.prefetch.max(1),
        }
    }

    /// How many batches an epoch has.
    #[must_use]
    pub fn batches_per_epoch(&self) -> u64 {
        self.plan.batches.per_epoch(self.plan.len) as u64
    }

    /// The batches from number `first` on, without end: epoch after epoch.
    #[must_use]
    pub fn at(&self, first: u64) -> Stream<Item, Failure> {
        self.batches(first..u64::MAX)
    }

    /// The batches of one epoch.
    #[must_use]
    pub fn epoch(&self, epoch: u64) -> Stream<Item, Failure> {
        let per_epoch = self.batches_per_epoch();
        let first = epoch.saturating_mul(per_epoch);
        self.batches(first..first.saturating_add(per_epoch))
    }

    /// The batches of these numbers, counted from 0 over all epochs.
    #[must_use]
    pub fn batches(&self, numbers: Range<u64>) -> Stream<Item, Failure> {
        let numbers = if self.batches_per_epoch() == 0 {
            numbers.start..numbers.start
        } else {
            numbers
        };
        Stream::new(Arc::clone(&self.plan), numbers, self.workers, self.prefetch)
    }
}

impl<Item, Failure: fmt::Display> Plan<Item, Failure> {
    /// The epoch and positions of a batch.
    fn positions(&self, batch: u64) -> (u64, Range<usize>) {
        // No stream is made where an epoch has no batches.
        self.batches.positions(self.len, batch).unwrap_or_default()
    }

    /// Loads one record. A panic of the order or the load function is an error like any other: it
    /// neither kills the thread nor leaves the consumer waiting.
    fn load(&self, batch: u64, epoch: u64, position: usize) -> Result<Item, LoadError<Failure>> {
        let failed = |name: String, cause| LoadError {
            batch,
            epoch,
            position,
            name,
            cause,
        };
        let panicked = |payload: Box<dyn Any + Send>| Cause::Panicked(message(payload.as_ref()));
        let record = catch_unwind(AssertUnwindSafe(|| self.order.record(epoch, position)))
            .map_err(|payload| failed("?".into(), panicked(payload)))?;
        let visit = Visit {
            epoch,
            position,
            record,
        };
        let cause = match catch_unwind(AssertUnwindSafe(|| (self.load)(visit))) {
            Ok(Ok(item)) => return Ok(item),
            Ok(Err(failure)) => Cause::Failed(failure),
            Err(payload) => panicked(payload),
        };
        let name = catch_unwind(AssertUnwindSafe(|| (self.name)(record)));
        Err(failed(name.unwrap_or_else(|_| record.to_string()), cause))
    }
}

/// What a panic said.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
        .to_owned()
}

impl<Item, Failure> fmt::Debug for Loader<Item, Failure> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Loader")
            .field("len", &self.plan.len)
            .field("batches", &self.plan.batches)
            .field("workers", &self.workers)
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}
