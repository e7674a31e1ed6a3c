//! Attributes of the real VQA-RAD images.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use miss_data::record::Question;
use miss_transcap::map::vqa_rad;
use miss_transcap::{Modality, Organ, Plane};

#[test]
fn real_rows_give_attributes_that_agree_with_the_images() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/vqa-rad");
    if !root.is_dir() {
        // To the handle: the test runner captures what is printed.
        let _ = writeln!(std::io::stderr(), "skipped: {} not found", root.display());
        return;
    }
    let questions = miss_data::vqa_rad::read(&root).unwrap().records;
    let mut by_image: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
    for question in &questions {
        by_image.entry(&question.image).or_default().push(question);
    }
    assert_eq!(by_image.len(), 314);
    let attributes: BTreeMap<&str, _> = by_image
        .iter()
        .map(|(image, rows)| (*image, vqa_rad::attributes(rows)))
        .collect();

    let known = |has: &dyn Fn(&miss_transcap::Attributes) -> bool| {
        attributes.values().filter(|found| has(found)).count()
    };
    let organ = known(&|found| found.organ.is_some());
    let modality = known(&|found| found.modality.is_some());
    let plane = known(&|found| found.plane.is_some());
    // Counted when every image with a MODALITY or PLANE row was compared with its rows by eye: the rest
    // say "no", speak of contrast only, or contradict each other.
    assert_eq!((organ, modality, plane), (314, 97, 76));

    // A radiograph of the head and an MRI of the chest do not occur in this dataset.
    for (image, found) in &attributes {
        match found.modality {
            Some(Modality::Xray) => assert_ne!(found.organ, Organ::find("head").ok(), "{image}"),
            Some(Modality::Ct) | None => {}
            Some(_) => assert_ne!(found.organ, Organ::find("chest").ok(), "{image}"),
        }
    }
    // Looked at by hand: a chest radiograph of which one row asks what it does *not* represent.
    assert_eq!(attributes["synpic28602.jpg"].modality, None);
    let read = &attributes["synpic18896.jpg"];
    assert_eq!(read.modality, Some(Modality::Xray));
    assert_eq!(read.plane, Some(Plane::Posteroanterior));
    let read = &attributes["synpic47964.jpg"];
    assert_eq!(read.modality, Some(Modality::MriT2));
    assert_eq!(read.plane, Some(Plane::Axial));
    let read = &attributes["synpic60703.jpg"];
    assert_eq!(read.modality, Some(Modality::MriFlair));
}
