//! The ViT image encoder.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, Linear};
use burn::tensor::{Device, Distribution, Tensor};

use crate::config::{ImageEncoderConfig, Precision};
use crate::gelu::gelu;
use crate::init::{WEIGHTS, layer_norm, leaf, linear};
use crate::patches::patches;
use crate::position::interpolate_positions;

/// Initial scale of a residual branch, for encoders that have one.
const LAYER_SCALE: f64 = 1e-5;

/// A pre-norm vision transformer that returns every token.
#[derive(Module, Debug)]
pub struct ImageEncoder {
    patch_embedding: Linear,
    class_token: Param<Tensor<3>>,
    position_embedding: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    patch: usize,
}

#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    query_key_value: Linear,
    projection: Linear,
    attention_scale: Option<Param<Tensor<1>>>,
    feed_forward_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    feed_forward_scale: Option<Param<Tensor<1>>>,
    heads: usize,
    #[module(skip)]
    precision: Precision,
}

impl ImageEncoder {
    /// A new encoder with position embeddings for images of `image_size` pixels a side.
    pub fn new(
        config: &ImageEncoderConfig,
        image_size: usize,
        precision: Precision,
        device: &Device,
    ) -> Self {
        let width = config.width;
        Self {
            patch_embedding: linear(3 * config.patch * config.patch, width, device),
            class_token: WEIGHTS.init([1, 1, width], device),
            position_embedding: WEIGHTS.init([1, config.tokens(image_size), width], device),
            blocks: (0..config.depth)
                .map(|_| Block::new(config, precision, device))
                .collect(),
            norm: layer_norm(width, config.layer_norm_epsilon, device),
            patch: config.patch,
        }
    }

    /// The same encoder with its position embeddings interpolated to `image_size` pixels a side.
    pub fn resized(mut self, image_size: usize) -> Self {
        let tokens = (image_size / self.patch).pow(2) + 1;
        self.position_embedding = self.position_embedding.map(|embedding| {
            let resized = interpolate_positions(embedding.clone().without_autodiff(), tokens);
            leaf(resized, &embedding)
        });
        self
    }

    /// Encodes `images`: `[batch, 3, size, size]`, normalised, to `[batch, 1 + patches, width]`,
    /// the class token first.
    ///
    /// `drop_path` is the stochastic depth of the last block; it grows linearly from zero at the
    /// first (`reference.md` 1.1) and applies only while gradients are tracked.
    pub fn forward(&self, images: Tensor<4>, drop_path: f64) -> Tensor<3> {
        let [batch, ..] = images.dims();
        let tokens = self.patch_embedding.forward(patches(images, self.patch));
        let [_, _, width] = tokens.dims();
        let class = self.class_token.val().expand([batch, 1, width]);
        let mut hidden = Tensor::cat(vec![class, tokens], 1) + self.position_embedding.val();
        let last = self.blocks.len().saturating_sub(1).max(1);
        for (index, block) in self.blocks.iter().enumerate() {
            hidden = block.forward(hidden, drop_path * index as f64 / last as f64);
        }
        self.norm.forward(hidden)
    }
}

impl Block {
    fn new(config: &ImageEncoderConfig, precision: Precision, device: &Device) -> Self {
        let width = config.width;
        let scale = || {
            let value = Initializer::Constant { value: LAYER_SCALE };
            config.layer_scale.then(|| value.init([width], device))
        };
        let inner = config.feed_forward;
        Self {
            attention_norm: layer_norm(width, config.layer_norm_epsilon, device),
            query_key_value: linear(width, 3 * width, device),
            projection: linear(width, width, device),
            attention_scale: scale(),
            feed_forward_norm: layer_norm(width, config.layer_norm_epsilon, device),
            expand: linear(width, inner, device),
            contract: linear(inner, width, device),
            feed_forward_scale: scale(),
            heads: config.heads,
            precision,
        }
    }

    fn forward(&self, hidden: Tensor<3>, drop: f64) -> Tensor<3> {
        let attended = self.attend(self.attention_norm.forward(hidden.clone()));
        let hidden = hidden + drop_path(scaled(attended, &self.attention_scale), drop);
        let normed = self.feed_forward_norm.forward(hidden.clone());
        let inner = gelu(self.precision.linear(&self.expand, normed));
        let output = self.precision.linear(&self.contract, inner);
        let output = scaled(self.precision.raise(output), &self.feed_forward_scale);
        hidden + drop_path(output, drop)
    }

    fn attend(&self, normed: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, width] = normed.dims();
        let head_width = width / self.heads;
        // [batch, tokens, 3, heads, head width] -> [3, batch, heads, tokens, head width]
        let parts = self
            .precision
            .linear(&self.query_key_value, normed)
            .reshape([batch, tokens, 3, self.heads, head_width])
            .permute([2, 0, 3, 1, 4]);
        let part = |index: usize| {
            parts
                .clone()
                .narrow(0, index, 1)
                .reshape([batch, self.heads, tokens, head_width])
        };
        let context = self.precision.attention(part(0), part(1), part(2), None);
        let context = context.swap_dims(1, 2).reshape([batch, tokens, width]);
        let output = self.precision.linear(&self.projection, context);
        self.precision.raise(output)
    }
}

/// A residual branch times its scale for every channel.
fn scaled(branch: Tensor<3>, scale: &Option<Param<Tensor<1>>>) -> Tensor<3> {
    match scale {
        Some(scale) => branch * scale.val().unsqueeze(),
        None => branch,
    }
}

/// Stochastic depth: drops a residual branch for a whole sample, and scales what is kept.
fn drop_path(branch: Tensor<3>, rate: f64) -> Tensor<3> {
    if rate == 0.0 || !branch.device().is_autodiff() {
        return branch;
    }
    let [batch, ..] = branch.dims();
    let keep = 1.0 - rate;
    let mask = Tensor::<3>::random(
        [batch, 1, 1],
        Distribution::Bernoulli(keep),
        &branch.device(),
    );
    branch * (mask / keep)
}
