//! TransCap: attributes of the training images, from their own questions and boxes, to sets of captions.

use miss_transcap::llm::Prompt;
use miss_transcap::map::Labelled;
use miss_transcap::run::{Checks, Job, Options};
use miss_transcap::write_caption_file;

use crate::captioner;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan::Stage;
use crate::rows::TrainingRows;
use crate::run::{Run, interrupted};

pub fn run(run: &Run, rows: &TrainingRows) -> Result<(), Failure> {
    let knobs = &run.config.captions;
    let labelled = labelled(run, rows)?;
    let written = match &knobs.options {
        Some(path) => Options::read(path)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?,
        None => Options::default(),
    };
    let options = Options {
        captions: knobs.per_image,
        seed: knobs.seed,
        sampler: knobs.sampler,
        ..written
    };
    let prompt = captioner::prompt(&options)?;
    let job = Job {
        labelled: &labelled,
        options: &options,
        prompt: &prompt,
        checks: Checks::default(),
    };
    Ok(())
}
