//! Recipes, as they are meant: every value filled in and in range.

use miss_model::ItcTargets;
use serde::{Deserialize, Serialize};

/// How image–text pretraining is done (`reference.md` 1.3 and 1.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainConfig {
    /// Passes over the images.
    pub epochs: usize,
    /// Pairs in a step; at least 2, for matching needs a negative.
    pub batch: usize,
    /// Side of the square image in pixels.
    pub image_size: usize,
    /// Highest learning rate, reached after the warm-up.
    pub learning_rate: f64,
    /// Learning rate at the end of the cosine.
    pub min_learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: usize,
    /// Decoupled weight decay, on every parameter as in the reference.
    pub weight_decay: f64,
    /// Features kept in each queue.
    pub queue: usize,
    /// Share that the momentum encoders keep of themselves in a step.
    pub momentum: f64,
    /// Weight of the momentum targets, reached linearly over the first two epochs.
    pub alpha: f64,
    /// What counts as a match in the contrast besides the momentum targets.
    pub itc_targets: ItcTargets,
    /// Longest caption in tokens, `[CLS]` and `[SEP]` counted.
    pub caption_tokens: usize,
    /// Steps between two saved states.
    pub checkpoint_every: usize,
    /// Seed of initial values, order, dropout, captions and negatives.
    pub seed: u64,
}

/// How fine-tuning on questions is done (`reference.md` 1.5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinetuneConfig {
    /// Passes over the training questions.
    pub epochs: usize,
    /// Questions in a step.
    pub batch: usize,
    /// Side of the square image in pixels.
    pub image_size: usize,
    /// Highest learning rate, reached after the warm-up.
    pub learning_rate: f64,
    /// Learning rate at the end of the cosine.
    pub min_learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: usize,
    /// Decoupled weight decay, on every parameter as in the reference.
    pub weight_decay: f64,
    /// Label smoothing.
    pub label_smoothing: f64,
    /// Stochastic depth of the last image block.
    pub drop_path: f64,
    /// Longest question in tokens, `[CLS]` and `[SEP]` counted.
    pub question_tokens: usize,
    /// Steps between two saved states.
    pub checkpoint_every: usize,
    /// Seed of initial values, order, dropout and stochastic depth.
    pub seed: u64,
}

/// How answers are written (`reference.md` 1.6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictConfig {
    /// Questions decoded side by side.
    pub batch: usize,
    /// Side of the square image in pixels: that of fine-tuning.
    pub image_size: usize,
    /// Beams; 1 is greedy.
    pub beams: usize,
    /// Longest answer in tokens, `[DEC]` counted.
    pub max_length: usize,
    /// Longest question in tokens: that of fine-tuning.
    pub question_tokens: usize,
    /// Whether the padding of questions is hidden from the decoder.
    pub mask_question_padding: bool,
}
