//! Every caption says what its attributes say and nothing else: checked over all attribute tuples,
//! with word lists written apart from those of the realiser.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use miss_transcap::{Attributes, Modality, Organ, Plane, realise};

/// Organs of which the oracle knows every word, none of them a word of another.
const ORGANS: [(&str, &[&str]); 9] = [
    ("head", &["head", "cranial"]),
    ("chest", &["chest", "thorax", "thoracic"]),
    ("abdomen", &["abdomen", "abdominal"]),
    ("brain", &["brain"]),
    ("neck", &["neck"]),
    ("pelvis", &["pelvis"]),
    ("liver", &["liver"]),
    ("kidney", &["kidney", "kidneys"]),
    ("lung", &["lung", "lungs"]),
];

fn all_tuples() -> Vec<Attributes> {
    let mut tuples = Vec::new();
    for modality in [None].into_iter().chain(Modality::ALL.map(Some)) {
        for plane in [None].into_iter().chain(Plane::ALL.map(Some)) {
            for organ in [""].into_iter().chain(ORGANS.map(|(id, _)| id)) {
                tuples.push(Attributes {
                    modality,
                    plane,
                    organ: Organ::find(organ).ok(),
                    ..Attributes::default()
                });
            }
        }
    }
    tuples
}

/// (word in the caption, what it tells); longer terms are counted apart from the words inside them.
fn told(caption: &str) -> BTreeSet<&'static str> {
    let lower = caption.to_lowercase();
    let words: BTreeSet<&str> = lower
        .split(|letter: char| !letter.is_alphanumeric())
        .collect();
    let mut told = BTreeSet::new();
    let mut tell = |what, any_of: &[&str]| {
        if any_of.iter().any(|word| words.contains(word)) {
            told.insert(what);
        }
    };
    tell("x-ray", &["ray", "radiograph", "radiography"]);
    tell("ct", &["ct", "computed"]);
    tell("mri", &["mri", "mr", "magnetic"]);
    tell("t1", &["t1"]);
    tell("t2", &["t2"]);
    tell("flair", &["flair"]);
    tell("diffusion", &["diffusion"]);
    tell("adc", &["adc"]);
    tell("ultrasound", &["ultrasound", "sonogram", "sonography"]);
    tell("axial", &["axial", "transverse"]);
    tell("coronal", &["coronal"]);
    tell("sagittal", &["sagittal"]);
    tell("pa", &["pa", "posteroanterior"]);
    tell("ap", &["ap", "anteroposterior"]);
    tell("lateral", &["lateral"]);
    tell("mammography", &["mammogram", "mammography"]);
    tell("fluoroscopy", &["fluoroscopy", "fluoroscopic"]);
    tell("angiography", &["angiogram", "angiography", "angiographic"]);
    tell("pet", &["pet", "positron"]);
    for (organ, words) in ORGANS {
        tell(organ, words);
    }
    told
}

fn expected(attributes: &Attributes) -> BTreeSet<&'static str> {
    let mut expected = BTreeSet::new();
    match attributes.modality {
        None => {}
        Some(Modality::Xray) => expected.extend(["x-ray"]),
        Some(Modality::Ct) => expected.extend(["ct"]),
        Some(Modality::Mri) => expected.extend(["mri"]),
        Some(Modality::MriT1) => expected.extend(["mri", "t1"]),
        Some(Modality::MriT2) => expected.extend(["mri", "t2"]),
        Some(Modality::MriFlair) => expected.extend(["mri", "flair"]),
        Some(Modality::MriDiffusion) => expected.extend(["mri", "diffusion"]),
        Some(Modality::MriAdc) => expected.extend(["mri", "adc"]),
        Some(Modality::Ultrasound) => expected.extend(["ultrasound"]),
        Some(Modality::Mammography) => expected.extend(["mammography"]),
        Some(Modality::Fluoroscopy) => expected.extend(["fluoroscopy"]),
        Some(Modality::Angiography) => expected.extend(["angiography"]),
        Some(Modality::Pet) => expected.extend(["pet"]),
    }
    expected.extend(attributes.plane.map(|plane| match plane {
        Plane::Axial => "axial",
        Plane::Coronal => "coronal",
        Plane::Sagittal => "sagittal",
        Plane::Posteroanterior => "pa",
        Plane::Anteroposterior => "ap",
        Plane::Lateral => "lateral",
    }));
    expected.extend(attributes.organ.map(Organ::id));
    expected
}

#[test]
fn every_caption_tells_exactly_its_attributes() {
    let mut checked = 0;
    for attributes in all_tuples() {
        for caption in realise(&attributes, usize::MAX, 1) {
            assert_eq!(told(&caption), expected(&attributes), "{caption}");
            checked += 1;
        }
    }
    assert!(checked > 10_000, "only {checked} captions were checked");
}

#[test]
fn captions_are_clean_sentences_without_repetition() {
    for attributes in all_tuples() {
        let captions = realise(&attributes, usize::MAX, 1);
        let different: BTreeSet<&String> = captions.iter().collect();
        assert_eq!(different.len(), captions.len(), "{attributes:?}");
        for caption in &captions {
            assert!(caption.ends_with('.'), "{caption}");
            assert!(caption.starts_with(char::is_uppercase), "{caption}");
            assert!(
                !caption.contains("  ") && !caption.contains(" ."),
                "{caption}"
            );
            assert!(!caption.contains(['{', '}', '(']), "slot left in {caption}");
            assert_articles_fit(caption);
        }
    }
}

/// Independent of the realiser's rule: the words that may follow each article, by ear.
fn assert_articles_fit(caption: &str) {
    const AFTER_AN: &[&str] = &[
        "X-ray",
        "MRI",
        "MR",
        "AP",
        "axial",
        "anteroposterior",
        "abdominal",
        "ultrasound",
        "angiogram",
        "angiographic",
        "angiography",
        "example",
    ];
    let words: Vec<&str> = caption.trim_end_matches('.').split(' ').collect();
    for pair in words.windows(2) {
        match pair[0].to_lowercase().as_str() {
            "an" => assert!(AFTER_AN.contains(&pair[1]), "{caption}"),
            "a" => assert!(!AFTER_AN.contains(&pair[1]), "{caption}"),
            _ => {}
        }
    }
}

#[test]
fn the_same_arguments_give_the_same_captions_and_seeds_vary_them() {
    let attributes = Attributes {
        modality: Some(Modality::Ct),
        plane: Some(Plane::Axial),
        organ: Organ::find("abdomen").ok(),
        ..Attributes::default()
    };
    let captions = realise(&attributes, 8, 3);
    assert_eq!(captions, realise(&attributes, 8, 3));
    assert_eq!(captions[..5], realise(&attributes, 5, 3));
    assert_ne!(captions, realise(&attributes, 8, 4));
    assert!(realise(&attributes, 0, 3).is_empty());
}
