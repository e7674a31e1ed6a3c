//! Resizing as the published pipelines do it, to the bit.
//!
//! Both passes add up many values that share their weights: a column of some rows in the horizontal
//! pass, a row in the vertical one. So neither needs sums across lanes, and the compiler makes
//! vector code of [`weigh`] for the processor found at run time.

use image::RgbImage;
use pulp::{Arch, Simd, WithSimd};

use super::filter::{FRACTION_BITS, Filter, TAPS, Window};

const HALF: i32 = 1 << (FRACTION_BITS - 1);
/// Rows of the horizontal pass that are turned together: with 1,500 columns they fit into the
/// nearest cache.
const LANES: usize = 32;

/// A rectangle of an image, in pixels from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Pixels left of it.
    pub left: u32,
    /// Pixels above it.
    pub top: u32,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Region {
    /// The whole of an image.
    #[must_use]
    pub fn whole(image: &RgbImage) -> Self {
        Self {
            left: 0,
            top: 0,
            width: image.width(),
            height: image.height(),
        }
    }
}

/// The image stretched to `width` x `height` pixels with [`Filter::Bicubic`], rows from the top,
/// three bytes a pixel: `[height, width, 3]`.
///
/// No crop, aspect ratio not kept. Rows first, then columns, in fixed point and cut to 8 bits after
/// either: the pixels of Pillow, on every machine. An image without pixels gives black.
#[must_use]
pub fn stretch(image: &RgbImage, width: u32, height: u32) -> Vec<u8> {
    stretch_region(image, Region::whole(image), Filter::Bicubic, width, height)
}

/// As [`stretch`], of a part of the image and with a filter of choice. Pixels outside the region
/// have no influence. What of the region lies outside the image is cut off.
#[must_use]
pub fn stretch_region(
    image: &RgbImage,
    region: Region,
    filter: Filter,
    width: u32,
    height: u32,
) -> Vec<u8> {
    let (left, top) = (region.left as usize, region.top as usize);
    let columns = (region.width as usize).min((image.width() as usize).saturating_sub(left));
    let lines = (region.height as usize).min((image.height() as usize).saturating_sub(top));
    let (width, height) = (width as usize, height as usize);
    if [columns, lines, width, height].contains(&0) {
        return vec![0; width * height * 3];
    }
    let rows = image
        .as_raw()
        .chunks_exact(image.width() as usize * 3)
        .skip(top)
        .take(lines)
        .map(|row| &row[left * 3..(left + columns) * 3])
        .collect();
    Arch::new().dispatch(Stretch {
        rows,
        across: &filter.windows(columns, width),
        down: &filter.windows(lines, height),
    })
}

struct Stretch<'a> {
    rows: Vec<&'a [u8]>,
    across: &'a [Window],
    down: &'a [Window],
}

impl WithSimd for Stretch<'_> {
    type Output = Vec<u8>;

    // Inlined, as all below, so that it is compiled for the instructions that were found. A closure
    // that a library function calls would not be; hence the plain loops.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<u8> {
        // Most radiographs are grey throughout; one channel is a third of the work.
        let mut grey = true;
        for row in &self.rows {
            grey = grey && is_grey(row);
        }
        let channels = if grey { 1 } else { 3 };

        let width = self.across.len();
        let columns = self.rows[0].len() / 3;
        let mut block = vec![0; LANES * columns];
        let mut sums = vec![0; LANES.max(width)];
        let mut narrow = vec![0; self.rows.len() * width];
        let mut pixels = vec![0; self.down.len() * width * 3];
        for channel in 0..channels {
            for (rows, narrow) in self
                .rows
                .chunks(LANES)
                .zip(narrow.chunks_mut(LANES * width))
            {
                // Where there are fewer rows, what the block before left in their place is not used.
                let sums = &mut sums[..LANES];
                turn(rows, channel, &mut block);
                for (column, window) in self.across.iter().enumerate() {
                    weigh(&block, window, sums);
                    for (row, &sum) in narrow.chunks_exact_mut(width).zip(&*sums) {
                        row[column] = to_byte(sum);
                    }
                }
            }
            let sums = &mut sums[..width];
            for (window, row) in self.down.iter().zip(pixels.chunks_exact_mut(width * 3)) {
                weigh(&narrow, window, sums);
                for (pixel, &sum) in row.chunks_exact_mut(3).zip(&*sums) {
                    pixel[channel] = to_byte(sum);
                }
            }
        }
        if grey {
            for pixel in pixels.chunks_exact_mut(3) {
                pixel[1] = pixel[0];
                pixel[2] = pixel[0];
            }
        }
        pixels
    }
}

/// Whether the three bytes of every pixel are equal.
#[inline(always)]
fn is_grey(row: &[u8]) -> bool {
    /// The bytes that are compared with the one after them, in three words: not the last of a
    /// pixel.
    const COMPARED: [u64; 3] = [
        0xFFFF_00FF_FF00_FFFF,
        0xFF00_FFFF_00FF_FF00,
        0x00FF_FF00_FFFF_00FF,
    ];
    let (steps, rest) = row.as_chunks::<24>();
    let mut different = 0;
    for step in steps {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| step[at + byte]));
        let (first, second, third) = (word(0), word(8), word(16));
        different |= (first ^ (first >> 8 | second << 56)) & COMPARED[0]
            | (second ^ (second >> 8 | third << 56)) & COMPARED[1]
            | (third ^ (third >> 8)) & COMPARED[2];
    }
    different == 0 && rest.as_chunks().0.iter().all(|&[r, g, b]| r == g && g == b)
}

/// A channel of some rows, column by column.
#[inline(always)]
fn turn(rows: &[&[u8]], channel: usize, block: &mut [u8]) {
    for (lane, row) in rows.iter().enumerate() {
        for (column, pixel) in block.chunks_exact_mut(LANES).zip(row.chunks_exact(3)) {
            column[lane] = pixel[channel];
        }
    }
}

/// The weighted sums of a window over `lines`, each as long as `sums`.
#[inline(always)]
fn weigh(lines: &[u8], window: &Window, sums: &mut [i32]) {
    let lanes = sums.len();
    sums.fill(HALF);
    let mut at = window.first * lanes;
    let last = lines.len() - lanes;
    for weights in &window.weights {
        let line = |tap: usize| &lines[(at + tap * lanes).min(last)..][..lanes];
        let (a, b, c, d) = (line(0), line(1), line(2), line(3));
        // The sums fit: weights add up to 1. Wrapping, since checks would forbid vectors.
        let weighted = |value: u8, weight: i32| i32::from(value).wrapping_mul(weight);
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum = sum
                .wrapping_add(weighted(a[lane], weights[0]))
                .wrapping_add(weighted(b[lane], weights[1]))
                .wrapping_add(weighted(c[lane], weights[2]))
                .wrapping_add(weighted(d[lane], weights[3]));
        }
        at += TAPS * lanes;
    }
}

#[inline(always)]
fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}
