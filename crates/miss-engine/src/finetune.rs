//! Fine-tuning on questions and answers.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use miss_data::{ImageSet, Order, Question, mix};
use miss_model::{
    Answers, BeamSearch, ImageWork, ModelConfig, PretrainModel, Questions, SpecialTokens, VqaModel,
};
use serde::{Deserialize, Serialize};

use crate::batch::{encode, image_tensor, images_of, tokenizer};
use crate::config::FinetuneConfig;
use crate::error::EngineError;
use crate::guard;
use crate::journal::Journal;
use crate::observe::{Ended, Observer, StepEvent};
use crate::schedule::Schedule;
use crate::state::{States, load_module, load_optimizer, save_module, save_optimizer};

/// Longest answer written in validation, `[DEC]` counted: that of the reference.
const VALIDATION_LENGTH: usize = 10;

/// Pretrained weights to begin with.
#[derive(Clone, Copy, Debug)]
pub struct Pretrained<'a> {
    /// The file that pretraining wrote.
    pub weights: &'a Path,
    /// Side of the images it was pretrained on, in pixels.
    pub image_size: usize,
}

#[derive(Clone, Copy)]
enum Stream {
    Initial,
    Order,
    Dropout,
}

/// What is saved besides tensors.
#[derive(Serialize, Deserialize)]
struct Counters {
    step: usize,
    epochs_validated: usize,
    best: Option<Validation>,
}

/// A line of `validation.jsonl`: how an epoch did on the validation questions.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Validation {
    epoch: usize,
    /// Questions.
    n: usize,
    /// Questions whose greedily written answer is the truth, token by token.
    correct: usize,
    /// Mean loss.
    loss: f64,
}

/// A line of `losses.jsonl`.
#[derive(Serialize)]
struct Line {
    step: usize,
    epoch: usize,
    learning_rate: f64,
    loss: f32,
}

/// A question with its tokens.
struct Sample<'a> {
    id: &'a str,
    image: &'a str,
    question: Vec<u32>,
    answer: Vec<u32>,
}

/// The whole state of a fine-tuning run.
struct Finetuning {
    model: VqaModel,
    optimizer: ModuleOptimizer,
    counters: Counters,
}

/// Fine-tunes on `train` and writes the weights of the best epoch to `folder/model.safetensors`,
/// a line a step to `folder/losses.jsonl` and a line an epoch to `folder/validation.jsonl`.
///
/// The best epoch is the one with most validation answers right, then with the lowest loss; without
/// validation questions it is the last. Training begins with `pretrained` or with random weights.
/// Stopping and going on are as for [`pretrain`](crate::pretrain).
///
/// # Errors
///
/// When a record names an image that is not in `images`, the pretrained weights do not fit, the loss
/// is not finite, or a file cannot be read or written.
#[expect(
    clippy::too_many_arguments,
    reason = "each is one thing that a caller has anyway"
)]
pub fn finetune(
    model: &ModelConfig,
    config: &FinetuneConfig,
    pretrained: Option<Pretrained<'_>>,
    train: &[&Question],
    validation: &[&Question],
    images: &ImageSet,
    device: &Device,
    folder: &Path,
    observer: &mut dyn Observer,
) -> Result<Ended, EngineError> {
    model.validate(config.image_size)?;
    guard::precision(model, device)?;
    guard::enough("training questions", train.len(), 1)?;
    guard::fits("questions", config.question_tokens, model)?;
    let named = |rows: &[&Question]| {
        rows.iter()
            .map(|row| (row.id.clone(), row.image.clone()))
            .collect::<Vec<_>>()
    };
    for rows in [named(train), named(validation)] {
        guard::images(
            images,
            rows.iter().map(|(id, image)| (id.as_str(), image.as_str())),
        )?;
    }
    let train = samples(train, config, model)?;
    let validation = samples(validation, config, model)?;

    let weights = folder.join("model.safetensors");
    let best = folder.join("best.safetensors");
    let states = States::new(folder.join("state"));
    let device = device.clone().autodiff();
    let mut run = match states.newest::<Counters>()? {
        Some((at, counters)) => Finetuning::load(model, config, &at, counters, &device)?,
        None if weights.exists() => return Ok(Ended::Finished),
        None => Finetuning::new(model, config, pretrained, &device)?,
    };
    if run.counters.step > 0 {
        tracing::info!(
            step = run.counters.step,
            "fine-tuning goes on from its saved state"
        );
    }
    let mut losses = Journal::open(&folder.join("losses.jsonl"), run.counters.step)?;
    let mut validations = Journal::open(
        &folder.join("validation.jsonl"),
        run.counters.epochs_validated,
    )?;

    let epoch_steps = train.len().div_ceil(config.batch);
    let steps = config.epochs * epoch_steps;
    let schedule = Schedule {
        highest: config.learning_rate,
        lowest: config.min_learning_rate,
        warmup: config.warmup_steps,
        steps,
    };
    let order = Order::new(train.len(), config.stream(Stream::Order, 0));
    while run.counters.step < steps {
        let (epoch, within) = (
            run.counters.step / epoch_steps,
            run.counters.step % epoch_steps,
        );
        let first = within * config.batch;
        let batch: Vec<&Sample<'_>> = (first..(first + config.batch).min(train.len()))
            .map(|position| &train[order.index(epoch as u64, position)])
            .collect();
        let learning_rate = schedule.rate(run.counters.step);
        let (next, loss) = run.advance(config, &batch, images, learning_rate, &device)?;
        run = next;
        let step = run.counters.step;
        if !loss.is_finite() {
            return Err(EngineError::NotFinite {
                step,
                loss: f64::from(loss),
                records: batch.iter().map(|sample| sample.id.to_string()).collect(),
            });
        }
        losses.append(&Line {
            step,
            epoch: epoch + 1,
            learning_rate,
            loss,
        })?;
        if step.is_multiple_of(epoch_steps) && !validation.is_empty() {
            let result = run.validate(epoch + 1, config, &validation, images)?;
            tracing::info!(
                epoch = result.epoch,
                loss = result.loss,
                correct = result.correct,
                n = result.n,
                "validation"
            );
            validations.append(&result)?;
            run.counters.epochs_validated += 1;
            if run.counters.best.is_none_or(|best| result.beats(&best)) {
                miss_model::save(&run.model, &best)?;
                run.counters.best = Some(result);
            }
        }
        observer.step(&StepEvent {
            step,
            steps,
            epoch: epoch + 1,
            epochs: config.epochs,
            samples: batch.len(),
            losses: vec![("loss", f64::from(loss))],
            learning_rate: Some(learning_rate),
        });
        let stop = observer.stop();
        if step < steps && (stop || step.is_multiple_of(config.checkpoint_every)) {
            losses.sync()?;
            validations.sync()?;
            run.save(&states)?;
        }
        if stop && step < steps {
            return Ok(Ended::Stopped);
        }
    }
    losses.sync()?;
    validations.sync()?;
    if validation.is_empty() {
        miss_model::save(&run.model, &best)?;
    }
    fs::rename(&best, &weights).map_err(|error| EngineError::at(&best)(error.to_string()))?;
    states.remove()?;
    Ok(Ended::Finished)
}

impl Validation {
    fn beats(&self, other: &Self) -> bool {
        (self.correct, -self.loss) > (other.correct, -other.loss)
    }
}

impl FinetuneConfig {
    fn stream(&self, stream: Stream, step: usize) -> u64 {
        // The first part keeps these streams apart from those of pretraining with the same seed.
        mix(&[u64::MAX, self.seed, stream as u64, step as u64])
    }

    fn optimizer(&self) -> ModuleOptimizer {
        AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(self.weight_decay as f32)
            .init()
    }
}

impl Finetuning {
    fn new(
        model: &ModelConfig,
        config: &FinetuneConfig,
        pretrained: Option<Pretrained<'_>>,
        device: &Device,
    ) -> Result<Self, EngineError> {
        device.seed(config.stream(Stream::Initial, 0));
        let model = match pretrained {
            Some(Pretrained {
                weights,
                image_size,
            }) => {
                let fresh = PretrainModel::new(model, image_size, device);
                let loaded = miss_model::load(fresh, weights)?;
                VqaModel::from_pretrained(loaded, model, config.image_size)
            }
            None => VqaModel::new(model, config.image_size, device),
        };
        Ok(Self {
            model,
            optimizer: config.optimizer(),
            counters: Counters {
                step: 0,
                epochs_validated: 0,
                best: None,
            },
        })
    }

    /// One step; returns the state after it and its loss.
    fn advance(
        mut self,
        config: &FinetuneConfig,
        batch: &[&Sample<'_>],
        images: &ImageSet,
        learning_rate: f64,
        device: &Device,
    ) -> Result<(Self, f32), EngineError> {
        device.seed(config.stream(Stream::Dropout, self.counters.step));
        let (names, questions, answers) = tensors(batch, self.model.image_work(), device);
        let pixels = image_tensor(images, &names, device)?;
        let states = self.model.question_states(
            self.model.image_states(pixels, config.drop_path),
            &questions,
        );
        let loss = self.model.loss(&states, &answers, config.label_smoothing);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        self.model = self.optimizer.step(learning_rate, self.model, gradients);
        self.counters.step += 1;
        let loss = loss.try_into_scalar()?;
        Ok((self, loss))
    }

    /// Loss and greedy answers on the validation questions.
    fn validate(
        &self,
        epoch: usize,
        config: &FinetuneConfig,
        validation: &[Sample<'_>],
        images: &ImageSet,
    ) -> Result<Validation, EngineError> {
        let model = self.model.valid();
        let device = model.device();
        let search = BeamSearch {
            beams: 1,
            max_length: VALIDATION_LENGTH,
            mask_question_padding: true,
            ..BeamSearch::default()
        };
        let (mut loss, mut correct) = (0.0, 0);
        for batch in validation.chunks(config.batch) {
            let batch: Vec<&Sample<'_>> = batch.iter().collect();
            let (names, questions, answers) = tensors(&batch, model.image_work(), &device);
            let pixels = image_tensor(images, &names, &device)?;
            let states = model.question_states(model.image_states(pixels, 0.0), &questions);
            let mean: f32 = model
                .loss(&states, &answers, config.label_smoothing)
                .try_into_scalar()?;
            loss += f64::from(mean) * batch.len() as f64;
            let written = search.run(&model, &states)?;
            correct += batch
                .iter()
                .zip(&written)
                .filter(|(sample, written)| {
                    let truth = &sample.answer[1..sample.answer.len() - 1];
                    written.first().is_some_and(|best| best.tokens == truth)
                })
                .count();
        }
        Ok(Validation {
            epoch,
            n: validation.len(),
            correct,
            loss: loss / validation.len() as f64,
        })
    }

    fn save(&self, states: &States) -> Result<(), EngineError> {
        let name = format!("step-{}", self.counters.step);
        states.save(&name, &self.counters, |folder| {
            save_module(&self.model, &folder.join("model.bpk"))?;
            save_optimizer(&self.optimizer, &folder.join("optimizer.bpk"))
        })
    }

    fn load(
        model: &ModelConfig,
        config: &FinetuneConfig,
        at: &Path,
        counters: Counters,
        device: &Device,
    ) -> Result<Self, EngineError> {
        let fresh = VqaModel::new(model, config.image_size, device);
        Ok(Self {
            model: load_module(fresh, &at.join("model.bpk"))?,
            optimizer: load_optimizer(config.optimizer(), &at.join("optimizer.bpk"))?,
            counters,
        })
    }
}

/// The images of a batch, and its questions and answers.
fn tensors<'a>(
    batch: &[&Sample<'a>],
    work: ImageWork,
    device: &Device,
) -> (Vec<&'a str>, Questions, Answers) {
    let special = SpecialTokens::default();
    let (names, rows) = images_of(batch.iter().map(|sample| sample.image), work);
    let questions: Vec<Vec<u32>> = batch.iter().map(|sample| sample.question.clone()).collect();
    let answers: Vec<Vec<u32>> = batch.iter().map(|sample| sample.answer.clone()).collect();
    (
        names,
        Questions::new(&questions, &rows, &special, device),
        Answers::new(&answers, &special, device),
    )
}

fn samples<'a>(
    questions: &[&'a Question],
    config: &FinetuneConfig,
    model: &ModelConfig,
) -> Result<Vec<Sample<'a>>, EngineError> {
    let tokenizer = tokenizer()?;
    questions
        .iter()
        .map(|row| {
            Ok(Sample {
                id: &row.id,
                image: &row.image,
                question: encode(
                    &tokenizer,
                    &row.id,
                    &row.question,
                    Some(config.question_tokens),
                )?,
                answer: encode(&tokenizer, &row.id, &row.answer, Some(model.text.positions))?,
            })
        })
        .collect()
}
