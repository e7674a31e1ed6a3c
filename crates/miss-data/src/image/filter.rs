//! Filters of resampling, and the weights they give.

use serde::{Deserialize, Serialize};

/// Fraction bits of the fixed-point weights: 8 bits of pixel and 2 of headroom are left in 32.
pub(super) const FRACTION_BITS: u32 = 22;
/// Weights that are applied in one go, while sums are at hand.
pub(super) const TAPS: usize = 4;

/// How pixels are weighted when an image is stretched. Both kernels are widened when shrinking, so
/// that every pixel counts ("antialiased").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Keys's cubic convolution with a = -0.5 (Catmull and Rom): what BLIP trains and tests with.
    #[default]
    Bicubic,
    /// A triangle: what the released MISS code uses, torchvision's default.
    Bilinear,
}

impl Filter {
    /// Pixels on either side that the kernel reaches at its natural width.
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Bilinear => 1.0,
        }
    }

    fn kernel(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Bilinear if x < 1.0 => 1.0 - x,
            _ => 0.0,
        }
    }

    /// The windows of `to` target pixels over `from` source pixels.
    pub(super) fn windows(self, from: usize, to: usize) -> Vec<Window> {
        let ratio = from as f64 / to as f64;
        let widening = ratio.max(1.0);
        let reach = self.support() * widening;
        let window = |target: usize| {
            let centre = (target as f64 + 0.5) * ratio;
            // Conversions cut the fraction off; a negative start becomes 0.
            let first = (centre - reach + 0.5) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let weight = |source: usize| self.kernel((source as f64 - centre + 0.5) / widening);
            let sum: f64 = (first..end).map(weight).sum();
            let fixed = |weight: f64| (weight / sum * f64::from(1 << FRACTION_BITS)).round() as i32;
            let mut weights = vec![[0; TAPS]; (end - first).div_ceil(TAPS)];
            let places = weights.as_flattened_mut().iter_mut();
            for (place, source) in places.zip(first..end) {
                *place = fixed(weight(source));
            }
            Window { first, weights }
        };
        (0..to).map(window).collect()
    }
}

/// The source pixels that make up one target pixel, and their weights in fixed point.
pub(super) struct Window {
    pub(super) first: usize,
    /// In groups that are applied in one go; the last is filled up with zeros.
    pub(super) weights: Vec<[i32; TAPS]>,
}
