//! The ten operations that BLIP draws from (RandAugment; Cubuk et al., arXiv 1909.13719), with the
//! definitions of Pillow for tables and of OpenCV for geometry, which BLIP follows.

use serde::{Deserialize, Serialize};

/// What stands where an image was moved away from, in every channel.
pub const FILL: u8 = 128;

/// Fraction bits of source positions: pixels are blended in steps of 1/32, as OpenCV does.
const POSITION_BITS: u32 = 5;
const ONE: i64 = 1 << POSITION_BITS;

/// Something that is done to an image. The amount is that of [`Operation::amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Nothing.
    Identity,
    /// Every channel is spread over `0..=255`.
    AutoContrast,
    /// Values times a factor: 0.1 to 1.9, **1 (no change) at half the magnitude**.
    Brightness,
    /// Away from (or, below 1, towards) a smoothed image, by a factor as of brightness; the border
    /// of one pixel stays. **No change at half the magnitude.**
    Sharpness,
    /// Every channel gets a histogram as flat as possible.
    Equalize,
    /// Rows are moved by up to 0.3 pixels a row.
    ShearX,
    /// Columns are moved by up to 0.3 pixels a column.
    ShearY,
    /// Moved sideways by up to 10 pixels.
    TranslateX,
    /// Moved up or down by up to 10 pixels.
    TranslateY,
    /// Turned about the middle by up to 30 degrees.
    Rotate,
}

/// How much of an [`Operation`]: a factor, pixels a pixel, pixels or degrees; none for the others.
pub type Amount = f64;

impl Operation {
    /// All, in the order in which they are drawn.
    pub const ALL: [Self; 10] = [
        Self::Identity,
        Self::AutoContrast,
        Self::Brightness,
        Self::Sharpness,
        Self::Equalize,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
        Self::Rotate,
    ];

    /// The amount at a `share` of the greatest magnitude, `0..=1`; `negative` turns the direction
    /// round where there is one.
    #[must_use]
    pub fn amount(self, share: f64, negative: bool) -> Amount {
        let sign = if negative { -1.0 } else { 1.0 };
        match self {
            Self::Identity | Self::AutoContrast | Self::Equalize => 0.0,
            Self::Brightness | Self::Sharpness => share * 1.8 + 0.1,
            Self::ShearX | Self::ShearY => sign * share * 0.3,
            Self::TranslateX | Self::TranslateY => sign * share * 10.0,
            Self::Rotate => sign * share * 30.0,
        }
    }

    /// The pixels after it: three bytes each, rows of `width` pixels, size kept. Positive amounts
    /// move contents to the left or up, shear lower rows and righter columns right and down, and
    /// rotate counter-clockwise.
    #[must_use]
    pub fn apply(self, amount: Amount, pixels: Vec<u8>, width: usize) -> Vec<u8> {
        if width == 0 || pixels.len() < width * 3 {
            return pixels;
        }
        let height = pixels.len() / 3 / width;
        match self {
            Self::Identity => pixels,
            Self::AutoContrast => each_channel(pixels, spread),
            Self::Equalize => each_channel(pixels, flatten),
            Self::Brightness => {
                let scaled = |value: usize| (value as f64 * amount).clamp(0.0, 255.0) as u8;
                let table: [u8; 256] = std::array::from_fn(scaled);
                pixels.iter().map(|&value| table[value as usize]).collect()
            }
            Self::Sharpness => sharpen(pixels, width, amount),
            Self::ShearX => warp(&pixels, width, [1.0, -amount, 0.0, 0.0, 1.0, 0.0]),
            Self::ShearY => warp(&pixels, width, [1.0, 0.0, 0.0, -amount, 1.0, 0.0]),
            Self::TranslateX => warp(&pixels, width, [1.0, 0.0, amount, 0.0, 1.0, 0.0]),
            Self::TranslateY => warp(&pixels, width, [1.0, 0.0, 0.0, 0.0, 1.0, amount]),
            Self::Rotate => {
                let (sin, cos) = amount.to_radians().sin_cos();
                let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
                let from = [
                    cos,
                    -sin,
                    x - cos * x + sin * y,
                    sin,
                    cos,
                    y - sin * x - cos * y,
                ];
                warp(&pixels, width, from)
            }
        }
    }
}

/// Every channel through the table that `table` makes of its histogram.
fn each_channel(mut pixels: Vec<u8>, table: fn(&[u64; 256]) -> Option<[u8; 256]>) -> Vec<u8> {
    for channel in 0..3 {
        let mut counts = [0; 256];
        for pixel in pixels.chunks_exact(3) {
            counts[pixel[channel] as usize] += 1;
        }
        if let Some(table) = table(&counts) {
            for pixel in pixels.chunks_exact_mut(3) {
                pixel[channel] = table[pixel[channel] as usize];
            }
        }
    }
    pixels
}

/// From the least value to 0 and from the greatest to 255; `None` where there is but one.
fn spread(counts: &[u64; 256]) -> Option<[u8; 256]> {
    let low = counts.iter().position(|&count| count > 0)?;
    let high = counts.iter().rposition(|&count| count > 0)?;
    let scale = 255.0 / (high.checked_sub(low).filter(|&range| range > 0)? as f64);
    let offset = -(low as f64) * scale;
    // A conversion cuts the fraction off, and what is below 0 or beyond 255.
    Some(std::array::from_fn(|value| {
        (value as f64 * scale + offset) as u8
    }))
}

/// Each value by how many pixels are below it, in 255 steps of equally many pixels; the pixels of
/// the greatest value do not count. `None` where a step would be less than a pixel.
fn flatten(counts: &[u64; 256]) -> Option<[u8; 256]> {
    let last = counts.iter().rposition(|&count| count > 0)?;
    let step = counts[..last].iter().sum::<u64>() / 255;
    if step == 0 {
        return None;
    }
    let mut below = step / 2;
    let mut table = [0; 256];
    for (value, count) in table.iter_mut().zip(counts) {
        *value = (below / step).min(255) as u8;
        below += count;
    }
    Some(table)
}

/// Blends with the image smoothed by a 3 x 3 window, the middle five times as heavy.
fn sharpen(pixels: Vec<u8>, width: usize, factor: f64) -> Vec<u8> {
    let stride = width * 3;
    let mut sharp = pixels.clone();
    let rows = pixels.len() / stride;
    for row in 1..rows.saturating_sub(1) {
        for at in row * stride + 3..(row + 1) * stride - 3 {
            let sum = |at: usize| {
                let value = |at: usize| u32::from(pixels[at]);
                value(at - 3) + value(at) + value(at + 3)
            };
            let sum = sum(at - stride) + sum(at) + sum(at + stride) + 4 * u32::from(pixels[at]);
            // Rounded; a half cannot occur among thirteenths.
            let smooth = f64::from((2 * sum + 13) / 26);
            let value = smooth + factor * (f64::from(pixels[at]) - smooth);
            sharp[at] = value.clamp(0.0, 255.0) as u8;
        }
    }
    sharp
}

/// Every pixel from where `[a, b, c, d, e, f]` says, `(a x + b y + c, d x + e y + f)`, blended from
/// the four around it; [`FILL`] outside.
fn warp(pixels: &[u8], width: usize, from: [f64; 6]) -> Vec<u8> {
    let height = pixels.len() / 3 / width;
    let mut moved = Vec::with_capacity(pixels.len());
    let at = |x: i64, y: i64| -> [u8; 3] {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return [FILL; 3];
        };
        if x >= width || y >= height {
            return [FILL; 3];
        }
        let at = (y * width + x) * 3;
        [pixels[at], pixels[at + 1], pixels[at + 2]]
    };
    for y in 0..height {
        for x in 0..width {
            let (x, y) = (x as f64, y as f64);
            let position = |[a, b, c]: [f64; 3]| ((a * x + b * y + c) * ONE as f64).round() as i64;
            let (x, y) = (
                position([from[0], from[1], from[2]]),
                position([from[3], from[4], from[5]]),
            );
            let (left, top) = (x >> POSITION_BITS, y >> POSITION_BITS);
            let (right, low) = (x & (ONE - 1), y & (ONE - 1));
            let corners = [
                (at(left, top), (ONE - right) * (ONE - low)),
                (at(left + 1, top), right * (ONE - low)),
                (at(left, top + 1), (ONE - right) * low),
                (at(left + 1, top + 1), right * low),
            ];
            for channel in 0..3 {
                let weighted =
                    |(pixel, weight): &([u8; 3], i64)| i64::from(pixel[channel]) * weight;
                let sum: i64 = corners.iter().map(weighted).sum();
                moved.push(((sum + ONE * ONE / 2) >> (2 * POSITION_BITS)) as u8);
            }
        }
    }
    moved
}
