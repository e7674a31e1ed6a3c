//! Multi-head attention with the residual and LayerNorm that follow it in BERT.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::tensor::{Device, Int, Tensor};

use crate::attention_map::AttentionMap;
use crate::config::{Precision, TextConfig};
use crate::init::{layer_norm, linear};
use crate::rows::Rows;

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
    #[module(skip)]
    precision: Precision,
}

/// What the queries of a sub-layer attend to, and how.
pub(crate) struct Source<'a> {
    pub(crate) states: &'a KeyValue,
    /// Added to the scores, broadcast to `[source rows, heads, tokens, source tokens]`. A masked
    /// position has a large negative number there, as in the reference (`reference.md` section 4,
    /// 4): a row with everything masked stays finite.
    pub(crate) bias: Option<Tensor<4>>,
    pub(crate) rows: &'a Rows,
    /// Where the probabilities go when somebody wants to see them.
    pub(crate) map: Option<&'a mut Vec<AttentionMap>>,
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

    #[cfg(test)]
    pub(crate) fn key(&self) -> Tensor<4> {
        self.key.clone()
    }

    /// Rows of the batch.
    pub(crate) fn rows(&self) -> usize {
        self.key.dims()[0]
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
    pub(crate) fn new(
        config: &TextConfig,
        source_width: usize,
        precision: Precision,
        device: &Device,
    ) -> Self {
        let width = config.width;
        Self {
            query: linear(width, width, device),
            key: linear(source_width, width, device),
            value: linear(source_width, width, device),
            output: linear(width, width, device),
            norm: layer_norm(width, config.layer_norm_epsilon, device),
            dropout: DropoutConfig::new(config.dropout).init(),
            heads: config.heads,
            precision,
        }
    }

    #[cfg(test)]
    pub(crate) fn query_bias_id(&self) -> burn::module::ParamId {
        self.query.bias.as_ref().expect("queries have a bias").id
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
            key: self.split(self.precision.linear(&self.key, source.clone())),
            value: self.split(self.precision.linear(&self.value, source)),
        }
    }

    /// The sub-layer on `hidden`: `[batch, tokens, width]`.
    pub(crate) fn forward(&self, hidden: Tensor<3>, source: Source<'_>) -> Tensor<3> {
        let [batch, tokens, width] = hidden.dims();
        let query = self.split(self.precision.linear(&self.query, hidden.clone()));
        let query = source.rows.meet(query);
        let (states, bias) = source.rows.source(source.states, source.bias);
        let context = self.attend(query, states, bias, source.map);
        let context = source
            .rows
            .part(context)
            .swap_dims(1, 2)
            .reshape([batch, tokens, width]);
        let output = self.precision.linear(&self.output, context);
        let output = self.dropout.forward(self.precision.raise(output));
        self.norm.forward(output + hidden)
    }

    fn attend(
        &self,
        query: Tensor<4>,
        states: KeyValue,
        bias: Option<Tensor<4>>,
        map: Option<&mut Vec<AttentionMap>>,
    ) -> Tensor<4> {
        let drops = self.dropout.prob > 0.0 && query.device().is_autodiff();
        if !drops && map.is_none() {
            return self
                .precision
                .attention(query, states.key, states.value, bias);
        }
        let mut probabilities = self.precision.probabilities(query, states.key, bias);
        if let Some(maps) = map {
            let (tapped, map) = AttentionMap::tap(probabilities);
            probabilities = tapped;
            maps.push(map);
        }
        self.precision
            .weigh(self.dropout.forward(probabilities), states.value)
    }

    /// `[batch, tokens, width]` to `[batch, heads, tokens, width / heads]`.
    fn split(&self, projected: Tensor<3>) -> Tensor<4> {
        let [batch, tokens, width] = projected.dims();
        projected
            .reshape([batch, tokens, self.heads, width / self.heads])
            .swap_dims(1, 2)
    }
}
