//! Our own lines of JSON: what is read, what is repaired, what is dropped, and that the schemas say the same.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use miss_data::dataset;
use miss_data::format::Format;
use miss_data::jsonl::{
    FIGURE_SCHEMA, QUESTION_SCHEMA, parse_figures, parse_questions, read_questions, write_figures,
    write_questions,
};
use miss_data::read::{Outcome, Place};
use miss_data::{AnswerType, Figure, Language, Part, Question, Read, ReadError, slake, vqa_rad};
use proptest::prelude::*;

fn questions(text: &[u8]) -> Result<Read<Question>, ReadError> {
    parse_questions(text, Path::new("questions.jsonl"), "mine")
}

fn figures(text: &[u8]) -> Result<Read<Figure>, ReadError> {
    parse_figures(text, Path::new("figures.jsonl"), "mine")
}

/// A schema, itself checked against the one of schemas.
struct Schema(jsonschema::Validator);

impl Schema {
    fn of(text: &str) -> Self {
        let schema = serde_json::from_str(text).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        Self(jsonschema::validator_for(&schema).unwrap())
    }

    fn is_valid(&self, line: &serde_json::Value) -> bool {
        self.0.is_valid(line)
    }
}

fn valid(schema: &Schema, line: &str) -> bool {
    schema.is_valid(&serde_json::from_str(line).unwrap())
}

/// What was found about lines; what concerns the file as a whole, and empty answers, left out.
fn about_lines<R>(read: &Read<R>) -> Vec<String> {
    let of_a_line = |finding: &&miss_data::Finding| {
        finding.place != Place::Whole && !finding.what.contains("no answer can be right")
    };
    read.findings
        .iter()
        .filter(of_a_line)
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_example_is_read_as_it_is_meant() {
    let text = include_bytes!("fixtures/questions.jsonl");
    let read = questions(text).unwrap();
    assert_eq!(about_lines(&read), Vec::<String>::new());
    let rows = &read.records;
    assert_eq!(rows.len(), 5);
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["mine/1", "mine/2", "mine/3", "mine/4", "mine/5"]);
    let types: Vec<AnswerType> = rows.iter().map(|row| row.answer_type).collect();
    use AnswerType::{Closed, Open};
    assert_eq!(types, [Closed, Open, Open, Open, Closed]);
    assert_eq!(rows[4].language, Language::Zh);
    assert_eq!(rows[4].part, Some(Part::Test));
    assert_eq!(rows[0].part, None);
    assert_eq!(rows[2].question_types, ["Modality"]);
    // The derived answer type is told once, not per line.
    assert_eq!(read.findings.len(), 1);
    assert!(
        read.findings[0].what.contains("(4 times)"),
        "{}",
        read.findings[0]
    );
    let validator = Schema::of(QUESTION_SCHEMA);
    for line in std::str::from_utf8(text).unwrap().lines() {
        assert!(valid(&validator, line), "{line}");
    }
}

/// Lines, and whether reader and schema have nothing to say about them.
const QUESTION_LINES: &[(&str, bool)] = &[
    (r#"{"image":"a.png","question":"Why?","answer":"x"}"#, true),
    (
        r#"{"image":"a/b..c/.d.png","question":"Why?","answer":"x"}"#,
        true,
    ),
    (
        r#"{"image":".../a.png","question":"Why?","answer":"x"}"#,
        true,
    ),
    (
        r#"{"image":"...a/..b","question":"Why?","answer":"x"}"#,
        true,
    ),
    (
        r#"{"image":"a b.png","question":"Why not so?","answer":"x, y"}"#,
        true,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","id":null,"organ":null,"part":null,"language":null,"answer_type":null,"question_types":null,"modality":null,"linked_id":null}"#,
        true,
    ),
    (
        r#"{"image":"a.png","question":"为什么?","answer":"是","language":"zh","part":"validation"}"#,
        true,
    ),
    (r#"{"question":"Why?","answer":"x"}"#, false),
    (r#"{"image":"a.png","answer":"x"}"#, false),
    (r#"{"image":"a.png","question":"Why?"}"#, false),
    (r#"{"image":null,"question":"Why?","answer":"x"}"#, false),
    (r#"{"image":"","question":"Why?","answer":"x"}"#, false),
    (
        r#"{"image":"/etc/passwd","question":"Why?","answer":"x"}"#,
        false,
    ),
    (
        r#"{"image":"../a.png","question":"Why?","answer":"x"}"#,
        false,
    ),
    (
        r#"{"image":"a/../../b.png","question":"Why?","answer":"x"}"#,
        false,
    ),
    (r#"{"image":"a/..","question":"Why?","answer":"x"}"#, false),
    (
        r#"{"image":"./a.png","question":"Why?","answer":"x"}"#,
        false,
    ),
    (
        r#"{"image":"a//b.png","question":"Why?","answer":"x"}"#,
        false,
    ),
    (r#"{"image":"a/","question":"Why?","answer":"x"}"#, false),
    (
        r#"{"image":"a\\b.png","question":"Why?","answer":"x"}"#,
        false,
    ),
    (
        r#"{"image":"C:a.png","question":"Why?","answer":"x"}"#,
        false,
    ),
    (
        r#"{"image":"a\u0000.png","question":"Why?","answer":"x"}"#,
        false,
    ),
    (r#"{"image":7,"question":"Why?","answer":"x"}"#, false),
    (r#"{"image":"a.png","question":"Why?","answer":2}"#, false),
    (
        r#"{"image":"a.png","question":"Why?","answer":true}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":["x"]}"#,
        false,
    ),
    (r#"{"image":"a.png","question":"Why?","answer":""}"#, true),
    (r#"{"image":"a.png","question":"Why?","answer":" "}"#, false),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x "}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x\u0085y"}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why  so?","answer":"x"}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?\n","answer":"x"}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","id":""}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","id":7}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","answer_type":"closed"}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","answer_type":"BOTH"}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","question_types":"POS"}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","question_types":["POS",""]}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","question_types":[["POS"]]}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","organ":""}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","part":"val"}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","language":"de"}"#,
        false,
    ),
    (
        r#"{"image":"a.png","question":"Why?","answer":"x","patient_id":"p1"}"#,
        false,
    ),
    (r#"["a.png","Why?","x"]"#, false),
    (r#""text""#, false),
    ("7", false),
    ("null", false),
];

const FIGURE_LINES: &[(&str, bool)] = &[
    (r#"{"image":"a.png","caption":"A chest."}"#, true),
    (r#"{"image":"a.png","captions":["A chest.","Chest"]}"#, true),
    (
        r#"{"image":"a.png","caption":"A chest.","captions":[]}"#,
        true,
    ),
    (
        r#"{"image":"a.png","caption":null,"captions":["Chest"],"group":"g","licence":"cc-by","part":"test"}"#,
        true,
    ),
    (r#"{"image":"a.png"}"#, false),
    (r#"{"image":"a.png","caption":null}"#, false),
    (r#"{"image":"a.png","captions":[]}"#, false),
    (r#"{"image":"a.png","captions":null}"#, false),
    (r#"{"image":"a.png","captions":"Chest"}"#, false),
    (r#"{"image":"a.png","captions":[7]}"#, false),
    (r#"{"image":"a.png","caption":""}"#, false),
    (r#"{"image":"a.png","caption":"A  chest."}"#, false),
    (
        r#"{"image":"a.png","caption":"A chest.","license":"cc-by"}"#,
        false,
    ),
    (r#"{"caption":"A chest."}"#, false),
];

#[test]
fn reader_and_schema_agree_line_by_line() {
    let validator = Schema::of(QUESTION_SCHEMA);
    for (line, clean) in QUESTION_LINES {
        assert_eq!(valid(&validator, line), *clean, "schema: {line}");
        // A list is refused as a whole file.
        let found = questions(line.as_bytes());
        let silent =
            found.is_ok_and(|read| about_lines(&read).is_empty() && read.records.len() == 1);
        assert_eq!(silent, *clean, "reader: {line}");
    }
    let validator = Schema::of(FIGURE_SCHEMA);
    for (line, clean) in FIGURE_LINES {
        assert_eq!(valid(&validator, line), *clean, "schema: {line}");
        let read = figures(line.as_bytes()).unwrap();
        assert_eq!(
            about_lines(&read).is_empty(),
            *clean,
            "reader: {line}: {:?}",
            about_lines(&read)
        );
    }
}

#[test]
fn repairs_are_made_and_told() {
    let line = "{\"image\":\"./a//b.png\",\"question\":\" Why \\t not? \",\"answer\":2.50,\"id\":12,\
                \"answer_type\":\"Closed \",\"question_types\":\"POS\",\"organ\":\"\",\"part\":\"VAL\",\
                \"language\":\"English\",\"pateint\":1,\"qid\":2}";
    let read = questions(line.as_bytes()).unwrap();
    let row = &read.records[0];
    assert_eq!((row.id.as_str(), row.image.as_str()), ("12", "a/b.png"));
    assert_eq!(
        (row.question.as_str(), row.answer.as_str()),
        ("Why not?", "2.5")
    );
    assert_eq!(row.answer_type, AnswerType::Closed);
    assert_eq!(row.question_types, ["POS"]);
    assert_eq!(
        (row.organ.as_deref(), row.part),
        (None, Some(Part::Validation))
    );
    let count = |outcome| {
        read.findings
            .iter()
            .filter(|finding| finding.outcome == outcome)
            .count()
    };
    assert_eq!(count(Outcome::Repaired), 9, "{:#?}", read.findings);
    assert_eq!(count(Outcome::Kept), 2);
    let told = about_lines(&read).join("\n");
    assert!(
        told.contains("\"qid\" ignored; did you mean `id`?"),
        "{told}"
    );
    assert!(
        told.contains("\"pateint\" ignored") && told.contains("line 1"),
        "{told}"
    );
}

#[test]
fn a_repeated_id_is_dropped_and_both_lines_are_named() {
    let line = |id: &str| format!(r#"{{{id}"image":"a.png","question":"Why?","answer":"x"}}"#);
    // The third line's own id is the one that the fourth would get.
    let text = [
        line(r#""id":"a","#),
        line(""),
        line(r#""id":"mine/4","#),
        line(""),
        line(r#""id":"a","#),
    ];
    let read = questions(text.join("\n").as_bytes()).unwrap();
    let ids: Vec<&str> = read.records.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["a", "mine/2", "mine/4"]);
    let told = about_lines(&read);
    assert_eq!(told.len(), 2);
    assert!(
        told[0].contains("line 4") && told[0].contains("taken, line 3"),
        "{told:?}"
    );
    assert!(
        told[1].contains("line 5") && told[1].contains("taken, line 1"),
        "{told:?}"
    );
}

#[test]
fn unknown_keys_are_told_once_with_their_number() {
    let line = r#"{"image":"a.png","question":"Why?","answer":"x","awnser_type":"OPEN"}"#;
    let read = questions([line; 1000].join("\n").as_bytes()).unwrap();
    assert_eq!(read.records.len(), 1000);
    let told = about_lines(&read);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("did you mean `answer_type`?") && told[0].contains("1000"),
        "{told:?}"
    );
}

#[test]
fn hostile_files_are_refused_or_dropped_line_by_line() {
    let good = r#"{"image":"a.png","question":"Why?","answer":"x"}"#;
    let deep = format!(r#"{{"image":{}"#, "[".repeat(200_000));
    let huge = format!(
        r#"{{"image":"{}","question":"Why?","answer":"x"}}"#,
        "a".repeat(1 << 20)
    );
    // Each line, and what is said about it; the good line behind it must be read all the same.
    let lines: [(&[u8], &str); 10] = [
        (deep.as_bytes(), "recursion limit"),
        (huge.as_bytes(), "more than 1048576 bytes"),
        (
            br#"{"image":"a.png","image":"b.png","question":"Why?","answer":"x"}"#,
            "twice",
        ),
        (
            br#"{"image":"a.png","question":"\ud800","answer":"x"}"#,
            "escape",
        ),
        (
            b"{\"image\":\"a.png\",\"question\":\"\xff\xfe\",\"answer\":\"x\"}",
            "unicode",
        ),
        (b"{\"image\":\"a\0.png\"}", "control character"),
        (
            br#"{"image":"a.png","question":"Why?","answer":1e999}"#,
            "number",
        ),
        (br#"{"image":"a.png","question":"Why?","answer":"x""#, "EOF"),
        (
            br#"{"image":"a.png","question":"Why?","answer":"x"} {}"#,
            "trailing",
        ),
        (b"\0\0\0\0", "expected value"),
    ];
    for (line, says) in lines {
        let text = [line, b"\r\n", good.as_bytes(), b"\r\n"].concat();
        let read = questions(&text).unwrap();
        assert_eq!(read.records.len(), 1, "{says}");
        assert_eq!(read.records[0].id, "mine/2");
        let dropped = &read.findings[read.findings.len() - 1];
        assert_eq!(
            (dropped.outcome, dropped.place),
            (Outcome::Dropped, Place::Line(1))
        );
        assert!(dropped.what.contains(says), "{says}: {dropped}");
        assert!(dropped.what.len() < 500, "{}", dropped.what.len());
    }
    let bom = ["\u{FEFF}", good].concat();
    assert_eq!(questions(bom.as_bytes()).unwrap().records.len(), 1);
    let utf16: Vec<u8> = bom.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = questions(&utf16).unwrap_err().to_string();
    assert!(error.contains("save it as UTF-8"), "{error}");
    let error = questions(format!(" [{good}]").as_bytes())
        .unwrap_err()
        .to_string();
    assert!(error.contains("import"), "{error}");
    let error = questions(b"{\r\n  \"image\": \"a.png\",\r\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("each on one line"), "{error}");
    let empty = questions(b" \n\n").unwrap();
    assert!(empty.findings[0].what.contains("empty"));
}

#[test]
fn findings_are_bounded_and_none_is_lost() {
    let error = questions("{}\n".repeat(150_000).as_bytes()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("150000 of its rows cannot be used"), "{text}");
    assert!(text.contains("line 1: `image` is missing"), "{text}");

    // A row that is lost is told, however much there is to say about others.
    let mut text = r#"{"image":"a.png","question":"Why?","answer":1}
"#
    .repeat(100_010);
    text.push_str("{}\n");
    let read = questions(text.as_bytes()).unwrap();
    assert_eq!((read.records.len(), read.dropped()), (100_010, 1));
    let told = |says: &str| read.findings.iter().any(|found| found.what.contains(says));
    assert!(told("10 further notes left out") && told("`image` is missing"));
}

#[test]
fn a_folder_and_a_missing_file_are_errors_that_say_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_questions(folder.path()).unwrap_err().to_string();
    assert!(error.contains("must hold `questions.jsonl`"), "{error}");
    fs::create_dir(folder.path().join("questions.jsonl")).unwrap();
    assert!(read_questions(folder.path()).is_err());
    let error = dataset::figures(Format::VqaRad, folder.path()).unwrap_err();
    assert!(error.to_string().contains("`vqa-rad`"), "{error}");
}

#[test]
fn the_published_questions_survive_our_format() {
    let mut all = vqa_rad::read(&common::embedded()).unwrap().records;
    assert!(all.len() > 1000);
    if let Some(root) = common::shared_data("slake") {
        all.extend(slake::read(&root).unwrap().records);
        assert!(all.len() > 16_000);
    }
    let folder = tempfile::tempdir().unwrap();
    write_questions(&folder.path().join("questions.jsonl"), &all).unwrap();
    let read = dataset::questions(Format::QuestionsJsonl, folder.path()).unwrap();
    // SLAKE has one empty answer.
    assert_eq!(about_lines(&read), Vec::<String>::new());
    assert!(read.records == all);
    let validator = Schema::of(QUESTION_SCHEMA);
    for question in &all {
        let line = serde_json::to_value(question).unwrap();
        assert!(validator.is_valid(&line), "{line}");
    }
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec("[^\\s\\u{85}]{1,8}", 1..4).prop_map(|words| words.join(" "))
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[^/\\\\:\\x00]{1,6}", 1..4)
        .prop_filter("not upwards", |parts| {
            parts.iter().all(|part| part != "." && part != "..")
        })
        .prop_map(|parts| parts.join("/"))
}

fn part() -> impl Strategy<Value = Option<Part>> {
    use Part::{Test, Train, Validation};
    proptest::option::of(prop_oneof![Just(Train), Just(Validation), Just(Test)])
}

prop_compose! {
    fn any_question()(
        (id, image, question, answer) in ("\\PC{1,12}", path(), text(), text()),
        closed: bool,
        zh: bool,
        question_types in proptest::collection::vec(text(), 0..3),
        (organ, modality, linked_id) in (
            proptest::option::of(text()), proptest::option::of(text()), proptest::option::of(text())
        ),
        part in part(),
    ) -> Question {
        Question {
            id, image, question, answer, question_types, organ, modality, linked_id, part,
            answer_type: if closed { AnswerType::Closed } else { AnswerType::Open },
            language: if zh { Language::Zh } else { Language::En },
        }
    }
}

prop_compose! {
    fn any_figure()(
        (id, image) in ("\\PC{1,12}", path()),
        captions in proptest::collection::vec(text(), 1..4),
        (group, licence) in (proptest::option::of(text()), proptest::option::of(text())),
        part in part(),
    ) -> Figure {
        Figure { id, image, captions, group, licence, part }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back_and_valid(question in any_question(), figure in any_figure()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("questions.jsonl");
        write_questions(&path, [&question]).unwrap();
        let line = fs::read_to_string(&path).unwrap();
        prop_assert!(valid(&Schema::of(QUESTION_SCHEMA), &line), "{}", line);
        let read = questions(line.as_bytes()).unwrap();
        prop_assert_eq!(&read.findings, &vec![]);
        prop_assert_eq!(&read.records, &vec![question]);
        write_figures(&path, [&figure]).unwrap();
        let line = fs::read_to_string(&path).unwrap();
        prop_assert!(valid(&Schema::of(FIGURE_SCHEMA), &line), "{}", line);
        prop_assert_eq!(&figures(line.as_bytes()).unwrap().records, &vec![figure]);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, cut in 0_usize..400) {
        let _ = questions(&bytes);
        let _ = figures(&bytes);
        // Nor a good file that was damaged.
        let mut text = include_bytes!("fixtures/questions.jsonl").to_vec();
        let at = cut % text.len();
        text.splice(at..at, bytes);
        let _ = questions(&text);
    }
}
