//! Multi-head attention with the residual and LayerNorm that follow it in BERT.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};

use crate::config::TextConfig;
use crate::init::{layer_norm, linear};
use crate::text::LAYER_NORM_EPSILON;

/// A post-norm attention sub-layer: `LayerNorm(hidden + dropout(output(attention)))`.
///
/// Self- and cross-attention are the same thing with another source of keys and values.
#[derive(Module, Debug)]
pub struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: LayerNorm,
    dropout: Dropout,
    heads: usize,
}

/// Projected keys and values, each `[batch, heads, tokens, head width]`.
///
/// They are a value of their own so that they can be computed once and used by every pass that
/// attends to the same source.
#[derive(Clone, Debug)]
pub struct KeyValue {
    key: Tensor<4>,
    value: Tensor<4>,
}

impl KeyValue {
    /// The rows of `indices`, with repetition: keys and values of one image for all its questions.
    pub fn select(&self, indices: Tensor<1, Int>) -> Self {
        Self {
            key: self.key.clone().select(0, indices.clone()),
            value: self.value.clone().select(0, indices),
        }
    }

    /// These tokens followed by `next`, for decoding one token at a time.
    pub(crate) fn extend(self, next: Self) -> Self {
        Self {
            key: Tensor::cat(vec![self.key, next.key], 2),
            value: Tensor::cat(vec![self.value, next.value], 2),
        }
    }
}

impl Attention {
    /// A new sub-layer whose keys and values are projected from `source_width`.
    pub(crate) fn new(config: &TextConfig, source_width: usize, device: &Device) -> Self {
        let width = config.width;
        Self {
            query: linear(width, width, device),
            key: linear(source_width, width, device),
            value: linear(source_width, width, device),
            output: linear(width, width, device),
            norm: layer_norm(width, LAYER_NORM_EPSILON, device),
            dropout: DropoutConfig::new(config.dropout).init(),
            heads: config.heads,
        }
    }

    /// Draws the key and value projections anew, for a source of another width.
    pub(crate) fn renew_source(&mut self, source_width: usize, device: &Device) {
        let [width, _] = self.query.weight.shape().dims();
        self.key = linear(source_width, width, device);
        self.value = linear(source_width, width, device);
    }

    /// Keys and values of `source`: `[batch, tokens, source width]`.
    pub fn key_value(&self, source: Tensor<3>) -> KeyValue {
        KeyValue {
            key: self.split(self.key.forward(source.clone())),
            value: self.split(self.value.forward(source)),
        }
    }

    /// The sub-layer on `hidden`: `[batch, tokens, width]`.
    ///
    /// `bias` is added to the scores `[batch, heads, tokens, source tokens]` and broadcast to
    /// them; a masked position has a large negative number there, as in the reference
    /// (`reference.md` section 4, 4): a row with everything masked stays finite.
    pub fn forward(
        &self,
        hidden: Tensor<3>,
        source: &KeyValue,
        bias: Option<Tensor<4>>,
    ) -> Tensor<3> {
        let [batch, tokens, width] = hidden.dims();
        let scale = ((width / self.heads) as f64).powf(-0.5);
        let query = self.split(self.query.forward(hidden.clone())) * scale;
        let scores = query.matmul(source.key.clone().swap_dims(2, 3));
        let scores = match bias {
            Some(bias) => scores + bias,
            None => scores,
        };
        let probabilities = self.dropout.forward(softmax(scores, 3));
        let context = probabilities
            .matmul(source.value.clone())
            .swap_dims(1, 2)
            .reshape([batch, tokens, width]);
        let output = self.dropout.forward(self.output.forward(context));
        self.norm.forward(output + hidden)
    }

    /// `[batch, tokens, width]` to `[batch, heads, tokens, width / heads]`.
    fn split(&self, projected: Tensor<3>) -> Tensor<4> {
        let [batch, tokens, width] = projected.dims();
        projected
            .reshape([batch, tokens, self.heads, width / self.heads])
            .swap_dims(1, 2)
    }
}
