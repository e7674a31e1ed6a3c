//! Divides the questions, and says what leaks between the sides before anything is trained.

use miss_data::audit::audit;
use miss_data::record::select;
use miss_data::split::{image_disjoint, official};
use miss_data::{Audit, Manifest, Question, Split, vqa_rad};

use super::write_json;
use crate::config::{Resolved, SplitKind};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan::Stage;
use crate::run::Run;

pub fn run(run: &Run) -> Result<(), Failure> {
    let read = vqa_rad::read(&run.config.data.root).map_err(Failure::data)?;
    for finding in &read.findings {
        tracing::debug!("{finding}");
    }
    let repaired = read.findings.len();
    let questions = read.all_or_nothing().map_err(Failure::data)?;
    let split = make_split(&run.config, &questions)?;
    tracing::info!(
        hash = split.hash(),
        repaired_rows = repaired,
        "          {} {}: {} training, {} validation, {} test questions",
        split.name,
        &split.hash()[..12],
        split.train.len(),
        split.validation.len(),
        split.test.len()
    );
    let folder = run.folder(Stage::Split);
    write_json(&folder.join("split.json"), &split)?;
    let audit = audited(&run.manifest, &questions, &split)?;
    write_json(&folder.join("audit.json"), &audit)?;
    match (audit.leaks(), run.config.split.kind) {
        (true, SplitKind::ImageDisjoint) => Err(Failure::new(
            Exit::Leak,
            format!("the split is declared image-disjoint, but leaks:\n{audit}"),
        )),
        (true, SplitKind::Official) => {
            tracing::warn!(
                "the official split leaks; its scores say little about new images:\n{audit}"
            );
            Ok(())
        }
        (false, _) => Ok(()),
    }
}

/// The split that the recipe asks for.
pub fn make_split(config: &Resolved, questions: &[Question]) -> Result<Split, Failure> {
    let knobs = &config.split;
    match knobs.kind {
        SplitKind::Official => Ok(official(questions)),
        SplitKind::ImageDisjoint => image_disjoint(
            questions,
            knobs.seed,
            knobs.validation_fraction,
            knobs.test_fraction,
        )
        .map_err(Failure::data),
    }
}

/// Everything training sees (validation chooses the epoch, so it counts) against the test questions.
pub fn audited(
    manifest: &Manifest,
    questions: &[Question],
    split: &Split,
) -> Result<Audit, Failure> {
    let seen = [split.train.as_slice(), &split.validation].concat();
    let seen = select(questions, &seen).map_err(Failure::data)?;
    let test = select(questions, &split.test).map_err(Failure::data)?;
    Ok(audit(
        &seen,
        &test,
        &manifest.sha256_below(vqa_rad::IMAGES_DIR),
    ))
}
