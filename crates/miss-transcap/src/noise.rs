//! How noisy captions are, by what the MISS paper complains of in captions of figures (section 3.4): citations,
//! labels of panels, arrows, lengths, numbers, readability and variety.
//!
//! The measures say what a text looks like, not whether it is true. They are made for English.

mod marks;
mod reading;

use std::collections::{HashMap, HashSet, VecDeque};

pub use marks::{has_arrow, has_citation, has_label, has_number, has_unit};
pub use reading::{sentences, syllables};

/// Words of a window of [`Noise::type_token_ratio`].
pub const WINDOW: usize = 500;

/// The measures of a set of captions. Shares are of captions, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// How many captions were measured.
    pub captions: usize,
    /// Share that cites literature or credits a source ([`has_citation`]).
    pub citations: f64,
    /// Share with labels of figures or panels ([`has_label`]).
    pub labels: f64,
    /// Share that speaks of arrows and other marks drawn into the image ([`has_arrow`]).
    pub arrows: f64,
    /// Share with a number in digits ([`has_number`]).
    pub numbers: f64,
    /// Share with a number and its unit ([`has_unit`]).
    pub units: f64,
    /// Words per caption ([`words`]).
    pub length: Length,
    /// Flesch reading ease of all captions as one text: 206.835 − 1.015 · words per sentence − 84.6 · syllables
    /// per word (Flesch 1948), with [`sentences`] and [`syllables`]. About 60 to 70 is plain English, below 30
    /// is a scientific article. `None` without words.
    pub reading_ease: Option<f64>,
    /// Distinct words over words (distinct-1, Li et al. 2016): falls as a set grows, so it compares sets of like
    /// size only.
    pub distinct_1: f64,
    /// Distinct pairs of neighbouring words over such pairs; no pair crosses captions.
    pub distinct_2: f64,
    /// Distinct words over words within a window of [`WINDOW`] words, averaged over all windows of the captions
    /// in their order (moving-average type–token ratio, Covington and McFall 2010). It does not fall as a set
    /// grows; a set shorter than the window is one window.
    pub type_token_ratio: f64,
}

/// Words per caption. A percentile is the smallest length that so many per cent of the captions do not exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    /// Mean.
    pub mean: f64,
    /// 5th percentile.
    pub p5: usize,
    /// Median.
    pub median: usize,
    /// 95th percentile.
    pub p95: usize,
    /// Longest.
    pub longest: usize,
}

impl Noise {
    /// Measures `captions`; `None` if there are none.
    #[must_use]
    pub fn of<'a>(captions: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut lengths = Vec::new();
        let mut with = [0_usize; 5];
        let (mut sentence_count, mut syllable_count) = (0, 0);
        let mut ids: HashMap<String, usize> = HashMap::new();
        let mut pairs: HashSet<(usize, usize)> = HashSet::new();
        let mut pair_count = 0_usize;
        let mut window = Window::default();
        for caption in captions {
            let marks = [
                has_citation(caption),
                has_label(caption),
                has_arrow(caption),
                has_number(caption),
                has_unit(caption),
            ];
            for (count, mark) in with.iter_mut().zip(marks) {
                *count += usize::from(mark);
            }
            sentence_count += sentences(caption);
            let (mut length, mut before) = (0, None);
            for word in words(caption) {
                length += 1;
                syllable_count += syllables(word);
                let next = ids.len();
                let id = *ids.entry(word.to_lowercase()).or_insert(next);
                window.push(id);
                if let Some(before) = before.replace(id) {
                    pair_count += 1;
                    pairs.insert((before, id));
                }
            }
            lengths.push(length);
        }
        lengths.sort_unstable();
        let longest = *lengths.last()?;
        let captions = lengths.len();
        let word_count: usize = lengths.iter().sum();
        let [citations, labels, arrows, numbers, units] = with.map(|count| ratio(count, captions));
        Some(Self {
            captions,
            citations,
            labels,
            arrows,
            numbers,
            units,
            length: Length {
                mean: ratio(word_count, captions),
                p5: percentile(&lengths, 5),
                median: percentile(&lengths, 50),
                p95: percentile(&lengths, 95),
                longest,
            },
            reading_ease: (word_count > 0).then(|| {
                206.835
                    - 1.015 * ratio(word_count, sentence_count)
                    - 84.6 * ratio(syllable_count, word_count)
            }),
            distinct_1: ratio(ids.len(), word_count),
            distinct_2: ratio(pairs.len(), pair_count),
            type_token_ratio: window.mean(),
        })
    }
}

/// What stands between white space and holds a letter or digit, without the punctuation around it:
/// `T2-weighted`, `10.9`.
pub fn words(caption: &str) -> impl Iterator<Item = &str> {
    caption
        .split_whitespace()
        .map(trimmed)
        .filter(|word| !word.is_empty())
}

fn trimmed(token: &str) -> &str {
    token.trim_matches(|letter: char| !letter.is_alphanumeric())
}

/// 0 of nothing.
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// Of sorted, non-empty lengths, by nearest rank.
fn percentile(lengths: &[usize], percent: usize) -> usize {
    let rank = (lengths.len() * percent).div_ceil(100).max(1);
    lengths[rank - 1]
}

/// The last [`WINDOW`] words, how often each occurs among them, and the ratios of all full windows so far.
#[derive(Default)]
struct Window {
    words: VecDeque<usize>,
    counts: HashMap<usize, usize>,
    sum: f64,
    full: usize,
}

impl Window {
    fn push(&mut self, word: usize) {
        if self.words.len() == WINDOW
            && let Some(oldest) = self.words.pop_front()
            && let Some(count) = self.counts.get_mut(&oldest)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&oldest);
            }
        }
        self.words.push_back(word);
        *self.counts.entry(word).or_default() += 1;
        if self.words.len() == WINDOW {
            self.sum += ratio(self.counts.len(), WINDOW);
            self.full += 1;
        }
    }

    fn mean(&self) -> f64 {
        match self.full {
            0 => ratio(self.counts.len(), self.words.len()),
            full => self.sum / full as f64,
        }
    }
}
