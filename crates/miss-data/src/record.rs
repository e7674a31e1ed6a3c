//! The record every stage works on: one question about one image.

use std::collections::HashMap;

use burn_dataset::{Dataset, DatasetError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How the dataset itself annotates a question. The paper's partition (is the answer yes or no?) is
/// another one, taken from the answer by the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AnswerType {
    /// The question offers its answers: yes or no, left or right.
    Closed,
    /// The answer is free.
    Open,
}

/// A part of a dataset, as its publishers divided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// To learn from.
    Train,
    /// To choose with.
    Validation,
    /// To measure on.
    Test,
}

/// The language a question is asked and answered in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Language {
    /// Its ISO 639 code.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
}

/// One question about one image, with its true answer. As JSON: one line of a `questions.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Unique and stable: `vqa-rad/<row>`, the row counted from 0 in the dataset's own file;
    /// `slake/<qid>`.
    pub id: String,
    /// Path below the dataset's image folder, parts separated by `/`.
    pub image: String,
    /// As written, white space collapsed.
    pub question: String,
    /// As written, white space collapsed; numbers are text.
    pub answer: String,
    /// The dataset's own annotation.
    pub answer_type: AnswerType,
    /// Upper-case kinds of question: `["POS", "PRES"]`.
    pub question_types: Vec<String>,
    /// The organ or body region, as given: `HEAD`, `CHEST` or `ABD` in VQA-RAD, `Lung` or
    /// `Abdomen` in SLAKE.
    pub organ: Option<String>,
    /// The imaging modality, as given: `MRI`, `CT` or `X-Ray` in SLAKE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modality: Option<String>,
    /// The language of question and answer.
    #[serde(default)]
    pub language: Language,
    /// The part the publishers put it into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Shared by what must stay on one side of a split: the rephrasings of one question.
    pub linked_id: Option<String>,
}

/// Questions as a [`Dataset`], for Burn programs that use this crate alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions(pub Vec<Question>);

impl Dataset<Question> for Questions {
    /// # Panics
    ///
    /// If `index` is not below `len()`, as the trait demands.
    fn get(&self, index: usize) -> Result<Question, DatasetError> {
        Ok(self.0[index].clone())
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// An id that names no question.
#[derive(Debug, Error)]
#[error(
    "no question has the id `{id}`: the list of ids was made from other data; make the split again"
)]
pub struct UnknownId {
    /// The id that was asked for.
    pub id: String,
}

/// The questions with these ids, in the order of `ids`.
///
/// # Errors
///
/// The first id that no question has.
pub fn select<'a>(
    questions: &'a [Question],
    ids: &[String],
) -> Result<Vec<&'a Question>, UnknownId> {
    let by_id: HashMap<&str, &Question> =
        questions.iter().map(|row| (row.id.as_str(), row)).collect();
    ids.iter()
        .map(|id| {
            by_id
                .get(id.as_str())
                .copied()
                .ok_or_else(|| UnknownId { id: id.clone() })
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn question(id: &str, image: &str, linked_id: Option<&str>) -> Question {
        Question {
            id: id.into(),
            image: image.into(),
            question: format!("What is {id}?"),
            answer: "Yes".into(),
            answer_type: AnswerType::Closed,
            question_types: vec!["PRES".into()],
            organ: Some("CHEST".into()),
            modality: None,
            language: Language::En,
            part: Some(Part::Train),
            linked_id: linked_id.map(Into::into),
        }
    }

    #[test]
    fn a_question_survives_json() -> Result<(), serde_json::Error> {
        let row = question("vqa-rad/7", "synpic1.jpg", None);
        let line = serde_json::to_string(&row)?;
        assert!(line.contains(r#""answer_type":"CLOSED""#), "{line}");
        assert_eq!(serde_json::from_str::<Question>(&line)?, row);
        Ok(())
    }

    #[test]
    fn selection_follows_the_ids_and_names_a_stranger() {
        let rows = ["a", "b", "c"].map(|id| question(id, "x.jpg", None));
        let chosen = select(&rows, &["c".into(), "a".into()]).expect("both exist");
        assert_eq!(
            chosen.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
            ["c", "a"]
        );
        let error = select(&rows, &["z".into()]).expect_err("no z");
        assert!(error.to_string().contains("`z`"));
    }

    #[test]
    fn burn_sees_a_dataset() {
        let rows = Questions(vec![
            question("a", "x.jpg", None),
            question("b", "y.jpg", None),
        ]);
        assert_eq!(Dataset::len(&rows), 2);
        assert_eq!(rows.get(1).expect("in range").id, "b");
        assert_eq!(rows.iter().count(), 2);
    }
}
