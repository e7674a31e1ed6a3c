//! Learns from images and captions: contrast, matching, captioning.

use miss_data::ImageSet;
use miss_engine::{Ended, Pair};

use crate::failure::Failure;
use crate::plan::Stage;
use crate::run::{Run, interrupted};

pub fn run(run: &Run) -> Result<(), Failure> {
    let config = &run.config;
    let path = run.folder(Stage::Captions).join("captions.jsonl");
    let sets = miss_transcap::read_captions(&path).map_err(Failure::data)?;
    let pairs: Vec<Pair> = sets
        .into_iter()
        .map(|set| Pair {
            image: set.image,
            captions: set.captions,
        })
        .collect();
    let names = pairs.iter().map(|pair| &*pair.image);
    let folder = run.images();
    let images =
        ImageSet::load(&folder, names, config.pretrain.image_size as u32).map_err(Failure::data)?;
    let ended = miss_engine::pretrain(
        &config.model,
        &config.pretrain,
        &pairs,
        &images,
        &run.device,
        run.folder(Stage::Pretrain),
        &mut run.progress(Stage::Pretrain),
    )
    .map_err(Failure::engine)?;
    match ended {
        Ended::Finished => Ok(()),
        Ended::Stopped => Err(interrupted(Stage::Pretrain)),
    }
}
