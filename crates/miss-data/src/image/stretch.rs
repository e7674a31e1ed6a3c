//! Resizing as the published pipelines do it, to the bit.

use image::RgbImage;

/// Fraction bits of the fixed-point weights: 8 bits of pixel and 2 of headroom are left in 32.
const FRACTION_BITS: u32 = 22;
const HALF: i32 = 1 << (FRACTION_BITS - 1);
/// Pixels on either side that the bicubic kernel reaches at its natural width.
const SUPPORT: f64 = 2.0;

/// The image stretched to `width` x `height` pixels, rows from the top, three bytes a pixel:
/// `[height, width, 3]`.
///
/// Bicubic with a = -0.5 (Catmull and Rom), the kernel widened when shrinking, no crop, aspect
/// ratio not kept. Rows first, then columns, in fixed point and cut to 8 bits after either: the
/// pixels of Pillow's `BICUBIC`, on every machine. An image without pixels gives black.
#[must_use]
pub fn stretch(image: &RgbImage, width: u32, height: u32) -> Vec<u8> {
    let from = [image.width() as usize, image.height() as usize];
    let to = [width as usize, height as usize];
    if from.contains(&0) || to.contains(&0) {
        return vec![0; to[0] * to[1] * 3];
    }
    let pixels = image.as_raw();
    // Most radiographs are grey throughout; one channel is a third of the work.
    let grey = pixels
        .chunks_exact(3)
        .all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    if grey {
        let channel: Vec<u8> = pixels.iter().step_by(3).copied().collect();
        let stretched = stretch_channels::<1>(channel, from, to);
        stretched.into_iter().flat_map(|value| [value; 3]).collect()
    } else {
        stretch_channels::<3>(pixels.clone(), from, to)
    }
}

/// `from` and `to` are `[width, height]`. A pass that would not change the size is skipped.
fn stretch_channels<const CHANNELS: usize>(
    mut pixels: Vec<u8>,
    from: [usize; 2],
    to: [usize; 2],
) -> Vec<u8> {
    if from[0] != to[0] {
        pixels = stretch_rows::<CHANNELS>(&pixels, from[0], &windows(from[0], to[0]));
    }
    if from[1] != to[1] {
        pixels = stretch_columns(&pixels, to[0] * CHANNELS, &windows(from[1], to[1]));
    }
    pixels
}

/// The source pixels that make up one target pixel, and their weights in fixed point.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

/// The windows of `to` target pixels over `from` source pixels.
fn windows(from: usize, to: usize) -> Vec<Window> {
    let ratio = from as f64 / to as f64;
    let widening = ratio.max(1.0);
    let reach = SUPPORT * widening;
    let window = |target: usize| {
        let centre = (target as f64 + 0.5) * ratio;
        // Conversions cut the fraction off; a negative start becomes 0.
        let first = (centre - reach + 0.5) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let weight = |source: usize| kernel((source as f64 - centre + 0.5) / widening);
        let sum: f64 = (first..end).map(weight).sum();
        let fixed = |weight: f64| (weight / sum * f64::from(1 << FRACTION_BITS)).round() as i32;
        Window {
            first,
            weights: (first..end).map(weight).map(fixed).collect(),
        }
    };
    (0..to).map(window).collect()
}

/// Keys's cubic convolution kernel with a = -0.5.
fn kernel(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

fn stretch_rows<const CHANNELS: usize>(pixels: &[u8], width: usize, windows: &[Window]) -> Vec<u8> {
    let rows = pixels.chunks_exact(width * CHANNELS);
    let mut stretched = Vec::with_capacity(rows.len() * windows.len() * CHANNELS);
    for row in rows {
        for window in windows {
            let mut sums = [HALF; CHANNELS];
            let sources = row[window.first * CHANNELS..].chunks_exact(CHANNELS);
            for (source, &weight) in sources.zip(&window.weights) {
                for (sum, &value) in sums.iter_mut().zip(source) {
                    *sum += i32::from(value) * weight;
                }
            }
            stretched.extend(sums.map(to_byte));
        }
    }
    stretched
}

/// `stride` is the bytes of a row.
fn stretch_columns(pixels: &[u8], stride: usize, windows: &[Window]) -> Vec<u8> {
    let mut stretched = Vec::with_capacity(windows.len() * stride);
    let mut sums = vec![0; stride];
    for window in windows {
        sums.fill(HALF);
        let rows = pixels[window.first * stride..].chunks_exact(stride);
        for (row, &weight) in rows.zip(&window.weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        stretched.extend(sums.iter().copied().map(to_byte));
    }
    stretched
}

fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}
