//! The text stack: BERT layers that serve as joint text–multimodal encoder and as decoder.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, LayerNorm, Linear};
use burn::tensor::activation::gelu;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::attention::{Attention, KeyValue};
use crate::config::TextConfig;
use crate::init::{embedding, layer_norm, linear};

/// LayerNorm epsilon of BERT.
pub(crate) const LAYER_NORM_EPSILON: f64 = 1e-12;
/// What is added to the score of a masked position.
const MASKED: f32 = -1e9;

/// Word and position embeddings, LayerNorm and dropout. There are no token types
/// (`reference.md` 1.1).
#[derive(Module, Debug)]
pub struct TextEmbeddings {
    words: Embedding,
    positions: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
}

/// The feed-forward sub-layer: `LayerNorm(hidden + dropout(contract(gelu(expand(hidden)))))`.
#[derive(Module, Debug)]
pub struct FeedForward {
    expand: Linear,
    contract: Linear,
    norm: LayerNorm,
    dropout: Dropout,
}

/// One layer: self-attention, cross-attention when there is something to attend to, feed-forward.
#[derive(Module, Debug)]
pub struct TextLayer {
    pub(crate) self_attention: Attention,
    pub(crate) cross_attention: Attention,
    pub(crate) feed_forward: FeedForward,
}

/// The three sub-layers of a layer, which need not have the same owner: in pretraining the
/// decoder has its own self-attention and shares the rest with the joint encoder.
#[derive(Clone, Copy)]
pub struct LayerParts<'a> {
    /// Attention among the tokens.
    pub self_attention: &'a Attention,
    /// Attention to an image, or to the joint encoder's states.
    pub cross_attention: &'a Attention,
    /// Feed-forward.
    pub feed_forward: &'a FeedForward,
}

/// What a stack attends to: keys and values of every layer, and the bias of their scores.
#[derive(Clone, Debug)]
pub struct CrossSource {
    /// One entry a layer, each for the batch of the hidden states.
    pub layers: Vec<KeyValue>,
    /// `[batch, 1, 1, source tokens]`; none when every token may be attended.
    pub bias: Option<Tensor<4>>,
}

/// Embeddings and layers.
#[derive(Module, Debug)]
pub struct TextStack {
    pub(crate) embeddings: TextEmbeddings,
    pub(crate) layers: Vec<TextLayer>,
}

impl TextEmbeddings {
    fn new(config: &TextConfig, device: &Device) -> Self {
        Self {
            words: embedding(config.vocabulary, config.width, device),
            positions: embedding(config.positions, config.width, device),
            norm: layer_norm(config.width, LAYER_NORM_EPSILON, device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// Embeds `ids`: `[batch, tokens]`, whose first token stands at `position`, to
    /// `[batch, tokens, width]`.
    pub fn forward(&self, ids: Tensor<2, Int>, position: usize) -> Tensor<3> {
        let [_, tokens] = ids.dims();
        let positions = self.positions.weight.val().narrow(0, position, tokens);
        let hidden = self.words.forward(ids) + positions.unsqueeze();
        self.dropout.forward(self.norm.forward(hidden))
    }

    #[cfg(test)]
    pub(crate) fn words_id(&self) -> burn::module::ParamId {
        self.words.weight.id
    }

    /// The word embeddings `[vocabulary, width]`, to which the language model head is tied.
    pub fn words(&self) -> Tensor<2> {
        self.words.weight.val()
    }
}

impl FeedForward {
    fn new(config: &TextConfig, device: &Device) -> Self {
        Self {
            expand: linear(config.width, config.feed_forward, device),
            contract: linear(config.feed_forward, config.width, device),
            norm: layer_norm(config.width, LAYER_NORM_EPSILON, device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let inner = gelu(self.expand.forward(hidden.clone()));
        let output = self.dropout.forward(self.contract.forward(inner));
        self.norm.forward(output + hidden)
    }
}

impl TextLayer {
    /// The layer's own three parts.
    pub fn parts(&self) -> LayerParts<'_> {
        LayerParts {
            self_attention: &self.self_attention,
            cross_attention: &self.cross_attention,
            feed_forward: &self.feed_forward,
        }
    }
}

impl LayerParts<'_> {
    /// The layer on `hidden`: `[batch, tokens, width]`.
    ///
    /// `bias` is that of the self-attention. `past` holds the keys and values of earlier tokens
    /// and is extended by those of `hidden`. Without `cross` the layer is a text layer.
    fn forward(
        self,
        hidden: Tensor<3>,
        bias: Option<Tensor<4>>,
        past: Option<&mut Option<KeyValue>>,
        cross: Option<(&KeyValue, Option<Tensor<4>>)>,
    ) -> Tensor<3> {
        let mut own = self.self_attention.key_value(hidden.clone());
        if let Some(past) = past {
            own = match past.take() {
                Some(earlier) => earlier.extend(own),
                None => own,
            };
            *past = Some(own.clone());
        }
        let hidden = self.self_attention.forward(hidden, &own, bias);
        let hidden = match cross {
            Some((source, bias)) => self.cross_attention.forward(hidden, source, bias),
            None => hidden,
        };
        self.feed_forward.forward(hidden)
    }
}

impl TextStack {
    /// A new stack whose cross-attention reads states of `source_width`.
    pub fn new(config: &TextConfig, source_width: usize, device: &Device) -> Self {
        let layer = |_| TextLayer {
            self_attention: Attention::new(config, config.width, device),
            cross_attention: Attention::new(config, source_width, device),
            feed_forward: FeedForward::new(config, device),
        };
        Self {
            embeddings: TextEmbeddings::new(config, device),
            layers: (0..config.depth).map(layer).collect(),
        }
    }

    /// Keys and values of `source` `[batch, tokens, source width]` for every layer's
    /// cross-attention.
    pub fn key_values(&self, source: Tensor<3>) -> Vec<KeyValue> {
        self.layers
            .iter()
            .map(|layer| layer.cross_attention.key_value(source.clone()))
            .collect()
    }

    /// Encodes `ids` `[batch, tokens]` to `[batch, tokens, width]`: text mode without `cross`,
    /// multimodal mode with it.
    pub fn encode(
        &self,
        ids: Tensor<2, Int>,
        padding: Tensor<2, Bool>,
        cross: Option<&CrossSource>,
    ) -> Tensor<3> {
        let bias = padding_bias(padding);
        let hidden = self.embeddings.forward(ids, 0);
        run(
            self.layers.iter().map(TextLayer::parts),
            hidden,
            Some(bias),
            None,
            cross,
        )
    }
}

/// Runs `layers` over `hidden`. `pasts` has one entry a layer.
pub(crate) fn run<'a>(
    layers: impl Iterator<Item = LayerParts<'a>>,
    mut hidden: Tensor<3>,
    bias: Option<Tensor<4>>,
    mut pasts: Option<&mut [Option<KeyValue>]>,
    cross: Option<&CrossSource>,
) -> Tensor<3> {
    for (index, layer) in layers.enumerate() {
        let past = pasts.as_deref_mut().map(|pasts| &mut pasts[index]);
        let source = cross.map(|cross| (&cross.layers[index], cross.bias.clone()));
        hidden = layer.forward(hidden, bias.clone(), past, source);
    }
    hidden
}

/// The bias `[batch, 1, 1, tokens]` that hides padding (`true` where a token is padding).
pub fn padding_bias(padding: Tensor<2, Bool>) -> Tensor<4> {
    let [batch, tokens] = padding.dims();
    (padding.float() * MASKED).reshape([batch, 1, 1, tokens])
}

/// The bias `[batch, 1, tokens, tokens]` of a decoder: no token sees a later one or padding.
pub(crate) fn causal_bias(padding: Tensor<2, Bool>) -> Tensor<4> {
    let [_, tokens] = padding.dims();
    let mut values = vec![0f32; tokens * tokens];
    for (query, row) in values.chunks_exact_mut(tokens).enumerate() {
        row[query + 1..].fill(MASKED);
    }
    let device = padding.device();
    let causal = Tensor::<4>::from_data(TensorData::new(values, [1, 1, tokens, tokens]), &device);
    // The smaller of the two, not the sum: twice the bias would be no more masked, but further
    // from what fp16 can hold.
    padding_bias(padding).min_pair(causal)
}
