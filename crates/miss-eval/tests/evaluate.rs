//! Scores of made predictions, counted by hand; and files that do not fit.
#![allow(clippy::unwrap_used)]

mod support;

use miss_data::{AnswerType, Question};
use miss_eval::{EvaluateError, Evaluation, Metrics, Prediction, evaluate};
use support::{SPLIT, prediction, question};

fn train() -> Vec<Question> {
    use AnswerType::Closed;
    vec![
        question("t1", "Is there a fracture?", "No", Closed),
        question("t2", "Is there a fracture?", "no", Closed),
        question("t3", "Is there a fracture?", "yes", Closed),
        question("t4", "Is there edema?", "Yes", Closed),
        question("t5", "Is there air?", "yes.", Closed),
        question("t6", "Which side?", "left", Closed),
        question("t7", "Which side?", "right", Closed),
    ]
}

fn test() -> Vec<Question> {
    use AnswerType::{Closed, Open};
    vec![
        question("q1", "Is there a fracture", "no", Closed),
        question("q2", "Is there edema?", "no", Closed),
        question("q3", "Is there a mass?", "Yes", Closed),
        // Closed as annotated, open to the paper.
        question("q4", "which side?", "Left", Closed),
        // Annotated open, yet its answer is yes.
        question("q5", "What do you see?", "yes", Open),
        question("q6", "Which modality?", "X-ray", Open),
    ]
}

fn score(predictions: &[Prediction]) -> Result<Metrics, EvaluateError> {
    let (train, test) = (train(), test());
    evaluate(&Evaluation {
        test: &test.iter().collect::<Vec<_>>(),
        train: &train.iter().collect::<Vec<_>>(),
        predictions,
        split_hash: SPLIT,
    })
}

fn answered() -> Vec<Prediction> {
    let answers = ["No.", "yes", "yes", "left", "no", "x ray"];
    test()
        .iter()
        .zip(answers)
        .map(|(question, answer)| prediction(question, answer))
        .collect()
}

#[test]
fn both_partitions_are_counted() {
    let metrics = score(&answered()).unwrap();
    assert_eq!((metrics.n, metrics.missing), (6, 0));
    assert_eq!(metrics.decoding, "beam-3");
    // Right: q1, q3, q4, q6.
    let yes_no = metrics.partitions.yes_no;
    assert_eq!((yes_no.closed.correct, yes_no.closed.n), (2, 4));
    assert_eq!((yes_no.open.correct, yes_no.open.n), (2, 2));
    assert_eq!((yes_no.overall.correct, yes_no.overall.n), (4, 6));
    let annotated = metrics.partitions.annotated;
    assert_eq!((annotated.closed.correct, annotated.closed.n), (3, 4));
    assert_eq!((annotated.open.correct, annotated.open.n), (1, 2));
    assert_eq!(annotated.overall, yes_no.overall);
}

#[test]
fn baselines_are_counted() {
    let metrics = score(&[]).unwrap();
    // Majority: yes (3 of 7). Right for q3 and q5.
    let majority = &metrics.baselines.majority;
    assert!(majority.rule.contains("\"yes\""), "{}", majority.rule);
    assert_eq!(majority.partitions.yes_no.closed.correct, 2);
    assert_eq!(majority.partitions.annotated.closed.correct, 1);
    // Lookup: q1 no (right), q2 yes (wrong), q4 a tie, so "left" (right), the others yes.
    let lookup = &metrics.baselines.question_lookup;
    assert!(lookup.rule.contains("3 of 6"), "{}", lookup.rule);
    assert_eq!(lookup.partitions.yes_no.closed.correct, 3);
    assert_eq!(lookup.partitions.yes_no.open.correct, 1);
    assert_eq!(lookup.partitions.annotated.closed.correct, 3);
}

#[test]
fn nothing_to_learn_from_is_nothing_right() {
    let test = test();
    let metrics = evaluate(&Evaluation {
        test: &test.iter().collect::<Vec<_>>(),
        train: &[],
        predictions: &[],
        split_hash: SPLIT,
    })
    .unwrap();
    assert_eq!(
        metrics.baselines.majority.partitions.yes_no.overall.correct,
        0
    );
    assert_eq!(
        metrics
            .baselines
            .question_lookup
            .partitions
            .yes_no
            .overall
            .correct,
        0
    );
}

#[test]
fn the_order_of_lines_changes_nothing() {
    let mut predictions = answered();
    let expected = serde_json::to_vec(&score(&predictions).unwrap()).unwrap();
    for rotation in 0..predictions.len() {
        predictions.rotate_left(rotation);
        predictions.swap(0, 3);
        assert_eq!(
            serde_json::to_vec(&score(&predictions).unwrap()).unwrap(),
            expected
        );
    }
}

#[test]
fn a_missing_prediction_is_wrong_and_counted() {
    let all = score(&answered()).unwrap();
    // q1 was right.
    let without = score(&answered()[1..]).unwrap();
    assert_eq!((without.missing, without.n), (1, 6));
    assert_eq!(without.partitions.yes_no.closed.n, 4);
    assert_eq!(
        without.partitions.yes_no.closed.correct + 1,
        all.partitions.yes_no.closed.correct
    );
    let none = score(&[]).unwrap();
    assert_eq!(
        (none.missing, none.partitions.yes_no.overall.correct),
        (6, 0)
    );
    assert_eq!(none.decoding, "");
}

#[test]
fn predictions_that_do_not_belong_are_errors() {
    let changed = |change: fn(&mut Prediction)| {
        let mut predictions = answered();
        change(&mut predictions[2]);
        score(&predictions).unwrap_err()
    };
    let message = changed(|of| of.split = "0bad".into()).to_string();
    assert!(
        message.contains("\"q3\"") && message.contains("0bad"),
        "{message}"
    );
    let extra = changed(|of| of.id = "q99".into());
    assert_eq!(extra, EvaluateError::Extra { id: "q99".into() });
    let message = changed(|of| of.truth = "no".into()).to_string();
    assert!(message.contains("truth \"no\""), "{message}");
    let message = changed(|of| of.question = "Is it?".into()).to_string();
    assert!(message.contains("question \"Is it?\""), "{message}");
    let message = changed(|of| of.image = "other.jpg".into()).to_string();
    assert!(message.contains("image \"other.jpg\""), "{message}");
    for change in [
        (|of| of.model = "other".into()) as fn(&mut Prediction),
        |of| of.config = "other".into(),
        |of| of.decoding = "beam-1".into(),
    ] {
        let mixed = changed(change);
        assert!(matches!(mixed, EvaluateError::Mixed { .. }), "{mixed}");
    }

    let mut twice = answered();
    twice.push(twice[4].clone());
    let duplicate = score(&twice).unwrap_err();
    assert_eq!(duplicate, EvaluateError::Duplicate { id: "q5".into() });

    let test = test();
    let repeated = evaluate(&Evaluation {
        test: &[&test[0], &test[0]],
        train: &[],
        predictions: &[],
        split_hash: SPLIT,
    });
    assert_eq!(
        repeated,
        Err(EvaluateError::RepeatedQuestion { id: "q1".into() })
    );
}

#[test]
fn metrics_survive_their_file_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.json");
    let metrics = score(&answered()).unwrap();
    metrics.write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let read: Metrics = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read, metrics);
    read.write(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(bytes.ends_with(b"}\n"));
}
