//! Batches for fine-tuning out of the embedded copy of VQA-RAD: images decoded, augmented and
//! stretched, questions tokenised, by two threads ahead of their use; four questions of an image side
//! by side.
//!
//! ```text
//! cargo run -p miss-data --example loader
//! ```

#![allow(clippy::print_stdout, reason = "its output is what the example is for")]

use std::collections::BTreeSet;
use std::error::Error;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;

use miss_data::image::Augmentation;
use miss_data::loader::{Batch, Loader, Options, Visit};
use miss_data::order::{Batches, Grouped};
use miss_data::text::{Padded, Tokenizer};
use miss_data::{decode_rgb, vqa_rad};

/// Of the order, and of what is drawn for an image.
const SEED: u64 = 42;
/// Pixels a side.
const SIZE: u32 = 224;
/// Tokens of a question.
const LONGEST: usize = 35;

/// What a model is shown of one question.
struct Item {
    image: String,
    pixels: Vec<u8>,
    ids: Vec<u32>,
}

/// Prints the first batches of one epoch.
pub fn main() -> Result<(), Box<dyn Error>> {
    let folder = env!("CARGO_MANIFEST_DIR");
    let root = Path::new(folder).join("../../data-manifests/embedded");
    let questions = vqa_rad::read(&root)?.all_or_nothing()?;
    let ids: Vec<String> = questions.iter().map(|row| row.id.clone()).collect();

    let images = questions.iter().map(|row| &row.image);
    let order = Grouped::new(images, NonZeroU32::new(4), SEED)?;
    let options = Options {
        batches: Batches::new(NonZeroUsize::new(20).ok_or("no batch is empty")?),
        workers: 2,
        prefetch: 2,
    };
    let tokenizer = Tokenizer::new()?;
    let augmentation = Augmentation::default();
    augmentation.check()?;
    let load = move |visit: Visit| {
        let question = &questions[visit.record];
        let image = decode_rgb(&root.join(vqa_rad::IMAGES_DIR).join(&question.image))?;
        // Of seed, epoch and record alone, so that a resumed run draws the same. To test, `stretch`.
        let size = image.dimensions().into();
        let plan = augmentation.plan(size, SEED, visit.epoch, visit.record as u64);
        let item = Item {
            image: question.image.clone(),
            pixels: plan.apply(&image, SIZE),
            ids: tokenizer.encode(&question.question, Some(LONGEST))?,
        };
        Ok::<_, Box<dyn Error + Send + Sync>>(item)
    };
    let loader = Loader::named(order, load, options, move |record| ids[record].clone());

    println!("{} batches an epoch", loader.batches_per_epoch());
    let mut batches = loader.at(0);
    for batch in batches.by_ref().take(4) {
        show(&batch?);
    }
    // All that a checkpoint needs; any number of workers goes on from there.
    let state = batches.next_batch();
    drop(batches);
    println!("resumed at batch {state}");
    for batch in loader.at(state).take(2) {
        show(&batch?);
    }
    Ok(())
}

fn show(batch: &Batch<Item>) {
    let items = &batch.items;
    let images: BTreeSet<&str> = items.iter().map(|item| item.image.as_str()).collect();
    let ids: Vec<Vec<u32>> = items.iter().map(|item| item.ids.clone()).collect();
    // Every row as long as the longest of this batch, not of the dataset.
    let tokens = Padded::longest(&ids);
    println!(
        "batch {}: {} questions about {} images, {} bytes of pixels; tokens [{}, {}], {} of them padding",
        batch.number,
        items.len(),
        images.len(),
        items.iter().map(|item| item.pixels.len()).sum::<usize>(),
        ids.len(),
        tokens.width,
        tokens.mask.iter().filter(|&&text| !text).count()
    );
}
