//! Captions for ten images. Without an argument from templates; with a file of options from the model that it names.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use miss_transcap::llm::Prompt;
use miss_transcap::map::Labelled;
use miss_transcap::run::{Checks, Job, Options};
use miss_transcap::{Attributes, Modality, Organ, write_caption_file};

#[rustfmt::skip]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut labelled = Vec::new();
    for organ in "chest brain liver spleen abdomen pelvis neck heart stomach colon".split(' ') {
        let (modality, organ) = (Some(Modality::Ct), Some(Organ::find(organ)?));
        let image = format!("{}.png", labelled.len());
        labelled.push(Labelled { image, attributes: Attributes { modality, organ, ..Attributes::default() } });
    }
    let file = std::env::args().nth(1);
    let options = file.map_or(Ok(Options::default()), |file| Options::read(file.as_ref()))?;
    let prompt = Prompt::built_in()?;
    let (labelled, options, prompt, checks) = (&labelled, &options, &prompt, Checks::default());
    let outcome = Job { labelled, options, prompt, checks }.caption(Path::new("journal.jsonl"))?;
    write_caption_file(Path::new("captions.jsonl"), &outcome.file)?;
    println!("{outcome}");
    Ok(())
}
