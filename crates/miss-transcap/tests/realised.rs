//! Captions of findings, sides and counts tell exactly their attributes: by word lists written apart from the
//! realiser over an enumeration, and by the verifier over the tuples of the real datasets.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use miss_data::record::{Language, Part, Question};
use miss_data::{Captions, Tokenizer, rsna, slake, vqa_rad};
use miss_transcap::attributes::{
    Attributes, Class, Convention, Finding, Location, Modality, Organ, Pathology, Plane, Shape,
    Side, Size, Structure, Third,
};
use miss_transcap::{Sampler, map, realise, verify};

const PATHOLOGIES: [(&str, &[&str]); 5] = [
    ("lung-opacity", &["opacity", "opacities"]),
    ("pneumonia", &["pneumonia"]),
    ("nodule", &["nodule", "nodules"]),
    ("mass", &["mass", "masses"]),
    ("pleural-effusion", &["effusion", "effusions"]),
];
const WORDS: [&str; 19] = [
    "left",
    "right",
    "upper",
    "middle",
    "lower",
    "small",
    "moderate",
    "large",
    "round",
    "irregular",
    "lobulated",
    "patient",
    "one",
    "two",
    "three",
    "four",
    "x",
    "ct",
    "normal",
];

/// The words of the lists above that are in it, and the ids of pathologies.
fn told(caption: &str) -> BTreeSet<&'static str> {
    let lower = caption.to_lowercase();
    let words: BTreeSet<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let mut told: BTreeSet<&str> = WORDS.into_iter().filter(|w| words.contains(w)).collect();
    for (id, names) in PATHOLOGIES {
        told.extend(names.iter().any(|name| words.contains(name)).then_some(id));
    }
    if words.contains("radiograph") || words.contains("radiography") {
        told.insert("x");
    }
    if words.contains("computed") {
        told.insert("ct");
    }
    told
}

/// What must be told; the numbers apart, for how many lie in each place may be said or not.
fn expected(attributes: &Attributes) -> BTreeSet<&'static str> {
    let mut words = BTreeSet::new();
    words.extend(attributes.modality.map(|modality| match modality {
        Modality::Xray => "x",
        _ => "ct",
    }));
    for finding in &attributes.findings {
        words.insert(finding.pathology.id());
        words.extend(
            finding
                .count
                .and_then(|count| NUMBERS.get(usize::from(count)).copied()),
        );
        words.extend(finding.size.map(|size| match size {
            Size::Small => "small",
            Size::Moderate => "moderate",
            Size::Large => "large",
        }));
        words.extend(finding.shape.map(|shape| match shape {
            Shape::Round => "round",
            Shape::Lobulated => "lobulated",
            _ => "irregular",
        }));
        for place in &finding.locations {
            words.extend(place.side.map(|side| match side {
                Side::Left => "left",
                Side::Right => "right",
            }));
            words.extend(place.height.map(|height| match height {
                Third::Upper => "upper",
                Third::Middle => "middle",
                Third::Lower => "lower",
            }));
        }
    }
    if attributes.sides == Some(Convention::PatientSide) {
        words.insert("patient");
    }
    words.remove("one");
    words
}

const NUMBERS: [&str; 5] = ["", "one", "two", "three", "four"];

fn place(height: Option<Third>, side: Option<Side>) -> Location {
    Location { height, side }
}

fn findings() -> Vec<Finding> {
    let places = [
        place(Some(Third::Upper), Some(Side::Left)),
        place(Some(Third::Upper), Some(Side::Right)),
        place(None, Some(Side::Left)),
        place(Some(Third::Lower), None),
        place(Some(Third::Upper), Some(Side::Left)),
    ];
    let mut all = Vec::new();
    for (id, _) in PATHOLOGIES {
        for count in [None, Some(1), Some(2), Some(3), Some(4)] {
            for (from, to) in [
                (0, 0),
                (0, 1),
                (2, 3),
                (3, 4),
                (0, 2),
                (0, 3),
                (0, 4),
                (2, 4),
                (4, 5),
            ] {
                for size in [
                    None,
                    Some(Size::Small),
                    Some(Size::Moderate),
                    Some(Size::Large),
                ] {
                    for shape in [None, Some(Shape::Round), Some(Shape::Irregular)] {
                        let mut locations = places[from..to].to_vec();
                        if to == 5 && count == Some(3) {
                            // Two of three in one place.
                            locations.extend([places[1], places[4]]);
                        }
                        let pathology = Pathology::find(id).unwrap();
                        all.push(Finding {
                            pathology,
                            count,
                            locations,
                            size,
                            shape,
                        });
                    }
                }
            }
        }
    }
    all
}

fn tuples() -> Vec<Attributes> {
    let images = [
        (None, None, ""),
        (Some(Modality::Xray), Some(Plane::Anteroposterior), "chest"),
        (Some(Modality::Ct), None, "abdomen"),
    ];
    let mut all = Vec::new();
    for (index, finding) in findings().into_iter().enumerate() {
        for (modality, plane, organ) in images {
            for sides in [Convention::ImageSide, Convention::PatientSide] {
                let mut both = vec![finding.clone()];
                let other = Pathology::find(PATHOLOGIES[index % 5].0).unwrap();
                if index % 3 == 0 && other != finding.pathology {
                    both.push(Finding::new(other));
                }
                let sided = finding.locations.iter().any(|place| place.side.is_some());
                let one = Attributes {
                    modality,
                    plane,
                    organ: Organ::find(organ).ok(),
                    findings: both,
                    sides: sided.then_some(sides),
                    ..Attributes::default()
                };
                if one.check().is_ok() {
                    all.push(one.normalised());
                }
            }
        }
    }
    all.sort();
    all.dedup();
    all
}

#[test]
fn captions_of_findings_tell_exactly_their_attributes() {
    let all = tuples();
    assert!(all.len() > 3_000, "{}", all.len());
    let mut refused = BTreeMap::new();
    let mut checked = 0;
    let mut parts_checked = 0;
    for attributes in &all {
        let captions = realise(attributes, 12, 3);
        assert_eq!(captions.len(), 12, "{attributes:?}: {captions:?}");
        assert_eq!(captions[..5], realise(attributes, 5, 3));
        let expected = expected(attributes);
        for caption in &captions {
            let mut told = told(caption);
            if attributes
                .findings
                .iter()
                .any(|one| one.locations.len() > 1)
            {
                told.retain(|word| !NUMBERS.contains(word) || expected.contains(word));
            }
            told.remove("one");
            assert_eq!(told, expected, "{caption}");
            clean(caption);
            note(&mut refused, attributes, caption);
            checked += 1;
        }
        let Captions::Parts(parts) = Sampler::PerAttribute.captions(attributes, 12, 3) else {
            panic!("no parts");
        };
        let known = attributes.parts();
        assert_eq!(parts.len(), known.len());
        for (part, phrases) in known.iter().zip(&parts) {
            part.check().unwrap_or_else(|why| panic!("{part:?}: {why}"));
            assert!(phrases.len() >= 5, "{phrases:?}");
            for phrase in phrases {
                clean(phrase);
                note(&mut refused, part, phrase);
                parts_checked += 1;
            }
        }
    }
    report("enumeration", checked + parts_checked, &refused);
    assert!(refused.is_empty());
}

fn clean(caption: &str) {
    assert!(
        caption.ends_with('.') && caption.starts_with(char::is_uppercase),
        "{caption}"
    );
    assert!(
        !caption.contains("  ") && !caption.contains(['{', '(', '}']),
        "{caption}"
    );
    let lower = caption.to_lowercase();
    let words: Vec<&str> = lower.split(' ').collect();
    for pair in words.windows(2) {
        assert_ne!(pair[0], pair[1], "{caption}");
    }
}

type Refused = BTreeMap<String, (usize, String)>;

fn note(refused: &mut Refused, attributes: &Attributes, caption: &str) {
    for reason in verify(attributes, caption) {
        refused
            .entry(reason.to_string())
            .or_insert((
                0,
                format!("{caption} | {}", serde_json::to_string(attributes).unwrap()),
            ))
            .0 += 1;
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn report(name: &str, captions: usize, refused: &Refused) {
    say(&format!("{name}: {captions} captions, refusals:"));
    for (reason, (times, example)) in refused {
        say(&format!("  {times} {reason}: {example}"));
    }
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    if !path.is_dir() {
        say(&format!("skipped: {} not found", path.display()));
        return None;
    }
    Some(path)
}

fn by_image(questions: &[Question]) -> BTreeMap<&str, Vec<&Question>> {
    let mut rows: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
    for row in questions {
        rows.entry(&row.image).or_default().push(row);
    }
    rows
}

fn real(name: &str) -> Vec<Attributes> {
    let mut all = Vec::new();
    let Some(root) = shared(name) else {
        return all;
    };
    for convention in [Convention::ImageSide, Convention::PatientSide] {
        match name {
            "rsna-labels" => {
                for patient in &rsna::read_patients(&root).unwrap().records {
                    all.push(map::rsna::attributes(patient, convention).unwrap());
                }
            }
            "slake" => {
                let mut questions = slake::read(&root).unwrap().records;
                questions
                    .retain(|row| row.language == Language::En && row.part == Some(Part::Train));
                for (image, rows) in by_image(&questions) {
                    let boxes = slake::read_boxes(&root, image)
                        .unwrap()
                        .all_or_nothing()
                        .unwrap();
                    let size = miss_data::decode_rgb(&root.join("imgs").join(image)).unwrap();
                    let size = size.dimensions();
                    all.push(map::slake::attributes(&rows, &boxes, size, convention).unwrap());
                }
            }
            _ => {
                let questions = vqa_rad::read(&root).unwrap().records;
                all.extend(
                    by_image(&questions)
                        .values()
                        .map(|rows| map::vqa_rad::attributes(rows)),
                );
            }
        }
    }
    all.sort();
    all.dedup();
    all
}

#[test]
fn the_verifier_accepts_every_caption_of_real_images_and_of_their_parts() {
    let tokenizer = Tokenizer::new().unwrap();
    for name in ["rsna-labels", "slake", "vqa-rad"] {
        let all = real(name);
        let (mut whole, mut parts) = (Refused::new(), Refused::new());
        let (mut captions, mut phrases, mut joined, mut long) = (0, 0, 0, 0);
        for (number, attributes) in (0_u64..).zip(&all) {
            for caption in realise(attributes, 20, 1) {
                captions += 1;
                let ids = tokenizer.encode(&caption, None).unwrap();
                long += usize::from(ids.len() > 30);
                note(&mut whole, attributes, &caption);
            }
            let sampled = Sampler::PerAttribute.captions(attributes, 12, 1);
            if let Captions::Parts(lists) = &sampled {
                for (part, list) in attributes.parts().iter().zip(lists) {
                    phrases += list.len();
                    list.iter()
                        .for_each(|phrase| note(&mut parts, part, phrase));
                }
            }
            for epoch in 0..4 {
                joined += 1;
                note(&mut parts, attributes, &sampled.draw(1, epoch, number));
            }
        }
        say(&format!(
            "{name}: {} tuples, {long} of {captions} captions over 30 tokens",
            all.len()
        ));
        report("whole", captions, &whole);
        report("parts", phrases + joined, &parts);
        for (number, attributes) in (0_u64..).zip(&all).step_by((all.len() / 7).max(1)) {
            say(&format!("    {}", realise(attributes, 1, number).concat()));
            let sampled = Sampler::PerAttribute.captions(attributes, 12, number);
            say(&format!("    parts: {}", sampled.draw(1, 1, number)));
        }
        assert!(whole.is_empty() && parts.is_empty(), "{name}");
    }
}

#[test]
fn classes_and_structures_are_verified_too() {
    let mut refused = Refused::new();
    let mut checked = 0;
    let structure = |id: &str, side| Structure {
        organ: Organ::find(id).unwrap(),
        side,
    };
    let organs = [
        Vec::new(),
        vec![structure("liver", None)],
        vec![
            structure("kidney", Some(Side::Left)),
            structure("kidney", Some(Side::Right)),
        ],
    ];
    let classes = [
        Class::Normal,
        Class::NoFinding,
        Class::Abnormal,
        Class::AbnormalWithoutOpacity,
    ];
    for class in [None].into_iter().chain(classes.map(Some)) {
        for structures in &organs {
            for (modality, organ) in [(None, ""), (Some(Modality::Xray), "chest")] {
                let attributes = Attributes {
                    modality,
                    organ: Organ::find(organ).ok(),
                    structures: structures.clone(),
                    class,
                    ..Attributes::default()
                };
                attributes.check().unwrap();
                let captions = realise(&attributes, 12, 3);
                assert_eq!(captions.len(), 12, "{attributes:?}: {captions:?}");
                for caption in &captions {
                    note(&mut refused, &attributes, caption);
                    checked += 1;
                }
                say(&format!("    {}", captions[0]));
                let sampled = Sampler::PerAttribute.captions(&attributes, 12, 3);
                say(&format!(
                    "    parts: {}",
                    sampled.draw(1, 1, checked as u64)
                ));
                for (part, list) in attributes.parts().iter().zip(parts_of(&sampled)) {
                    list.iter()
                        .for_each(|phrase| note(&mut refused, part, phrase));
                }
            }
        }
    }
    report("classes", checked, &refused);
    assert!(refused.is_empty());
}

fn parts_of(captions: &Captions) -> &[Vec<String>] {
    match captions {
        Captions::Parts(parts) => parts,
        Captions::Whole(_) => &[],
    }
}

#[test]
fn no_lung_opacity_and_a_lung_opacity_contradict_each_other() {
    let mut attributes = Attributes {
        class: Some(Class::AbnormalWithoutOpacity),
        findings: vec![Finding::new(Pathology::find("pneumonia").unwrap())],
        ..Attributes::default()
    };
    attributes.check().unwrap();
    attributes.findings[0].pathology = Pathology::find("lung-opacity").unwrap();
    assert!(attributes.check().is_err());
}
