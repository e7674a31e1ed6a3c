//! Batches for fine-tuning out of the embedded copy of VQA-RAD: images decoded and stretched,
//! questions tokenised, by two threads ahead of their use; four questions of an image side by side.
//!
//! ```text
//! cargo run -p miss-data --example loader
//! ```

#![allow(clippy::print_stdout, reason = "its output is what the example is for")]

use std::error::Error;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;

use miss_data::loader::{Loader, Options};
use miss_data::order::{Batches, Grouped};
use miss_data::text::{Padded, Tokenizer};
use miss_data::{decode_rgb, image, vqa_rad};

/// Pixels a side.
const SIZE: u32 = 224;
/// Tokens of a question.
const LONGEST: usize = 35;

pub fn main() -> Result<(), Box<dyn Error>> {
    let folder = env!("CARGO_MANIFEST_DIR");
    let root = Path::new(folder).join("../../data-manifests/embedded");
    let questions = vqa_rad::read(&root)?.all_or_nothing()?;
    let ids: Vec<String> = questions.iter().map(|row| row.id.clone()).collect();

    let images = questions.iter().map(|row| &row.image);
    let order = Grouped::new(images, NonZeroU32::new(4), 42)?;
    let options = Options {
        batches: Batches::new(NonZeroUsize::new(20).ok_or("no batch is empty")?),
        workers: 2,
        prefetch: 2,
    };
    let tokenizer = Tokenizer::new()?;
    let load = move |visit: miss_data::loader::Visit| {
        let question = &questions[visit.record];
        let pixels = decode_rgb(&root.join(vqa_rad::IMAGES_DIR).join(&question.image))?;
        let ids = tokenizer.encode(&question.question, Some(LONGEST))?;
        Ok::<_, Box<dyn Error + Send + Sync>>((image::stretch(&pixels, SIZE, SIZE), ids))
    };
    let loader = Loader::named(order, load, options, move |record| ids[record].clone());

    for batch in loader.epoch(0) {
        let batch = batch?;
        let (pixels, ids): (Vec<_>, Vec<_>) = batch.items.into_iter().unzip();
        // Every row as long as the longest of this batch, not of the dataset.
        let tokens = Padded::longest(&ids);
        println!(
            "batch {}: {} images of {SIZE} x {SIZE} pixels, tokens [{}, {}], {} of them padding",
            batch.number,
            pixels.len(),
            ids.len(),
            tokens.width,
            tokens.mask.iter().filter(|&&text| !text).count()
        );
    }
    Ok(())
}
