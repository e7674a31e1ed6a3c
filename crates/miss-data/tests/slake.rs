//! The reader of SLAKE against counts taken from its files by other means, and against rows that are
//! broken.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use miss_data::read::{Outcome, Place};
use miss_data::slake::{
    BaseType, FILES, parse, parse_boxes, parse_knowledge, parse_mask_labels, read, read_boxes,
    read_entries, read_knowledge, read_mask_labels,
};
use miss_data::{AnswerType, Language, Part, Question, ReadError};
use serde_json::{Value, json};

#[test]
fn the_release_has_the_published_counts() {
    let Some(root) = common::shared_data("slake") else {
        return;
    };
    let read = read(&root).unwrap();
    let all = &read.records;
    assert_eq!((all.len(), read.dropped()), (14_028, 0));
    let of = |part, language| -> Vec<&Question> {
        let wanted = |row: &&Question| row.part == Some(part) && row.language == language;
        all.iter().filter(wanted).collect()
    };
    let parts = [Part::Train, Part::Validation, Part::Test];
    let counts = |language| parts.map(|part| of(part, language).len());
    assert_eq!(counts(Language::En), [4_919, 1_053, 1_061]);
    assert_eq!(counts(Language::Zh), [4_916, 1_046, 1_033]);
    for language in [Language::En, Language::Zh] {
        let images = parts.map(|part| -> BTreeSet<&str> {
            of(part, language)
                .iter()
                .map(|row| row.image.as_str())
                .collect()
        });
        assert_eq!(images.each_ref().map(BTreeSet::len), [450, 96, 96]);
        let union: BTreeSet<&str> = images.into_iter().flatten().collect();
        assert_eq!(union.len(), 642, "no image in two parts");
    }

    let test = of(Part::Test, Language::En);
    let closed = |row: &&&Question| row.answer_type == AnswerType::Closed;
    assert_eq!(test.iter().filter(closed).count(), 416);
    let yes_or_no = |row: &&&Question| matches!(row.answer.to_lowercase().as_str(), "yes" | "no");
    assert_eq!(test.iter().filter(yes_or_no).count(), 355);

    let ids: BTreeSet<&str> = all.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), 14_028);
    let modality = |name: &str| {
        let of = all
            .iter()
            .filter(|row| row.modality.as_deref() == Some(name));
        of.count()
    };
    assert_eq!(["CT", "X-Ray", "MRI"].map(modality), [6_639, 4_214, 3_175]);
    let first = &all[0];
    assert_eq!(
        (
            first.id.as_str(),
            first.image.as_str(),
            first.answer.as_str()
        ),
        ("slake/0", "xmlab1/source.jpg", "MRI")
    );
    assert_eq!(first.organ.as_deref(), Some("Abdomen"));
    assert_eq!(first.question_types, ["Modality"]);

    // 91 texts with stray white space, and one empty answer, which is kept.
    let empty: Vec<_> = read
        .findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::Kept)
        .collect();
    assert_eq!(empty.len(), 1);
    assert!(empty[0].what.contains("qid 1622"), "{}", empty[0].what);
    assert!(
        all.iter()
            .any(|row| row.id == "slake/1622" && row.answer.is_empty())
    );
    assert_eq!(read.findings.len(), 92);
}

/// Every field of every row, against the JSON as it stands.
#[test]
fn entries_lose_nothing() {
    let Some(root) = common::shared_data("slake") else {
        return;
    };
    let entries = read_entries(&root).unwrap();
    assert_eq!(entries.findings, []);
    let rows: Vec<Value> = FILES
        .iter()
        .flat_map(|(file, _)| {
            let text = fs::read(root.join(file)).unwrap();
            serde_json::from_slice::<Vec<Value>>(&text).unwrap()
        })
        .collect();
    assert_eq!(entries.records.len(), rows.len());
    for (entry, row) in entries.records.iter().zip(&rows) {
        let again = json!({
            "img_id": entry.img_id,
            "img_name": entry.img_name,
            "question": entry.question,
            "answer": entry.answer,
            "q_lang": entry.q_lang,
            "location": entry.location,
            "modality": entry.modality,
            "answer_type": entry.answer_type,
            "base_type": match entry.base_type { BaseType::Vqa => "vqa", BaseType::Kvqa => "kvqa" },
            "content_type": entry.content_type,
            "triple": [&entry.triple.head, &entry.triple.relation, &entry.triple.tail],
            "qid": entry.qid,
        });
        assert_eq!(again, *row);
    }
}

#[test]
fn boxes_masks_and_knowledge_are_whole() {
    let Some(root) = common::shared_data("slake") else {
        return;
    };
    let images: BTreeSet<String> = read(&root)
        .unwrap()
        .records
        .into_iter()
        .map(|row| row.image)
        .collect();
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    for image in &images {
        let boxes = read_boxes(&root, image).unwrap();
        assert_eq!(boxes.findings, [], "{image}");
        for found in boxes.records {
            *labels.entry(found.label.unwrap()).or_default() += 1;
        }
    }
    assert_eq!(labels.values().sum::<usize>(), 1_622);
    assert_eq!(
        (labels.len(), labels["Liver"], labels["Brain Edema"]),
        (44, 175, 183)
    );
    let liver = &read_boxes(&root, "xmlab1/source.jpg").unwrap().records[0];
    assert_eq!(
        [liver.x, liver.y, liver.width, liver.height],
        [54.0, 106.0, 30.0, 31.0]
    );

    let masks = read_mask_labels(&root).unwrap();
    assert_eq!((masks.records.len(), masks.findings.len()), (39, 0));
    assert!(
        masks
            .records
            .iter()
            .any(|mask| mask.value == 180 && mask.label == "Heart")
    );

    for (language, count, relation) in [
        (Language::En, 2_216 + 281 + 103, "location"),
        (Language::Zh, 2_216 + 307 + 103, "发病部位"),
    ] {
        let graph = read_knowledge(&root, language).unwrap();
        assert_eq!((graph.records.len(), graph.findings.len()), (count, 0));
        assert_eq!(graph.records[0].relation, relation);
    }
}

fn row_with(key: &str, value: Value) -> Value {
    let mut row = json!({
        "img_id": 1, "img_name": "xmlab1/source.jpg", "question": "Is it?", "answer": "No", "q_lang": "en",
        "location": "Lung", "modality": "CT", "answer_type": "CLOSED", "base_type": "vqa",
        "content_type": "Organ", "triple": ["vhead", "_", "_"], "qid": 5,
    });
    row[key] = value;
    row
}

#[test]
fn a_broken_row_is_dropped_naming_row_and_field() {
    let long = "x".repeat(10_000);
    let broken = [
        ("img_name", json!("../../etc/passwd")),
        ("img_name", json!("/etc/passwd")),
        ("img_name", json!("xmlab1/../../x.jpg")),
        ("img_name", json!("c:\\x.jpg")),
        ("img_name", json!("")),
        ("img_id", json!(-1)),
        ("img_id", json!(1.5)),
        ("qid", json!("seven")),
        ("qid", json!(1e300)),
        ("question", json!(" \t")),
        ("question", json!(null)),
        ("answer", json!(["No"])),
        ("answer", json!({ "nested": long })),
        ("q_lang", json!("fr")),
        ("answer_type", json!("closed")),
        ("base_type", json!("qa")),
        ("triple", json!(["a", "b"])),
        ("triple", json!(["a", "b", 3])),
        ("triple", json!("abc")),
        ("location", json!(true)),
    ];
    for (key, value) in broken {
        let rows = json!([row_with("qid", 6.into()), row_with(key, value.clone())]);
        let read = parse(rows.to_string().as_bytes(), Path::new("t.json"), Part::Test).unwrap();
        assert_eq!(read.records.len(), 1, "{key} = {value}");
        assert_eq!(read.records[0].part, Some(Part::Test));
        let last = read.findings.last().unwrap();
        assert_eq!(
            (last.place, last.outcome),
            (Place::Row(1), Outcome::Dropped)
        );
        let message = last.to_string();
        assert!(message.contains(key) && message.len() < 400, "{message}");
    }
    let twice = json!([row_with("qid", 6.into()), row_with("qid", 6.into())]);
    let read = parse(
        twice.to_string().as_bytes(),
        Path::new("t.json"),
        Part::Test,
    )
    .unwrap();
    assert_eq!((read.records.len(), read.dropped()), (1, 1));
}

#[test]
fn chinese_is_left_as_it_is() {
    let mut row = row_with("question", "图像中 有肝脏吗？ ".into());
    row["answer"] = "不是".into();
    row["q_lang"] = "zh".into();
    let read = parse(
        json!([row]).to_string().as_bytes(),
        Path::new("t.json"),
        Part::Train,
    )
    .unwrap();
    let question = &read.records[0];
    assert_eq!(question.question, "图像中 有肝脏吗？");
    assert_eq!(
        (question.answer.as_str(), question.language),
        ("不是", Language::Zh)
    );
    assert_eq!(question.answer_type, AnswerType::Closed);
}

#[test]
fn files_are_found_by_either_name_and_missed_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, qid: u64| {
        let text = json!([row_with("qid", qid.into())]).to_string();
        fs::write(folder.path().join(file), text).unwrap();
    };
    write("train.json", 1);
    write("test.json", 3);
    let error = read(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("validate.json") && error.contains("validation.json"),
        "{error}"
    );
    write("validation.json", 2);
    let read_parts = || -> Vec<Part> {
        let read = read(folder.path()).unwrap();
        read.records.iter().map(|row| row.part.unwrap()).collect()
    };
    assert_eq!(read_parts(), [Part::Train, Part::Validation, Part::Test]);
    // A number that stands in two files is used once.
    write("test.json", 1);
    assert_eq!(read_parts(), [Part::Train, Part::Validation]);
}

#[test]
fn bytes_that_are_no_list_are_an_error() {
    let deep = "[".repeat(200_000);
    let many = format!("[{}{{}}]", "{},".repeat(300_000));
    let texts: [&[u8]; 8] = [
        b"",
        b"{}",
        b"[1]",
        b"[{}] trailing",
        b"[{\"qid\": 1",
        b"\xff\xfe[]",
        deep.as_bytes(),
        many.as_bytes(),
    ];
    let path = Path::new("train.json");
    for text in texts {
        let error = parse(text, path, Part::Train).unwrap_err();
        assert!(matches!(error, ReadError::Format { .. }), "{error}");
    }
    for text in [
        &b"{\"Liver\": [1,2,3,4]}"[..],
        b"[",
        b"\xff",
        deep.as_bytes(),
    ] {
        assert!(matches!(
            parse_boxes(text, path),
            Err(ReadError::Format { .. })
        ));
    }
    for text in [&b""[..], b"a,b", b"a#b#c#d", b"\xff\xff"] {
        assert!(matches!(
            parse_knowledge(text, path),
            Err(ReadError::Format { .. })
        ));
    }
    assert!(parse_mask_labels(b"\xff", path).is_err());
}

#[test]
fn broken_boxes_labels_and_statements_are_dropped() {
    let path = Path::new("x");
    let boxes = parse_boxes(
        br#"[{"A": [0, 1.5, 2, 3]}, {"B": [1, 2, 3]}, {"C": [1, 2, 3, "4"]}, {"D": [-1, 2, 3, 4]},
            {"E": [1, 2, 0, 4]}, {"F": [1, 2, 3, 4], "G": [1, 2, 3, 4]}, {}, 7, {"H": {"x": 1}}]"#,
        path,
    )
    .unwrap();
    assert_eq!((boxes.records.len(), boxes.dropped()), (1, 8));
    assert_eq!(boxes.findings[7].place, Place::Row(8));

    let labels =
        parse_mask_labels(b"30:Head\r\n\n256:No\n-1:No\n31\n30:Again\n32: \n", path).unwrap();
    assert_eq!((labels.records.len(), labels.dropped()), (1, 5));
    assert_eq!(labels.findings[0].place, Place::Line(3));

    let text = "\u{feff}a#b#c\nHeart#is#an organ, # and more\nHeart##x\n\nHeart#is\n";
    let graph = parse_knowledge(text.as_bytes(), path).unwrap();
    assert_eq!(graph.records.len(), 1);
    assert_eq!(graph.records[0].tail, "an organ, # and more");
    assert_eq!(
        graph
            .findings
            .iter()
            .map(|finding| finding.place)
            .collect::<Vec<_>>(),
        [Place::Line(3), Place::Line(5)]
    );
    for image in ["../x/source.jpg", "/x/source.jpg", ""] {
        assert!(read_boxes(Path::new("/"), image).is_err());
    }
}
