//! The template realiser: attributes to sentences, offline and deterministic.

mod phrases;

use std::collections::BTreeSet;

use miss_data::mix;

use crate::attributes::Attributes;

use phrases::Phrases;

/// Name and version of this realiser, as recorded in a caption set. A change of any caption it makes
/// is a new version.
pub const REALISER: &str = "template/1";

/// Sentences with slots. Each says everything that is known: through `{whole}`, or through
/// `{image}` or `{method}` together with `{organ}`. `a(n)` becomes the article that fits.
const FRAMES: [&str; 28] = [
    "a(n) {whole}.",
    "this is a(n) {whole}.",
    "here is a(n) {whole}.",
    "shown here is a(n) {whole}.",
    "a(n) {whole} is shown.",
    "a(n) {whole} is presented here.",
    "the figure shows a(n) {whole}.",
    "the picture presents a(n) {whole}.",
    "the picture is a(n) {whole}.",
    "displayed is a(n) {whole}.",
    "what is shown is a(n) {whole}.",
    "we see a(n) {whole}.",
    "this figure contains a(n) {whole}.",
    "the reader is looking at a(n) {whole}.",
    "an example of a(n) {whole}.",
    "a(n) {image} shows the {organ}.",
    "a(n) {image} depicting the {organ}.",
    "a(n) {image} in which the {organ} is visible.",
    "the {organ} is shown in a(n) {image}.",
    "the {organ} as seen in a(n) {image}.",
    "this {image} shows the {organ}.",
    "this {image} was taken of the {organ}.",
    "in this {image}, the {organ} is seen.",
    "the {organ} is the subject of this {image}.",
    "{method} of the {organ}.",
    "{method} was used to image the {organ}.",
    "the {organ} was imaged with {method}.",
    "the {organ} was examined by {method}.",
];

/// Up to `count` different captions of an image with these attributes, the same for the same arguments.
///
/// The first captions come from different frames (at least 15 exist for every tuple); only then are
/// frames used again with other words. Fewer than `count` are returned only when every sentence has
/// been used; there are at least 30 for every tuple.
pub fn realise(attributes: &Attributes, count: usize, seed: u64) -> Vec<String> {
    let phrases = Phrases::of(attributes);
    let mut frames: Vec<Vec<String>> = Vec::new();
    for (frame, pattern) in FRAMES.iter().enumerate() {
        let mut sentences = fill(pattern, &phrases);
        shuffle(&mut sentences, mix(&[seed, frame as u64]));
        frames.push(sentences);
    }
    shuffle(&mut frames, seed);

    let longest = frames.iter().map(Vec::len).max().unwrap_or(0);
    let mut seen = BTreeSet::new();
    (0..longest)
        .flat_map(|turn| frames.iter().filter_map(move |frame| frame.get(turn)))
        .filter(|sentence| seen.insert(sentence.as_str()))
        .take(count)
        .cloned()
        .collect()
}

/// Every sentence that a frame makes of these phrases; none if it asks for something unknown.
fn fill(pattern: &str, phrases: &Phrases) -> Vec<String> {
    let slots = [
        ("{whole}", &phrases.whole),
        ("{image}", &phrases.image),
        ("{method}", &phrases.method),
        ("{organ}", &phrases.organ),
    ];
    let mut sentences = vec![pattern.to_owned()];
    for (slot, options) in slots {
        if pattern.contains(slot) {
            sentences = sentences
                .iter()
                .flat_map(|sentence| options.iter().map(|option| sentence.replace(slot, option)))
                .collect();
        }
    }
    sentences
        .iter()
        .map(|sentence| capitalise(&with_articles(sentence)))
        .collect()
}

fn with_articles(sentence: &str) -> String {
    let mut parts = sentence.split("a(n) ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(article(part));
        text.push(' ');
        text.push_str(part);
    }
    text
}

/// "a" or "an", by how the first word sounds. Initialisms are spelled out when read ("an MRI",
/// "a CT scan"), except FLAIR, which is read as a word.
fn article(phrase: &str) -> &'static str {
    let first = phrase.split([' ', '-']).next().unwrap_or_default();
    let spelled = first.chars().all(|letter| letter.is_ascii_uppercase()) && first != "FLAIR";
    let vowel_sounds = if spelled {
        "AEFHILMNORSX"
    } else {
        "aeiouAEIOU"
    };
    if first.starts_with(|letter| vowel_sounds.contains(letter)) {
        "an"
    } else {
        "a"
    }
}

fn capitalise(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Orders by a random key for each place: the same on every machine and in every version of a
/// random number crate.
fn shuffle<T>(items: &mut Vec<T>, seed: u64) {
    let mut keyed: Vec<(u64, T)> = items
        .drain(..)
        .enumerate()
        .map(|(place, item)| (mix(&[seed, place as u64]), item))
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    items.extend(keyed.into_iter().map(|(_, item)| item));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::{Modality, Organ, Plane};

    #[test]
    fn articles_follow_the_sound() {
        for phrase in [
            "MRI scan",
            "MR image",
            "X-ray",
            "AP chest X-ray",
            "axial CT scan",
            "ultrasound image",
            "abdominal CT scan",
            "anteroposterior radiograph",
        ] {
            assert_eq!(article(phrase), "an", "{phrase}");
        }
        for phrase in [
            "CT scan",
            "PA chest X-ray",
            "T2-weighted MR image",
            "FLAIR MR image",
            "radiograph",
            "medical image",
            "sonogram",
            "diffusion-weighted MRI scan",
            "transverse CT image",
        ] {
            assert_eq!(article(phrase), "a", "{phrase}");
        }
    }

    #[test]
    fn every_tuple_has_enough_frames_and_the_first_captions_use_different_ones() {
        let modalities = [None].into_iter().chain(Modality::ALL.map(Some));
        for modality in modalities {
            for plane in [None].into_iter().chain(Plane::ALL.map(Some)) {
                for organ in [None].into_iter().chain(Organ::ALL.map(Some)) {
                    let attributes = Attributes {
                        modality,
                        plane,
                        organ,
                    };
                    let phrases = Phrases::of(&attributes);
                    let usable: Vec<Vec<String>> = FRAMES
                        .iter()
                        .map(|frame| fill(frame, &phrases))
                        .filter(|sentences| !sentences.is_empty())
                        .collect();
                    assert!(usable.len() >= 15, "{attributes:?}: {}", usable.len());

                    let first = realise(&attributes, 12, 5);
                    let frames: BTreeSet<usize> = first
                        .iter()
                        .filter_map(|caption| {
                            usable
                                .iter()
                                .position(|sentences| sentences.contains(caption))
                        })
                        .collect();
                    assert_eq!(frames.len(), 12, "{attributes:?}: {first:?}");
                    assert!(realise(&attributes, 30, 5).len() == 30, "{attributes:?}");
                }
            }
        }
    }
}
