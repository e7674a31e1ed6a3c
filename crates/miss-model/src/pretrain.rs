//! The pretraining model: contrast, matching and captioning over tied encoder and decoder.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::attention::Attention;
use crate::config::{ImageWork, ModelConfig};
use crate::hash::mixed;
use crate::head::LanguageModelHead;
use crate::image_encoder::ImageEncoder;
use crate::init::{leaf, linear, settle};
use crate::losses::{
    ItcTargets, LABEL_SMOOTHING, contrast, contrast_targets, hard_targets, smoothed_cross_entropy,
};
use crate::momentum;
use crate::queues::Queues;
use crate::rows::Rows;
use crate::text::{CrossSource, LayerParts, Pass, TextStack, causal_bias, run};
use crate::tokens::{SpecialTokens, Targets, Tokens, index_tensor};

/// Initial temperature of the contrast, and the range it is clamped to before every step.
const TEMPERATURE: (f32, f32, f32) = (0.07, 0.001, 0.5);

/// What contrasts images with captions; the momentum encoders are a second value of this type.
#[derive(Module, Debug)]
pub struct Encoders {
    /// The image encoder.
    pub image_encoder: ImageEncoder,
    image_projection: Linear,
    /// The joint text–multimodal encoder.
    pub joint_encoder: TextStack,
    text_projection: Linear,
}

/// The decoder of pretraining: its own self-attention and head; embeddings, cross-attention and
/// feed-forward are those of the joint encoder (`reference.md` 1.2).
#[derive(Module, Debug)]
pub struct TiedDecoder {
    pub(crate) self_attention: Vec<Attention>,
    pub(crate) head: LanguageModelHead,
}

/// Everything that pretraining trains.
#[derive(Module, Debug)]
pub struct PretrainModel {
    /// Image encoder, joint encoder and their projections.
    pub encoders: Encoders,
    pub(crate) decoder: TiedDecoder,
    matching_head: Linear,
    temperature: Param<Tensor<1>>,
    #[module(skip)]
    image_work: ImageWork,
}

/// A batch of captions in the three forms that the three losses read.
#[derive(Clone, Debug)]
pub struct Captions {
    text: Tokens,
    matching: Tokens,
    decoding: Tokens,
    targets: Targets,
    keys: Vec<u64>,
}

/// What the contrast gives: its loss, and what the other losses and the queues need.
#[derive(Clone, Debug)]
pub struct Contrast {
    /// Mean of both directions, `[1]`.
    pub loss: Tensor<1>,
    /// `[batch, 1 + patches, width]`, with gradient.
    pub image_states: Tensor<3>,
    /// States of the captions in text mode, `[batch, tokens, width]`, with gradient.
    pub text_states: Tensor<3>,
    /// In-batch similarities over temperature, rows are images: `[batch, batch]`, no gradient.
    pub image_to_text: Tensor<2>,
    /// The same with captions as rows.
    pub text_to_image: Tensor<2>,
    /// Momentum features `[batch, projection]`, no gradient: what the queues take in.
    pub image_features: Tensor<2>,
    /// The same of the captions.
    pub text_features: Tensor<2>,
}

/// What the contrast aims at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aim {
    /// Share of the targets that the momentum encoders give.
    pub alpha: f64,
    /// What the rest counts as a match.
    pub targets: ItcTargets,
}

/// A caption of the batch and an image that is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegativePair {
    /// Row of the caption.
    pub text: usize,
    /// Row of the image.
    pub image: usize,
}

/// The two losses that need the fused encoder and the decoder, each `[1]`, and what they came of.
#[derive(Clone, Debug)]
pub struct MatchAndCaption {
    /// Image–text matching.
    pub matching: Tensor<1>,
    /// Logits of "no match" and "match" of every pair, `[batch + negatives, 2]`, off the graph.
    pub matching_logits: Tensor<2>,
    /// Language modelling.
    pub captioning: Tensor<1>,
}

impl Captions {
    /// A batch from token rows as the tokenizer gives them (`[CLS] … [SEP]`).
    pub fn new(rows: &[Vec<u32>], special: &SpecialTokens, device: &Device) -> Self {
        Self {
            text: Tokens::new(rows, None, special, device),
            matching: Tokens::new(rows, Some(special.encoder), special, device),
            decoding: Tokens::new(rows, Some(special.decoder), special, device),
            targets: Targets::new(rows, device),
            keys: rows
                .iter()
                .map(|row| mixed(row.iter().map(|token| u64::from(*token))))
                .collect(),
        }
    }

    /// A key for every caption, equal where captions are.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// The captions as the text encoder reads them alone.
    pub(crate) fn text(&self) -> &Tokens {
        &self.text
    }

    /// The captions of all pairs: every one for its own image, then those of the negatives.
    pub(crate) fn pair_rows(&self, negatives: &[NegativePair]) -> Tensor<1, Int> {
        let [batch, _] = self.text.ids.dims();
        let rows: Vec<i64> = (0..batch)
            .chain(negatives.iter().map(|pair| pair.text))
            .map(|row| row as i64)
            .collect();
        index_tensor(&rows, &self.text.ids.device())
    }
}

impl Encoders {
    pub(crate) fn new(config: &ModelConfig, image_size: usize, device: &Device) -> Self {
        Self {
            image_encoder: ImageEncoder::new(&config.image, image_size, config.precision, device),
            image_projection: linear(config.image.width, config.projection, device),
            joint_encoder: TextStack::new(
                &config.text,
                config.image.width,
                config.precision,
                device,
            ),
            text_projection: linear(config.text.width, config.projection, device),
        }
    }

    /// Unit features `[batch, projection]` of image states `[batch, tokens, width]`.
    fn image_features(&self, states: Tensor<3>) -> Tensor<2> {
        unit(self.image_projection.forward(first_token(states)))
    }

    /// States `[batch, tokens, width]` of captions in text mode.
    fn text_states(&self, text: &Tokens) -> Tensor<3> {
        let Tokens { ids, padding } = text.clone();
        self.joint_encoder.encode(ids, padding, None)
    }

    /// Unit features `[batch, projection]` of text states `[batch, tokens, width]`.
    fn text_features(&self, states: Tensor<3>) -> Tensor<2> {
        unit(self.text_projection.forward(first_token(states)))
    }

    /// The contrast of [`PretrainModel::contrast`] at a `temperature` `[1]`.
    pub(crate) fn contrast(
        &self,
        temperature: Tensor<1>,
        images: Tensor<4>,
        captions: &Captions,
        momentum: &Encoders,
        queues: &Queues,
        aim: Aim,
    ) -> Contrast {
        // Momentum features and targets carry no gradient: they are computed on the plain device.
        let image_features =
            momentum.image_features(momentum.image_encoder.forward(images.clone().inner(), 0.0));
        let text_features = momentum.text_features(momentum.text_states(&Tokens {
            ids: captions.text.ids.clone().inner(),
            padding: captions.text.padding.clone().inner(),
        }));
        let all_images = Tensor::cat(
            vec![image_features.clone().transpose(), queues.image.clone()],
            1,
        );
        let all_texts = Tensor::cat(
            vec![text_features.clone().transpose(), queues.text.clone()],
            1,
        );
        let plain_temperature = temperature.clone().inner().unsqueeze::<2>();
        let hard = hard_targets(
            aim.targets,
            &captions.keys,
            &queues.captions,
            &image_features.device(),
        );
        let targets = |features: &Tensor<2>, all: &Tensor<2>| {
            let similarity = features.clone().matmul(all.clone()) / plain_temperature.clone();
            Tensor::from_inner(contrast_targets(similarity, hard.clone(), aim.alpha))
        };
        let image_targets = targets(&image_features, &all_texts);
        let text_targets = targets(&text_features, &all_images);

        let image_states = self.image_encoder.forward(images, 0.0);
        let text_states = self.text_states(&captions.text);
        let temperature = temperature.unsqueeze::<2>();
        let image_to_text = self
            .image_features(image_states.clone())
            .matmul(Tensor::from_inner(all_texts))
            / temperature.clone();
        let text_to_image = self
            .text_features(text_states.clone())
            .matmul(Tensor::from_inner(all_images))
            / temperature;
        let loss = (contrast(image_to_text.clone(), image_targets)
            + contrast(text_to_image.clone(), text_targets))
            / 2.0;
        let [batch, ..] = image_states.dims();
        let in_batch = |similarity: Tensor<2>| similarity.inner().narrow(1, 0, batch);
        Contrast {
            loss,
            image_states,
            text_states,
            image_to_text: in_batch(image_to_text),
            text_to_image: in_batch(text_to_image),
            image_features,
            text_features,
        }
    }

    /// Moves these momentum encoders towards `online`: `m ← rate · m + (1 − rate) · online`.
    pub fn follow(self, online: &Self, rate: f64) -> Self {
        momentum::follow(self, online, rate)
    }
}

impl PretrainModel {
    /// A new model on `device`, for images of `image_size` pixels a side.
    pub fn new(config: &ModelConfig, image_size: usize, device: &Device) -> Self {
        settle(Self::undrawn(config, image_size, device))
    }

    /// The same, its parameters not drawn yet.
    pub(crate) fn undrawn(config: &ModelConfig, image_size: usize, device: &Device) -> Self {
        Self {
            encoders: Encoders::new(config, image_size, device),
            decoder: TiedDecoder {
                self_attention: (0..config.text.depth)
                    .map(|_| {
                        Attention::new(&config.text, config.text.width, config.precision, device)
                    })
                    .collect(),
                head: LanguageModelHead::new(&config.text, device),
            },
            matching_head: linear(config.text.width, 2, device),
            temperature: initial_temperature(device),
            image_work: config.image_work,
        }
    }

    /// The model with its temperature clamped, as every step begins.
    pub fn clamp_temperature(mut self) -> Self {
        self.temperature = clamped(self.temperature);
        self
    }

    /// Image–text contrast of a batch (`reference.md` 1.3, steps 1 to 4).
    ///
    /// `images` is `[batch, 3, size, size]`. `momentum` has been updated for this step; `queues`
    /// are those before this batch is taken in.
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

    /// Image–text matching and captioning of a batch (`reference.md` 1.3, steps 6 and 7).
    ///
    /// Every caption is matched with its own image and with each of `negatives`. Cross-attention
    /// is tied, so the keys and values of an image are the same numbers in the positive, the
    /// negative and the captioning pass: with [`ImageWork::Once`] they are projected once a layer.
    pub fn match_and_caption(
        &self,
        image_states: Tensor<3>,
        captions: &Captions,
        negatives: &[NegativePair],
    ) -> MatchAndCaption {
        let joint = &self.encoders.joint_encoder;
        let (paired, own) = image_rows(joint, image_states, negatives, self.image_work);
        let matching_logits = self.matching_logits(&paired, captions, negatives);
        MatchAndCaption {
            matching: matching_loss(matching_logits.clone(), negatives.len()),
            matching_logits: matching_logits.without_autodiff(),
            captioning: self.captioning(&own, captions),
        }
    }

    fn matching_logits(
        &self,
        cross: &CrossSource,
        captions: &Captions,
        negatives: &[NegativePair],
    ) -> Tensor<2> {
        let tokens = captions.matching.select(captions.pair_rows(negatives));
        let states = self
            .encoders
            .joint_encoder
            .encode(tokens.ids, tokens.padding, Some(cross));
        self.matching_head.forward(first_token(states))
    }

    fn captioning(&self, cross: &CrossSource, captions: &Captions) -> Tensor<1> {
        let joint = &self.encoders.joint_encoder;
        let layers = joint.layers.iter().zip(&self.decoder.self_attention).map(
            |(shared, self_attention)| LayerParts {
                self_attention,
                ..shared.parts()
            },
        );
        let hidden = joint.embeddings.forward(captions.decoding.ids.clone(), 0);
        let pass = Pass {
            bias: Some(causal_bias(captions.decoding.padding.clone())),
            cross: Some(cross),
            ..Pass::default()
        };
        let states = run(layers, hidden, pass);
        let states = target_states(states, captions.targets.rows.clone());
        let logits = self.decoder.head.forward(states, &joint.embeddings);
        smoothed_cross_entropy(logits, captions.targets.ids.clone(), LABEL_SMOOTHING).mean()
    }
}

/// The images of all pairs (each caption's own, then those of the negatives), and each caption's own.
pub(crate) fn image_rows(
    joint: &TextStack,
    image_states: Tensor<3>,
    negatives: &[NegativePair],
    work: ImageWork,
) -> (CrossSource, CrossSource) {
    let [batch, ..] = image_states.dims();
    let device = image_states.device();
    let images: Vec<usize> = (0..batch)
        .chain(negatives.iter().map(|pair| pair.image))
        .collect();
    let each = |states| CrossSource {
        layers: joint.key_values(states),
        bias: None,
        rows: Rows::Each,
    };
    match work {
        ImageWork::Once => {
            let own = each(image_states);
            let paired = CrossSource {
                rows: Rows::new(&images, batch, &device),
                ..own.clone()
            };
            (paired, own)
        }
        ImageWork::Repeated => {
            let rows: Vec<i64> = images.iter().map(|row| *row as i64).collect();
            let repeated = image_states.clone().select(0, index_tensor(&rows, &device));
            (each(repeated), each(image_states))
        }
    }
}

/// Cross-entropy of matching, `[1]`: the last `negatives` of the `logits` `[pairs, 2]` do not match.
pub(crate) fn matching_loss(logits: Tensor<2>, negatives: usize) -> Tensor<1> {
    let [pairs, _] = logits.dims();
    let mut labels = vec![1i64; pairs - negatives];
    labels.resize(pairs, 0);
    let labels = index_tensor(&labels, &logits.device());
    smoothed_cross_entropy(logits, labels, 0.0).mean()
}

pub(crate) fn initial_temperature(device: &Device) -> Param<Tensor<1>> {
    Param::from_data(TensorData::new(vec![TEMPERATURE.0], [1]), device)
}

pub(crate) fn clamped(temperature: Param<Tensor<1>>) -> Param<Tensor<1>> {
    temperature.map(|value| {
        let clamped = value.clone().without_autodiff();
        leaf(clamped.clamp(TEMPERATURE.1, TEMPERATURE.2), &value)
    })
}

/// The states `[targets, width]` of `states` `[batch, tokens, width]` that predict something.
pub(crate) fn target_states(states: Tensor<3>, rows: Tensor<1, Int>) -> Tensor<2> {
    let [batch, tokens, width] = states.dims();
    states.reshape([batch * tokens, width]).select(0, rows)
}

fn first_token(states: Tensor<3>) -> Tensor<2> {
    states.narrow(1, 0, 1).squeeze_dim(1)
}

/// Rows scaled to length 1, with the floor of 1e-12 that PyTorch's `normalize` has.
fn unit(features: Tensor<2>) -> Tensor<2> {
    let length = features.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
    features / length
}
