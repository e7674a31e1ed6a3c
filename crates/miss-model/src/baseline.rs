//! The paper's baseline, "w/o JTM": pretraining in ALBEF's manner (`reference.md` 3.4 and 7).
//!
//! The text layers are split: those below `fusion_layer` encode text, those from it on fuse it with
//! the image. There is no decoder in pretraining; instead of writing captions the model fills in
//! masked words. For answers a decoder is made of the fusing layers
//! ([`VqaModel::from_baseline`](crate::VqaModel::from_baseline)).

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};

use crate::config::{ImageWork, ModelConfig};
use crate::head::LanguageModelHead;
use crate::init::{linear, settle};
use crate::losses::{contrast, smoothed_cross_entropy};
use crate::pretrain::{
    Aim, Captions, Contrast, Encoders, NegativePair, clamped, image_rows, initial_temperature,
    matching_loss, target_states,
};
use crate::queues::Queues;
use crate::rows::Rows;
use crate::text::CrossSource;
use crate::tokens::{SpecialTokens, Targets, Tokens, index_tensor};

/// Everything that pretraining of the baseline trains.
#[derive(Module, Debug)]
pub struct BaselinePretrainModel {
    /// Image encoder, split text encoder and their projections.
    pub encoders: Encoders,
    /// Predicts masked words from the text encoder's last states.
    pub head: LanguageModelHead,
    matching_head: Linear,
    temperature: Param<Tensor<1>>,
    #[module(skip)]
    image_work: ImageWork,
}

/// A batch of captions with words masked.
#[derive(Clone, Debug)]
pub struct Masked {
    tokens: Tokens,
    targets: Targets,
}

/// What the momentum encoders say of the masked words.
#[derive(Clone, Debug)]
pub struct Teacher {
    /// `[masked words, vocabulary]`, no gradient.
    pub probabilities: Tensor<2>,
    /// Their share of the loss.
    pub weight: f64,
}

/// The two losses that need the fusing layers, each `[1]`.
#[derive(Clone, Debug)]
pub struct MatchAndUnmask {
    /// Image–text matching.
    pub matching: Tensor<1>,
    /// Masked language modelling.
    pub unmasking: Tensor<1>,
}

impl Masked {
    /// A batch from masked token rows (`[CLS] … [SEP]`) and, for every position of a row, the token
    /// that was there if it is to be predicted.
    pub fn new(
        rows: &[Vec<u32>],
        labels: &[Vec<Option<u32>>],
        special: &SpecialTokens,
        device: &Device,
    ) -> Self {
        let length = rows.iter().map(Vec::len).max().unwrap_or(0);
        let (mut positions, mut ids) = (Vec::new(), Vec::new());
        for (row, labels) in labels.iter().enumerate() {
            for (at, label) in labels.iter().enumerate() {
                if let Some(label) = label {
                    positions.push((row * length + at) as i64);
                    ids.push(i64::from(*label));
                }
            }
        }
        Self {
            tokens: Tokens::new(rows, None, special, device),
            targets: Targets {
                rows: index_tensor(&positions, device),
                ids: index_tensor(&ids, device),
            },
        }
    }

    /// Row `caption · tokens + position` of every masked word: `[masked words]`.
    pub fn positions(&self) -> Tensor<1, Int> {
        self.targets.rows.clone()
    }
}

impl BaselinePretrainModel {
    /// A new model on `device`, for images of `image_size` pixels a side.
    pub fn new(config: &ModelConfig, image_size: usize, device: &Device) -> Self {
        settle(Self {
            encoders: Encoders::new(config, image_size, device),
            head: LanguageModelHead::new(&config.text, device),
            matching_head: linear(config.text.width, 2, device),
            temperature: initial_temperature(device),
            image_work: config.image_work,
        })
    }

    /// The model with its temperature clamped, as every step begins.
    pub fn clamp_temperature(mut self) -> Self {
        self.temperature = clamped(self.temperature);
        self
    }

    /// Image–text contrast of a batch; see [`PretrainModel::contrast`](crate::PretrainModel::contrast).
    /// The text states it returns are those of the layers below the fusing ones.
    pub fn contrast(
        &self,
        images: Tensor<4>,
        captions: &Captions,
        momentum: &Encoders,
        queues: &Queues,
        aim: Aim,
    ) -> Contrast {
        let temperature = self.temperature.val();
        self.encoders
            .contrast(temperature, images, captions, momentum, queues, aim)
    }

    /// Image–text matching and masked language modelling of a batch.
    ///
    /// Matching goes on from the `text_states` `[batch, tokens, width]` of the contrast: the text
    /// layers run once for positives and negatives. Masked words are predicted by all layers with the
    /// caption's own image, without label smoothing, averaged over the words; a `teacher` takes its
    /// share of that loss.
    pub fn match_and_unmask(
        &self,
        image_states: Tensor<3>,
        text_states: Tensor<3>,
        captions: &Captions,
        negatives: &[NegativePair],
        masked: &Masked,
        teacher: Option<&Teacher>,
    ) -> MatchAndUnmask {
        let joint = &self.encoders.joint_encoder;
        let (paired, own) = image_rows(joint, image_states, negatives, self.image_work);
        let texts = captions.pair_rows(negatives);
        let padding = captions.text().select(texts.clone()).padding;
        let fused = joint.fuse(text_states.select(0, texts), padding, &paired);
        let logits = self
            .matching_head
            .forward(fused.narrow(1, 0, 1).squeeze_dim(1));
        let matching = matching_loss(logits, negatives.len());

        let logits = masked_logits(&self.encoders, &self.head, &own, masked);
        let hard = smoothed_cross_entropy(logits.clone(), masked.targets.ids.clone(), 0.0).mean();
        let unmasking = match teacher {
            Some(Teacher {
                probabilities,
                weight,
            }) => hard * (1.0 - weight) + contrast(logits, probabilities.clone()) * *weight,
            None => hard,
        };
        MatchAndUnmask {
            matching,
            unmasking,
        }
    }
}

/// Probabilities `[masked words, vocabulary]` that momentum encoders and their head give to the
/// masked words, for a [`Teacher`]. `image_states` are those of the momentum image encoder.
pub fn masked_probabilities(
    encoders: &Encoders,
    head: &LanguageModelHead,
    image_states: Tensor<3>,
    masked: &Masked,
) -> Tensor<2> {
    let cross = CrossSource {
        layers: encoders.joint_encoder.key_values(image_states),
        bias: None,
        rows: Rows::Each,
    };
    softmax(masked_logits(encoders, head, &cross, masked), 1)
}

fn masked_logits(
    encoders: &Encoders,
    head: &LanguageModelHead,
    cross: &CrossSource,
    masked: &Masked,
) -> Tensor<2> {
    let Tokens { ids, padding } = masked.tokens.clone();
    let states = encoders.joint_encoder.encode(ids, padding, Some(cross));
    let states = target_states(states, masked.targets.rows.clone());
    head.forward(states, &encoders.joint_encoder.embeddings)
}
