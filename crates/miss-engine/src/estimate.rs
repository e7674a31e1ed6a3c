//! What a run will cost, before it runs.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use miss_model::ModelConfig;

use crate::config::{FinetuneConfig, PredictConfig, PretrainConfig};

/// Mean lengths in tokens that the estimates assume (`reference.md` 5.2).
const QUESTION: usize = 12;
const ANSWER: usize = 5;
const CAPTION: usize = 20;
/// Bytes of a number.
const FLOAT: u64 = 4;
/// Memory of the program itself, its data and the allocator's slack, measured.
const BASE_BYTES: u64 = 200 << 20;
/// Passes that an optimiser step makes over the parameters: AdamW as a dozen tensor operations.
const OPTIMIZER_PASSES: f64 = 24.0;
/// Memory bandwidth that those passes reach, bytes per second.
const BANDWIDTH: f64 = 8e9;
/// Share of the matrix rate that a whole step reaches at small sizes.
const EFFICIENCY: f64 = 0.35;

/// Work to estimate, with how many records it has.
#[derive(Clone, Copy, Debug)]
pub enum Workload<'a> {
    /// Pretraining on that many pairs.
    Pretrain(&'a PretrainConfig, usize),
    /// Fine-tuning on that many questions.
    Finetune(&'a FinetuneConfig, usize),
    /// Answering that many questions.
    Predict(&'a PredictConfig, usize),
}

/// An estimate: right within a factor of about two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Floating-point operations of the matrix products.
    pub flops: f64,
    /// Bytes that the optimiser moves.
    pub optimizer_bytes: f64,
    /// Peak memory in bytes.
    pub memory_bytes: u64,
}

impl Workload<'_> {
    /// What this costs for `model`.
    pub fn estimate(&self, model: &ModelConfig) -> Estimate {
        let cost = Cost(model);
        let text = cost.text_parameters();
        match *self {
            Self::Pretrain(config, pairs) => {
                let image = cost.image(config.image_size);
                let source = model.image.tokens(config.image_size);
                let caption = CAPTION.min(config.caption_tokens);
                let fused = cost.layers(caption, Some(source));
                let with_gradient = image
                    + cost.layers(caption, None)
                    + 3.0 * fused
                    + cost.key_values(source, model.image.width)
                    + fused
                    + cost.head(caption);
                let momentum = image + cost.layers(caption, None);
                let visits = (config.epochs * pairs) as f64;
                // The decoder adds its self-attention and the head's transform.
                let width = model.text.width as f64;
                let trained =
                    cost.image_parameters() + text + 4.0 * width * width * model.text.depth as f64;
                let steps = (config.epochs * pairs.div_ceil(config.batch)) as f64;
                Estimate {
                    flops: visits * (3.0 * with_gradient + momentum),
                    optimizer_bytes: steps * trained * FLOAT as f64 * OPTIMIZER_PASSES,
                    memory_bytes: cost.training_bytes(
                        trained,
                        config.batch,
                        config.image_size,
                        4 * caption,
                        3 * config.batch,
                        caption,
                    ),
                }
            }
            Self::Finetune(config, questions) => {
                let source = model.image.tokens(config.image_size);
                let forward = cost.image(config.image_size)
                    + cost.key_values(source, model.image.width)
                    + cost.layers(QUESTION, Some(source))
                    + cost.key_values(QUESTION, model.text.width)
                    + cost.layers(ANSWER, Some(QUESTION))
                    + cost.head(ANSWER);
                let trained = cost.image_parameters() + 2.0 * text;
                let steps = (config.epochs * questions.div_ceil(config.batch)) as f64;
                Estimate {
                    flops: (config.epochs * questions) as f64 * 3.0 * forward,
                    optimizer_bytes: steps * trained * FLOAT as f64 * OPTIMIZER_PASSES,
                    memory_bytes: cost.training_bytes(
                        trained,
                        config.batch,
                        config.image_size,
                        QUESTION + ANSWER,
                        config.batch,
                        ANSWER,
                    ),
                }
            }
            Self::Predict(config, questions) => {
                let source = model.image.tokens(config.image_size);
                let encode = cost.image(config.image_size)
                    + cost.key_values(source, model.image.width)
                    + cost.layers(QUESTION, Some(source));
                let decode = config.beams as f64
                    * config.max_length as f64
                    * (cost.layers(1, Some(QUESTION)) + cost.head(1));
                let parameters = cost.image_parameters() + 2.0 * text;
                let logits = (config.batch * config.beams * model.text.vocabulary) as u64 * FLOAT;
                Estimate {
                    flops: questions as f64 * (encode + decode),
                    optimizer_bytes: 0.0,
                    memory_bytes: BASE_BYTES + 2 * parameters as u64 * FLOAT + 3 * logits,
                }
            }
        }
    }
}

impl Estimate {
    /// Seconds on a device with that matrix rate (see [`matrix_rate`]).
    pub fn seconds(&self, rate: f64) -> f64 {
        self.flops / (rate * EFFICIENCY) + self.optimizer_bytes / BANDWIDTH
    }
}

/// Costs of the parts of a model: forward operations for one sample, and parameters.
struct Cost<'a>(&'a ModelConfig);

impl Cost<'_> {
    fn image(&self, size: usize) -> f64 {
        let config = &self.0.image;
        let (tokens, width) = (config.tokens(size) as f64, config.width as f64);
        let patches = 2.0 * (tokens - 1.0) * 3.0 * (config.patch * config.patch) as f64 * width;
        let weights = 4.0 * width * width + 2.0 * width * config.feed_forward as f64;
        let block = 2.0 * tokens * weights + 4.0 * tokens * tokens * width;
        patches + config.depth as f64 * block
    }

    /// All text layers over `tokens`, attending to `source` tokens whose keys and values are given.
    fn layers(&self, tokens: usize, source: Option<usize>) -> f64 {
        let config = &self.0.text;
        let (tokens, width) = (tokens as f64, config.width as f64);
        let own = 2.0 * tokens * 4.0 * width * width + 4.0 * tokens * tokens * width;
        let cross = source.map_or(0.0, |source| {
            2.0 * tokens * 2.0 * width * width + 4.0 * tokens * source as f64 * width
        });
        let feed_forward = 2.0 * tokens * 2.0 * width * config.feed_forward as f64;
        config.depth as f64 * (own + cross + feed_forward)
    }

    /// Keys and values of `source` tokens for all layers.
    fn key_values(&self, source: usize, source_width: usize) -> f64 {
        let config = &self.0.text;
        config.depth as f64 * 2.0 * source as f64 * 2.0 * (source_width * config.width) as f64
    }

    fn head(&self, tokens: usize) -> f64 {
        let config = &self.0.text;
        2.0 * tokens as f64 * (config.width * (config.width + config.vocabulary)) as f64
    }

    fn image_parameters(&self) -> f64 {
        let config = &self.0.image;
        let width = config.width as f64;
        (4.0 * width + 2.0 * config.feed_forward as f64) * width * config.depth as f64
            + 3.0 * (config.patch * config.patch) as f64 * width
    }

    /// One text stack: embeddings and layers.
    fn text_parameters(&self) -> f64 {
        let config = &self.0.text;
        let width = config.width as f64;
        let cross = 2.0 * width * width + 2.0 * width * self.0.image.width as f64;
        let layer = 4.0 * width * width + cross + 2.0 * width * config.feed_forward as f64;
        (config.vocabulary + config.positions) as f64 * width + config.depth as f64 * layer
    }

    /// Parameters, gradients and both moments, and what a step keeps for its backward pass: about
    /// 20 widths a token and layer, the attention probabilities, and four copies of the logits.
    fn training_bytes(
        &self,
        parameters: f64,
        batch: usize,
        image_size: usize,
        text_tokens: usize,
        text_rows: usize,
        target_tokens: usize,
    ) -> u64 {
        let (image, text) = (&self.0.image, &self.0.text);
        let tokens = image.tokens(image_size);
        let image_kept =
            batch * image.depth * tokens * (20 * image.width + 3 * image.heads * tokens);
        let text_kept =
            text_rows * text.depth * text_tokens * (24 * text.width + 3 * text.heads * tokens);
        let key_values = 2 * batch * text.depth * tokens * text.width;
        let logits = 4 * batch * target_tokens * text.vocabulary;
        let kept = (image_kept + text_kept + key_values + logits) as u64;
        BASE_BYTES + FLOAT * (5 * parameters as u64 + kept)
    }
}

/// The device's rate in matrix products, FLOP/s: a short measurement of a 512 × 512 product.
pub fn matrix_rate(device: &Device) -> f64 {
    const SIDE: usize = 512;
    let matrix = || Tensor::<2>::random([SIDE, SIDE], Distribution::Uniform(-1.0, 1.0), device);
    let (a, b) = (matrix(), matrix());
    let multiply = || {
        // Reading one value back waits for the product on devices that work in the background.
        let product = a.clone().matmul(b.clone());
        product.narrow(0, 0, 1).narrow(1, 0, 1).into_scalar::<f32>()
    };
    multiply();
    let (start, mut products) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < 0.2 {
        multiply();
        products += 1;
    }
    2.0 * (SIDE * SIDE * SIDE) as f64 * f64::from(products) / start.elapsed().as_secs_f64()
}
