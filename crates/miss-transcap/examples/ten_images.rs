//! Captions for ten images. Without an argument from templates; with a file of options from the model that it names.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use miss_transcap::journal::Journal;
use miss_transcap::llm::{Client, Prompt};
use miss_transcap::map::Labelled;
use miss_transcap::run::{Checks, Job, Options};
use miss_transcap::{Attributes, Modality, Organ, write_caption_file};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut labelled = Vec::new();
    for organ in "chest brain liver spleen abdomen pelvis neck heart stomach colon".split(' ') {
        let attributes = Attributes {
            modality: Some(Modality::Ct),
            organ: Some(Organ::find(organ)?),
            ..Attributes::default()
        };
        let image = format!("{organ}.png");
        labelled.push(Labelled { image, attributes });
    }
    let file = std::env::args().nth(1);
    let options = file.map_or(Ok(Options::default()), |file| Options::read(file.as_ref()))?;
    let prompt = Prompt::built_in()?;
    let (labelled, options, prompt) = (&labelled, &options, &prompt);
    let checks = Checks::default();
    #[rustfmt::skip]
    let job = Job { labelled, options, prompt, checks };
    let outcome = match &options.endpoint {
        None => job.replay(None),
        Some(endpoint) => {
            let client = Client::new(endpoint, &options.limits)?;
            let mut journal = Journal::open(Path::new("journal.jsonl"))?;
            job.run_blocking(&mut journal, client.sender(), || false, |_| {})?
        }
    };
    write_caption_file(Path::new("captions.jsonl"), &outcome.file)?;
    println!("{outcome}");
    Ok(())
}
