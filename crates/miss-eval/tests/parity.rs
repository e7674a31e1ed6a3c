//! Against numbers of other code: accuracies and intervals of the parity fixtures, and a brute-force
//! count of the blind baselines on the real VQA-RAD.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use miss_data::{AnswerType, Part, Question};
use miss_eval::{Evaluation, Partitions, Score, evaluate, normalise};
use serde_json::Value;
use support::{SPLIT, prediction, present, question, shared};

fn metrics_fixture() -> Option<PathBuf> {
    let Some(root) = std::env::var_os("MISS_PARITY_DIR").map(PathBuf::from) else {
        return shared("parity/metrics");
    };
    assert!(
        root.is_dir(),
        "MISS_PARITY_DIR is {}, which is no folder",
        root.display()
    );
    present(root.join("metrics"))
}

/// Each row is scored as right or wrong by what the fixture says of it, so that partition, counting and
/// interval are compared, whatever the normaliser.
#[test]
fn accuracies_and_intervals_equal_the_fixture() {
    let Some(folder) = metrics_fixture() else {
        return;
    };
    let rows = std::fs::read_to_string(folder.join("rows.jsonl")).unwrap();
    let rows: Vec<Value> = rows
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let expected = expected["accuracy"].as_object().unwrap();

    let mut compared = 0;
    for system in ["a", "b"] {
        for rule in ["match_mumc", "match_vqav2"] {
            let mut test = Vec::new();
            let mut predictions = Vec::new();
            for row in &rows {
                let annotated = match row["annotated"].as_str().unwrap() {
                    "CLOSED" => AnswerType::Closed,
                    _ => AnswerType::Open,
                };
                let id = row["id"].to_string();
                let question = question(&id, "?", row["gold"].as_str().unwrap(), annotated);
                let right = row[format!("expected_{system}")][rule] == 1;
                let answer = if right {
                    &question.answer
                } else {
                    "surely wrong"
                };
                predictions.push(prediction(&question, answer));
                test.push(question);
            }
            let metrics = evaluate(&Evaluation {
                test: &test.iter().collect::<Vec<_>>(),
                train: &[],
                predictions: &predictions,
                split_hash: SPLIT,
            })
            .unwrap();
            let Partitions { yes_no, annotated } = metrics.partitions;
            for (partition, part) in [("yesno", yes_no), ("annotated", annotated)] {
                for (group, score) in [
                    ("CLOSED", part.closed),
                    ("OPEN", part.open),
                    ("OVERALL", part.overall),
                ] {
                    let key = format!("{partition}/{group}/{rule}/{system}");
                    // Overall is the same in both partitions and may be listed under one only.
                    if let Some(expected) = expected.get(&key) {
                        assert_score(&key, score, expected);
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(
        compared >= 20,
        "only {compared} of the fixture's accuracies were compared"
    );
}

fn assert_score(key: &str, score: Score, expected: &Value) {
    assert_eq!(
        Some(score.correct as u64),
        expected["correct"].as_u64(),
        "{key}"
    );
    assert_eq!(Some(score.n as u64), expected["n"].as_u64(), "{key}");
    for (ours, theirs) in [
        (score.accuracy, &expected["accuracy"]),
        (score.low, &expected["wilson95"][0]),
        (score.high, &expected["wilson95"][1]),
    ] {
        let difference = ours - theirs.as_f64().unwrap();
        assert!(difference.abs() < 1e-9, "{key}: {ours} and {theirs}");
    }
}

#[test]
fn blind_baselines_on_the_official_vqa_rad_split() {
    let Some(root) = shared("data/vqa-rad") else {
        return;
    };
    let questions = miss_data::vqa_rad::read(&root).unwrap().records;
    let (test, train): (Vec<&Question>, Vec<&Question>) = questions
        .iter()
        .partition(|question| question.part == Some(Part::Test));
    assert_eq!((train.len(), test.len()), (1797, 451));
    let metrics = evaluate(&Evaluation {
        test: &test,
        train: &train,
        predictions: &[],
        split_hash: SPLIT,
    })
    .unwrap();

    let lookup = metrics.baselines.question_lookup.partitions;
    let majority = metrics.baselines.majority.partitions;
    assert_eq!((lookup.yes_no.closed.n, lookup.yes_no.open.n), (251, 200));
    assert_eq!(
        (lookup.annotated.closed.n, lookup.annotated.open.n),
        (272, 179)
    );
    // Published for this split: question lookup 31.7 ± 1 overall.
    let overall = 100.0 * lookup.yes_no.overall.accuracy;
    assert!((overall - 31.7).abs() <= 1.0, "{overall}");

    // Brute force: for every test question, look through all training rows.
    let most_frequent = |answers: Vec<String>| -> Option<String> {
        let times = |answer: &String| answers.iter().filter(|other| *other == answer).count();
        let most = answers.iter().map(times).max()?;
        answers
            .iter()
            .filter(|answer| times(answer) == most)
            .min()
            .cloned()
    };
    let overall_answer = most_frequent(train.iter().map(|row| normalise(&row.answer)).collect());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for question in &test {
        let truth = normalise(&question.answer);
        let same_text = train
            .iter()
            .filter(|row| normalise(&row.question) == normalise(&question.question));
        let found = most_frequent(same_text.map(|row| normalise(&row.answer)).collect());
        let closed = truth == "yes" || truth == "no";
        if found.or_else(|| overall_answer.clone()).as_ref() == Some(&truth) {
            *counts
                .entry(if closed {
                    "lookup closed"
                } else {
                    "lookup open"
                })
                .or_default() += 1;
        }
        if overall_answer.as_ref() == Some(&truth) {
            *counts.entry("majority").or_default() += 1;
        }
    }
    assert_eq!(
        counts.get("lookup closed").copied(),
        Some(lookup.yes_no.closed.correct)
    );
    assert_eq!(
        counts.get("lookup open").copied().unwrap_or(0),
        lookup.yes_no.open.correct
    );
    assert_eq!(
        counts.get("majority").copied(),
        Some(majority.yes_no.overall.correct)
    );
}
