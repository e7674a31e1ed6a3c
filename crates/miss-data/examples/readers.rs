//! Records per second of each reader, on one thread, the best of several passes:
//!
//! ```sh
//! cargo run --release -p miss-data --example readers -- vqa-rad data/vqa-rad slake data/slake
//! ```

#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use miss_data::format::Kind;
use miss_data::{Format, dataset};

const PASSES: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (pairs, rest) = arguments.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return Err("give pairs of a format and a folder, as in `slake data/slake`".into());
    }
    println!("| format | records | ms | records/s |\n|---|---|---|---|");
    for [format, root] in pairs {
        let format: Format = format.parse()?;
        let (mut records, mut best) = (0, f64::INFINITY);
        for _ in 0..PASSES {
            let start = Instant::now();
            records = read(format, Path::new(root))?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        let per_second = records as f64 / best;
        println!(
            "| {format} | {records} | {:.1} | {per_second:.0} |",
            best * 1e3
        );
    }
    Ok(())
}

fn read(format: Format, root: &Path) -> Result<usize, Box<dyn Error>> {
    Ok(match format.kind() {
        Kind::Questions => dataset::questions(format, root)?.records.len(),
        Kind::Figures => dataset::figures(format, root)?.records.len(),
        Kind::LabelledImages => dataset::labelled_images(format, root)?.records.len(),
    })
}
