//! Changes to images while training, as BLIP makes them.
//!
//! What is drawn is a [`Plan`], a pure function of seed, epoch and record, so that a resumed run and
//! one with another number of threads see the same images.

mod operation;

pub use operation::{Amount, FILL, Operation};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Filter, Region, RgbImage, stretch_region};
use crate::order::mix;

/// The greatest [`Augmentation::magnitude`].
pub const MAX_MAGNITUDE: u8 = 10;
/// More operations than this would leave nothing of an image.
pub const MAX_OPERATIONS: usize = 10;
/// How often a crop is drawn before the whole image, or the middle of a long one, is taken.
const CROP_ATTEMPTS: usize = 10;
/// Sets these numbers apart from others drawn for the same record.
const PURPOSE: u64 = u64::from_be_bytes(*b"augment\0");

/// What may be done to an image. The default is what BLIP does, but for [`flip`](Self::flip).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Augmentation {
    /// The share of the image's area that is kept, drawn uniformly between these; `[1, 1]` with
    /// [`crop_ratio`](Self::crop_ratio) `[1, 1]` keeps square images whole.
    pub crop_area: [f64; 2],
    /// Width by height of what is kept, drawn between these, uniformly in its logarithm.
    pub crop_ratio: [f64; 2],
    /// Whether every other image is mirrored. Off: left and right carry meaning in radiology
    /// (situs, markers, "which lung?"), and a mirrored image makes such an answer wrong. BLIP does
    /// it.
    pub flip: bool,
    /// How many of the ten operations are drawn, with replacement: the N of RandAugment.
    pub operations: usize,
    /// How strong they are, `0..=10`: the M of RandAugment.
    pub magnitude: u8,
    /// How likely an operation that was drawn is carried out.
    pub probability: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            crop_area: [0.5, 1.0],
            crop_ratio: [3.0 / 4.0, 4.0 / 3.0],
            flip: false,
            operations: 2,
            magnitude: 5,
            probability: 0.5,
        }
    }
}

/// Why an [`Augmentation`] is impossible.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum AugmentError {
    /// Areas are not shares.
    #[error("crop-area is {0:?}: give two shares above 0 and at most 1, the lesser first")]
    Area([f64; 2]),
    /// Ratios are not positive.
    #[error("crop-ratio is {0:?}: give two positive ratios of width to height, the lesser first")]
    Ratio([f64; 2]),
    /// Too many operations.
    #[error("operations is {0}: give at most {MAX_OPERATIONS}")]
    Operations(usize),
    /// Too strong.
    #[error("magnitude is {0}: give at most {MAX_MAGNITUDE}")]
    Magnitude(u8),
    /// Not a probability.
    #[error("probability is {0}: give a number from 0 to 1")]
    Probability(f64),
}

/// What is done to one image in one epoch, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What of it is kept and stretched.
    pub region: Region,
    /// Whether it is mirrored.
    pub flip: bool,
    /// What is then done to the stretched pixels.
    pub operations: Vec<(Operation, Amount)>,
}

impl Augmentation {
    /// Whether the numbers make sense; files come from anywhere.
    ///
    /// # Errors
    ///
    /// [`AugmentError`], naming the field.
    pub fn check(&self) -> Result<(), AugmentError> {
        let ordered = |[low, high]: [f64; 2]| low > 0.0 && low <= high && high.is_finite();
        if !ordered(self.crop_area) || self.crop_area[1] > 1.0 {
            return Err(AugmentError::Area(self.crop_area));
        }
        if !ordered(self.crop_ratio) {
            return Err(AugmentError::Ratio(self.crop_ratio));
        }
        if self.operations > MAX_OPERATIONS {
            return Err(AugmentError::Operations(self.operations));
        }
        if self.magnitude > MAX_MAGNITUDE {
            return Err(AugmentError::Magnitude(self.magnitude));
        }
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(AugmentError::Probability(self.probability));
        }
        Ok(())
    }

    /// What is done to an image of `width` x `height` pixels that belongs to `record`, a number of
    /// the caller's, in `epoch`.
    #[must_use]
    pub fn plan(&self, [width, height]: [u32; 2], seed: u64, epoch: u64, record: u64) -> Plan {
        let mut draws = Draws {
            key: mix(&[PURPOSE, seed, epoch, record]),
            drawn: 0,
        };
        let region = self.crop(width, height, &mut draws);
        let flip = self.flip && draws.below(2) == 1;
        let mut operations = Vec::new();
        for _ in 0..self.operations.min(MAX_OPERATIONS) {
            let operation = Operation::ALL[draws.below(Operation::ALL.len() as u64) as usize];
            // Drawn whether used or not, so that one option does not change what another draws.
            let (carried_out, negative) = (draws.unit() < self.probability, draws.below(2) == 1);
            if carried_out {
                let magnitude = f64::from(self.magnitude.min(MAX_MAGNITUDE));
                let share = magnitude / f64::from(MAX_MAGNITUDE);
                operations.push((operation, operation.amount(share, negative)));
            }
        }
        Plan {
            region,
            flip,
            operations,
        }
    }

    /// A rectangle of random area and shape at a random place. Where none fits after ten attempts,
    /// the largest in the middle whose shape is allowed.
    fn crop(&self, width: u32, height: u32, draws: &mut Draws) -> Region {
        let (w, h) = (f64::from(width), f64::from(height));
        for _ in 0..CROP_ATTEMPTS {
            let area = w * h * draws.between(self.crop_area);
            let ratio = draws.between(self.crop_ratio.map(f64::ln)).exp();
            let (across, down) = ((area * ratio).sqrt(), (area / ratio).sqrt());
            // A conversion cuts what is beyond the range.
            let (across, down) = (across.round() as u32, down.round() as u32);
            if (1..=width).contains(&across) && (1..=height).contains(&down) {
                return Region {
                    left: draws.below(u64::from(width - across) + 1) as u32,
                    top: draws.below(u64::from(height - down) + 1) as u32,
                    width: across,
                    height: down,
                };
            }
        }
        let [narrowest, widest] = self.crop_ratio;
        let across = (h * widest).round().min(w) as u32;
        let down = (w / narrowest).round().min(h) as u32;
        Region {
            left: (width - across) / 2,
            top: (height - down) / 2,
            width: across,
            height: down,
        }
    }
}

impl Plan {
    /// The image's pixels for training: `[size, size, 3]`, rows from the top, three bytes a pixel.
    #[must_use]
    pub fn apply(&self, image: &RgbImage, size: u32) -> Vec<u8> {
        let mut pixels = stretch_region(image, self.region, Filter::Bicubic, size, size);
        if pixels.is_empty() {
            return pixels;
        }
        let width = size as usize;
        if self.flip {
            for row in pixels.chunks_exact_mut(width * 3) {
                row.as_chunks_mut::<3>().0.reverse();
            }
        }
        for (operation, amount) in &self.operations {
            pixels = operation.apply(*amount, pixels, width);
        }
        pixels
    }
}

/// A stream of random numbers.
struct Draws {
    key: u64,
    drawn: u64,
}

impl Draws {
    fn next(&mut self) -> u64 {
        self.drawn += 1;
        mix(&[self.key, self.drawn])
    }

    /// Uniform in `0..1`, with the 53 bits that a double holds.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..end`: the high half of the product, whose bias is below `end / 2^64`.
    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}
