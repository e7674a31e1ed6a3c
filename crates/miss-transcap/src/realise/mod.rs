//! The template realiser: attributes to sentences, offline and deterministic.

mod content;
mod frames;
mod parts;
mod phrases;

use std::collections::BTreeSet;

use miss_data::mix;

use crate::attributes::Attributes;

pub use parts::Sampler;

use content::{Content, contents};
use phrases::Phrases;

/// Name and version of this realiser, as recorded in a caption set. A change of any caption it makes
/// is a new version.
pub const REALISER: &str = "template/2";

/// Up to `count` different captions of an image with these attributes, the same for the same arguments, and
/// the first of them the same for a smaller count.
///
/// Each says everything that the attributes say and nothing more. They are meant for attributes that
/// [`check`](Attributes::check) accepts; of others, what can be worded is. The first captions come from
/// different frames (at least 15 exist for every tuple); only then are frames used again with other words.
/// Fewer than `count` are returned only when every sentence has been used; there are at least 12.
#[must_use]
pub fn realise(attributes: &Attributes, count: usize, seed: u64) -> Vec<String> {
    // So that images of which the same kinds of things are known do not get the same frames.
    let seed = mix(&[seed, fingerprint(attributes)]);
    choose(by_frame(attributes, seed), count, seed)
}

/// One caption of each frame, then the next of each, in an order that the seed gives.
fn choose(all: Vec<Vec<String>>, count: usize, seed: u64) -> Vec<String> {
    let mut frames: Vec<Vec<String>> = Vec::new();
    for (frame, mut captions) in (0_u64..).zip(all) {
        shuffle(&mut captions, mix(&[seed, frame]));
        frames.push(captions);
    }
    shuffle(&mut frames, seed);

    let longest = frames.iter().map(Vec::len).max().unwrap_or(0);
    let mut seen = BTreeSet::new();
    (0..longest)
        .flat_map(|turn| frames.iter().filter_map(move |frame| frame.get(turn)))
        .filter(|caption| seen.insert(caption.as_str()))
        .take(count)
        .cloned()
        .collect()
}

/// The same on every machine and in every version of the standard library.
fn fingerprint(attributes: &Attributes) -> u64 {
    let text: Vec<u64> = attributes
        .named()
        .into_iter()
        .flat_map(|(name, value)| format!("{name}={value};").into_bytes())
        .map(u64::from)
        .collect();
    mix(&text)
}

/// The captions of each frame that applies.
///
/// The first sentence is of the image and of what is seen first; what else is seen has a sentence of its own,
/// for a list of organs and findings reads as if the findings were of the organs.
fn by_frame(attributes: &Attributes, seed: u64) -> Vec<Vec<String>> {
    let phrases = Phrases::of(attributes);
    let contents = contents(attributes);
    let mut contents = contents.iter();
    let first = contents.next();
    let mut captions = filled(&frames::first(attributes, first), &phrases, first);
    for (place, content) in (1_u64..).zip(contents) {
        let further: Vec<String> =
            filled(&frames::without_image(content), &phrases, Some(content)).concat();
        for (frame, sentences) in (0_u64..).zip(&mut captions) {
            for (index, sentence) in (0_u64..).zip(sentences) {
                let drawn = miss_data::draw(further.len(), mix(&[seed, place]), frame, index);
                sentence.extend(further.get(drawn).map(|next| format!(" {next}")));
            }
        }
    }
    captions
}

/// The sentences of each frame that has any.
fn filled(patterns: &[&str], phrases: &Phrases, content: Option<&Content>) -> Vec<Vec<String>> {
    patterns
        .iter()
        .map(|frame| fill(frame, phrases, content))
        .filter(|frame| !frame.is_empty())
        .collect()
}

/// Every sentence that a frame makes of these words; none if it asks for something unknown.
fn fill(pattern: &str, phrases: &Phrases, content: Option<&Content>) -> Vec<String> {
    let mut pattern = pattern.to_owned();
    if let Some(content) = content {
        if content.open {
            pattern = pattern.replace("{f} ", "{f}, ");
        }
        for (slot, words) in [
            ("{is}", content.verb()),
            ("{there}", content.verb_before()),
            ("{f}", &content.text),
        ] {
            pattern = pattern.replace(slot, words);
        }
        if let Some((what, place)) = &content.placed {
            pattern = pattern.replace("{h}", what).replace("{p}", place);
        }
        if pattern.contains("{h}") {
            return Vec::new();
        }
    }
    let slots = [
        ("{whole}", &phrases.whole),
        ("{image}", &phrases.image),
        ("{method}", &phrases.method),
        ("{organ}", &phrases.organ),
        ("{plane}", &phrases.plane),
    ];
    let mut sentences = vec![pattern.clone()];
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

/// The first letter of every sentence.
fn capitalise(text: &str) -> String {
    let sentences: Vec<String> = text
        .split(". ")
        .map(|sentence| {
            let mut letters = sentence.chars();
            match letters.next() {
                Some(first) => first.to_uppercase().chain(letters).collect(),
                None => String::new(),
            }
        })
        .collect();
    sentences.join(". ")
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
    #![allow(clippy::unwrap_used)]
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
                for organ in ["", "head", "chest", "abdomen", "pelvis", "lung"] {
                    let attributes = Attributes {
                        modality,
                        plane,
                        organ: Organ::find(organ).ok(),
                        ..Attributes::default()
                    };
                    let usable = by_frame(&attributes, 5);
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

    #[test]
    fn findings_classes_and_structures_have_twelve_frames_too() {
        use crate::attributes::{
            Class, Convention, Finding, Location, Pathology, Shape, Side, Size, Structure, Third,
        };
        let place = |side| Location {
            height: Some(Third::Upper),
            side,
        };
        let mut lists = vec![Vec::new()];
        for name in ["nodule", "pneumonia", "lung opacity"] {
            for count in [None, Some(1), Some(3)] {
                for locations in [vec![], vec![place(None)], vec![place(Some(Side::Left))]] {
                    for (size, shape) in [(None, None), (Some(Size::Small), Some(Shape::Round))] {
                        let finding = Finding {
                            count,
                            locations: locations.clone(),
                            size,
                            shape,
                            ..Finding::new(Pathology::find(name).unwrap())
                        };
                        lists.push(vec![finding.clone()]);
                        let effusion = Finding::new(Pathology::find("pleural effusion").unwrap());
                        lists.push(vec![finding, effusion]);
                    }
                }
            }
        }
        let liver = Structure {
            organ: Organ::find("liver").unwrap(),
            side: None,
        };
        let mut checked = 0;
        for modality in [None, Some(Modality::Xray)] {
            for organ in [None, Organ::find("chest").ok()] {
                for structures in [vec![], vec![liver]] {
                    for class in [None, Some(Class::Normal), Some(Class::NoFinding)] {
                        for findings in &lists {
                            for sides in [Convention::ImageSide, Convention::PatientSide] {
                                let places = || findings.iter().flat_map(|one| &one.locations);
                                let sided = places().any(|place| place.side.is_some());
                                let attributes = Attributes {
                                    modality,
                                    organ,
                                    structures: structures.clone(),
                                    class,
                                    findings: findings.clone(),
                                    sides: sided.then_some(sides),
                                    ..Attributes::default()
                                };
                                if attributes.check().is_err() {
                                    continue;
                                }
                                let frames = by_frame(&attributes, 5).len();
                                assert!(frames >= 12, "{frames}: {attributes:?}");
                                let captions = realise(&attributes, 12, 5);
                                assert_eq!(captions.len(), 12, "{attributes:?}");
                                checked += 1;
                            }
                        }
                    }
                }
            }
        }
        assert!(checked > 1_000, "{checked}");
    }
}
