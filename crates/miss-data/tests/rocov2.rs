//! ROCOv2 against a sample of it, whose tables were counted with Python's `csv`, and against hostile tables.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use miss_data::read::{Outcome, Place};
use miss_data::record::Part;
use miss_data::rocov2::{parse_captions, parse_concepts, read, read_concepts};

#[test]
fn the_sample_has_eight_hundred_figures_with_concepts() {
    let Some(root) = common::shared_data("rocov2-sample") else {
        return;
    };
    let figures = read(&root).unwrap();
    assert_eq!(figures.dropped(), 0);
    let parts = [Part::Train, Part::Validation, Part::Test];
    let of = |part| {
        figures
            .records
            .iter()
            .filter(move |row| row.part == Some(part))
    };
    assert_eq!(parts.map(|part| of(part).count()), [600, 100, 100]);
    // Captions with stray white space.
    let repaired = figures
        .findings
        .iter()
        .filter(|one| one.outcome == Outcome::Repaired);
    assert_eq!(repaired.count(), 45 + 10 + 8);
    for row in &figures.records {
        assert!(root.join("images").join(&row.image).is_file(), "{row:?}");
    }
    let concepts = read_concepts(&root).unwrap();
    assert_eq!(concepts.findings, []);
    let mut counts = BTreeMap::new();
    let mut distinct: BTreeMap<Part, BTreeSet<&str>> = BTreeMap::new();
    for row in &concepts.records {
        *counts.entry(row.part).or_insert(0) += row.cuis.len();
        let names = row.cuis.iter().map(String::as_str);
        distinct.entry(row.part).or_default().extend(names);
    }
    assert_eq!(parts.map(|part| counts[&part]), [2015, 313, 305]);
    assert_eq!(parts.map(|part| distinct[&part].len()), [542, 158, 145]);
    let ids = |ids: &mut dyn Iterator<Item = &String>| ids.cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        ids(&mut figures.records.iter().map(|row| &row.id)),
        ids(&mut concepts.records.iter().map(|row| &row.id))
    );
}

#[test]
fn odd_rows_are_dropped_with_their_place() {
    let table = b"ID,Caption\r\na,\"One, \"\"quoted\"\"\r\nof two lines\"\r\nb,\r\n../c,x\r\na,again\r\nd\r\n\
        \xFF,x\r\ne,\xFF\r\n,x\r\nf,Last\r\n";
    let read = parse_captions(table, Path::new("c.csv"), Part::Test).unwrap();
    let found: Vec<_> = read
        .records
        .iter()
        .map(|row| {
            (
                row.id.as_str(),
                row.image.as_str(),
                row.captions[0].as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("rocov2/a", "test/a.jpg", "One, \"quoted\" of two lines"),
            ("rocov2/f", "test/f.jpg", "Last"),
        ]
    );
    let places: Vec<_> = read
        .findings
        .iter()
        .map(|one| (one.place, one.outcome))
        .collect();
    let mut wanted = vec![(Place::Line(2), Outcome::Repaired)];
    wanted.extend((4..=10).map(|line| (Place::Line(line), Outcome::Dropped)));
    assert_eq!(places, wanted, "{:#?}", read.findings);
}

#[test]
fn an_open_quote_takes_no_figures_away() {
    let table = b"ID,Caption\na,one\nb,\"two\nc,three\nd,four\n";
    let error = parse_captions(table, Path::new("c.csv"), Part::Test).unwrap_err();
    assert!(
        error.to_string().contains("line 3 is never closed"),
        "{error}"
    );
}

#[test]
fn concepts_must_be_cuis() {
    let table = b"CUIs,ID\nC0040405;C1306645,a\nC004040,b\nX0040405,c\n,d\nC0040405; C1306645,e\n";
    let read = parse_concepts(table, Path::new("c.csv"), Part::Train).unwrap();
    let found: Vec<_> = read
        .records
        .iter()
        .map(|row| (row.id.as_str(), row.cuis.len()))
        .collect();
    assert_eq!(found, [("rocov2/a", 2), ("rocov2/e", 2)]);
    assert_eq!(read.dropped(), 3);
}

#[test]
fn a_part_without_table_is_an_error_and_a_figure_in_two_parts_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for part in ["train", "valid"] {
        fs::write(
            root.join(format!("{part}_captions.csv")),
            "ID,Caption\na,x\n",
        )
        .unwrap();
    }
    let error = read(root).unwrap_err().to_string();
    assert!(error.contains("test_captions.csv"), "{error}");
    fs::write(root.join("test_captions.csv"), "ID,Caption\n").unwrap();
    let all = read(root).unwrap();
    assert_eq!((all.records.len(), all.dropped()), (1, 1));
    fs::write(root.join("test_captions.csv"), "name;text\n").unwrap();
    assert!(read(root).unwrap_err().to_string().contains("`ID`"));
}
