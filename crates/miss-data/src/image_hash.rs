//! Whether two files show the same picture: a perceptual hash to find candidates among many, and a
//! comparison of small copies to decide.
//!
//! The hash alone does not decide: medical images of one kind look alike, two chest films as much as two
//! slices of one scan. What tells them apart is detail, so that the decision is the correlation of what
//! remains of the small copies when their smooth part is taken away. Brightness and linear contrast do
//! not matter to it.
//!
//! Measured on 2,757 images of four collections: of all 3.8 million pairs, those called
//! [`Near`](Likeness::Near) were the same picture without exception; recompressed, shrunk or stretched
//! copies are found. A copy cropped by more than half a percent a side is not: see
//! `docs/measurements.md`.

use image::RgbImage;

use crate::image::stretch;

/// Pixels a side of the small copy.
const SIDE: usize = 64;
/// Pixels from a pixel to the edge of the square whose mean is its smooth part.
const REACH: usize = 2;
/// Pixels in that square.
const SQUARE: i32 = (2 * REACH as i32 + 1) * (2 * REACH as i32 + 1);
/// Coefficients a side from which the hash takes the 64 of lowest frequency.
const FREQUENCIES: usize = 11;

/// Bits of 64 in which the hashes of like images may differ; no more than [`Index`] can find.
pub const MAX_DISTANCE: u32 = 11;
/// Correlation from which two images are [`Likeness::Near`].
pub const NEAR_CORRELATION: f64 = 0.9895;
/// Correlation from which two images are [`Likeness::Similar`].
pub const SIMILAR_CORRELATION: f64 = 0.9;
/// Standard deviation of detail, in grey levels, below which an image shows nothing to compare.
const MIN_DETAIL: f64 = 0.5;

/// A picture in small: 4 kB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: u64,
    /// Grey values, rows from the top: `[SIDE, SIDE]`.
    thumbnail: Vec<u8>,
    /// Whether there is anything to compare.
    flat: bool,
}

/// How alike two images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Likeness {
    /// Much alike: neighbouring slices of one scan, or one picture with its contrast bent.
    Similar,
    /// The same picture, encoded, scaled or brightened in another way.
    Near,
}

/// How alike two images are, in numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// What the numbers mean.
    pub likeness: Likeness,
    /// Bits in which the hashes differ.
    pub distance: u32,
    /// Correlation of the detail, up to 1.
    pub correlation: f64,
}

impl Fingerprint {
    /// The fingerprint of an image.
    #[must_use]
    pub fn of(image: &RgbImage) -> Self {
        let pixels = stretch(image, SIDE as u32, SIDE as u32);
        let thumbnail: Vec<u8> = pixels.chunks_exact(3).map(grey).collect();
        Self {
            hash: hash(&thumbnail),
            flat: Detail::of(&thumbnail).is_flat(),
            thumbnail,
        }
    }

    /// 64 bits of which like images share most.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether the image shows too little for any comparison: one that is black throughout is like
    /// no other.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.flat
    }

    /// How alike two images are, or `None` if they are not. The same whichever comes first.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Comparison> {
        self.compare_detail(&Detail::of(&self.thumbnail), other)
    }

    /// As [`compare`](Self::compare), with the detail of `self` at hand.
    fn compare_detail(&self, detail: &Detail, other: &Self) -> Option<Comparison> {
        let distance = (self.hash ^ other.hash).count_ones();
        if distance > MAX_DISTANCE || self.flat || other.flat {
            return None;
        }
        let correlation = detail.correlation(&Detail::of(&other.thumbnail));
        let likeness = if correlation >= NEAR_CORRELATION {
            Likeness::Near
        } else if correlation >= SIMILAR_CORRELATION {
            Likeness::Similar
        } else {
            return None;
        };
        Some(Comparison {
            likeness,
            distance,
            correlation,
        })
    }
}

/// Luma of ITU-R BT.601.
fn grey(pixel: &[u8]) -> u8 {
    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((299 * red + 587 * green + 114 * blue + 500) / 1000) as u8
}

/// The bits say which of the 64 coefficients of lowest frequency of the discrete cosine transform,
/// the mean left out, lie above their median.
fn hash(thumbnail: &[u8]) -> u64 {
    let wave = |frequency: usize, at: usize| {
        let angle = std::f64::consts::PI * frequency as f64 * (at as f64 + 0.5) / SIDE as f64;
        angle.cos()
    };
    let waves: Vec<Vec<f64>> = (0..FREQUENCIES)
        .map(|frequency| (0..SIDE).map(|at| wave(frequency, at)).collect())
        .collect();
    let dot = |wave: &[f64], values: &mut dyn Iterator<Item = f64>| -> f64 {
        wave.iter().zip(values).map(|(a, b)| a * b).sum()
    };
    // Along the rows: `[frequency][row]`, then down the columns.
    let along: Vec<Vec<f64>> = waves
        .iter()
        .map(|wave| {
            let rows = thumbnail.chunks_exact(SIDE);
            rows.map(|row| dot(wave, &mut row.iter().map(|&value| f64::from(value))))
                .collect()
        })
        .collect();
    let mut places: Vec<(usize, usize)> = (0..FREQUENCIES)
        .flat_map(|x| (0..FREQUENCIES).map(move |y| (x, y)))
        .filter(|&place| place != (0, 0))
        .collect();
    places.sort_by_key(|&(x, y)| (x + y, x.max(y), x));
    let coefficients: Vec<f64> = places
        .iter()
        .take(64)
        .map(|&(x, y)| dot(&waves[y], &mut along[x].iter().copied()))
        .collect();
    let mut sorted = coefficients.clone();
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[31], sorted[32]);
    coefficients
        .iter()
        .enumerate()
        .filter(|(_, value)| **value > median)
        .fold(0, |bits, (bit, _)| bits | 1 << bit)
}

/// What remains of a thumbnail without its smooth part.
struct Detail {
    /// Each pixel less the mean of the square about it, times [`SQUARE`], so that it is whole.
    values: Vec<i32>,
    sum: i64,
    squares: i64,
}

impl Detail {
    fn of(thumbnail: &[u8]) -> Self {
        let rows = smooth(thumbnail.iter().map(|&value| i32::from(value)));
        let columns = smooth(transposed(&rows).into_iter());
        let sums = transposed(&columns);
        let values: Vec<i32> = thumbnail
            .iter()
            .zip(sums)
            .map(|(&value, sum)| SQUARE * i32::from(value) - sum)
            .collect();
        let sum = values.iter().map(|&value| i64::from(value)).sum();
        let squares = values.iter().map(|&value| i64::from(value).pow(2)).sum();
        Self {
            values,
            sum,
            squares,
        }
    }

    /// The number of pixels times the sum of squared differences from the mean.
    fn spread(&self) -> i64 {
        self.values.len() as i64 * self.squares - self.sum * self.sum
    }

    fn is_flat(&self) -> bool {
        let count = self.values.len() as f64;
        (self.spread() as f64).sqrt() < MIN_DETAIL * f64::from(SQUARE) * count
    }

    /// Pearson's, in -1..=1. Neither may be flat.
    fn correlation(&self, other: &Self) -> f64 {
        let pairs = self.values.iter().zip(&other.values);
        let products: i64 = pairs.map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
        let shared = self.values.len() as i64 * products - self.sum * other.sum;
        let both = (self.spread() as f64).sqrt() * (other.spread() as f64).sqrt();
        // Rounding may go past the bound.
        (shared as f64 / both).clamp(-1.0, 1.0)
    }
}

/// Sums over a row of each pixel and [`REACH`] ones to either side, the edge's value going on.
fn smooth(pixels: impl Iterator<Item = i32>) -> Vec<i32> {
    let pixels: Vec<i32> = pixels.collect();
    let mut sums = Vec::with_capacity(pixels.len());
    for row in pixels.chunks_exact(SIDE) {
        let at = |place: usize| row[place.saturating_sub(REACH).min(SIDE - 1)];
        let mut sum: i32 = (0..2 * REACH).map(at).sum();
        for place in 0..SIDE {
            sum += at(place + 2 * REACH);
            sums.push(sum);
            sum -= at(place);
        }
    }
    sums
}

fn transposed(pixels: &[i32]) -> Vec<i32> {
    (0..SIDE * SIDE)
        .map(|place| pixels[place % SIDE * SIDE + place / SIDE])
        .collect()
}

/// Bits of a hash that are looked up at once.
const BAND_BITS: u32 = 16;
const BANDS: usize = 4;

/// Finds like images among many without comparing all.
///
/// Two hashes that differ in at most 11 of 64 bits differ in at most 2 of the bits of one of the four
/// bands of 16 (if each differed in 3 it would be 12). So each band has a table by its value, and looking
/// up the 137 values within 2 bits of the sought one, in four tables, misses nothing (multi-index
/// hashing: Norouzi, Punjani and Fleet, CVPR 2012).
pub struct Index<'a> {
    fingerprints: Vec<&'a Fingerprint>,
    tables: [Table; BANDS],
}

/// The places of fingerprints by the value of one band: those with the value `v` are
/// `places[starts[v]..starts[v + 1]]`.
struct Table {
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl<'a> Index<'a> {
    /// An index of these fingerprints, at most 2^32 of them. Flat ones are never found.
    #[must_use]
    pub fn new(fingerprints: Vec<&'a Fingerprint>) -> Self {
        let tables = std::array::from_fn(|number| Table::new(number, &fingerprints));
        Self {
            fingerprints,
            tables,
        }
    }

    /// The places of all fingerprints whose hash differs from `hash` in at most [`MAX_DISTANCE`]
    /// bits, ascending.
    #[must_use]
    pub fn within_reach(&self, hash: u64) -> Vec<usize> {
        let mut found = Vec::new();
        for (number, table) in self.tables.iter().enumerate() {
            let value = band(number, hash);
            let mut look = |flipped: usize| found.extend_from_slice(table.of(value ^ flipped));
            look(0);
            for first in 0..BAND_BITS {
                look(1 << first);
                for second in 0..first {
                    look(1 << first | 1 << second);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        let near =
            |place: &usize| (self.fingerprints[*place].hash ^ hash).count_ones() <= MAX_DISTANCE;
        found
            .into_iter()
            .map(|place| place as usize)
            .filter(near)
            .collect()
    }

    /// The place of the image most like `sought`, and how alike the two are. Of equally alike ones the
    /// first.
    #[must_use]
    pub fn nearest(&self, sought: &Fingerprint) -> Option<(usize, Comparison)> {
        if sought.flat {
            return None;
        }
        let detail = Detail::of(&sought.thumbnail);
        let mut best: Option<(usize, Comparison)> = None;
        for place in self.within_reach(sought.hash) {
            if let Some(found) = sought.compare_detail(&detail, self.fingerprints[place])
                && best.is_none_or(|(_, best)| found.correlation > best.correlation)
            {
                best = Some((place, found));
            }
        }
        best
    }
}

impl Table {
    fn new(number: usize, fingerprints: &[&Fingerprint]) -> Self {
        let listed = || {
            let all = fingerprints.iter().enumerate();
            all.filter(|(_, fingerprint)| !fingerprint.flat)
                .map(|(place, fingerprint)| (place as u32, band(number, fingerprint.hash)))
        };
        let mut starts = vec![0_u32; (1 << BAND_BITS) + 1];
        listed().for_each(|(_, value)| starts[value + 1] += 1);
        for value in 0..1 << BAND_BITS {
            starts[value + 1] += starts[value];
        }
        let mut next = starts.clone();
        let mut places = vec![0; starts[1 << BAND_BITS] as usize];
        for (place, value) in listed() {
            places[next[value] as usize] = place;
            next[value] += 1;
        }
        Self { starts, places }
    }

    fn of(&self, value: usize) -> &[u32] {
        &self.places[self.starts[value] as usize..self.starts[value + 1] as usize]
    }
}

fn band(number: usize, hash: u64) -> usize {
    (hash >> (number as u32 * BAND_BITS)) as usize & ((1 << BAND_BITS) - 1)
}
