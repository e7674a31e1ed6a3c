//! Attributes of real images, compared with counts taken from the files by other means.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use miss_data::record::{Language, Part, Question};
use miss_data::{class_folders, rsna, slake};
use miss_transcap::attributes::{Class, Convention, Modality, Side, Third};
use miss_transcap::map;

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    if !path.is_dir() {
        let _ = writeln!(std::io::stderr(), "skipped: {} not found", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn the_papers_example_has_two_opacities_on_the_images_left_and_right() {
    let Some(root) = shared("rsna-labels") else {
        return;
    };
    let patients = rsna::read_patients(&root).unwrap().records;
    assert_eq!(patients.len(), 26_605);
    let example = patients
        .iter()
        .find(|patient| patient.id == "000db696-cf54-4385-b10b-6b16fbb3f985")
        .unwrap();
    for (convention, mirrored) in [
        (Convention::ImageSide, false),
        (Convention::PatientSide, true),
    ] {
        let found = map::rsna::attributes(example, convention).unwrap();
        let [opacity] = found.findings.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(opacity.pathology.id(), "lung-opacity");
        assert_eq!(opacity.count, Some(2));
        let places: Vec<_> = opacity
            .locations
            .iter()
            .map(|at| (at.height, at.side))
            .collect();
        let both = [Side::Left, Side::Right].map(|side| (Some(Third::Middle), Some(side)));
        // Sorted, so the mirrored one has both places again.
        assert_eq!(places, both, "mirrored: {mirrored}");
        assert_eq!(found.sides, Some(convention));
    }

    // By hand from the files: classes, and the multiset of thirds and halves of the boxes' centres.
    let mut tuples = BTreeSet::new();
    let mut brute = BTreeSet::new();
    for patient in &patients {
        tuples.insert(map::rsna::attributes(patient, Convention::ImageSide).unwrap());
        let mut cells: Vec<(i64, i64)> = patient
            .boxes
            .iter()
            .map(|found| {
                let (x, y) = (2.0 * found.x + found.width, 2.0 * found.y + found.height);
                ((x >= 1024.0) as i64, (y * 3.0 / 2048.0) as i64)
            })
            .collect();
        cells.sort_unstable();
        brute.insert((patient.class, cells));
    }
    let _ = writeln!(std::io::stderr(), "RSNA: {} distinct tuples", tuples.len());
    assert_eq!(tuples.len(), brute.len());
    let opacities = |a: &&miss_transcap::Attributes| !a.findings.is_empty();
    assert_eq!(tuples.iter().filter(opacities).count() + 2, tuples.len());
}

#[test]
fn every_english_training_image_of_slake_has_attributes() {
    let Some(root) = shared("slake") else {
        return;
    };
    let questions = slake::read(&root).unwrap().records;
    let mut rows: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
    for row in &questions {
        if row.language == Language::En && row.part == Some(Part::Train) {
            rows.entry(&row.image).or_default().push(row);
        }
    }
    assert_eq!(rows.len(), 450);
    let mut modalities: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for (image, rows) in &rows {
        let boxes = slake::read_boxes(&root, image)
            .unwrap()
            .all_or_nothing()
            .unwrap();
        let size = miss_data::decode_rgb(&root.join("imgs").join(image))
            .unwrap()
            .dimensions();
        let found = map::slake::attributes(rows, &boxes, size, Convention::ImageSide)
            .unwrap_or_else(|why| panic!("{image}: {why}"));
        let name = match found.modality.unwrap() {
            Modality::Xray => "X-Ray",
            Modality::Ct => "CT",
            _ => "MRI",
        };
        *modalities.entry(name).or_default() += 1;
        all.insert(*image, found);
    }
    // Counted in train.json with Python.
    assert_eq!(
        modalities,
        BTreeMap::from([("CT", 200), ("MRI", 128), ("X-Ray", 122)])
    );

    let liver = &all["xmlab284/source.jpg"].findings[0];
    assert_eq!(
        (liver.pathology.id(), liver.count),
        ("liver-cancer", Some(3))
    );
    let oedema = &all["xmlab52/source.jpg"];
    assert_eq!(oedema.modality, Some(Modality::MriT2));
    assert_eq!(oedema.findings[0].count, None);
    assert_eq!(all["xmlab315/source.jpg"].plane, None);
    let jaw: Vec<String> = all["xmlab415/source.jpg"]
        .structures
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        jaw.contains(&"left mandible".into()) && jaw.contains(&"right parotid gland".into()),
        "{jaw:?}"
    );
}

#[test]
fn the_class_folders_of_chestx_ray8_need_no_map_of_classes() {
    let Some(root) = shared("nih-cxr-sample") else {
        return;
    };
    let images = class_folders::read(&root).unwrap().records;
    let map = map::class_folders::ClassMap::parse("modality = 'xray'\norgan = 'chest'").unwrap();
    let read = map.labelled(&images);
    assert_eq!((read.records.len(), read.findings.len()), (1000, 0));
    let normal = |one: &&map::Labelled| one.attributes.class == Some(Class::NoFinding);
    assert_eq!(read.records.iter().filter(normal).count(), 500);
    for wrong in [
        "modalty = 'xray'",
        "modality = 'xrays'",
        "[classes]\na = 'pnuemonia'",
    ] {
        assert!(
            map::class_folders::ClassMap::parse(wrong).is_err(),
            "{wrong}"
        );
    }
}
