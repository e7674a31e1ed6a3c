//! The ViT image encoder.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::gelu;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Distribution, Tensor};

use crate::config::ImageEncoderConfig;
use crate::init::{WEIGHTS, layer_norm, leaf, linear};
use crate::patches::patches;
use crate::position::interpolate_positions;

/// LayerNorm epsilon of the ViT family used by BLIP, DeiT and MAE.
const LAYER_NORM_EPSILON: f64 = 1e-6;
/// Inner width of a block's feed-forward part, in widths.
const FEED_FORWARD_RATIO: usize = 4;

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
    feed_forward_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    heads: usize,
}

impl ImageEncoder {
    /// A new encoder with position embeddings for images of `image_size` pixels a side.
    pub fn new(config: &ImageEncoderConfig, image_size: usize, device: &Device) -> Self {
        let width = config.width;
        Self {
            patch_embedding: linear(3 * config.patch * config.patch, width, device),
            class_token: WEIGHTS.init([1, 1, width], device),
            position_embedding: WEIGHTS.init([1, config.tokens(image_size), width], device),
            blocks: (0..config.depth)
                .map(|_| Block::new(config, device))
                .collect(),
            norm: layer_norm(width, LAYER_NORM_EPSILON, device),
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
    fn new(config: &ImageEncoderConfig, device: &Device) -> Self {
        let width = config.width;
        let inner = FEED_FORWARD_RATIO * width;
        Self {
            attention_norm: layer_norm(width, LAYER_NORM_EPSILON, device),
            query_key_value: linear(width, 3 * width, device),
            projection: linear(width, width, device),
            feed_forward_norm: layer_norm(width, LAYER_NORM_EPSILON, device),
            expand: linear(width, inner, device),
            contract: linear(inner, width, device),
            heads: config.heads,
        }
    }

    fn forward(&self, hidden: Tensor<3>, drop: f64) -> Tensor<3> {
        let attended = self.attend(self.attention_norm.forward(hidden.clone()));
        let hidden = hidden + drop_path(attended, drop);
        let inner = gelu(
            self.expand
                .forward(self.feed_forward_norm.forward(hidden.clone())),
        );
        hidden + drop_path(self.contract.forward(inner), drop)
    }

    fn attend(&self, normed: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, width] = normed.dims();
        let head_width = width / self.heads;
        // [batch, tokens, 3, heads, head width] -> [3, batch, heads, tokens, head width]
        let parts = self
            .query_key_value
            .forward(normed)
            .reshape([batch, tokens, 3, self.heads, head_width])
            .permute([2, 0, 3, 1, 4]);
        let part = |index: usize| {
            parts
                .clone()
                .narrow(0, index, 1)
                .reshape([batch, self.heads, tokens, head_width])
        };
        let context = attention(
            part(0),
            part(1),
            part(2),
            None,
            None,
            AttentionModuleOptions::default(),
        );
        let context = context.swap_dims(1, 2).reshape([batch, tokens, width]);
        self.projection.forward(context)
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
