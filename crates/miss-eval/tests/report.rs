//! The report escapes what it is given, loads nothing, and says what it must.
#![allow(clippy::unwrap_used)]

mod support;

use miss_data::{AnswerType, Question};
use miss_eval::{
    AuditRow, CaptionExample, Evaluation, LossSeries, Metrics, Prediction, ReportInput, evaluate,
    report,
};
use support::{SPLIT, prediction, question};

const HOSTILE: &str =
    "<script src=\"https://evil.example/x.js\"></script>&\"'><img src=x onerror=alert(1)>";

fn questions() -> Vec<Question> {
    (0..120)
        .map(|index| {
            let (answer, kind) = match index % 3 {
                0 => ("yes", AnswerType::Closed),
                1 => ("no", AnswerType::Closed),
                _ => ("left lobe", AnswerType::Open),
            };
            let mut made = question(&format!("q{index}"), HOSTILE, answer, kind);
            made.image = format!("image{}.jpg", index % 30);
            made
        })
        .collect()
}

/// A fifth is right.
fn predictions(questions: &[Question]) -> Vec<Prediction> {
    let answer = |index: usize, question: &Question| match index % 5 {
        0 => question.answer.clone(),
        1 => String::new(),
        _ => HOSTILE.to_owned(),
    };
    let predicted =
        |(index, question): (usize, &Question)| prediction(question, &answer(index, question));
    questions.iter().enumerate().map(predicted).collect()
}

fn metrics(questions: &[Question], predictions: &[Prediction]) -> Metrics {
    let rows: Vec<&Question> = questions.iter().collect();
    evaluate(&Evaluation {
        test: &rows,
        train: &rows,
        predictions,
        split_hash: SPLIT,
    })
    .unwrap()
}

fn page(
    leak: bool,
    losses: Vec<LossSeries>,
    predictions: &[Prediction],
    metrics: &Metrics,
) -> String {
    let hostile = || (HOSTILE.to_owned(), HOSTILE.to_owned());
    report(&ReportInput {
        title: HOSTILE.into(),
        summary: HOSTILE.into(),
        recipe: HOSTILE.into(),
        config_toml: HOSTILE.into(),
        split_name: HOSTILE.into(),
        data: vec![hostile()],
        hashes: vec![hostile()],
        audit: vec![AuditRow {
            what: HOSTILE.into(),
            count: HOSTILE.into(),
            leak,
        }],
        losses,
        metrics,
        predictions,
        captions: vec![CaptionExample {
            image: HOSTILE.into(),
            attributes: vec![hostile()],
            captions: vec![HOSTILE.into()],
            realiser: HOSTILE.into(),
        }],
        image: &|name| (!name.contains('7')).then(|| b"\xff\xd8\xff jpeg".to_vec()),
        timings: vec![(HOSTILE.into(), 3.0)],
        environment: vec![hostile()],
    })
}

fn losses() -> Vec<LossSeries> {
    let series = |name: &str, points: Vec<(f64, f64)>| LossSeries {
        stage: "Pretraining".into(),
        name: name.into(),
        unit: HOSTILE.into(),
        points,
    };
    vec![
        series(
            "long",
            (0..5000)
                .map(|step| (step as f64, 7.0 / (1.0 + step as f64).sqrt()))
                .collect(),
        ),
        series("one", vec![(1.0, 2.0)]),
        series("none", vec![]),
        series(
            "broken",
            vec![(1.0, f64::NAN), (2.0, f64::INFINITY), (f64::NAN, 3.0)],
        ),
        series("flat", vec![(1.0, 0.0), (2.0, 0.0)]),
    ]
}

#[test]
fn text_is_escaped_and_nothing_is_loaded() {
    let questions = questions();
    let predictions = predictions(&questions);
    let page = page(
        false,
        losses(),
        &predictions,
        &metrics(&questions, &predictions),
    );

    assert!(!page.contains("<script"), "no script at all");
    assert!(!page.contains("<img src=x"), "hostile text stayed text");
    // The only quote that could end an attribute is escaped, so handlers stay text, too.
    assert!(!page.contains("\"'>"));
    for tag in ["<link", "<iframe", "<object", "<embed", "@import", "url("] {
        assert!(!page.contains(tag), "{tag}");
    }
    for attribute in ["src=\"", "href=\""] {
        for (at, _) in page.match_indices(attribute) {
            let value = &page[at + attribute.len()..];
            assert!(value.starts_with("data:image/jpeg;base64,") || value.starts_with('#'));
        }
    }
    assert!(page.contains("default-src 'none'") || page.contains("default-src &#39;none&#39;"));
    assert!(
        !page.contains("NaN") && !page.contains("inf"),
        "no number is broken"
    );
    assert!(page.contains("image not available"));
    assert!(page.to_lowercase().contains("not for clinical use"));
}

#[test]
fn the_gallery_is_balanced_and_repeatable() {
    let questions = questions();
    let mut predictions = predictions(&questions);
    let metrics = metrics(&questions, &predictions);
    let first = page(false, Vec::new(), &predictions, &metrics);
    // 24 of 120 are right, so 20 right and 20 wrong can be shown; 16 of the right ones are closed, 8 open.
    assert_eq!(first.matches("class=\"card right").count(), 20);
    assert_eq!(first.matches("class=\"card wrong").count(), 20);
    assert_eq!(first.matches("class=\"card wrong open").count(), 10);
    assert_eq!(first.matches("class=\"card right open").count(), 8);
    predictions.reverse();
    assert_eq!(
        page(false, Vec::new(), &predictions, &metrics),
        first,
        "the order of lines does not show"
    );
}

#[test]
fn numbers_stand_with_their_definition() {
    let questions = questions();
    let predictions = predictions(&questions);
    let metrics = metrics(&questions, &predictions);
    let page = page(false, Vec::new(), &predictions[..119], &metrics);
    let closed = metrics.partitions.yes_no.closed;
    assert!(page.contains(&format!("{} of {} right", closed.correct, closed.n)));
    assert!(page.contains("em.v1") && page.contains(SPLIT) && page.contains("beam-3"));
    assert!(page.contains("n = 120") || page.contains("n = <b>120"));
    assert!(page.contains("yes-no") && page.contains("annotated"));
    assert!(page.contains("Majority") && page.contains("Question lookup"));
}

#[test]
fn a_leaking_split_carries_a_warning() {
    let questions = questions();
    let predictions = predictions(&questions);
    let metrics = metrics(&questions, &predictions);
    assert!(page(true, Vec::new(), &predictions, &metrics).contains("The test split leaks"));
    assert!(!page(false, Vec::new(), &predictions, &metrics).contains("The test split leaks"));
}

#[test]
fn an_empty_run_still_makes_a_page() {
    let metrics = metrics(&[], &[]);
    let page = page(false, Vec::new(), &[], &metrics);
    assert!(page.contains("No question was answered") && page.contains("No losses were recorded"));
    assert!(!page.contains("NaN"));
}
