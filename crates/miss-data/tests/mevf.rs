//! The files of MEVF, and all fields of VQA-RAD in either release.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use miss_data::read::Outcome;
use miss_data::split::{SplitKind, make};
use miss_data::vqa_rad::{
    Entry, PhraseType, QUESTIONS_FILE, TEST_FILE, TRAIN_FILE, parse_mevf, parse_mevf_entries,
    read_entries, read_mevf,
};
use miss_data::{AnswerType, Part, Question, ReadError};
use serde_json::{Value, json};

#[test]
fn mevf_has_the_published_counts() {
    let Some(root) = common::shared_data("vqa-rad") else {
        return;
    };
    let read = read_mevf(&root).unwrap();
    let all = &read.records;
    assert_eq!((all.len(), read.dropped()), (3_515, 0));
    let test: Vec<&Question> = all
        .iter()
        .filter(|row| row.part == Some(Part::Test))
        .collect();
    let of = |wanted: &dyn Fn(&Question) -> bool| test.iter().filter(|row| wanted(row)).count();
    assert_eq!(
        (test.len(), of(&|row| row.answer_type == AnswerType::Closed)),
        (451, 272)
    );
    assert_eq!(all[0].id, "vqa-rad-mevf/train/0");
    assert_eq!(all[3_063].id, "vqa-rad-mevf/train/3063");
    assert_eq!(all[3_064].id, "vqa-rad-mevf/test/0");
    let ids: BTreeSet<&str> = all.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), 3_515);

    let split = make(SplitKind::Mevf, all, 0, 0.1, 0.1).unwrap();
    assert_eq!(
        (split.train.len(), split.validation.len(), split.test.len()),
        (3_064, 0, 451)
    );
}

/// The two releases number their questions each in its own way.
#[test]
fn the_numbers_of_the_two_releases_do_not_match() {
    let Some(root) = common::shared_data("vqa-rad") else {
        return;
    };
    let official = read_entries(&root).unwrap().records;
    let path = root.join(TRAIN_FILE);
    let mevf = parse_mevf_entries(&fs::read(&path).unwrap(), &path)
        .unwrap()
        .records;
    let frames = mevf
        .iter()
        .filter(|row| row.phrase_type == PhraseType::Frame);
    assert_eq!(frames.count(), 1_267);
    let other = |row: &&Entry| {
        let twin = official.iter().find(|twin| twin.qid == row.qid);
        twin.is_none_or(|twin| twin.question != row.question)
    };
    assert!(mevf.iter().filter(other).count() > 3_000);
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.trim() == "NULL" => None,
        Value::String(text) => Some(text.clone()),
        number => Some(number.to_string()),
    }
}

fn assert_same(entry: &Entry, row: &Value) {
    let qid = text_of(&row["qid"]).unwrap();
    assert_eq!(entry.qid.unwrap().to_string(), qid);
    let texts = [
        ("qid_linked_id", entry.qid_linked_id.as_ref()),
        ("image_case_url", entry.image_case_url.as_ref()),
        ("evaluation", entry.evaluation.as_ref()),
        ("question_rephrase", entry.question_rephrase.as_ref()),
        ("question_relation", entry.question_relation.as_ref()),
        ("question_frame", entry.question_frame.as_ref()),
        ("image_name", Some(&entry.image_name)),
        ("image_organ", entry.image_organ.as_ref()),
        ("question", Some(&entry.question)),
        ("question_type", Some(&entry.question_type)),
        ("answer", Some(&entry.answer)),
    ];
    for (key, text) in texts {
        assert_eq!(text.cloned(), text_of(&row[key]), "`{key}` of qid {qid}");
    }
    let phrase_type = match entry.phrase_type {
        PhraseType::Freeform => "freeform",
        PhraseType::Para => "para",
        PhraseType::Frame => "frame",
        PhraseType::TestFreeform => "test_freeform",
        PhraseType::TestPara => "test_para",
    };
    assert_eq!(phrase_type, row["phrase_type"]);
    let answer_type = serde_json::to_value(entry.answer_type).unwrap();
    assert_eq!(answer_type, row["answer_type"].as_str().unwrap().trim());
}

#[test]
fn entries_lose_nothing() {
    let Some(root) = common::shared_data("vqa-rad") else {
        return;
    };
    let rows = |file: &str| -> Vec<Value> {
        serde_json::from_slice(&fs::read(root.join(file)).unwrap()).unwrap()
    };
    let mevf = |file: &str| {
        parse_mevf_entries(&fs::read(root.join(file)).unwrap(), Path::new(file)).unwrap()
    };
    for (entries, rows, count) in [
        (read_entries(&root).unwrap(), rows(QUESTIONS_FILE), 2_248),
        (mevf(TRAIN_FILE), rows(TRAIN_FILE), 3_064),
        (mevf(TEST_FILE), rows(TEST_FILE), 451),
    ] {
        assert_eq!((entries.records.len(), rows.len()), (count, count));
        assert_eq!(entries.dropped(), 0);
        for (entry, row) in entries.records.iter().zip(&rows) {
            assert_same(entry, row);
        }
    }
}

#[test]
fn a_broken_row_of_mevf_is_dropped() {
    let row_with = |key: &str, value: Value| {
        let mut row = json!({
            "qid": 1, "image_name": "a.jpg", "image_organ": "HEAD", "answer": "no", "answer_type": "CLOSED",
            "question_type": "PRES", "question": "Is it?", "phrase_type": "frame",
        });
        row[key] = value;
        row
    };
    for (key, value) in [
        ("image_name", json!("../a.jpg")),
        ("image_name", json!("sub/a.jpg")),
        ("qid", json!(-3)),
        ("qid", json!([])),
        ("answer", json!("")),
        ("answer_type", json!("YES")),
        ("phrase_type", json!("test_para")),
        ("phrase_type", json!(null)),
        ("question_type", json!("WHY")),
        ("image_organ", json!({})),
    ] {
        let rows = json!([row_with("qid", 7.into()), row_with(key, value.clone())]);
        let read = parse_mevf(rows.to_string().as_bytes(), Path::new("f"), Part::Train).unwrap();
        assert_eq!(
            (read.records.len(), read.dropped()),
            (1, 1),
            "{key} = {value}"
        );
        let last = read.findings.last().unwrap();
        assert_eq!(last.outcome, Outcome::Dropped);
        assert!(last.what.contains(key), "{}", last.what);
    }
    for text in [&b"{}"[..], b"[[]]", b"[{\"qid\":", b"\x00"] {
        let error = parse_mevf(text, Path::new("f"), Part::Test).unwrap_err();
        assert!(matches!(error, ReadError::Format { .. }));
    }
    let error = read_mevf(Path::new("/no/such/folder"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(TRAIN_FILE) && error.contains("images/"),
        "{error}"
    );
}
