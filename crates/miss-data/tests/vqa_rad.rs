//! The reader against counts taken from the release by other means.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use miss_data::read::{Outcome, Place};
use miss_data::vqa_rad::{QUESTIONS_FILE, read};
use miss_data::{AnswerType, Part, Question, Read, ReadError};

fn assert_is_the_release(read: &Read<Question>) {
    let all = &read.records;
    let count = |wanted: &dyn Fn(&Question) -> bool| all.iter().filter(|row| wanted(row)).count();
    assert_eq!(all.len(), 2248);
    assert_eq!(
        all.iter()
            .map(|row| &row.image)
            .collect::<BTreeSet<_>>()
            .len(),
        314
    );
    assert_eq!(
        all.iter().map(|row| &row.id).collect::<BTreeSet<_>>().len(),
        2248
    );

    assert_eq!(count(&|row| row.part == Some(Part::Train)), 1797);
    assert_eq!(count(&|row| row.part == Some(Part::Test)), 451);
    let test =
        |answer_type| count(&|row| row.part == Some(Part::Test) && row.answer_type == answer_type);
    assert_eq!(
        (test(AnswerType::Closed), test(AnswerType::Open)),
        (272, 179)
    );
    let yes_or_no = |row: &Question| matches!(row.answer.to_lowercase().as_str(), "yes" | "no");
    assert_eq!(
        count(&|row| row.part == Some(Part::Test) && yes_or_no(row)),
        251
    );

    let organ = |name: &str| count(&|row| row.organ.as_deref() == Some(name));
    assert_eq!(
        (organ("CHEST"), organ("ABD"), organ("HEAD")),
        (794, 739, 715)
    );
    let kind = |name: &str| count(&|row| row.question_types == [name]);
    // 800 PRES and one PRSE; 87 ATTRIB and one ATRIB; 194 OTHER and two Other.
    assert_eq!(
        (kind("PRES"), kind("ATTRIB"), kind("OTHER")),
        (801, 88, 196)
    );
    assert_eq!(count(&|row| row.question_types.len() == 2), 34);

    let numbers: Vec<(&str, &str)> = [1511, 1568, 1683, 2234, 2235]
        .map(|row: usize| (all[row].id.as_str(), all[row].answer.as_str()))
        .to_vec();
    let expected = [
        ("vqa-rad/1511", "4"),
        ("vqa-rad/1568", "2"),
        ("vqa-rad/1683", "2"),
        ("vqa-rad/2234", "12"),
        ("vqa-rad/2235", "12"),
    ];
    assert_eq!(numbers, expected);
    // 7 questions, 6 answers and 2 answer types with stray white space, 5 numbers, 4 question
    // types.
    assert_eq!(read.findings.len(), 24);
    assert!(
        read.findings
            .iter()
            .any(|finding| finding.place == Place::Row(1511) && finding.what.contains("number 4"))
    );
}

#[test]
fn the_embedded_copy_is_read() {
    let read = read(&common::embedded()).unwrap();
    assert_is_the_release(&read);
    let first = &read.records[0];
    assert_eq!(first.image, "synpic54610.jpg");
    assert_eq!(first.question, "Are regions of the brain infarcted?");
    assert_eq!(first.answer, "Yes");
    assert_eq!(
        first.linked_id.as_deref(),
        Some("03f451ca-de62-4617-9679-e836026a7642")
    );
}

#[test]
fn the_full_release_gives_the_same_records() {
    let Some(root) = common::shared_data("vqa-rad") else {
        return;
    };
    let full = read(&root).unwrap();
    assert_is_the_release(&full);
    let embedded = read(&common::embedded()).unwrap();
    assert_eq!(full.records, embedded.records);
    // The findings name another file each.
    let told = |read: &Read<Question>| -> Vec<_> {
        let of = read.findings.iter();
        of.map(|finding| (finding.place, finding.outcome, finding.what.clone()))
            .collect()
    };
    assert_eq!(told(&full), told(&embedded));
}

fn row_with(key: &str, value: serde_json::Value) -> serde_json::Value {
    let mut row = serde_json::json!({
        "qid": 1, "phrase_type": "para", "qid_linked_id": "NULL", "image_name": "a.jpg", "image_organ": "HEAD",
        "question": "Is it?", "question_type": "PRES", "answer": "no", "answer_type": "CLOSED",
    });
    row[key] = value;
    row
}

fn read_text(text: &[u8]) -> Result<Read<Question>, ReadError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(QUESTIONS_FILE), text).unwrap();
    read(folder.path())
}

#[test]
fn repairs_keep_what_was_written_and_are_noted() {
    let rows = serde_json::json!([
        row_with("question", "  Is\tit \n there? ".into()),
        row_with("question_type", "POS, prse".into()),
        row_with("answer", 3.5.into()),
        row_with("image_organ", serde_json::Value::Null),
    ]);
    let read = read_text(rows.to_string().as_bytes()).unwrap();
    assert_eq!(read.records[0].question, "Is it there?");
    assert_eq!(read.records[1].question_types, ["POS", "PRES"]);
    assert_eq!(read.records[2].answer, "3.5");
    assert_eq!(read.records[3].organ, None);
    assert_eq!(read.records[3].linked_id, None);
    assert_eq!(
        read.findings
            .iter()
            .map(|finding| finding.place)
            .collect::<Vec<_>>(),
        [0, 1, 2].map(Place::Row)
    );
}

#[test]
fn a_broken_row_is_dropped_naming_file_row_and_remedy() {
    let broken = [
        ("image_name", "../../etc/passwd".into()),
        ("image_name", "/etc/passwd".into()),
        ("image_name", "..".into()),
        ("image_name", "C:\\x.jpg".into()),
        ("image_name", "".into()),
        ("question", " \t".into()),
        ("question", serde_json::Value::Null),
        ("answer", serde_json::json!(["yes"])),
        ("answer", true.into()),
        ("answer_type", "closed".into()),
        ("question_type", "PRES,".into()),
        ("question_type", "WHY".into()),
        ("phrase_type", "frame".into()),
    ];
    for (key, value) in broken {
        let rows = serde_json::json!([row_with("qid", 7.into()), row_with(key, value.clone())]);
        let read = read_text(rows.to_string().as_bytes()).unwrap();
        assert_eq!(read.records.len(), 1, "{key} = {value}");
        let last = read.findings.last().unwrap();
        assert_eq!(
            (last.place, last.outcome),
            (Place::Row(1), Outcome::Dropped)
        );
        let message = read.all_or_nothing().unwrap_err().to_string();
        for part in [QUESTIONS_FILE, "row 1", key, "mend the row"] {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
    }
}

#[test]
fn a_file_that_is_no_list_is_an_error_that_says_where() {
    let deep = "[".repeat(100_000);
    let texts: [&[u8]; 7] = [
        b"",
        b"{}",
        b"[1]",
        b"[{\"question\": \"x\"",
        b"\xff\xfe[]",
        b"null",
        deep.as_bytes(),
    ];
    for text in texts {
        let error = read_text(text).unwrap_err();
        assert!(matches!(error, ReadError::Format { .. }), "{error}");
        assert!(error.to_string().contains("line"), "{error}");
    }
    let error = read(Path::new("/no/such/folder")).unwrap_err();
    assert!(matches!(error, ReadError::Io { .. }));
    assert!(error.to_string().contains(QUESTIONS_FILE), "{error}");
}
