//! The language model head.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::module::linear as affine;
use burn::tensor::{Device, Tensor};

use crate::config::TextConfig;
use crate::gelu::gelu;
use crate::init::{layer_norm, linear};
use crate::momentum;
use crate::text::TextEmbeddings;

/// Dense, GELU, LayerNorm, and a projection to the vocabulary whose weight *is* the decoder's word
/// embeddings; only its bias is a parameter of the head.
#[derive(Module, Debug)]
pub struct LanguageModelHead {
    transform: Linear,
    norm: LayerNorm,
    bias: Param<Tensor<1>>,
}

impl LanguageModelHead {
    pub(crate) fn new(config: &TextConfig, device: &Device) -> Self {
        Self {
            transform: linear(config.width, config.width, device),
            norm: layer_norm(config.width, config.layer_norm_epsilon, device),
            bias: Initializer::Zeros.init([config.vocabulary], device),
        }
    }

    /// Moves this momentum head towards `online`: `m ← rate · m + (1 − rate) · online`.
    pub fn follow(self, online: &Self, rate: f64) -> Self {
        momentum::follow(self, online, rate)
    }

    /// Logits `[rows, vocabulary]` of the states `hidden` `[rows, width]`.
    ///
    /// It takes rows, not sequences: with a vocabulary of 30,524 the projection is dear, and a
    /// caller should select the positions that have a target first.
    pub fn forward(&self, hidden: Tensor<2>, embeddings: &TextEmbeddings) -> Tensor<2> {
        let hidden = self.norm.forward(gelu(self.transform.forward(hidden)));
        affine(
            hidden,
            embeddings.words().transpose(),
            Some(self.bias.val()),
        )
    }
}
