//! From bytes to the values a vision transformer was trained on.

use serde::{Deserialize, Serialize};

use super::{BLIP_MEAN, BLIP_STD};

/// Channel means of ImageNet, of values in `0..=1`.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Channel standard deviations of ImageNet, of values in `0..=1`.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// How pixels of `0..=255` become a model's input. A model must be used with the one it was trained
/// with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// [`BLIP_MEAN`] and [`BLIP_STD`], of CLIP: BLIP, ALBEF, MUMC and M2I2.
    #[default]
    Blip,
    #[serde(rename = "imagenet")]
    /// [`IMAGENET_MEAN`] and [`IMAGENET_STD`]: DeiT, DINOv2 and most vision transformers.
    ImageNet,
    /// What the released MISS code does: divides by 255 twice and subtracts nothing, so that the
    /// model sees values in `0..=1/255`. Only to reproduce it: two images hardly differ to a
    /// freshly drawn model.
    ReleasedQuirk,
}

/// What is done to a byte of a channel: `x * scale + shift`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Factor.
    pub scale: f32,
    /// Summand.
    pub shift: f32,
}

impl Affine {
    /// The value of a byte.
    #[must_use]
    pub fn apply(self, byte: u8) -> f32 {
        f32::from(byte) * self.scale + self.shift
    }
}

impl Normalisation {
    /// What is done to red, green and blue. Computed in double precision and rounded once.
    #[must_use]
    pub fn channels(self) -> [Affine; 3] {
        let (mean, std) = match self {
            Self::Blip => (BLIP_MEAN, BLIP_STD),
            Self::ImageNet => (IMAGENET_MEAN, IMAGENET_STD),
            Self::ReleasedQuirk => ([0.0; 3], [255.0; 3]),
        };
        std::array::from_fn(|channel| {
            let (mean, std) = (f64::from(mean[channel]), f64::from(std[channel]));
            Affine {
                scale: (1.0 / (255.0 * std)) as f32,
                shift: (-mean / std) as f32,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As published: values are divided by 255, the mean is subtracted, the rest divided by the
    /// standard deviation.
    #[test]
    fn every_byte_becomes_what_the_definition_says() {
        let published = [
            (
                Normalisation::Blip,
                [0.48145466, 0.4578275, 0.40821073],
                [0.26862954, 0.26130258, 0.27577711],
            ),
            (
                Normalisation::ImageNet,
                [0.485, 0.456, 0.406],
                [0.229, 0.224, 0.225],
            ),
        ];
        for (normalisation, mean, std) in published {
            for (channel, affine) in normalisation.channels().into_iter().enumerate() {
                for byte in 0..=255_u8 {
                    let expected: f64 = (f64::from(byte) / 255.0 - mean[channel]) / std[channel];
                    let found = f64::from(affine.apply(byte));
                    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
                }
            }
        }
        for affine in Normalisation::ReleasedQuirk.channels() {
            assert_eq!(affine.apply(0), 0.0);
            for byte in 1..=255_u8 {
                let expected = f64::from(byte) / 255.0 / 255.0;
                assert!((f64::from(affine.apply(byte)) / expected - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn has_names_for_configuration_files() {
        let names = ["blip", "imagenet", "released-quirk"];
        let all = [
            Normalisation::Blip,
            Normalisation::ImageNet,
            Normalisation::ReleasedQuirk,
        ];
        for (name, normalisation) in names.into_iter().zip(all) {
            assert_eq!(serde_json::to_value(normalisation).unwrap(), name);
            assert_eq!(
                serde_json::from_value::<Normalisation>(name.into()).unwrap(),
                normalisation
            );
        }
    }
}
