//! Sizes of the model: what fixes the shapes of its parameters.

use serde::{Deserialize, Serialize};

/// In which precision matrices are multiplied.
///
/// Parameters, their gradients and the optimiser's moments are fp32 either way (the master
/// weights), and so are norms, softmax, residual sums, the vocabulary projection and losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats everywhere.
    #[default]
    Fp32,
    /// Matrix products of the transformer blocks in bfloat16.
    Bf16,
}

/// How often equal work on images is done. Outputs and gradients are the same numbers, to rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageWork {
    /// Once: an image is encoded once for all its questions, and its keys and values are projected
    /// once a layer for every pass that attends to them.
    #[default]
    Once,
    /// As often as the reference does it; for comparison.
    Repeated,
}

/// Sizes of the ViT image encoder (`reference.md` 1.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageEncoderConfig {
    /// Width of a token.
    pub width: usize,
    /// Number of transformer blocks.
    pub depth: usize,
    /// Attention heads; must divide `width`.
    pub heads: usize,
    /// Side of a square patch, in pixels.
    pub patch: usize,
    /// Inner width of the feed-forward part (4 × `width` in every published ViT named here).
    pub feed_forward: usize,
    /// Epsilon of every LayerNorm: 1e-6 in BLIP, DeiT, MAE and DINOv2; 1e-5 in weights that were
    /// trained with Hugging Face's BLIP.
    #[serde(default = "image_epsilon")]
    pub layer_norm_epsilon: f64,
    /// Whether each residual branch has a learned scale for every channel, as in DINOv2.
    #[serde(default)]
    pub layer_scale: bool,
}

/// Sizes of the joint text–multimodal encoder and of the text decoder, which are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    /// Width of a token.
    pub width: usize,
    /// Number of layers of the encoder; the decoder has those from `fusion_layer` on.
    pub depth: usize,
    /// Attention heads; must divide `width`.
    pub heads: usize,
    /// Inner width of the feed-forward part (4 × `width` in BERT).
    pub feed_forward: usize,
    /// Entries of the vocabulary, `[DEC]` and `[ENC]` included.
    pub vocabulary: usize,
    /// Longest sequence with a position embedding.
    pub positions: usize,
    /// Dropout of embeddings, attention probabilities and sub-layer outputs.
    pub dropout: f64,
    /// Epsilon of every LayerNorm: 1e-12 in BERT.
    #[serde(default = "text_epsilon")]
    pub layer_norm_epsilon: f64,
    /// Entries of the token type embedding; 0: none, as in BLIP and MISS. Every token is of type 0.
    #[serde(default)]
    pub token_types: usize,
    /// First layer with cross-attention. 0: every layer has it, and one encoder serves as text and
    /// as multimodal encoder (MISS). The layers below encode text only in the ALBEF-style baseline.
    #[serde(default)]
    pub fusion_layer: usize,
}

/// Sizes of the whole model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// The image encoder.
    pub image: ImageEncoderConfig,
    /// The joint encoder and the decoder.
    pub text: TextConfig,
    /// Width of the space in which images and captions are contrasted.
    pub projection: usize,
    /// Precision of the matrix products.
    #[serde(default)]
    pub precision: Precision,
    /// Whether equal work on images is shared.
    #[serde(default)]
    pub image_work: ImageWork,
}

fn image_epsilon() -> f64 {
    1e-6
}

fn text_epsilon() -> f64 {
    1e-12
}

/// A size that no model can have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Attention splits the width evenly among its heads.
    #[error(
        "{part}: {heads} heads do not divide a width of {width}; choose a divisor of the width"
    )]
    Heads {
        /// `image` or `text`.
        part: &'static str,
        /// Heads asked for.
        heads: usize,
        /// Width asked for.
        width: usize,
    },
    /// The image is cut into whole patches.
    #[error(
        "an image of {size} px is not a whole number of {patch} px patches; use a multiple of {patch}"
    )]
    Patch {
        /// Side of the image in pixels.
        size: usize,
        /// Side of a patch in pixels.
        patch: usize,
    },
    /// A split of the text layers that leaves none to fuse.
    #[error(
        "text.fusion_layer is {fusion_layer}, but there are only {depth} layers; choose a smaller one"
    )]
    Fusion {
        /// First layer with cross-attention.
        fusion_layer: usize,
        /// Layers.
        depth: usize,
    },
    /// A size of zero.
    #[error("{what} must be at least 1")]
    Zero {
        /// The field.
        what: &'static str,
    },
}

impl ModelConfig {
    /// Checks what the shapes demand, for images of `image_size` pixels a side.
    ///
    /// # Errors
    ///
    /// When heads do not divide a width, patches do not tile the image, or a size is zero.
    pub fn validate(&self, image_size: usize) -> Result<(), ConfigError> {
        let sizes = [
            ("image.width", self.image.width),
            ("image.depth", self.image.depth),
            ("image.heads", self.image.heads),
            ("image.patch", self.image.patch),
            ("image.feed_forward", self.image.feed_forward),
            ("text.width", self.text.width),
            ("text.depth", self.text.depth),
            ("text.heads", self.text.heads),
            ("text.feed_forward", self.text.feed_forward),
            ("text.vocabulary", self.text.vocabulary),
            ("text.positions", self.text.positions),
            ("projection", self.projection),
            ("image size", image_size),
        ];
        if let Some((what, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return Err(ConfigError::Zero { what });
        }
        for (part, heads, width) in [
            ("image", self.image.heads, self.image.width),
            ("text", self.text.heads, self.text.width),
        ] {
            if !width.is_multiple_of(heads) {
                return Err(ConfigError::Heads { part, heads, width });
            }
        }
        if self.text.fusion_layer >= self.text.depth {
            return Err(ConfigError::Fusion {
                fusion_layer: self.text.fusion_layer,
                depth: self.text.depth,
            });
        }
        if !image_size.is_multiple_of(self.image.patch) {
            return Err(ConfigError::Patch {
                size: image_size,
                patch: self.image.patch,
            });
        }
        Ok(())
    }
}

impl ImageEncoderConfig {
    /// Tokens of an image of `size` pixels a side: its patches and the class token.
    pub fn tokens(&self, size: usize) -> usize {
        (size / self.patch).pow(2) + 1
    }
}
