//! Resizing as the published pipelines do it, to the bit.
//!
//! Both passes work on sixteen values at a time that share their weights: sixteen rows in the
//! horizontal pass, sixteen columns in the vertical one. So neither needs sums across lanes, and
//! the compiler makes vector code of them for the processor found at run time.

use image::RgbImage;
use pulp::{Arch, Simd, WithSimd};

use super::filter::{FRACTION_BITS, Filter, Window};

const HALF: i32 = 1 << (FRACTION_BITS - 1);
const LANES: usize = 16;
type Lanes = [u8; LANES];

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

    // Inlined, as all below, so that it is compiled for the instructions that were found.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<u8> {
        // Most radiographs are grey throughout; one channel is a third of the work.
        if self.rows.iter().all(|row| is_grey(row)) {
            let [grey] = self.channels::<1>();
            grey.into_iter().flat_map(|value| [value; 3]).collect()
        } else {
            let [red, green, blue] = self.channels::<3>();
            let pixels = red.into_iter().zip(green).zip(blue);
            pixels.flat_map(|((r, g), b)| [r, g, b]).collect()
        }
    }
}

impl Stretch<'_> {
    /// The first channels, each `[height, width]`.
    #[inline(always)]
    fn channels<const CHANNELS: usize>(&self) -> [Vec<u8>; CHANNELS] {
        let stride = self.across.len().next_multiple_of(LANES);
        let columns = self.rows[0].len() / 3;
        let mut narrow = vec![0; self.rows.len() * stride];
        let mut block = vec![[0; LANES]; columns];
        std::array::from_fn(|channel| {
            for (rows, narrow) in self
                .rows
                .chunks(LANES)
                .zip(narrow.chunks_mut(LANES * stride))
            {
                gather(rows, channel, &mut block);
                across(&block, self.across, narrow, stride);
            }
            down(&narrow, stride, self.down, self.across.len())
        })
    }
}

/// Whether the three bytes of every pixel are equal.
#[inline(always)]
fn is_grey(row: &[u8]) -> bool {
    /// Bytes looked at in one go: whole pixels, whole vectors.
    const STEP: usize = 48;
    let mut steps = row.chunks_exact(STEP);
    let mut different = 0;
    for step in &mut steps {
        for index in 0..STEP - 1 {
            // The last byte of a pixel is not compared with the next pixel.
            let counts = if index % 3 == 2 { 0 } else { 0xFF };
            different |= (step[index] ^ step[index + 1]) & counts;
        }
    }
    let rest = steps.remainder().chunks_exact(3);
    different == 0 && rest.into_iter().all(|p| p[0] == p[1] && p[1] == p[2])
}

/// A channel of up to sixteen rows, column by column.
#[inline(always)]
fn gather(rows: &[&[u8]], channel: usize, block: &mut [Lanes]) {
    if let Ok(rows) = <[&[u8]; LANES]>::try_from(rows) {
        // Cut to one length, so that no index has to be checked.
        let rows = rows.map(|row| &row[..block.len() * 3]);
        for (column, lanes) in block.iter_mut().enumerate() {
            for (lane, row) in lanes.iter_mut().zip(rows) {
                *lane = row[column * 3 + channel];
            }
        }
    } else {
        for (lane, row) in rows.iter().enumerate() {
            for (lanes, pixel) in block.iter_mut().zip(row.chunks_exact(3)) {
                lanes[lane] = pixel[channel];
            }
        }
    }
}

/// Sixteen rows at once: a column of them is a vector.
#[inline(always)]
fn across(block: &[Lanes], windows: &[Window], narrow: &mut [u8], stride: usize) {
    for (column, window) in windows.iter().enumerate() {
        let mut sums = [HALF; LANES];
        for (lanes, &weight) in block[window.first..].iter().zip(&window.weights) {
            add(&mut sums, lanes, weight);
        }
        let bytes = sums.map(to_byte);
        for (row, byte) in narrow.chunks_exact_mut(stride).zip(bytes) {
            row[column] = byte;
        }
    }
}

/// Sixteen columns at once. `width` of the `stride` columns are kept.
#[inline(always)]
fn down(narrow: &[u8], stride: usize, windows: &[Window], width: usize) -> Vec<u8> {
    let mut result = Vec::with_capacity(windows.len() * width + LANES);
    for (row, window) in windows.iter().enumerate() {
        let rows = &narrow[window.first * stride..][..window.weights.len() * stride];
        for first in (0..stride).step_by(LANES) {
            let mut sums = [HALF; LANES];
            for (row, &weight) in rows.chunks_exact(stride).zip(&window.weights) {
                if let Some(lanes) = row[first..].first_chunk() {
                    add(&mut sums, lanes, weight);
                }
            }
            result.extend(sums.map(to_byte));
        }
        result.truncate((row + 1) * width);
    }
    result
}

#[inline(always)]
fn add(sums: &mut [i32; LANES], lanes: &Lanes, weight: i32) {
    for (sum, &value) in sums.iter_mut().zip(lanes) {
        *sum += i32::from(value) * weight;
    }
}

#[inline(always)]
fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}
