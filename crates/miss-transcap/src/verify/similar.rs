//! Captions of one set that say the same in nearly the same words.

use std::collections::{HashMap, HashSet};

/// Captions are near duplicates if they share more than this part of their pairs and triples of words
/// (Jaccard index): one word changed in a sentence of twelve stays above it, two do not.
pub const SIMILAR: f64 = 0.7;

fn words(caption: &str) -> Vec<String> {
    caption
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Indices to drop, ascending: captions that repeat a kept earlier one, exactly but for case and signs, or with
/// a Jaccard index of their pairs and triples of words above [`SIMILAR`].
///
/// An index from n-grams to kept captions spares comparing those that share none.
#[must_use]
pub fn near_duplicates(captions: &[String]) -> Vec<usize> {
    let mut ids: HashMap<Vec<String>, usize> = HashMap::new();
    let mut holders: Vec<Vec<usize>> = Vec::new();
    let mut sizes: Vec<usize> = Vec::new();
    let mut texts: HashSet<Vec<String>> = HashSet::new();
    let mut dropped = Vec::new();
    for (index, caption) in captions.iter().enumerate() {
        let words = words(caption);
        let mut grams: Vec<usize> = Vec::new();
        for gram in words.windows(2).chain(words.windows(3)) {
            let next = ids.len();
            grams.push(*ids.entry(gram.to_vec()).or_insert(next));
        }
        holders.resize_with(ids.len(), Vec::new);
        grams.sort_unstable();
        grams.dedup();
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for gram in &grams {
            for kept in &holders[*gram] {
                *shared.entry(*kept).or_default() += 1;
            }
        }
        let alike = shared.iter().any(|(kept, shared)| {
            let union = grams.len() + sizes[*kept] - shared;
            *shared as f64 > SIMILAR * union as f64
        });
        if !texts.insert(words) || alike {
            dropped.push(index);
            continue;
        }
        for gram in &grams {
            holders[*gram].push(sizes.len());
        }
        sizes.push(grams.len());
    }
    dropped
}

/// Different n-grams of words by all n-grams of the captions: 1 if none is said twice; `None` if there are none.
#[must_use]
pub fn distinct_n(captions: &[String], n: usize) -> Option<f64> {
    let mut seen = HashSet::new();
    let mut all = 0_usize;
    for caption in captions {
        let words = words(caption);
        for gram in words.windows(n.max(1)) {
            all += 1;
            seen.insert(gram.to_vec());
        }
    }
    (all > 0).then(|| seen.len() as f64 / all as f64)
}
