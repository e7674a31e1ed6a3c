//! TransCap: attributes of the training images, from their own questions and boxes, to captions.

use miss_transcap::run::{Checks, Job, Options};
use miss_transcap::write_caption_file;

use crate::captioned::of_questions;
use crate::captioner;
use crate::failure::Failure;
use crate::plan::Stage;
use crate::rows::TrainingRows;
use crate::run::Run;

pub fn run(run: &Run, rows: &TrainingRows) -> Result<(), Failure> {
    let knobs = &run.config.captions;
    let root = &run.config.data.root;
    let labelled = of_questions(run.manifest.format, root, &rows.train(), knobs.sides)?;
    let options = Options {
        captions: knobs.per_image,
        seed: knobs.seed,
        sampler: knobs.sampler,
        ..captioner::options(knobs.options.as_deref())?
    };
    let job = Job {
        labelled: &labelled,
        options: &options,
        prompt: &captioner::prompt(&options)?,
        checks: Checks::default(),
    };
    // Not in the stage's folder, which is made anew when a knob changes: what was paid for outlives that.
    let outcome = captioner::caption(&job, &run.journal, &run.interrupt)?;
    if let Some(failure) = captioner::ended(&outcome) {
        return Err(failure);
    }
    let sets = &outcome.file.sets;
    let example = sets.first().and_then(|set| set.captions.texts().next());
    tracing::info!(
        "          {} captions for {} training images, {} from a model, for example: {}",
        sets.iter()
            .map(|set| set.captions.texts().count())
            .sum::<usize>(),
        sets.len(),
        outcome.from_model,
        example.unwrap_or_default()
    );
    let path = run.folder(Stage::Captions).join("captions.jsonl");
    write_caption_file(&path, &outcome.file).map_err(Failure::output_error)
}
