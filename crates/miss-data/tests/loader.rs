//! The loader against the order it follows, for any number of workers; and what must not hang.

#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use miss_data::loader::{Cause, Loader, Options, Stream, Visit};
use miss_data::order::{Batches, Epochs, Order, Sequential};
use proptest::prelude::*;

/// The example, run as a test.
#[path = "../examples/loader.rs"]
mod example;

fn options(size: usize, workers: usize, prefetch: usize) -> Options {
    Options {
        batches: Batches::new(NonZeroUsize::new(size).unwrap()),
        workers,
        prefetch,
    }
}

/// Runs `test` on a thread of its own; panics if it takes longer than any test should.
fn without_hanging<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || done.send(test()));
    match result.recv_timeout(Duration::from_secs(60)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still not done after a minute"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => unreachable!("the result was sent"),
        },
    }
}

/// Threads finish in another order each time.
fn dawdle(visit: Visit) -> Result<Visit, String> {
    thread::sleep(Duration::from_micros(
        miss_data::mix(&[visit.position as u64]) % 200,
    ));
    Ok(visit)
}

fn items(stream: Stream<Visit, String>) -> Vec<Vec<Visit>> {
    stream.map(|batch| batch.unwrap().items).collect()
}

/// What the order says about batches `first..end`.
fn expected(order: &impl Epochs, size: usize, first: usize, end: usize) -> Vec<Vec<Visit>> {
    let per_epoch = order.len().div_ceil(size);
    let batch = |number: usize| {
        let (epoch, start) = ((number / per_epoch) as u64, number % per_epoch * size);
        (start..(start + size).min(order.len()))
            .map(|position| Visit {
                epoch,
                position,
                record: order.record(epoch, position),
            })
            .collect()
    };
    (first..end).map(batch).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn batches_are_those_of_the_order_whoever_loads_them(
        len in 1_usize..60,
        size in 1_usize..20,
        workers in 0_usize..6,
        prefetch in 0_usize..5,
        first in 0_usize..20,
        count in 0_usize..12,
        seed: u64,
    ) {
        let order = Order::new(len, seed);
        let loaded = without_hanging(move || {
            let loader = Loader::new(order, dawdle, options(size, workers, prefetch));
            items(loader.batches(first as u64..(first + count) as u64))
        });
        prop_assert_eq!(loaded, expected(&order, size, first, first + count));
    }

    #[test]
    fn a_run_resumed_anywhere_goes_on_with_the_same_batches(
        len in 1_usize..60,
        size in 1_usize..20,
        stop in 0_usize..15,
        workers in (0_usize..6, 0_usize..6),
        prefetch in (0_usize..5, 0_usize..5),
        seed: u64,
    ) {
        let order = Order::new(len, seed);
        let loaded = without_hanging(move || {
            let before = Loader::new(order, dawdle, options(size, workers.0, prefetch.0));
            let mut stream = before.at(0);
            let mut loaded: Vec<_> =
                stream.by_ref().take(stop).map(|batch| batch.unwrap().items).collect();
            let state = stream.next_batch();
            drop(stream);
            let after = Loader::new(order, dawdle, options(size, workers.1, prefetch.1));
            loaded.extend(after.at(state).take(15 - stop).map(|batch| batch.unwrap().items));
            loaded
        });
        prop_assert_eq!(loaded, expected(&order, size, 0, 15));
    }

    #[test]
    fn ranks_load_one_batch_together(
        len in 1_usize..60, size in 1_usize..20, world in 1_usize..5, workers in 0_usize..3
    ) {
        let order = Order::new(len, 8);
        let epochs = without_hanging(move || {
            let rank = |rank| {
                let mut options = options(size, workers, 2);
                options.batches = options.batches.of_rank(rank, world).unwrap();
                items(Loader::new(order, dawdle, options).epoch(1))
            };
            (0..world).map(rank).collect::<Vec<_>>()
        });
        let per_epoch = len.div_ceil(size);
        for (number, batch) in expected(&order, size, per_epoch, 2 * per_epoch).iter().enumerate() {
            let together: Vec<Visit> = epochs.iter().flat_map(|rank| rank[number].clone()).collect();
            prop_assert_eq!(&together, batch);
        }
    }
}

#[test]
fn a_failure_names_the_record_and_costs_one_batch() {
    for workers in [0, 1, 3] {
        let results = without_hanging(move || {
            let load = |visit: Visit| match visit.record {
                // The first of two failures is told, although the second comes sooner.
                2 => {
                    thread::sleep(Duration::from_millis(20));
                    Err("the image is empty")
                }
                3 => Err("never told"),
                record => Ok(record),
            };
            let name = |record| format!("vqa-rad/{record}");
            let order = Sequential { len: 10 };
            Loader::named(order, load, options(4, workers, 2), name)
                .epoch(7)
                .collect::<Vec<_>>()
        });
        let good: Vec<_> = results.iter().flatten().map(|batch| &batch.items).collect();
        assert_eq!(good, [&vec![4, 5, 6, 7], &vec![8, 9]], "{workers} workers");
        assert_eq!(results.len(), 3);
        assert_eq!(
            results[0].as_ref().unwrap_err().to_string(),
            "record vqa-rad/2 cannot be loaded (batch 21, epoch 7, position 2): the image is empty"
        );
    }
}

#[test]
fn a_panic_is_an_error_of_its_record() {
    struct Broken;
    impl Epochs for Broken {
        fn len(&self) -> usize {
            4
        }
        fn record(&self, _: u64, position: usize) -> usize {
            assert_ne!(position, 2, "no record there");
            position
        }
    }
    for workers in [0, 2] {
        let results = without_hanging(move || {
            let load = |visit: Visit| -> Result<usize, String> {
                match visit.record {
                    0 => panic!("no pixel {}", 7),
                    1 => std::panic::panic_any(5),
                    record => Ok(record),
                }
            };
            let name = |record| -> String { panic!("no name for {record}") };
            Loader::named(Broken, load, options(1, workers, 2), name)
                .epoch(0)
                .collect::<Vec<_>>()
        });
        let told: Vec<_> = results[..3]
            .iter()
            .map(|result| result.as_ref().unwrap_err())
            .map(|error| match &error.cause {
                Cause::Panicked(message) => (error.name.as_str(), message.lines().next().unwrap()),
                Cause::Failed(failure) => panic!("{failure}"),
            })
            .collect();
        assert_eq!(told[0], ("0", "no pixel 7"));
        assert_eq!(told[1], ("1", "without a message"));
        assert!(told[2].0 == "?" && told[2].1.ends_with("no record there"));
        assert_eq!(results[3].as_ref().unwrap().items, [3]);
    }
}

/// Each load waits for another one: with a single thread at work none would ever return.
#[test]
fn workers_load_at_the_same_time() {
    let together = Arc::new(Barrier::new(3));
    let loaded = without_hanging(move || {
        let load = move |visit: Visit| {
            together.wait();
            Ok::<_, String>(visit.record)
        };
        // Even within one batch.
        let loader = Loader::new(Sequential { len: 12 }, load, options(6, 3, 1));
        loader
            .epoch(0)
            .flat_map(|batch| batch.unwrap().items)
            .collect::<Vec<_>>()
    });
    assert_eq!(loaded, (0..12).collect::<Vec<_>>());
}

/// An item that counts how many there are.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn no_more_is_held_than_was_allowed() {
    without_hanging(|| {
        let (size, prefetch) = (5, 3);
        let held = Arc::new(AtomicUsize::new(0));
        let load = {
            let held = Arc::clone(&held);
            move |_| Ok::<_, String>(Held::new(&held))
        };
        let loader = Loader::new(Order::new(1_000, 1), load, options(size, 4, prefetch));
        let mut stream = loader.at(0);
        for _ in 0..50 {
            // The workers fill what they may and then wait, however long nobody asks.
            while held.load(Ordering::SeqCst) < size * prefetch {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(1));
            assert_eq!(held.load(Ordering::SeqCst), size * prefetch);
            drop(stream.next());
        }
        drop(stream);
        assert_eq!(held.load(Ordering::SeqCst), 0);
    });
}

/// Whatever the workers do when the stream is dropped, none is left when it is gone: nothing holds
/// what the load function held.
#[test]
fn dropping_the_stream_ends_its_threads() {
    for taken in [0, 1, 3, 40] {
        without_hanging(move || {
            let token = Arc::new(());
            let load = {
                let token = Arc::clone(&token);
                move |visit: Visit| {
                    thread::sleep(Duration::from_millis(1));
                    let _held = &token;
                    Ok::<_, String>(visit.record)
                }
            };
            let loader = Loader::new(Order::new(20, 1), load, options(3, 4, 2));
            let mut stream = loader.at(0);
            stream.by_ref().take(taken).for_each(drop);
            drop((stream, loader));
            assert_eq!(Arc::strong_count(&token), 1);
        });
    }
}

#[test]
fn where_there_is_nothing_to_load_nothing_is_waited_for() {
    without_hanging(|| {
        let none = Loader::new(Order::new(0, 1), dawdle, options(3, 2, 2));
        assert_eq!((none.at(5).count(), none.epoch(0).count()), (0, 0));
        let mut small = options(3, 2, 2);
        small.batches = small.batches.drop_last();
        let none = Loader::new(Order::new(2, 1), dawdle, small);
        assert_eq!(none.batches_per_epoch(), 0);
        assert_eq!(none.at(0).count(), 0);
        // More ranks than records in the batch: a batch without items, not the end.
        let mut last_rank = options(3, 2, 2);
        last_rank.batches = last_rank.batches.of_rank(0, 5).unwrap();
        let few = Loader::new(Order::new(7, 1), dawdle, last_rank);
        assert_eq!(items(few.epoch(0)), [[], [], []]);
    });
}

#[test]
fn absurd_options_ask_for_no_more_than_there_is() {
    let loaded = without_hanging(|| {
        let options = options(usize::MAX, usize::MAX, usize::MAX);
        let loader = Loader::new(Sequential { len: 3 }, dawdle, options);
        items(loader.at(u64::MAX - 2))
    });
    assert_eq!(loaded.len(), 2);
    assert!(loaded.iter().all(|batch| batch.len() == 3));
}

#[test]
fn the_example_loads_the_embedded_questions() {
    without_hanging(|| example::main().unwrap());
}
