//! Named sizes.

use serde::{Deserialize, Serialize};

use crate::config::{ImageEncoderConfig, ImageWork, ModelConfig, Precision, TextConfig};

/// Entries of the vocabulary of `bert-base-uncased` with `[DEC]` and `[ENC]`.
const VOCABULARY: usize = 30_524;

/// A named size of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// Two narrow layers of everything, for tests.
    Tiny,
    /// Learns something on a laptop's CPU within minutes.
    Quickstart,
    /// ViT-S/14 as in DINOv2 and the six layers of MiniLM.
    Small,
    /// The paper's: ViT-B/16 and BERT-base.
    Base,
    /// ViT-L/16 and BERT-base, as in BLIP's large model.
    Large,
}

impl Size {
    /// All of them, smallest first.
    pub const ALL: [Self; 5] = [
        Self::Tiny,
        Self::Quickstart,
        Self::Small,
        Self::Base,
        Self::Large,
    ];

    /// The name in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Quickstart => "quickstart",
            Self::Small => "small",
            Self::Base => "base",
            Self::Large => "large",
        }
    }

    /// The sizes behind the name.
    pub fn config(self) -> ModelConfig {
        let (image, text, projection) = match self {
            Self::Tiny => (image(32, 2, 4, 16), text(32, 2, 4), 16),
            Self::Quickstart => (image(128, 4, 4, 16), text(128, 4, 4), 64),
            Self::Small => {
                let image = ImageEncoderConfig {
                    layer_scale: true,
                    ..image(384, 12, 6, 14)
                };
                (image, text(384, 6, 12), 256)
            }
            Self::Base => (image(768, 12, 12, 16), text(768, 12, 12), 256),
            Self::Large => (image(1024, 24, 16, 16), text(768, 12, 12), 256),
        };
        ModelConfig {
            image,
            text,
            projection,
            precision: Precision::Fp32,
            image_work: ImageWork::Once,
        }
    }
}

fn image(width: usize, depth: usize, heads: usize, patch: usize) -> ImageEncoderConfig {
    ImageEncoderConfig {
        width,
        depth,
        heads,
        patch,
        feed_forward: 4 * width,
        layer_norm_epsilon: 1e-6,
        layer_scale: false,
    }
}

fn text(width: usize, depth: usize, heads: usize) -> TextConfig {
    TextConfig {
        width,
        depth,
        heads,
        feed_forward: 4 * width,
        vocabulary: VOCABULARY,
        positions: 512,
        dropout: 0.1,
        layer_norm_epsilon: 1e-12,
        token_types: 0,
        fusion_layer: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PretrainModel, VqaModel};
    use burn::module::Module;
    use burn::tensor::Device;

    /// The numbers are those of the reference's own modules (`reference.md` 5.1). Parameters are
    /// counted by their shapes: nothing of this size is drawn.
    #[test]
    fn base_has_as_many_parameters_as_the_reference() {
        let (config, device) = (Size::Base.config(), Device::flex());
        let vqa = VqaModel::undrawn(&config, 480, &device);
        assert_eq!(vqa.num_params(), 361_478_972);
        let pretrain = PretrainModel::undrawn(&config, 224, &device);
        assert_eq!(pretrain.num_params(), 252_441_919);
        assert_eq!(
            pretrain.encoders.image_encoder.num_params(),
            85_798_656,
            "ViT-B/16 at 224 px"
        );
    }

    #[test]
    fn every_size_can_be_built() {
        for size in Size::ALL {
            let config = size.config();
            let image_size = 2 * config.image.patch;
            config.validate(image_size).expect("a valid size");
            let model = VqaModel::undrawn(&config, image_size, &Device::flex());
            assert!(model.num_params() > 0);
            let written = serde_json::to_string(&size).expect("a size can be written");
            assert_eq!(written, format!("{:?}", size.name()));
        }
    }
}
