//! The text stack: BERT layers that serve as joint text–multimodal encoder and as decoder.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, LayerNorm, Linear};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::attention::{Attention, KeyValue, Source};
use crate::attention_map::AttentionMap;
use crate::config::{Precision, TextConfig};
use crate::gelu::gelu;
use crate::init::{embedding, layer_norm, linear};
use crate::rows::Rows;

/// What is added to the score of a masked position.
const MASKED: f32 = -1e9;

/// Word and position embeddings, LayerNorm and dropout. BLIP and MISS have no token types
/// (`reference.md` 1.1); where they are kept, every token is of type 0.
#[derive(Module, Debug)]
pub struct TextEmbeddings {
    words: Embedding,
    positions: Embedding,
    token_types: Option<Embedding>,
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
    #[module(skip)]
    precision: Precision,
}

/// One layer: self-attention, cross-attention when there is something to attend to, feed-forward.
#[derive(Module, Debug)]
pub struct TextLayer {
    pub(crate) self_attention: Attention,
    /// None in the text layers of a stack that fuses only from some layer on.
    pub(crate) cross_attention: Option<Attention>,
    pub(crate) feed_forward: FeedForward,
}

/// The three sub-layers of a layer, which need not have the same owner: in pretraining the
/// decoder has its own self-attention and shares the rest with the joint encoder.
#[derive(Clone, Copy)]
pub struct LayerParts<'a> {
    /// Attention among the tokens.
    pub self_attention: &'a Attention,
    /// Attention to an image, or to the joint encoder's states.
    pub cross_attention: Option<&'a Attention>,
    /// Feed-forward.
    pub feed_forward: &'a FeedForward,
}

/// What a stack attends to: keys and values of every layer, and the bias of their scores.
#[derive(Clone, Debug)]
pub struct CrossSource {
    /// One entry for each layer that has cross-attention, with a row for each source.
    pub layers: Vec<KeyValue>,
    /// `[sources, 1, 1, source tokens]`; none when every token may be attended.
    pub bias: Option<Tensor<4>>,
    /// Which source row each row of the batch attends to.
    pub rows: Rows,
}

/// Embeddings and layers.
#[derive(Module, Debug)]
pub struct TextStack {
    /// Word and position embeddings.
    pub embeddings: TextEmbeddings,
    pub(crate) layers: Vec<TextLayer>,
}

impl TextEmbeddings {
    fn new(config: &TextConfig, device: &Device) -> Self {
        Self {
            words: embedding(config.vocabulary, config.width, device),
            positions: embedding(config.positions, config.width, device),
            token_types: (config.token_types > 0)
                .then(|| embedding(config.token_types, config.width, device)),
            norm: layer_norm(config.width, config.layer_norm_epsilon, device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// Embeds `ids`: `[batch, tokens]`, whose first token stands at `position`, to
    /// `[batch, tokens, width]`.
    pub fn forward(&self, ids: Tensor<2, Int>, position: usize) -> Tensor<3> {
        let [_, tokens] = ids.dims();
        let positions = self.positions.weight.val().narrow(0, position, tokens);
        let hidden = self.words.forward(ids) + positions.unsqueeze();
        let hidden = match &self.token_types {
            Some(types) => hidden + types.weight.val().narrow(0, 0, 1).unsqueeze(),
            None => hidden,
        };
        self.dropout.forward(self.norm.forward(hidden))
    }

    #[cfg(test)]
    pub(crate) fn words_id(&self) -> burn::module::ParamId {
        self.words.weight.id
    }

    /// The longest sequence that has positions.
    pub(crate) fn longest(&self) -> usize {
        self.positions.weight.shape()[0]
    }

    /// The word embeddings `[vocabulary, width]`, to which the language model head is tied.
    pub fn words(&self) -> Tensor<2> {
        self.words.weight.val()
    }
}

impl FeedForward {
    fn new(config: &TextConfig, precision: Precision, device: &Device) -> Self {
        Self {
            expand: linear(config.width, config.feed_forward, device),
            contract: linear(config.feed_forward, config.width, device),
            norm: layer_norm(config.width, config.layer_norm_epsilon, device),
            dropout: DropoutConfig::new(config.dropout).init(),
            precision,
        }
    }

    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let inner = gelu(self.precision.linear(&self.expand, hidden.clone()));
        let output = self.precision.linear(&self.contract, inner);
        let output = self.dropout.forward(self.precision.raise(output));
        self.norm.forward(output + hidden)
    }
}

impl TextLayer {
    /// The layer's own three parts.
    pub fn parts(&self) -> LayerParts<'_> {
        LayerParts {
            self_attention: &self.self_attention,
            cross_attention: self.cross_attention.as_ref(),
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
        cross: Option<(&Attention, Source<'_>)>,
    ) -> Tensor<3> {
        let mut own = self.self_attention.key_value(hidden.clone());
        if let Some(past) = past {
            own = match past.take() {
                Some(earlier) => earlier.extend(own),
                None => own,
            };
            *past = Some(own.clone());
        }
        let own = Source {
            states: &own,
            bias,
            rows: &Rows::Each,
            map: None,
        };
        let hidden = self.self_attention.forward(hidden, own);
        let hidden = match cross {
            Some((attention, source)) => attention.forward(hidden, source),
            None => hidden,
        };
        self.feed_forward.forward(hidden)
    }
}

impl TextStack {
    /// A new encoder whose cross-attention, from `config.fusion_layer` on, reads states of
    /// `source_width`.
    pub fn new(
        config: &TextConfig,
        source_width: usize,
        precision: Precision,
        device: &Device,
    ) -> Self {
        let layer = |index| TextLayer {
            self_attention: Attention::new(config, config.width, precision, device),
            cross_attention: (index >= config.fusion_layer)
                .then(|| Attention::new(config, source_width, precision, device)),
            feed_forward: FeedForward::new(config, precision, device),
        };
        Self {
            embeddings: TextEmbeddings::new(config, device),
            layers: (0..config.depth).map(layer).collect(),
        }
    }

    /// A new decoder over states of `source_width`: the layers from `config.fusion_layer` on, all
    /// with cross-attention.
    pub fn decoder(
        config: &TextConfig,
        source_width: usize,
        precision: Precision,
        device: &Device,
    ) -> Self {
        let config = TextConfig {
            depth: config.depth - config.fusion_layer,
            fusion_layer: 0,
            ..config.clone()
        };
        Self::new(&config, source_width, precision, device)
    }

    /// First layer with cross-attention.
    pub fn fusion_layer(&self) -> usize {
        let fuses = |layer: &TextLayer| layer.cross_attention.is_some();
        self.layers
            .iter()
            .position(fuses)
            .unwrap_or(self.layers.len())
    }

    /// Keys and values of `source` `[batch, tokens, source width]` for every cross-attention.
    pub fn key_values(&self, source: Tensor<3>) -> Vec<KeyValue> {
        self.layers
            .iter()
            .filter_map(|layer| layer.cross_attention.as_ref())
            .map(|attention| attention.key_value(source.clone()))
            .collect()
    }

    /// Encodes `ids` `[batch, tokens]` to `[batch, tokens, width]`.
    ///
    /// With `cross`: multimodal mode, all layers. Without: text mode, which is all layers without
    /// their cross-attention where every layer has it (MISS), else the layers below the first that
    /// has it (the baseline).
    pub fn encode(
        &self,
        ids: Tensor<2, Int>,
        padding: Tensor<2, Bool>,
        cross: Option<&CrossSource>,
    ) -> Tensor<3> {
        let hidden = self.embeddings.forward(ids, 0);
        let pass = Pass {
            bias: Some(padding_bias(padding)),
            cross,
            ..Pass::default()
        };
        let layers = match (cross, self.fusion_layer()) {
            (None, below @ 1..) => &self.layers[..below],
            _ => &self.layers[..],
        };
        run(layers.iter().map(TextLayer::parts), hidden, pass)
    }

    /// The layers from the first with cross-attention on, over the `hidden` states
    /// `[batch, tokens, width]` of text mode.
    pub fn fuse(
        &self,
        hidden: Tensor<3>,
        padding: Tensor<2, Bool>,
        cross: &CrossSource,
    ) -> Tensor<3> {
        let pass = Pass {
            bias: Some(padding_bias(padding)),
            cross: Some(cross),
            ..Pass::default()
        };
        let layers = self.layers[self.fusion_layer()..].iter();
        run(layers.map(TextLayer::parts), hidden, pass)
    }
}

/// What the layers of a pass have in common.
#[derive(Default)]
pub(crate) struct Pass<'a> {
    /// Added to the scores of self-attention.
    pub(crate) bias: Option<Tensor<4>>,
    /// Keys and values of earlier tokens, one entry a layer; extended by this pass.
    pub(crate) pasts: Option<&'a mut [Option<KeyValue>]>,
    /// What cross-attention reads.
    pub(crate) cross: Option<&'a CrossSource>,
    /// Takes the probabilities of every cross-attention.
    pub(crate) maps: Option<&'a mut Vec<AttentionMap>>,
}

/// Runs `layers` over `hidden`.
pub(crate) fn run<'a>(
    layers: impl Iterator<Item = LayerParts<'a>>,
    mut hidden: Tensor<3>,
    mut pass: Pass<'_>,
) -> Tensor<3> {
    let mut sources = pass.cross.map(|cross| cross.layers.iter());
    for (index, layer) in layers.enumerate() {
        let past = pass.pasts.as_deref_mut().map(|pasts| &mut pasts[index]);
        let cross = match (layer.cross_attention, pass.cross, &mut sources) {
            (Some(attention), Some(cross), Some(sources)) => sources.next().map(|states| {
                let source = Source {
                    states,
                    bias: cross.bias.clone(),
                    rows: &cross.rows,
                    map: pass.maps.as_deref_mut(),
                };
                (attention, source)
            }),
            _ => None,
        };
        hidden = layer.forward(hidden, pass.bias.clone(), past, cross);
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
