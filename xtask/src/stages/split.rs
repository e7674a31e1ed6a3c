//! Divides the questions, and says what leaks between the sides before anything is trained.

use std::collections::BTreeMap;

use miss_data::{Manifest, Question, Split, audit, image_disjoint, official, select, vqa_rad};

use super::write_json;
use crate::config::SplitKind;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan::Stage;
use crate::run::Run;

pub fn run(run: &Run) -> Result<(), Failure> {
    let knobs = &run.config.split;
    let read = vqa_rad::read(&run.config.data.root).map_err(Failure::data)?;
    for note in &read.notes {
        tracing::debug!(row = note.row, "row {}: {}", note.row, note.what);
    }
    let split = match knobs.kind {
        SplitKind::Official => official(&read.questions),
        SplitKind::ImageDisjoint => image_disjoint(
            &read.questions,
            knobs.seed,
            knobs.validation_fraction,
            knobs.test_fraction,
        )
        .map_err(Failure::data)?,
    };
    tracing::info!(
        hash = split.hash(),
        repaired_rows = read.notes.len(),
        "          {} {}: {} training, {} validation, {} test questions",
        split.name,
        &split.hash()[..12],
        split.train.len(),
        split.validation.len(),
        split.test.len()
    );
    let folder = run.folder(Stage::Split);
    write_json(&folder.join("split.json"), &split)?;
    let audit = audited(&run.manifest, &read.questions, &split)?;
    write_json(&folder.join("audit.json"), &audit)?;
    match (audit.leaks(), knobs.kind) {
        (true, SplitKind::ImageDisjoint) => Err(Failure::new(
            Exit::Leak,
            format!("the split is declared image-disjoint, but leaks:\n{audit}"),
        )),
        (true, SplitKind::Official) => {
            tracing::warn!("the official split leaks; its scores say little about new images:\n{audit}");
            Ok(())
        }
        (false, _) => Ok(()),
    }
}

/// Everything training sees (validation chooses the epoch, so it counts) against the test questions.
pub fn audited(
    manifest: &Manifest,
    questions: &[Question],
    split: &Split,
) -> Result<audit::Audit, Failure> {
    let seen = [split.train.as_slice(), &split.validation].concat();
    let seen = select(questions, &seen).map_err(Failure::data)?;
    let test = select(questions, &split.test).map_err(Failure::data)?;
    Ok(audit::audit(&seen, &test, &image_hashes(manifest)))
}

/// The hashes of the images by name, from the verified manifest.
fn image_hashes(manifest: &Manifest) -> BTreeMap<String, String> {
    let prefix = format!("{}/", vqa_rad::IMAGES_DIR);
    let images = manifest.files.iter().filter_map(|file| {
        let name = file.path.strip_prefix(&prefix)?;
        Some((name.to_owned(), file.sha256.clone()))
    });
    images.collect()
}
