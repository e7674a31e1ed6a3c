//! Answers the test questions: one line per question, the only input of scoring.

use miss_data::ImageSet;
use miss_eval::{Prediction, write_predictions};

use crate::failure::Failure;
use crate::plan::Stage;
use crate::rows::TestRows;
use crate::run::{Run, interrupted};

pub fn run(run: &Run, test: &TestRows) -> Result<(), Failure> {
    let config = &run.config;
    let rows = test.rows();
    let names = rows.iter().map(|row| &*row.image);
    let folder = run.images();
    let images =
        ImageSet::load(&folder, names, config.predict.image_size as u32).map_err(Failure::data)?;
    let weights = run.folder(Stage::Finetune).join("model.safetensors");
    let answers = miss_engine::predict(
        &config.model,
        &config.predict,
        &weights,
        &rows,
        &images,
        &run.device,
        &mut run.progress(Stage::Predict),
    )
    .map_err(Failure::engine)?
    .ok_or_else(|| interrupted(Stage::Predict))?;

    let model = miss_data::file::sha256_file(&weights).map_err(Failure::data)?;
    let recipe = config.hash();
    let predictions: Vec<Prediction> = rows
        .iter()
        .zip(answers)
        .map(|(row, answer)| Prediction {
            id: row.id.clone(),
            image: row.image.clone(),
            split: test.split_hash().to_owned(),
            question: row.question.clone(),
            truth: row.answer.clone(),
            answer_type: row.answer_type,
            question_types: row.question_types.clone(),
            organ: row.organ.clone(),
            answer: answer.text,
            log_probability: answer.log_probability,
            decoding: format!("beam-{}", config.predict.beams),
            model: model.clone(),
            config: recipe.clone(),
        })
        .collect();
    let path = run.folder(Stage::Predict).join("predictions.jsonl");
    write_predictions(&path, &predictions).map_err(Failure::output_error)
}
