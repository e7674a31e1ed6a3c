//! From predictions to metrics: joined by id, never by position.

use std::collections::BTreeMap;

use miss_data::Question;

use crate::baselines::baselines;
use crate::metrics::{Metrics, Partitions};
use crate::normalise::{METRIC, NORMALISER, normalise};
use crate::prediction::Prediction;

/// What is scored.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    /// The questions of the test split. Their answers are the truth.
    pub test: &'a [&'a Question],
    /// The questions of the training split, for the blind baselines.
    pub train: &'a [&'a Question],
    /// The answers, in any order.
    pub predictions: &'a [Prediction],
    /// Hash of the split that `test` and `train` are of.
    pub split_hash: &'a str,
}

/// Why predictions cannot be scored: they do not belong to these questions.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// Two test questions have one id.
    #[error("the test split holds question {id:?} twice; make the split again")]
    RepeatedQuestion {
        /// Id of the question.
        id: String,
    },
    /// A prediction for a question that is not in the test split.
    #[error(
        "question {id:?} was answered but is not in the test split; score it with the split it was made for"
    )]
    Extra {
        /// Id of the question.
        id: String,
    },
    /// Two predictions for one question.
    #[error("question {id:?} was answered twice; keep one prediction a question")]
    Duplicate {
        /// Id of the question.
        id: String,
    },
    /// A prediction made under another split.
    #[error(
        "question {id:?} was answered under split {found}, but is scored under split {expected}; predict again or score with the other split"
    )]
    WrongSplit {
        /// Id of the question.
        id: String,
        /// Hash of the split that is scored.
        expected: String,
        /// Hash in the prediction.
        found: String,
    },
    /// The question or its truth changed since it was answered.
    #[error(
        "question {id:?} was answered as {field} {found:?}, but the dataset has {expected:?}; predict again with this dataset"
    )]
    Changed {
        /// Id of the question.
        id: String,
        /// `question`, `truth` or `image`.
        field: &'static str,
        /// What the dataset has.
        expected: String,
        /// What the prediction has.
        found: String,
    },
    /// The predictions are of several runs.
    #[error(
        "predictions of several runs are mixed: {field} is both {one:?} and {two:?}; score one run at a time"
    )]
    Mixed {
        /// `decoding`, `model` or `config`.
        field: &'static str,
        /// One value, the alphabetically first.
        one: String,
        /// Another, the alphabetically last.
        two: String,
    },
}

/// Scores predictions against the test split, with the blind baselines beside them.
///
/// A question without a prediction counts as wrong and is counted in [`Metrics::missing`]. The order of
/// questions and predictions changes nothing.
///
/// # Errors
/// If a prediction is extra, repeated, made under another split or for another text, or if the
/// predictions are of several runs.
pub fn evaluate(input: &Evaluation<'_>) -> Result<Metrics, EvaluateError> {
    let mut questions: BTreeMap<&str, &Question> = BTreeMap::new();
    for question in input.test {
        if questions.insert(&question.id, question).is_some() {
            return Err(EvaluateError::RepeatedQuestion {
                id: question.id.clone(),
            });
        }
    }
    let mut answers: BTreeMap<&str, &str> = BTreeMap::new();
    for prediction in input.predictions {
        let id = || prediction.id.clone();
        let question = questions
            .get(prediction.id.as_str())
            .ok_or_else(|| EvaluateError::Extra { id: id() })?;
        belongs(prediction, question, input.split_hash)?;
        if answers.insert(&prediction.id, &prediction.answer).is_some() {
            return Err(EvaluateError::Duplicate { id: id() });
        }
    }
    let right = |question: &Question| {
        answers
            .get(question.id.as_str())
            .is_some_and(|answer| normalise(answer) == normalise(&question.answer))
    };
    Ok(Metrics {
        metric: METRIC.to_owned(),
        normaliser: NORMALISER.to_owned(),
        interval: "Wilson, 95 %".to_owned(),
        split: input.split_hash.to_owned(),
        n: input.test.len(),
        missing: input.test.len() - answers.len(),
        decoding: only(input.predictions, "decoding", |of| &of.decoding)?,
        model: only(input.predictions, "model", |of| &of.model)?,
        config: only(input.predictions, "config", |of| &of.config)?,
        partitions: Partitions::score(
            input
                .test
                .iter()
                .map(|question| (*question, right(question))),
        ),
        baselines: baselines(input.train, input.test),
    })
}

/// Whether the prediction answers this question, as the dataset has it now, under this split.
fn belongs(
    prediction: &Prediction,
    question: &Question,
    split_hash: &str,
) -> Result<(), EvaluateError> {
    if prediction.split != split_hash {
        return Err(EvaluateError::WrongSplit {
            id: prediction.id.clone(),
            expected: split_hash.to_owned(),
            found: prediction.split.clone(),
        });
    }
    for (field, expected, found) in [
        ("question", &question.question, &prediction.question),
        ("truth", &question.answer, &prediction.truth),
        ("image", &question.image, &prediction.image),
    ] {
        if expected != found {
            return Err(EvaluateError::Changed {
                id: prediction.id.clone(),
                field,
                expected: expected.clone(),
                found: found.clone(),
            });
        }
    }
    Ok(())
}

/// The one value that all predictions share; empty if there are none.
fn only(
    predictions: &[Prediction],
    field: &'static str,
    value: impl Fn(&Prediction) -> &String,
) -> Result<String, EvaluateError> {
    let one = predictions.iter().map(&value).min();
    let two = predictions.iter().map(&value).max();
    match (one, two) {
        (Some(one), Some(two)) if one != two => Err(EvaluateError::Mixed {
            field,
            one: one.clone(),
            two: two.clone(),
        }),
        (Some(one), _) => Ok(one.clone()),
        (None, _) => Ok(String::new()),
    }
}
