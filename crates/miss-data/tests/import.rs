//! Tables and JSON of others become our format, in order and with nothing lost silently.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use miss_data::format::{Format, Kind};
use miss_data::import::{Column, Field, ImportError, Imported, Mapping, import, parse, survey};
use miss_data::read::{Outcome, Place};
use miss_data::{AnswerType, Figure, Part, Question, dataset, rocov2, vqa_rad};
use proptest::prelude::*;
use tempfile::TempDir;

/// A folder with one file to be imported.
fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn mapping(settings: &[&str]) -> Mapping {
    let mut mapping = Mapping::default();
    settings
        .iter()
        .for_each(|setting| mapping.set(setting).unwrap());
    mapping
}

fn questions(path: &Path, mapping: &Mapping) -> (Imported, Vec<Question>) {
    let out = path.with_extension("out");
    let imported = import(path, mapping, &out).unwrap();
    assert_eq!(imported.kind, Kind::Questions);
    let read = dataset::questions(Format::QuestionsJsonl, &out).unwrap();
    assert!(
        read.records.len() == imported.records && read.dropped() == 0,
        "{:?}",
        read.findings
    );
    (imported, read.records)
}

fn figures(path: &Path, mapping: &Mapping) -> (Imported, Vec<Figure>) {
    let out = path.with_extension("out");
    let imported = import(path, mapping, &out).unwrap();
    let read = dataset::figures(Format::FiguresJsonl, &out).unwrap();
    assert_eq!(read.findings, []);
    (imported, read.records)
}

fn refused(content: impl AsRef<[u8]>, settings: &[&str]) -> String {
    let (folder, path) = file("source.csv", content);
    let out = folder.path().join("out");
    let error = import(&path, &mapping(settings), &out).unwrap_err();
    assert!(!out.exists(), "nothing is written: {error}");
    error.to_string()
}

#[test]
fn the_usual_table_is_understood_under_any_delimiter() {
    let table = "\u{FEFF}Image_Name|Question|Answer|split|patient_id|age|qid\r\n\
                 a.png|\"Is it\r\n \"\"big\"\"?\"|No|val|p1|40|q1\r\n\
                 images/b/c.png|Where?|left, below; behind\tor so|Train|NaN|50|q2\r\n";
    for delimiter in [",", ";", "\t", "|"] {
        let quoted = table.replace(
            "left, below; behind\tor so",
            "\"left, below; behind\tor so\"",
        );
        let (_folder, path) = file("mine.csv", quoted.replace('|', delimiter));
        let (imported, rows) = questions(&path, &Mapping::default());
        assert_eq!(imported.unused, ["age"]);
        assert_eq!(imported.dropped, 0);
        let guess = |name: &str| Column::Guessed(name.into());
        let expected = [
            (Field::Id, guess("qid")),
            (Field::Image, guess("Image_Name")),
            (Field::Question, guess("Question")),
            (Field::Answer, guess("Answer")),
            (Field::Part, guess("split")),
            (Field::Group, guess("patient_id")),
        ];
        assert_eq!(imported.fields, expected);
        assert_eq!((rows[0].id.as_str(), rows[1].id.as_str()), ("q1", "q2"));
        assert_eq!(rows[0].question, "Is it \"big\"?");
        assert_eq!(rows[1].answer, "left, below; behind or so");
        assert_eq!(rows[1].image, "b/c.png");
        assert_eq!(
            (rows[0].part, rows[1].part),
            (Some(Part::Validation), Some(Part::Train))
        );
        assert_eq!(
            (rows[0].linked_id.as_deref(), rows[1].linked_id.as_deref()),
            (Some("p1"), None)
        );
        assert_eq!(
            (rows[0].answer_type, rows[1].answer_type),
            (AnswerType::Closed, AnswerType::Open)
        );
        let told = imported.to_string();
        assert!(
            told.contains("not used: `age`") && told.contains("`images/` taken off"),
            "{told}"
        );
        assert!(told.contains("column `Image_Name` (guessed)"), "{told}");
    }
}

#[test]
fn what_is_told_goes_before_what_is_guessed() {
    let table = "id,image,scan,q,label\n1,wrong.png,a\\b,Why?,x\n2,wrong.png,c,Why?,y\n";
    let (_folder, path) = file("mine.csv", table);
    let told = mapping(&[
        "image=scan",
        "answer=label",
        "image+=.jpg",
        "language:=zh",
        "part:=test",
    ]);
    let (imported, rows) = questions(&path, &told);
    assert_eq!(imported.unused, ["image"]);
    assert_eq!(
        (rows[0].image.as_str(), rows[1].image.as_str()),
        ("a/b.jpg", "c.jpg")
    );
    assert!(rows.iter().all(|row| row.part == Some(Part::Test)));
    assert_eq!(
        imported.fields.last().unwrap().1,
        Column::Constant("test".into())
    );

    let error = refused(table, &["answer=result"]);
    assert!(
        error.contains("no column `result`") && error.contains("`label`"),
        "{error}"
    );
    let error = refused(table, &[]);
    assert!(
        error.contains("`answer`") && error.contains("answer=label"),
        "{error}"
    );
    for wrong in ["image", "picture=x", "answer+=x", "=x", "image:x"] {
        assert!(Mapping::default().set(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn rows_that_cannot_be_used_are_named_by_line() {
    let table = b"image,question,answer\n\
                  a.png,Why?,x\n\
                  b.png,Why?\n\
                  c.png,\"two\nlines\",x\n\
                  ../d.png,Why?,x\n\
                  e.png,Why?,\n\
                  f.png,\xff\xfe,x\n\
                  g.png,Why?,x,more\n\
                  http://h/i.png,Why?,x\n\
                  j.png,Why?,x";
    // As spreadsheets end their lines.
    let others: Vec<u8> = table
        .iter()
        .flat_map(|&byte| match byte {
            b'\n' => vec![b'\r', b'\n'],
            byte => vec![byte],
        })
        .collect();
    for table in [table.as_slice(), &others] {
        let (_folder, path) = file("mine.csv", table);
        let (imported, rows) = questions(&path, &Mapping::default());
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["mine/2", "mine/4", "mine/11"]);
        let dropped = imported
            .findings
            .iter()
            .filter(|finding| finding.outcome == Outcome::Dropped);
        let lines: Vec<Place> = dropped.map(|finding| finding.place).collect();
        assert_eq!(lines, [3, 6, 7, 8, 9, 10].map(Place::Line));
        assert_eq!(imported.dropped, 6);
    }
}

#[test]
fn lists_and_lines_of_json_give_the_same() {
    let rows = [
        r#"{"img_name":"x/a.png","question":"How many?","answer":3,"extra":{"a":[1]},"content_type":"Size"}"#,
        r#"{"img_name":"x/b.png","question":"Why?","answer":true}"#,
        r#"{"img_name":"x/c.png","question":"Why?","answer":"No.","late":1}"#,
    ];
    let (_one, list) = file("mine.json", format!("[\n{}\n]", rows.join(",\n")));
    let (_two, lines) = file("mine.jsonl", rows.join("\n"));
    let (of_list, from_list) = questions(&list, &Mapping::default());
    let (of_lines, from_lines) = questions(&lines, &Mapping::default());
    assert_eq!(from_list[0].answer, "3");
    assert_eq!(from_list[0].question_types, ["Size"]);
    assert_eq!(from_list[1].answer_type, AnswerType::Closed);
    assert_eq!((of_list.dropped, of_lines.dropped), (1, 1));
    assert_eq!(of_list.unused, ["extra", "late"]);
    assert_eq!(of_lines.unused, ["extra", "late"]);
    // Ids are places in the source: rows of a list from 0, lines from 1.
    assert_eq!(
        (from_list[1].id.as_str(), from_lines[1].id.as_str()),
        ("mine/2", "mine/3")
    );
    let texts = |rows: &[Question]| {
        rows.iter()
            .map(|row| row.question.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&from_list), texts(&from_lines));
}

#[test]
fn a_column_that_only_far_lines_have_is_told() {
    let line = r#"{"image":"a.png","question":"Why?","answer":"x"}"#;
    let text = format!(
        "{}\n{}",
        [line; 1500].join("\n"),
        line.replace('}', r#","age":3}"#)
    );
    let (_folder, path) = file("mine.jsonl", text);
    let (imported, rows) = questions(&path, &Mapping::default());
    assert_eq!(rows.len(), 1501);
    let told = |finding: &miss_data::Finding| {
        finding.what.contains("`age` is not used") && finding.place == Place::Line(1501)
    };
    assert!(
        imported.findings.iter().any(told),
        "{:?}",
        imported.findings
    );
}

#[test]
fn questions_and_annotations_are_joined_by_number() {
    let asked = r#"{"info": {}, "questions": [
        {"question_id": 7, "image_id": 1, "question": "Why?"},
        {"question_id": 8, "image_id": 2, "question": "Where?"},
        {"question_id": 9, "image_id": 2, "question": "Who?"},
        {"question_id": 5, "image_id": 2, "question": "What?"}]}"#;
    let answered = r#"{"annotations": [
        {"question_id": 8, "image_id": 2, "multiple_choice_answer": "there", "answer_type": "other", "answers": [{"answer": "there"}, {"answer": "here"}]},
        {"question_id": 7, "image_id": 1, "multiple_choice_answer": "yes", "answer_type": "yes/no"},
        {"question_id": 5, "image_id": 1, "multiple_choice_answer": "a"},
        {"question_id": 5, "image_id": 1, "multiple_choice_answer": "b"}]}"#;
    let (folder, path) = file("asked.json", asked);
    let other = folder.path().join("answered.json");
    fs::write(&other, answered).unwrap();
    let mut told = mapping(&["image+=.jpg"]);
    let error = import(&path, &told, folder.path()).unwrap_err().to_string();
    assert!(error.contains("name the file of annotations"), "{error}");
    told.annotations = Some(other);
    let (imported, rows) = questions(&path, &told);
    let row = |place: usize| {
        let row: &Question = &rows[place];
        (
            row.id.as_str(),
            row.image.as_str(),
            row.answer.as_str(),
            row.answer_type,
        )
    };
    assert_eq!(row(0), ("7", "1.jpg", "yes", AnswerType::Closed));
    assert_eq!(row(1), ("8", "2.jpg", "there", AnswerType::Open));
    assert_eq!(imported.dropped, 2);
    let told = imported.to_string();
    assert!(
        told.contains("nothing belongs to `question_id` 9"),
        "{told}"
    );
    assert!(told.contains("`question_id` 5 is there twice"), "{told}");
}

#[test]
fn captions_are_gathered_by_image() {
    let coco = r#"{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [{"id": 10, "image_id": 2, "caption": "B."}, {"id": 11, "image_id": 1, "caption": "A."},
                        {"id": 12, "image_id": 2, "caption": "Also  b."}, {"id": 13, "image_id": 2, "caption": "B."},
                        {"id": 14, "image_id": 3, "caption": "C."}]}"#;
    let (_folder, path) = file("captions.json", coco);
    let (imported, rows) = figures(&path, &Mapping::default());
    assert_eq!(imported.dropped, 1);
    let row = |place: usize| (rows[place].image.as_str(), rows[place].captions.join("|"));
    assert_eq!(
        [row(0), row(1)],
        [("b.jpg", "B.|Also b.".into()), ("a.jpg", "A.".into())]
    );
    assert!(
        imported
            .to_string()
            .contains("2 rows about an image told before"),
        "{imported}"
    );
}

#[test]
fn an_id_that_was_only_guessed_and_repeats_is_not_taken() {
    let table = "id,image,question,answer\n1,a.png,Why?,x\n1,a.png,Where?,y\n2,b.png,Who?,z\n";
    let (_folder, path) = file("mine.csv", table);
    let (imported, rows) = questions(&path, &Mapping::default());
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["mine/2", "mine/3", "mine/4"]);
    assert!(
        imported
            .to_string()
            .contains("repeats itself (line 2 and line 3)"),
        "{imported}"
    );
    // Told to be the id, it is one: the second row is dropped.
    let (_folder, path) = file("mine.csv", table);
    let (imported, rows) = questions(&path, &mapping(&["id=id"]));
    assert_eq!(
        (imported.dropped, rows.len(), rows[0].id.as_str()),
        (1, 2, "1")
    );
}

#[test]
fn hostile_files_are_refused_with_a_remedy() {
    let header = "image,question,answer\n";
    let utf16: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = format!(r#"[{{"image": {}"#, "[".repeat(100_000));
    let cases: [(&[u8], &str); 16] = [
        (b"", "empty"),
        (b"\xEF\xBB\xBF \n", "empty"),
        (b"image,question,answer\n", "no rows"),
        (
            b"image,question,answer\na.png,\"Why?,x\nb.png,Why?,x\n",
            "line 2 is never closed",
        ),
        (
            b"image,question,answer\na.png,Why?,\"x",
            "line 2 is never closed",
        ),
        (
            b"\"image,question,answer\na.png,Why?,x\n",
            "line 1 is never closed",
        ),
        (b"image,question,answer,answer\na.png,Why?,x,y\n", "twice"),
        (
            &[b"\xFF\xFE".as_slice(), &utf16].concat(),
            "save it as UTF-8",
        ),
        (&utf16, "not text"),
        (b"image,question,answer\na.png,Why\0?,x\n", "not text"),
        (b"PAR1\x15\x04", "to_csv"),
        (b"PK\x03\x04\x14\x00", "save the sheet as CSV"),
        (deep.as_bytes(), "recursion limit"),
        (
            br#"[{"image":"a","image":"b","question":"q","answer":"x"}]"#,
            "twice",
        ),
        (br#"[1, 2]"#, "expected a JSON object"),
        (b"{\n\"a\": 1}", "a list of objects is wanted"),
    ];
    for (content, says) in cases {
        let error = refused(content, &[]);
        assert!(error.contains(says), "{says}: {error}");
        assert!(error.len() < 1000, "{}", error.len());
    }
    let error = refused("image,question,answer\n../a.png,Why?,x\n", &[]);
    assert!(
        error.contains("none of its 1 rows") && error.contains("line 2"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let error = survey(folder.path(), &Mapping::default()).unwrap_err();
    assert!(matches!(error, ImportError::Io { .. }), "{error}");
    assert!(survey(&folder.path().join("absent"), &Mapping::default()).is_err());
}

#[test]
fn a_stray_quote_inside_a_field_is_text() {
    // Legal to most programs: a quote that does not begin the field.
    let (_folder, path) = file(
        "mine.csv",
        "image,question,answer\na.png,Is it 5\" wide?,no\nb.png,Why?,5\"",
    );
    let (_, rows) = questions(&path, &Mapping::default());
    assert_eq!(
        (rows[0].question.as_str(), rows[1].answer.as_str()),
        ("Is it 5\" wide?", "5\"")
    );
}

#[test]
fn nothing_is_overwritten() {
    let (folder, path) = file("mine.csv", "image,question,answer\na.png,Why?,x\n");
    let out = folder.path().join("out/deeper");
    import(&path, &Mapping::default(), &out).unwrap();
    let before = fs::read(out.join("questions.jsonl")).unwrap();
    let error = import(&path, &Mapping::default(), &out).unwrap_err();
    assert!(matches!(error, ImportError::Exists { .. }), "{error}");
    assert_eq!(fs::read(out.join("questions.jsonl")).unwrap(), before);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn vqa_rad_imported_is_vqa_rad_read() {
    let root = common::embedded();
    let read = vqa_rad::read(&root).unwrap().records;
    let folder = tempfile::tempdir().unwrap();
    let told = mapping(&["answer_type=answer_type", "group=qid_linked_id"]);
    let imported = import(&root.join(vqa_rad::QUESTIONS_FILE), &told, folder.path()).unwrap();
    let ours = dataset::questions(Format::QuestionsJsonl, folder.path())
        .unwrap()
        .records;
    assert_eq!((imported.dropped, ours.len()), (0, read.len()));
    for (ours, read) in ours.iter().zip(&read) {
        assert_eq!((&ours.image, &ours.question), (&read.image, &read.question));
        assert_eq!(
            (&ours.answer, ours.answer_type),
            (&read.answer, read.answer_type)
        );
        assert_eq!(
            (&ours.organ, &ours.linked_id),
            (&read.organ, &read.linked_id)
        );
    }
}

#[test]
fn rocov2_imported_is_rocov2_read() {
    let Some(root) = common::shared_data("rocov2-sample") else {
        return;
    };
    let read = rocov2::read(&root).unwrap().records;
    let read: Vec<&Figure> = read
        .iter()
        .filter(|row| row.part == Some(Part::Train))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let told = mapping(&["image=ID", "image+=.jpg", "part:=train"]);
    import(&root.join("train_captions.csv"), &told, folder.path()).unwrap();
    let ours = dataset::figures(Format::FiguresJsonl, folder.path())
        .unwrap()
        .records;
    assert_eq!((ours.len(), read.len()), (600, 600));
    for (ours, read) in ours.iter().zip(read) {
        // The release has a folder a part.
        assert_eq!(format!("train/{}", ours.image), read.image);
        assert_eq!((&ours.captions, ours.part), (&read.captions, read.part));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    /// The fields are written by another program's rules (RFC 4180, every field quoted).
    #[test]
    fn any_text_survives_a_table(
        rows in proptest::collection::vec(("[a-z]{1,8}", "\\PC{0,12}[!-~]", "[!-~]\\PC{0,12}"), 1..20)
    ) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut table = "image,question,answer\r\n".to_owned();
        for (image, question, answer) in &rows {
            table += &format!("{},{},{}\r\n", quoted(image), quoted(question), quoted(answer));
        }
        let (_folder, path) = file("mine.csv", table);
        let (imported, read) = questions(&path, &Mapping::default());
        prop_assert_eq!(imported.dropped, 0);
        let collapse = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (row, (image, question, answer)) in read.iter().zip(&rows) {
            prop_assert_eq!(&row.image, image);
            prop_assert_eq!(&row.question, &collapse(question));
            prop_assert_eq!(&row.answer, &collapse(answer));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, start in 0_usize..5) {
        let starts = ["", "image,question,answer\n", "[{\"image\":\"a\"},", "{\"image\":\"a\"}\n", "{\"questions\":["];
        let text = [starts[start].as_bytes(), &bytes].concat();
        let _ = parse(text.as_slice(), Path::new("x"), &Mapping::default());
    }
}
