//! One row as the files of VQA-RAD have it.

use serde_json::Value;

use crate::record::{AnswerType, Language, Part, Question};
use crate::rows::{Row, collapse};

/// The question types of the paper's table 2.
const QUESTION_TYPES: [&str; 11] = [
    "ABN", "ATTRIB", "COLOR", "COUNT", "MODALITY", "ORGAN", "OTHER", "PLANE", "POS", "PRES", "SIZE",
];
const MISSPELT_TYPES: [(&str, &str); 2] = [("ATRIB", "ATTRIB"), ("PRSE", "PRES")];

/// A row with all its fields. Texts stand as written, white space and all; a number given for a text
/// is its digits, and the text `NULL`, JSON's null and an absent field are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number of the question within its file; absent only from own data in this layout. Official and
    /// MEVF numbers do not match.
    pub qid: Option<u64>,
    /// How the question came about, and in the official release which part it belongs to.
    pub phrase_type: PhraseType,
    /// Shared by a question and its rewording. Official release only, as are all fields down to
    /// [`question_frame`](Self::question_frame).
    pub qid_linked_id: Option<String>,
    /// The case on MedPix that the image is from.
    pub image_case_url: Option<String>,
    /// Whether the question's rewording was judged: `evaluated`, `not evaluated` or `given`.
    pub evaluation: Option<String>,
    /// The question reworded freely.
    pub question_rephrase: Option<String>,
    /// How the rewording relates to the question: `strict agreement`, `Subsumes`, `inversion`.
    pub question_relation: Option<String>,
    /// The question reworded to a template.
    pub question_frame: Option<String>,
    /// File name below the image folder: plain, without any folder.
    pub image_name: String,
    /// `HEAD`, `CHEST` or `ABD`.
    pub image_organ: Option<String>,
    /// The question.
    pub question: String,
    /// Kinds of question, separated by commas.
    pub question_type: String,
    /// The answer.
    pub answer: String,
    /// The publishers' annotation; stray white space is dropped.
    pub answer_type: AnswerType,
}

/// How a question came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhraseType {
    /// `freeform`: as a clinician asked it.
    Freeform,
    /// `para`: reworded freely.
    Para,
    /// `frame`: reworded to a template; in the files of MEVF only.
    Frame,
    /// `test_freeform`: as a clinician asked it, official test part.
    TestFreeform,
    /// `test_para`: reworded freely, official test part.
    TestPara,
}

impl Entry {
    pub(super) fn of(row: &mut Row<'_>) -> Result<Self, String> {
        Ok(Self {
            qid: match row.value("qid") {
                Err(_) | Ok(Value::Null) => None,
                Ok(_) => Some(row.whole("qid")?),
            },
            phrase_type: phrase_type(row)?,
            qid_linked_id: optional(row, "qid_linked_id")?,
            image_case_url: optional(row, "image_case_url")?,
            evaluation: optional(row, "evaluation")?,
            question_rephrase: optional(row, "question_rephrase")?,
            question_relation: optional(row, "question_relation")?,
            question_frame: optional(row, "question_frame")?,
            image_name: image_name(row)?,
            image_organ: optional(row, "image_organ")?,
            question: written(row, "question")?,
            question_type: written(row, "question_type")?,
            answer: written(row, "answer")?,
            answer_type: answer_type(row)?,
        })
    }

    /// The record of this row. What is repaired on the way is noted.
    pub(super) fn question(
        self,
        row: &mut Row<'_>,
        id: String,
        part: Part,
    ) -> Result<Question, String> {
        let organ = self
            .image_organ
            .map(|text| row.collapsed("image_organ", &text));
        let linked_id = self
            .qid_linked_id
            .map(|text| row.collapsed("qid_linked_id", &text));
        Ok(Question {
            id,
            image: self.image_name,
            question: row.collapsed("question", &self.question),
            answer: row.collapsed("answer", &self.answer),
            answer_type: self.answer_type,
            question_types: question_types(row, &self.question_type)?,
            organ,
            modality: None,
            language: Language::En,
            part: Some(part),
            linked_id,
        })
    }
}

/// A text that is not white space throughout.
fn written(row: &mut Row<'_>, key: &str) -> Result<String, String> {
    let text = row.written(key)?;
    if collapse(&text).is_empty() {
        return Err(format!("`{key}` is empty"));
    }
    Ok(text)
}

fn optional(row: &mut Row<'_>, key: &str) -> Result<Option<String>, String> {
    match row.value(key) {
        Err(_) | Ok(Value::Null) => Ok(None),
        Ok(_) => written(row, key).map(|text| (text.trim() != "NULL").then_some(text)),
    }
}

/// A plain file name: a path out of the image folder is refused here, once, for all who open it
/// later.
fn image_name(row: &mut Row<'_>) -> Result<String, String> {
    let name = row.text("image_name")?;
    let plain = name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0']);
    if plain {
        Ok(name)
    } else {
        Err(format!("`image_name` {name:?} is not a plain file name"))
    }
}

fn answer_type(row: &mut Row<'_>) -> Result<AnswerType, String> {
    match row.text("answer_type")?.as_str() {
        "CLOSED" => Ok(AnswerType::Closed),
        "OPEN" => Ok(AnswerType::Open),
        other => Err(format!(
            "`answer_type` is {other:?}, neither CLOSED nor OPEN"
        )),
    }
}

fn phrase_type(row: &mut Row<'_>) -> Result<PhraseType, String> {
    match row.text("phrase_type")?.as_str() {
        "freeform" => Ok(PhraseType::Freeform),
        "para" => Ok(PhraseType::Para),
        "frame" => Ok(PhraseType::Frame),
        "test_freeform" => Ok(PhraseType::TestFreeform),
        "test_para" => Ok(PhraseType::TestPara),
        other => Err(format!("`phrase_type` is {other:?}: not one of VQA-RAD")),
    }
}

fn question_types(row: &mut Row<'_>, listed: &str) -> Result<Vec<String>, String> {
    let mut types = Vec::new();
    for written in listed.split(',').map(str::trim) {
        let upper = written.to_uppercase();
        let corrected = MISSPELT_TYPES.iter().find(|(wrong, _)| *wrong == upper);
        let name = corrected.map_or(upper, |(_, right)| (*right).to_owned());
        if !QUESTION_TYPES.contains(&name.as_str()) {
            return Err(format!(
                "`question_type` {written:?} is none of {}",
                QUESTION_TYPES.join(", ")
            ));
        }
        if name != written {
            row.note(format!("`question_type` {written:?} taken as {name}"));
        }
        types.push(name);
    }
    Ok(types)
}
