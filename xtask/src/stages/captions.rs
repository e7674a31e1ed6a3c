//! TransCap: attributes of the training images, from their own questions, to sets of captions.

use std::collections::BTreeMap;

use miss_data::Question;
use miss_transcap::{CaptionSet, REALISER, realise, vqa_rad, write_captions};

use crate::failure::Failure;
use crate::plan::Stage;
use crate::rows::TrainingRows;
use crate::run::Run;

pub fn run(run: &Run, rows: &TrainingRows) -> Result<(), Failure> {
    let knobs = &run.config.captions;
    let mut by_image: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
    for row in rows.train() {
        by_image.entry(&row.image).or_default().push(row);
    }
    let sets: Vec<CaptionSet> = by_image
        .into_iter()
        .enumerate()
        .map(|(index, (image, questions))| {
            let attributes = vqa_rad::attributes(&questions);
            let seed = miss_data::mix(&[knobs.seed, index as u64]);
            CaptionSet {
                image: image.to_owned(),
                captions: realise(&attributes, knobs.per_image, seed),
                attributes,
                realiser: REALISER.to_owned(),
            }
        })
        .collect();
    tracing::info!(
        "          {} captions for {} training images, for example: {}",
        sets.iter().map(|set| set.captions.len()).sum::<usize>(),
        sets.len(),
        sets.first()
            .and_then(|set| set.captions.first())
            .map_or("", String::as_str)
    );
    let path = run.folder(Stage::Captions).join("captions.jsonl");
    write_captions(&path, &sets).map_err(Failure::output_error)
}
