//! MedICaT against its own sample and against lines made by hand.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use miss_data::medicat::{
    CaptionChoice, Options, SUBCAPTIONS_FILE, Subset, each_entry, parse, parse_subfigures, read,
    read_subfigures,
};
use miss_data::read::{Outcome, Place};
use miss_data::{Figure, Read};
use proptest::prelude::*;
use serde_json::{Value, json};

fn everything() -> Options {
    Options {
        radiology_only: false,
        ..Options::default()
    }
}

fn of(text: &str, options: &Options) -> Read<Figure> {
    parse(text.as_bytes(), Path::new("m.jsonl"), options).unwrap()
}

fn ids(read: &Read<Figure>) -> Vec<&str> {
    read.records.iter().map(|row| row.id.as_str()).collect()
}

/// A line as the release has them.
fn line(hash: &str, changes: &[(&str, Value)]) -> String {
    let mut line = json!({
        "pdf_hash": hash, "fig_key": "Figure1", "fig_uri": "1-Figure1-1.png",
        "s2_caption": "Figure 1.  A\tscan ", "s2orc_caption": "A scan, again",
        "s2orc_references": ["See Figure 1.", "  ", "See Figure 1. "],
        "radiology": true, "scope": false, "predicted_type": "Medical images",
        "oa_info": {"doi": "10.1/1", "doi_url": null, "oa": {
            "is_oa": true, "oa_status": "gold", "journal_is_oa": true, "journal_is_in_doaj": true,
            "license": "cc-by", "provenance": "unpaywall"}},
    });
    for (key, value) in changes {
        line[key] = value.clone();
    }
    format!("{line}\n")
}

#[test]
fn the_sample_has_ten_figures_of_which_six_are_radiological() {
    let Some(root) = common::shared_data("medicat-sample") else {
        return;
    };
    let all = read(&root, &everything()).unwrap();
    assert_eq!((all.records.len(), all.findings.len()), (10, 0));
    let articles: BTreeSet<_> = all.records.iter().map(|row| &row.group).collect();
    assert_eq!(articles.len(), 5);
    let licence = |name| {
        all.records
            .iter()
            .filter(|row| row.licence.as_deref() == name)
            .count()
    };
    assert_eq!(
        [Some("cc-by-nc-nd"), Some("cc-by-nc"), None].map(licence),
        [6, 2, 2]
    );
    for row in &all.records {
        assert!(root.join("figures").join(&row.image).is_file(), "{row:?}");
    }
    let radiology = read(&root, &Options::default()).unwrap();
    assert_eq!(radiology.records.len(), 6);
    assert_eq!(radiology.findings.len(), 1);
    assert!(radiology.findings[0].what.starts_with("4 figures"));
    assert!(radiology.all_or_nothing().is_ok());
}

#[test]
fn an_entry_loses_nothing_of_its_line() {
    let mut text = line("a", &[("new_key", json!([1, {"x": null}]))]);
    if let Some(root) = common::shared_data("medicat-sample") {
        text += &fs::read_to_string(root.join("sample.jsonl")).unwrap();
    }
    let mut lines = text.lines();
    each_entry(text.as_bytes(), Path::new("m.jsonl"), |_, entry| {
        let written: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(serde_json::to_value(entry.unwrap()).unwrap(), written);
    })
    .unwrap();
    assert_eq!(lines.next(), None);
}

#[test]
fn captions_are_chosen_tidied_and_joined_by_references() {
    let text = line("a", &[]) + &line("b", &[("s2_caption", Value::Null)]);
    let captions = |options: &Options| -> Vec<Vec<String>> {
        let read = of(&text, options);
        read.records.into_iter().map(|row| row.captions).collect()
    };
    assert_eq!(
        captions(&Options::default()),
        [["Figure 1. A scan"], ["A scan, again"]]
    );
    let other = Options {
        caption: CaptionChoice::S2orcFirst,
        references: true,
        ..Options::default()
    };
    assert_eq!(
        captions(&other),
        vec![["A scan, again", "See Figure 1."]; 2]
    );
    let stripped = Options {
        strip_label: true,
        ..Options::default()
    };
    assert_eq!(captions(&stripped)[0], ["A scan"]);
}

#[test]
fn without_a_licence_nothing_is_allowed() {
    let text = line("a", &[])
        + &line("b", &[("oa_info", Value::Null)])
        + &line("c", &[("oa_info", json!({"oa": {"license": null}}))])
        + &line("d", &[("oa_info", json!({"oa": {"license": "cc-by-nc"}}))]);
    let allowed = |licences: &[&str]| {
        let licences = Some(licences.iter().map(|&one| one.to_owned()).collect());
        let options = Options {
            licences,
            ..Options::default()
        };
        of(&text, &options)
    };
    let read = allowed(&["cc-by"]);
    assert_eq!(ids(&read), ["medicat/a/1-Figure1-1.png"]);
    assert!(read.findings[0].what.starts_with("3 figures"));
    assert_eq!(ids(&allowed(&[])), Vec::<&str>::new());
    assert_eq!(of(&text, &Options::default()).records.len(), 4);
}

#[test]
fn odd_lines_are_dropped_with_their_place_and_the_rest_is_read() {
    let none = [("s2_caption", json!(" ")), ("s2orc_caption", Value::Null)];
    let text = [
        line("a", &[]),
        "\n".into(),
        "{\"pdf_hash\":\n".into(),
        "[1]\n".into(),
        line("a", &[]),
        line("b", &none),
        line("..", &[("fig_uri", json!("/../../x.png"))]),
        line("c\\", &[]),
        line("d", &[("s2_caption", json!(7))]),
        "{\"x\":".repeat(100_000) + "\n",
        format!("\"{}\"\n", "x".repeat(2 << 20)),
        "\u{0}\u{1}\n".into(),
        line("e", &[]).trim_end().into(),
    ]
    .concat();
    let read = of(&text, &Options::default());
    assert_eq!(
        ids(&read),
        ["medicat/a/1-Figure1-1.png", "medicat/e/1-Figure1-1.png"]
    );
    let dropped: Vec<(Place, Outcome)> = read
        .findings
        .iter()
        .map(|finding| (finding.place, finding.outcome))
        .collect();
    let lines: Vec<_> = (3..=12)
        .map(|line| (Place::Line(line), Outcome::Dropped))
        .collect();
    assert_eq!(dropped, lines, "{:#?}", read.findings);
    let error = read.all_or_nothing().unwrap_err().to_string();
    assert!(error.contains("m.jsonl, line 5: the figure"), "{error}");
}

#[test]
fn the_folder_must_have_one_file_of_figures() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let failed = || read(root, &everything()).unwrap_err().to_string();
    assert!(failed().contains("no `*.jsonl`"), "{}", failed());
    fs::write(root.join(SUBCAPTIONS_FILE), "").unwrap();
    assert!(failed().contains("no `*.jsonl`"));
    fs::write(root.join("one.jsonl"), line("a", &[])).unwrap();
    assert_eq!(read(root, &everything()).unwrap().records.len(), 1);
    assert_eq!(read_subfigures(root).unwrap().records, []);
    fs::write(root.join("two.jsonl"), "").unwrap();
    assert!(failed().contains("one.jsonl, two.jsonl"), "{}", failed());
}

proptest! {
    #[test]
    fn a_subset_depends_on_ids_and_seed_and_not_on_the_order(
        names in prop::collection::hash_set("[a-z]{1,6}", 0..60),
        size in 0_usize..70,
        seed: u64,
    ) {
        let mut lines: Vec<String> = names.iter().map(|name| line(name, &[])).collect();
        let drawn = |lines: &[String], size| -> Vec<String> {
            let options = Options { subset: Some(Subset { size, seed }), ..Options::default() };
            of(&lines.concat(), &options).records.into_iter().map(|row| row.id).collect()
        };
        let first = drawn(&lines, size);
        prop_assert_eq!(first.len(), size.min(names.len()));
        let in_file_order: Vec<String> =
            drawn(&lines, 70).into_iter().filter(|id| first.contains(id)).collect();
        prop_assert_eq!(&first, &in_file_order);
        lines.sort();
        let sorted = drawn(&lines, size);
        prop_assert_eq!(BTreeSet::from_iter(first.clone()), BTreeSet::from_iter(sorted));
        let larger = BTreeSet::from_iter(drawn(&lines, size + 1));
        prop_assert!(first.iter().all(|id| larger.contains(id)));
    }
}

#[test]
fn every_figure_is_drawn_as_often_as_every_other() {
    // 1,000 draws of 10 of 40: each expected 250 times, standard deviation 13.7.
    let ids: Vec<String> = (0..40).map(|number| format!("medicat/{number}")).collect();
    let mut counts = vec![0; 40];
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for seed in 0..1000 {
        let drawn = Subset { size: 10, seed }.drawn(&ids);
        for (count, drawn) in counts.iter_mut().zip(drawn) {
            *count += usize::from(drawn);
        }
    }
    assert_eq!(counts.iter().sum::<usize>(), 10_000);
    assert!(
        counts.iter().all(|count| (180..320).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn parts_of_a_figure_carry_outline_and_text_and_join_by_id() {
    let good = json!({
        "pdf_hash": "a", "fig_uri": "1-Figure1-1.png", "answer": "accept", "width": 90, "height": 60,
        "tokens": [{"text": "CT", "start": 0, "end": 2, "id": 0}, {"text": "(A)"}, {"text": "axial"}, "(B)", "coronal"],
        "spans": [
            {"label": "A", "points": [[10, 20.5], [40, 20.5], [40, 50], [10, 50]]},
            {"label": "B", "points": [[50, 20], [80, 50]]},
            {"label": "C", "points": [[1, 1]]},
        ],
        "subcaptions": {"A": [2, 0, 1, 1], "B": [0, 3, 4]},
    });
    let with = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed["pdf_hash"] = json!("b");
        changed[key] = value;
        changed
    };
    let lines = [
        good.clone(),
        with("answer", json!("reject")),
        with("spans", json!([])),
        with("subcaptions", json!({})),
        good.clone(),
        with("subcaptions", json!({"A": [5]})),
        with("spans", json!([{"label": "A", "points": []}])),
        with("spans", json!([{"label": "A", "points": [[1e300, 0]]}])),
        with("fig_uri", json!("/etc/x.png")),
        with("tokens", json!(vec!["x"; 5000])),
        json!(null),
    ];
    let text = lines.map(|line| line.to_string()).join("\n");
    let read = parse_subfigures(text.as_bytes(), Path::new("s.jsonl")).unwrap();
    assert_eq!(read.records.len(), 1);
    let figure = &read.records[0];
    assert_eq!(figure.id, ids(&of(&line("a", &[]), &everything()))[0]);
    assert_eq!(figure.image, "a_1-Figure1-1.png");
    let parts: Vec<_> = figure
        .parts
        .iter()
        .map(|part| (part.label.as_str(), part.caption.as_str(), part.bounds()))
        .collect();
    assert_eq!(
        parts,
        [
            ("A", "CT (A) axial", [10.0, 20.5, 40.0, 50.0]),
            ("B", "CT (B) coronal", [50.0, 20.0, 80.0, 50.0]),
        ]
    );
    let found: Vec<_> = read
        .findings
        .iter()
        .map(|finding| (finding.place, finding.outcome))
        .collect();
    // The first line's part C has no subcaption, and so on the repeated line 5, which is dropped as a whole.
    let kept = [1, 2, 3, 4, 5].map(|line| (Place::Line(line), Outcome::Kept));
    let dropped = [5, 6, 7, 8, 9, 10, 11].map(|line| (Place::Line(line), Outcome::Dropped));
    assert_eq!(found, [&kept[..], &dropped[..]].concat());
}
