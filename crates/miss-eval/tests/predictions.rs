//! The predictions file: there and back, and hostile lines.
#![allow(clippy::unwrap_used)]

mod support;

use miss_data::AnswerType;
use miss_eval::{Prediction, PredictionsError, read_predictions, write_predictions};
use support::{prediction, question};

fn made(id: &str, answer: &str) -> Prediction {
    prediction(
        &question(id, "Is it \"so\"?\n", "yes", AnswerType::Closed),
        answer,
    )
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.jsonl");
    let predictions = [
        made("a", ""),
        made("b", "<script>\u{2028}é"),
        made("c", "yes"),
    ];
    write_predictions(&path, &predictions).unwrap();
    assert_eq!(read_predictions(&path).unwrap(), predictions);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);

    // Blank lines, Windows line ends and a missing last line end are no reason to fail.
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace('\n', "\r\n\n");
    std::fs::write(&path, text.trim_end()).unwrap();
    assert_eq!(read_predictions(&path).unwrap(), predictions);
}

#[test]
fn hostile_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.jsonl");
    let good = serde_json::to_string(&made("a", "yes")).unwrap();
    let other = good.replace("\"id\":\"a\"", "\"id\":\"b\"");
    let nan = other.replace("-0.5", "NaN");
    let infinite = other.replace("-0.5", "-1e999");
    let null = other.replace("-0.5", "null");
    let text = other.replace("-0.5", "\"-0.5\"");
    let unknown = other.replacen('{', "{\"rank\":1,", 1);
    let kind = other.replace("CLOSED", "CLOSED ");
    let long = other.replace("beam-3", &"x".repeat(2 << 20));
    let nested = "[".repeat(100_000);
    for (bad, expected) in [
        (&b"\xff\xfe"[..], "utf-8"),
        (b"{\"id\":\"b\"}", "missing field"),
        (b"not json", "expected"),
        (nested.as_bytes(), "expected a string"),
        (nan.as_bytes(), "expected"),
        (infinite.as_bytes(), "out of range"),
        (null.as_bytes(), "null"),
        (text.as_bytes(), "string"),
        (unknown.as_bytes(), "unknown field"),
        (kind.as_bytes(), "unknown variant"),
        (long.as_bytes(), "longer than"),
        (good.as_bytes(), "question \"a\" is already on line 1"),
        (&other.as_bytes()[..other.len() / 2], "EOF"),
    ] {
        // The bad line is the third: the second is blank.
        std::fs::write(
            &path,
            [good.as_bytes(), b"\n\n", bad, b"\n", other.as_bytes()].concat(),
        )
        .unwrap();
        let message = read_predictions(&path).unwrap_err().to_string();
        assert!(message.contains("predictions.jsonl, line 3: "), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(message.len() < 1000, "{} bytes", message.len());
    }
}

#[test]
fn a_missing_file_and_a_number_that_json_lacks_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.jsonl");
    let absent = read_predictions(&path).unwrap_err();
    assert!(matches!(absent, PredictionsError::Read { .. }), "{absent}");

    write_predictions(&path, &[made("a", "yes")]).unwrap();
    let mut bad = made("b", "no");
    bad.log_probability = f64::NAN;
    let message = write_predictions(&path, &[made("a", "yes"), bad])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("line 2") && message.contains("NaN"),
        "{message}"
    );
    assert_eq!(
        read_predictions(&path).unwrap().len(),
        1,
        "the older file is whole"
    );

    let nowhere = folder.path().join("none").join("predictions.jsonl");
    let unwritable = write_predictions(&nowhere, &[]).unwrap_err();
    assert!(
        matches!(unwritable, PredictionsError::Write { .. }),
        "{unwritable}"
    );
}
