//! Writing answers to questions.

use std::path::Path;

use burn::tensor::Device;
use miss_data::{ImageSet, Question};
use miss_model::{BeamSearch, ImageWork, ModelConfig, Questions, SpecialTokens, VqaModel};

use crate::batch::{encode, image_tensor, images_of, tokenizer};
use crate::config::PredictConfig;
use crate::error::EngineError;
use crate::guard;
use crate::observe::{Observer, StepEvent};

/// A written answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The text, as the tokenizer decodes it: lower case.
    pub text: String,
    /// Log-probability of the whole sequence, its end included.
    pub log_probability: f64,
}

/// Answers to `questions`, in their order, by the model in `weights`. None when `observer` asked
/// to stop.
///
/// Questions of one image are decoded together, so that the image is encoded once.
///
/// # Errors
///
/// When the weights do not fit the model or a question names an image that is not in `images`.
pub fn predict(
    model: &ModelConfig,
    config: &PredictConfig,
    weights: &Path,
    questions: &[&Question],
    images: &ImageSet,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Option<Vec<Answer>>, EngineError> {
    model.validate(config.image_size)?;
    guard::precision(model, device)?;
    guard::fits("questions", config.question_tokens, model)?;
    guard::fits("answers", config.max_length, model)?;
    guard::images(
        images,
        questions
            .iter()
            .map(|row| (row.id.as_str(), row.image.as_str())),
    )?;
    let tokenizer = tokenizer()?;
    let model = miss_model::load(VqaModel::new(model, config.image_size, device), weights)?;
    let special = SpecialTokens::default();
    let search = BeamSearch {
        beams: config.beams,
        max_length: config.max_length,
        mask_question_padding: config.mask_question_padding,
        special,
        ..BeamSearch::default()
    };

    let mut order: Vec<usize> = (0..questions.len()).collect();
    let (_, image_of) = images_of(
        questions.iter().map(|row| row.image.as_str()),
        ImageWork::Once,
    );
    order.sort_by_key(|index| image_of[*index]);
    let mut answers = vec![None; questions.len()];
    let steps = order.len().div_ceil(config.batch);
    for (step, batch) in order.chunks(config.batch).enumerate() {
        let rows = batch
            .iter()
            .map(|index| {
                let row = questions[*index];
                encode(
                    &tokenizer,
                    &row.id,
                    &row.question,
                    Some(config.question_tokens),
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let (names, image_rows) = images_of(
            batch.iter().map(|index| questions[*index].image.as_str()),
            model.image_work(),
        );
        let states = model.question_states(
            model.image_states(image_tensor(images, &names, device)?, 0.0),
            &Questions::new(&rows, &image_rows, &special, device),
        );
        for (index, written) in batch.iter().zip(search.run(&model, &states)?) {
            answers[*index] = written.into_iter().next().map(|best| Answer {
                text: tokenizer.decode(&best.tokens),
                log_probability: f64::from(best.log_probability),
            });
        }
        observer.step(&StepEvent {
            step: step + 1,
            steps,
            epoch: 1,
            epochs: 1,
            samples: batch.len(),
            losses: Vec::new(),
            learning_rate: None,
        });
        if observer.stop() {
            return Ok(None);
        }
    }
    // Every search keeps at least one answer, so that none is missing here.
    Ok(Some(answers.into_iter().flatten().collect()))
}
