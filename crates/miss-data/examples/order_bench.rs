//! Time and memory of orders of ten million records.
//!
//! ```text
//! cargo run -p miss-data --example order_bench
//! ```

#![allow(clippy::print_stdout, reason = "its output is what the example is for")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Instant;

use miss_data::order::{Epochs, Grouped, Mixed, Order, Source};

const RECORDS: usize = 10_000_000;
const PASSES: usize = 100;
const POSITIONS: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{RECORDS} records: ns a position one after the other, ns anywhere, MiB held");
    measure("shuffled", || Ok(Order::new(RECORDS, 1)))?;
    let sources = [(4_000_000, 388), (6_000_000, 500)].map(|(len, weight)| Source { len, weight });
    measure("mixed from two sources", || {
        Ok(Mixed::new(&sources, RECORDS, 1)?)
    })?;
    let grouped = |groups: fn(usize) -> usize, side_by_side| {
        Ok(Grouped::new((0..RECORDS).map(groups), side_by_side, 1)?)
    };
    let four = NonZeroU32::new(4);
    measure("groups whole", || grouped(group, None))?;
    measure("groups by four", || grouped(group, four))?;
    measure("scattered groups by four", || grouped(scattered, four))
}

/// Groups of 1 to 9 records, one after the other.
fn group(record: usize) -> usize {
    let within = record % 45;
    let before = (1..9).filter(|size| size * (size + 1) / 2 <= within);
    record / 45 * 9 + before.count()
}

/// The same groups, their records all over the file.
fn scattered(record: usize) -> usize {
    // The factor and the number of records have no common divisor.
    group(record * 7_919 % RECORDS)
}

fn measure<Made: Epochs>(
    name: &str,
    order: impl FnOnce() -> Result<Made, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let before = resident()?;
    let order = order()?;
    let held = resident()?.saturating_sub(before) >> 20;
    // The best of some passes: others may be using the processor.
    let time = |stride: usize| {
        let pass = |pass: usize| {
            let start = Instant::now();
            for step in pass * POSITIONS..(pass + 1) * POSITIONS {
                black_box(order.record(1, black_box(step * stride % RECORDS)));
            }
            start.elapsed().as_secs_f64() * 1e9 / POSITIONS as f64
        };
        (0..PASSES).map(pass).fold(f64::INFINITY, f64::min)
    };
    println!(
        "{name}: {:.0} ns, {:.0} ns, {held} MiB",
        time(1),
        time(7_919)
    );
    Ok(())
}

/// Bytes of memory this process holds, as Linux counts them; 0 elsewhere.
fn resident() -> Result<usize, Box<dyn Error>> {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return Ok(0);
    };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.unwrap_or("0").parse::<usize>()? << 10)
}
