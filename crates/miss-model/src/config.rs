//! Sizes of the model: what fixes the shapes of its parameters.

use serde::{Deserialize, Serialize};

/// Sizes of the ViT image encoder (`reference.md` 1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageEncoderConfig {
    /// Width of a token.
    pub width: usize,
    /// Number of transformer blocks.
    pub depth: usize,
    /// Attention heads; must divide `width`.
    pub heads: usize,
    /// Side of a square patch, in pixels.
    pub patch: usize,
}

/// Sizes of the joint text–multimodal encoder and of the text decoder, which are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    /// Width of a token.
    pub width: usize,
    /// Number of layers.
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
