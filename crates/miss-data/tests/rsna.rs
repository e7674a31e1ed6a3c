//! The RSNA challenge's tables against counts taken with Python's `csv`, and against tables that contradict
//! themselves or each other.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use miss_data::location::{Convention, Side, Third, location};
use miss_data::read::Outcome;
use miss_data::rsna::{
    CLASSES_FILE, Class, LABELS_FILE, Patient, SIDE, join, parse_classes, parse_labels, read,
    read_patients,
};
use miss_data::{Read, ReadError};

fn both(labels: &str, classes: &str) -> Read<Patient> {
    let [one, two] = [LABELS_FILE, CLASSES_FILE].map(Path::new);
    let boxes = parse_labels(labels.as_bytes(), one).unwrap();
    join(
        boxes,
        one,
        parse_classes(classes.as_bytes(), two).unwrap(),
        two,
    )
}

#[test]
fn the_tables_have_the_counts_of_the_release() {
    let Some(root) = common::shared_data("rsna-labels") else {
        return;
    };
    let Read {
        records: patients,
        findings,
    } = read_patients(&root).unwrap();
    assert_eq!(findings, []);
    assert_eq!(patients.len(), 26_605);
    let boxes: usize = patients.iter().map(|one| one.boxes.len()).sum();
    let without = patients.iter().filter(|one| one.boxes.is_empty()).count();
    // One row a box, and one for each patient without.
    assert_eq!((boxes, boxes + without), (9_537, 30_142));
    let of = |class| patients.iter().filter(|one| one.class == class).count();
    assert_eq!(Class::ALL.map(of), [8_818, 11_787, 6_000]);
    let mut by_count = BTreeMap::new();
    for patient in &patients {
        *by_count.entry(patient.boxes.len()).or_insert(0) += 1;
    }
    assert_eq!(
        by_count.into_iter().collect::<Vec<_>>(),
        [(0, 20_605), (1, 2_607), (2, 3_262), (3, 118), (4, 13)]
    );
    let example = patients
        .iter()
        .find(|one| one.id.starts_with("000db696"))
        .unwrap();
    let places: Vec<_> = example
        .boxes
        .iter()
        .map(|one| location(one, (SIDE, SIDE), Convention::ImageSide))
        .map(|place| (place.height, place.side))
        .collect();
    // The paper calls them "the upper left, the upper right".
    assert_eq!(
        places,
        [(Third::Middle, Side::Left), (Third::Middle, Side::Right)]
    );
}

#[test]
fn labels_alone_are_enough_and_images_are_taken_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let labels = "patientId,x,y,width,height,Target\na,,,,,0\nb,1,2,3,4.5,1\nc,,,,,0\n";
    fs::write(root.join(LABELS_FILE), labels).unwrap();
    assert!(matches!(read(root), Err(ReadError::Io { .. })));
    let classes = "patientId,class\na,Normal\nb,Lung Opacity\nc,Normal\n";
    fs::write(root.join(CLASSES_FILE), classes).unwrap();
    let images = |read: &Read<miss_data::LabelledImage>| {
        let records = read.records.iter();
        records.map(|row| row.image.clone()).collect::<Vec<_>>()
    };
    let found = read(root).unwrap();
    assert_eq!(images(&found), ["a.dcm", "b.dcm", "c.dcm"]);
    assert_eq!((found.findings.len(), found.dropped()), (1, 0));
    assert_eq!(found.records[1].class, "Lung Opacity");
    assert_eq!(found.records[1].boxes[0].height, 4.5);

    let folder = root.join("stage_2_train_images");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.png"), "").unwrap();
    fs::write(folder.join("b.dcm"), "").unwrap();
    let found = read(root).unwrap();
    assert_eq!(images(&found), ["a.png", "b.dcm"]);
    assert_eq!(found.dropped(), 1);
    assert!(found.findings[0].what.contains("`c.dcm`"));
}

#[test]
fn any_delimiter_gives_the_same_patients() {
    let labels = "patientId,x,y,width,height,Target\na,,,,,0\nb,1,2,3,4,1\nb,5,6,7,8,1\n";
    let classes =
        "patientId,class\na,No Lung Opacity / Not Normal\nb,Lung Opacity\nb,Lung Opacity\n";
    let wanted = both(labels, classes);
    assert_eq!((wanted.records.len(), wanted.findings.len()), (2, 0));
    for delimiter in [";", "\t"] {
        let [labels, classes] = [labels, classes].map(|text| text.replace(',', delimiter));
        assert_eq!(both(&labels, &classes), wanted);
    }
    // As a spreadsheet of most of Europe writes it.
    let comma = both(
        "\u{FEFF}patientId;x;y;width;height;Target\r\nb;1,5;2;3;4;1\r\n",
        "patientId;class\r\nb;Lung Opacity\r\n",
    );
    assert_eq!(comma.records[0].boxes[0].x, 1.5);
}

#[test]
fn contradictions_drop_the_patient_and_are_said() {
    let header = "patientId,x,y,width,height,Target\n";
    for (labels, classes, what) in [
        (
            "a,,,,,0\n",
            "a,Lung Opacity\n",
            "0 boxes here, but is `Lung Opacity` in line 2",
        ),
        (
            "a,1,1,1,1,1\n",
            "a,Normal\n",
            "1 boxes here, but is `Normal`",
        ),
        ("a,,,,,0\na,1,1,1,1,1\n", "a,Normal\n", "with `Target` 0"),
        (
            "a,1,1,1,1,1\na,,,,,0\n",
            "a,Lung Opacity\n",
            "of a patient with boxes",
        ),
        (
            "a,,,,,0\n",
            "a,Normal\na,Lung Opacity\n",
            "who is `Normal` above",
        ),
        ("a,,,,,0\n", "", "no usable row in `stage_2_detailed"),
        ("", "a,Normal\n", "no usable row in `stage_2_train"),
        ("a,,,,,0\n", "a,normal\n", "is none of"),
        ("a,1,1,1,1,0\n", "a,Normal\n", "but there is a box"),
        ("a,1,1,1,,1\n", "a,Lung Opacity\n", "not a number"),
        ("a,1,1,nan,1,1\n", "a,Lung Opacity\n", "not a number"),
        ("a,1,1,inf,1,1\n", "a,Lung Opacity\n", "not a number"),
        ("a,-1,1,1,1,1\n", "a,Lung Opacity\n", "not a number"),
        (
            "a,1000,1,25,1,1\n",
            "a,Lung Opacity\n",
            "not inside 1024 x 1024",
        ),
        ("a,1,1,0,1,1\n", "a,Lung Opacity\n", "not inside"),
        ("a,1,1,1,1,2\n", "a,Lung Opacity\n", "neither 0 nor 1"),
        ("a,1,1\n", "a,Lung Opacity\n", "3 fields"),
        (
            "a,1,1,1,1,1\na,x,1,1,1,1\na,2,2,2,2,1\n",
            "a,Lung Opacity\n",
            "a row above that cannot",
        ),
    ] {
        let read = both(
            &format!("{header}{labels}"),
            &format!("patientId,class\n{classes}"),
        );
        assert_eq!(read.records, [], "{labels}{classes}");
        let said = read.findings.iter().map(ToString::to_string);
        let said = said.collect::<Vec<_>>().join("\n");
        assert!(said.contains(what), "{what}: {said}");
        assert!(read.dropped() > 0);
    }
}

#[test]
fn a_repeated_row_counts_once_and_a_path_is_no_patient() {
    let read = both(
        "patientId,x,y,width,height,Target\na,1,1,1,1,1\na,1,1,1,1,1\nb,,,,,0\nb,,,,,0\n../c,,,,,0\n/d,,,,,0\n,,,,,0\n",
        "patientId,class\na,Lung Opacity\nb,Normal\n..,Normal\n",
    );
    let counts: Vec<_> = read.records.iter().map(|one| one.boxes.len()).collect();
    assert_eq!(counts, [1, 0]);
    let repaired = read
        .findings
        .iter()
        .filter(|one| one.outcome == Outcome::Repaired);
    assert_eq!((repaired.count(), read.dropped()), (2, 4));
}
