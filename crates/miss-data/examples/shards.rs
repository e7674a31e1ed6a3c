//! Packs the copy of VQA-RAD in the repository into tar shards and reads them in shuffled order.
//!
//! `cargo run -p miss-data --example shards [-- LOCATION]`: into the folder LOCATION, unless it holds
//! a set already; or, with `--features fetch`, from the address LOCATION.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;

use miss_data::shard::{INDEX_FILE, WriteOptions, write};
use miss_data::{Question, Shards, vqa_rad};

fn main() -> Result<(), Box<dyn Error>> {
    let location = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "target/shards".into());
    let folder = Path::new(&location);
    if !location.contains("://") && !folder.join(INDEX_FILE).exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data-manifests/embedded");
        let questions = vqa_rad::read(&root)?.all_or_nothing()?;
        let options = WriteOptions {
            name: "vqa-rad".into(),
            max_bytes: 1 << 20,
            ..WriteOptions::default()
        };
        let images = root.join(vqa_rad::IMAGES_DIR);
        let set = write(&questions, &images, folder, &options)?;
        println!("{} images in {} shards", set.samples(), set.shards.len());
    }

    let shards = Shards::open(&location, None)?;
    // Two shards at a time are mixed.
    let order = shards.order(2, 42).epoch(0);
    for position in 0..shards.len().min(5) {
        let sample = shards.get(order.index(position))?;
        let questions: Vec<Question> = sample.records()?;
        let image = sample.image().ok_or("a sample without an image")?;
        println!("{}: {} bytes", questions[0].image, image.bytes.len());
        for row in questions.iter().take(2) {
            println!("  {} {}", row.question, row.answer);
        }
    }
    Ok(())
}
