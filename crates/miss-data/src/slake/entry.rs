//! One row as SLAKE's files have it.

use serde_json::Value;

use super::Triple;
use crate::manifest::stays_below;
use crate::read::Outcome;
use crate::record::{AnswerType, Language, Part, Question};
use crate::rows::{Row, collapse};

/// A row with all its fields, texts as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The image's number: the N of `xmlabN`.
    pub img_id: u64,
    /// Path below the image folder, parts separated by `/`.
    pub img_name: String,
    /// The question.
    pub question: String,
    /// The answer; empty in one row of the release.
    pub answer: String,
    /// The language of question and answer.
    pub q_lang: Language,
    /// Organ or body region: `Lung`, `Abdomen`, `Brain_Tissue`.
    pub location: String,
    /// `CT`, `MRI` or `X-Ray`.
    pub modality: String,
    /// The publishers' annotation, of Chinese questions too.
    pub answer_type: AnswerType,
    /// Whether the image suffices to answer.
    pub base_type: BaseType,
    /// The kind of question: `Organ`, `Position`, `KG`.
    pub content_type: String,
    /// What of the knowledge graph the question needs: `vhead` stands for what the image shows, `_` for
    /// nothing.
    pub triple: Triple,
    /// Unique over all files.
    pub qid: u64,
}

/// What a question needs besides words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseType {
    /// `vqa`: the image.
    Vqa,
    /// `kvqa`: the image and the knowledge graph.
    Kvqa,
}

impl Entry {
    pub(super) fn of(row: &mut Row<'_>) -> Result<Self, String> {
        Ok(Self {
            img_id: row.whole("img_id")?,
            img_name: img_name(row)?,
            question: filled(row, "question")?,
            answer: row.written("answer")?,
            q_lang: one_of(row, "q_lang", [("en", Language::En), ("zh", Language::Zh)])?,
            location: filled(row, "location")?,
            modality: filled(row, "modality")?,
            answer_type: one_of(
                row,
                "answer_type",
                [("CLOSED", AnswerType::Closed), ("OPEN", AnswerType::Open)],
            )?,
            base_type: one_of(
                row,
                "base_type",
                [("vqa", BaseType::Vqa), ("kvqa", BaseType::Kvqa)],
            )?,
            content_type: filled(row, "content_type")?,
            triple: triple(row)?,
            qid: row.whole("qid")?,
        })
    }

    /// The record of this row. What is repaired on the way is noted.
    pub(super) fn question(self, row: &mut Row<'_>, part: Part) -> Result<Question, String> {
        let answer = row.collapsed("answer", &self.answer);
        if answer.is_empty() {
            row.find(
                Outcome::Kept,
                format!(
                    "`answer` of qid {} is empty: no answer can be right",
                    self.qid
                ),
            );
        }
        Ok(Question {
            id: format!("slake/{}", self.qid),
            image: self.img_name,
            question: row.collapsed("question", &self.question),
            answer,
            answer_type: self.answer_type,
            question_types: vec![row.collapsed("content_type", &self.content_type)],
            organ: Some(row.collapsed("location", &self.location)),
            modality: Some(row.collapsed("modality", &self.modality)),
            language: self.q_lang,
            part: Some(part),
            linked_id: None,
        })
    }
}

fn filled(row: &mut Row<'_>, key: &str) -> Result<String, String> {
    let text = row.written(key)?;
    if collapse(&text).is_empty() {
        return Err(format!("`{key}` is empty"));
    }
    Ok(text)
}

fn img_name(row: &mut Row<'_>) -> Result<String, String> {
    let name = row.text("img_name")?;
    if stays_below(&name) {
        Ok(name)
    } else {
        Err(format!("`img_name` {name:?} leaves the image folder"))
    }
}

fn one_of<Value: Copy>(
    row: &mut Row<'_>,
    key: &str,
    known: [(&str, Value); 2],
) -> Result<Value, String> {
    let text = row.text(key)?;
    let found = known.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        format!(
            "`{key}` is {text:?}, neither {} nor {}",
            known[0].0, known[1].0
        )
    })
}

fn triple(row: &Row<'_>) -> Result<Triple, String> {
    let wrong = || "`triple` is not a list of three texts".to_owned();
    let Value::Array(parts) = row.value("triple")? else {
        return Err(wrong());
    };
    let texts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
    match texts.as_deref() {
        Some([head, relation, tail]) => Ok(Triple {
            head: (*head).into(),
            relation: (*relation).into(),
            tail: (*tail).into(),
        }),
        _ => Err(wrong()),
    }
}
