//! Learns to answer the training questions, from the pretrained weights; validation chooses the epoch.

use miss_data::ImageSet;
use miss_engine::{Ended, Pretrained};

use crate::failure::Failure;
use crate::plan::Stage;
use crate::rows::TrainingRows;
use crate::run::{Run, interrupted};

pub fn run(run: &Run, rows: &TrainingRows) -> Result<(), Failure> {
    let config = &run.config;
    let (train, validation) = (rows.train(), rows.validation());
    let names = train.iter().chain(&validation).map(|row| &*row.image);
    let folder = run.images();
    let images =
        ImageSet::load(&folder, names, config.finetune.image_size as u32).map_err(Failure::data)?;
    let weights = run.folder(Stage::Pretrain).join("model.safetensors");
    let pretrained = Pretrained {
        weights: &weights,
        image_size: config.pretrain.image_size,
    };
    let ended = miss_engine::finetune(
        &config.model,
        &config.finetune,
        Some(pretrained),
        &train,
        &validation,
        &images,
        &run.device,
        run.folder(Stage::Finetune),
        &mut run.progress(Stage::Finetune),
    )
    .map_err(Failure::engine)?;
    match ended {
        Ended::Finished => Ok(()),
        Ended::Stopped => Err(interrupted(Stage::Finetune)),
    }
}
