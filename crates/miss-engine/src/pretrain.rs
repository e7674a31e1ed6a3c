//! Image–text pretraining.

use std::path::Path;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use miss_data::{ImageSet, Order, mix};
use miss_model::{
    Aim, Captions, Encoders, ModelConfig, PretrainModel, Queues, SpecialTokens, hard_negatives,
};
use serde::{Deserialize, Serialize};

use crate::batch::{encode, image_tensor, tokenizer};
use crate::config::PretrainConfig;
use crate::error::EngineError;
use crate::guard;
use crate::journal::Journal;
use crate::observe::{Ended, Observer, StepEvent};
use crate::schedule::Schedule;
use crate::state::{
    States, load_module, load_optimizer, load_queues, save_module, save_optimizer, save_queues,
};

/// An image and what its caption is drawn from at every visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The image.
    pub image: String,
    /// Its captions.
    pub captions: miss_data::Captions,
}

/// Epochs over which the weight of the momentum targets rises.
const ALPHA_EPOCHS: usize = 2;

/// Streams of random numbers, each a function of the seed and of the step.
#[derive(Clone, Copy)]
enum Stream {
    Initial,
    Order,
    Caption,
    Dropout,
    Negatives,
}

/// What is saved besides tensors.
#[derive(Serialize, Deserialize)]
struct Counters {
    step: usize,
    queue_pointer: usize,
    /// Keys of the captions whose features the queues hold.
    queue_captions: Vec<Option<u64>>,
}

/// The whole state of a pretraining run.
struct Pretraining {
    model: PretrainModel,
    momentum: Encoders,
    queues: Queues,
    optimizer: ModuleOptimizer,
    step: usize,
}

/// A line of `losses.jsonl`.
#[derive(Serialize)]
struct Line {
    step: usize,
    epoch: usize,
    learning_rate: f64,
    itc: f32,
    itm: f32,
    lm: f32,
    total: f32,
}

/// Pretrains a model on `pairs` with the three losses of the paper and writes it to
/// `folder/model.safetensors`, one line a step to `folder/losses.jsonl`.
///
/// The state is saved to `folder/state` every `checkpoint_every` steps and when `observer` asks the
/// run to stop; the same call then goes on from there, and on a CPU ends with the same bytes as an
/// undisturbed run.
///
/// # Errors
///
/// When a record names an image that is not in `images`, the loss is not finite, or a file cannot be
/// read or written.
pub fn pretrain(
    model: &ModelConfig,
    config: &PretrainConfig,
    pairs: &[Pair],
    images: &ImageSet,
    device: &Device,
    folder: &Path,
    observer: &mut dyn Observer,
) -> Result<Ended, EngineError> {
    model.validate(config.image_size)?;
    guard::precision(model, device)?;
    guard::enough("image–text pairs", pairs.len(), 2)?;
    guard::fits("captions", config.caption_tokens, model)?;
    guard::images(
        images,
        pairs
            .iter()
            .map(|pair| (pair.image.as_str(), pair.image.as_str())),
    )?;
    if let Some(pair) = pairs.iter().find(|pair| pair.captions.is_empty()) {
        return Err(EngineError::Text {
            record: pair.image.clone(),
            reason: "it has no caption; leave the image out or caption it".to_string(),
        });
    }
    let tokenizer = tokenizer()?;

    let weights = folder.join("model.safetensors");
    let states = States::new(folder.join("state"));
    let device = device.clone().autodiff();
    let mut run = match states.newest::<Counters>()? {
        Some((at, counters)) => Pretraining::load(model, config, &at, &counters, &device)?,
        None if weights.exists() => return Ok(Ended::Finished),
        None => Pretraining::new(model, config, &device),
    };
    if run.step > 0 {
        tracing::info!(step = run.step, "pretraining goes on from its saved state");
    }
    let mut losses = Journal::open(&folder.join("losses.jsonl"), run.step)?;

    let epoch_steps = pairs.len().div_ceil(config.batch);
    let steps = config.epochs * epoch_steps;
    let schedule = Schedule {
        highest: config.learning_rate,
        lowest: config.min_learning_rate,
        warmup: config.warmup_steps,
        steps,
    };
    let order = Order::new(pairs.len(), config.stream(Stream::Order, 0));
    while run.step < steps {
        let (epoch, within) = (run.step / epoch_steps, run.step % epoch_steps);
        let first = within * config.batch;
        let records: Vec<usize> = (first..(first + config.batch).min(pairs.len()))
            .map(|position| order.index(epoch as u64, position))
            .collect();
        // A step has few captions and takes long: they are drawn and encoded when they are shown.
        let rows: Vec<Vec<u32>> = records
            .iter()
            .map(|record| {
                let Pair { image, captions } = &pairs[*record];
                let seed = config.stream(Stream::Caption, 0);
                let caption = captions.draw(seed, epoch as u64, *record as u64);
                encode(&tokenizer, image, &caption, Some(config.caption_tokens))
            })
            .collect::<Result<_, _>>()?;
        let names: Vec<&str> = records
            .iter()
            .map(|record| pairs[*record].image.as_str())
            .collect();
        let learning_rate = schedule.rate(run.step);
        let alpha = config.alpha * (run.step as f64 / (ALPHA_EPOCHS * epoch_steps) as f64).min(1.0);

        let pixels = image_tensor(images, &names, &device)?;
        let (next, [itc, itm, lm]) =
            run.advance(config, pixels, &rows, alpha, learning_rate, &device)?;
        run = next;
        let total = itc + itm + lm;
        if !total.is_finite() {
            return Err(EngineError::NotFinite {
                step: run.step,
                loss: f64::from(total),
                records: names.into_iter().map(str::to_string).collect(),
            });
        }
        let line = Line {
            step: run.step,
            epoch: epoch + 1,
            learning_rate,
            itc,
            itm,
            lm,
            total,
        };
        losses.append(&line)?;
        observer.step(&StepEvent {
            step: run.step,
            steps,
            epoch: epoch + 1,
            epochs: config.epochs,
            samples: rows.len(),
            losses: [("itc", itc), ("itm", itm), ("lm", lm)]
                .map(|(name, loss)| (name, f64::from(loss)))
                .to_vec(),
            learning_rate: Some(learning_rate),
        });
        let stop = observer.stop();
        if run.step < steps && (stop || run.step.is_multiple_of(config.checkpoint_every)) {
            losses.sync()?;
            run.save(&states)?;
        }
        if stop && run.step < steps {
            return Ok(Ended::Stopped);
        }
    }
    losses.sync()?;
    miss_model::save(&run.model, &weights)?;
    states.remove()?;
    Ok(Ended::Finished)
}

impl PretrainConfig {
    fn stream(&self, stream: Stream, step: usize) -> u64 {
        mix(&[self.seed, stream as u64, step as u64])
    }
}

impl Pretraining {
    fn new(model: &ModelConfig, config: &PretrainConfig, device: &Device) -> Self {
        device.seed(config.stream(Stream::Initial, 0));
        let queues = Queues::random(model.projection, config.queue, device);
        let model = PretrainModel::new(model, config.image_size, device);
        Self {
            momentum: model.encoders.valid(),
            queues,
            optimizer: AdamWConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(config.weight_decay as f32)
                .init(),
            model,
            step: 0,
        }
    }

    /// One step; returns the state after it and the losses of contrast, matching and captioning.
    fn advance(
        mut self,
        config: &PretrainConfig,
        images: Tensor<4>,
        rows: &[Vec<u32>],
        alpha: f64,
        learning_rate: f64,
        device: &Device,
    ) -> Result<(Self, [f32; 3]), EngineError> {
        // Every step has its own random numbers, so that a resumed run needs no generator's state.
        device.seed(config.stream(Stream::Dropout, self.step));
        let captions = Captions::new(rows, &SpecialTokens::default(), device);
        let model = self.model.clamp_temperature();
        self.momentum = self.momentum.follow(&model.encoders, config.momentum);
        let aim = Aim {
            alpha,
            targets: config.itc_targets,
        };
        let contrast = model.contrast(images, &captions, &self.momentum, &self.queues, aim);
        self.queues = self.queues.enqueue(
            contrast.image_features,
            contrast.text_features,
            captions.keys(),
        );
        let pairs = hard_negatives(
            &host(contrast.image_to_text)?,
            &host(contrast.text_to_image)?,
            captions.keys(),
            config.stream(Stream::Negatives, self.step),
        );
        let both = model.match_and_caption(contrast.image_states, &captions, &pairs);
        let losses = vec![contrast.loss, both.matching, both.captioning];
        let losses = Tensor::cat(losses, 0);
        let gradients = GradientsParams::from_grads(losses.clone().sum().backward(), &model);
        self.model = self.optimizer.step(learning_rate, model, gradients);
        self.step += 1;
        let losses = host(losses.inner())?;
        Ok((self, [losses[0], losses[1], losses[2]]))
    }

    fn save(&self, states: &States) -> Result<(), EngineError> {
        let counters = Counters {
            step: self.step,
            queue_pointer: self.queues.pointer,
            queue_captions: self.queues.captions.clone(),
        };
        states.save(&format!("step-{}", self.step), &counters, |folder| {
            save_module(&self.model, &folder.join("model.bpk"))?;
            save_module(&self.momentum, &folder.join("momentum.bpk"))?;
            save_queues(&self.queues, &folder.join("queues.bpk"))?;
            save_optimizer(&self.optimizer, &folder.join("optimizer.bpk"))
        })
    }

    fn load(
        model: &ModelConfig,
        config: &PretrainConfig,
        at: &Path,
        counters: &Counters,
        device: &Device,
    ) -> Result<Self, EngineError> {
        let fresh = Self::new(model, config, device);
        Ok(Self {
            model: load_module(fresh.model, &at.join("model.bpk"))?,
            momentum: load_module(fresh.momentum, &at.join("momentum.bpk"))?,
            queues: load_queues(
                &fresh.queues,
                (counters.queue_pointer, &counters.queue_captions),
                &at.join("queues.bpk"),
            )?,
            optimizer: load_optimizer(fresh.optimizer, &at.join("optimizer.bpk"))?,
            step: counters.step,
        })
    }
}

/// Tokens of every caption of every pair.
/// Values of a tensor of floats.
fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, EngineError> {
    tensor
        .try_into_vec_as()
        .map_err(|error| EngineError::Device(format!("{error:?}")))
}
