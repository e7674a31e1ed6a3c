//! Divides the questions, and says what leaks between the sides before anything is trained.

use miss_data::audit::{Images, audit};
use miss_data::record::select;
use miss_data::{Audit, Question, Split, dataset, split};

use super::write_json;
use crate::config::Resolved;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan::Stage;
use crate::run::Run;

pub fn run(run: &Run) -> Result<(), Failure> {
    let root = &run.config.data.root;
    let read = dataset::questions(run.manifest.format, root).map_err(Failure::data)?;
    for finding in &read.findings {
        tracing::debug!("{finding}");
    }
    let findings = read.findings.len();
    let questions = read.all_or_nothing().map_err(Failure::data)?;
    let split = make_split(&run.config, &questions)?;
    tracing::info!(
        hash = split.hash(),
        findings,
        "          {} {}: {} training, {} validation, {} test questions",
        split.name,
        &split.hash()[..12],
        split.train.len(),
        split.validation.len(),
        split.test.len()
    );
    let folder = run.folder(Stage::Split);
    write_json(&folder.join("split.json"), &split)?;
    let names = questions.iter().map(|row| &*row.image);
    let images = Images::load(&run.images(), names);
    if let Some(error) = images.unread.first() {
        tracing::warn!(
            "{} images cannot be audited, the first: {error}",
            images.unread.len()
        );
    }
    let audit = audited(&questions, &split, &images)?;
    write_json(&folder.join("audit.json"), &audit)?;
    if !audit.leaks() {
        return Ok(());
    }
    if run.config.split.kind.promises_no_leak() {
        return Err(Failure::new(
            Exit::Leak,
            format!("the split is declared {}, but leaks:\n{audit}", split.name),
        ));
    }
    tracing::warn!(
        "the split {} leaks; its scores say little about new images:\n{audit}",
        split.name
    );
    Ok(())
}

/// The split that the recipe asks for.
pub fn make_split(config: &Resolved, questions: &[Question]) -> Result<Split, Failure> {
    let knobs = &config.split;
    split::make(
        knobs.kind,
        questions,
        knobs.seed,
        knobs.validation_fraction,
        knobs.test_fraction,
    )
    .map_err(Failure::data)
}

/// Everything training sees (validation chooses the epoch, so it counts) against the test questions.
pub fn audited(questions: &[Question], split: &Split, images: &Images) -> Result<Audit, Failure> {
    let seen = [split.train.as_slice(), &split.validation].concat();
    let seen = select(questions, &seen).map_err(Failure::data)?;
    let test = select(questions, &split.test).map_err(Failure::data)?;
    Ok(audit(&seen, &test, images))
}
