//! Reader of the official VQA-RAD release (Lau et al., Scientific Data 5:180251, 2018).
//!
//! The release is one JSON list and a folder of images. Its slips (numbers for text, stray white
//! space, two misspelt question types) are repaired where the repair loses nothing, and every
//! repair is noted; what cannot be repaired is an error that names file, row and remedy.

use std::path::Path;

use serde_json::{Map, Value};

use crate::read::{Finding, Outcome, Place, Read, ReadError, read_capped};
use crate::record::{AnswerType, Language, Part, Question};

/// The list of questions, below the dataset's folder.
pub const QUESTIONS_FILE: &str = "VQA_RAD Dataset Public.json";
/// The folder of images, below the dataset's folder.
pub const IMAGES_DIR: &str = "images";

/// The release has 1.4 MB; a file beyond this is not it.
const MAX_BYTES: u64 = 64 << 20;
/// The question types of the paper's table 2.
const QUESTION_TYPES: [&str; 11] = [
    "ABN", "ATTRIB", "COLOR", "COUNT", "MODALITY", "ORGAN", "OTHER", "PLANE", "POS", "PRES", "SIZE",
];
const MISSPELT_TYPES: [(&str, &str); 2] = [("ATRIB", "ATTRIB"), ("PRSE", "PRES")];

/// Reads all questions of the VQA-RAD release in the folder `root`.
///
/// # Errors
///
/// [`ReadError`] if the file cannot be read as a whole. A row that cannot be used is a finding.
pub fn read(root: &Path) -> Result<Read<Question>, ReadError> {
    let path = root.join(QUESTIONS_FILE);
    let remedy = format!("the folder must hold `{QUESTIONS_FILE}` and `{IMAGES_DIR}/`");
    let bytes = read_capped(&path, MAX_BYTES, &remedy)?;
    let rows: Vec<Map<String, Value>> =
        serde_json::from_slice(&bytes).map_err(|source| ReadError::Format {
            path: path.clone(),
            expected: "a JSON list of questions",
            what: source.to_string(),
        })?;
    let mut records = Vec::with_capacity(rows.len());
    let mut findings = Vec::new();
    for (row, fields) in rows.iter().enumerate() {
        let mut reader = Row {
            path: &path,
            fields,
            row,
            findings: &mut findings,
        };
        match reader.question() {
            Ok(question) => records.push(question),
            Err(what) => reader.find(
                Outcome::Dropped,
                format!("{what}; mend the row or fetch the file again"),
            ),
        }
    }
    Ok(Read { records, findings })
}

struct Row<'a> {
    path: &'a Path,
    fields: &'a Map<String, Value>,
    row: usize,
    findings: &'a mut Vec<Finding>,
}

impl Row<'_> {
    fn question(&mut self) -> Result<Question, String> {
        Ok(Question {
            id: format!("vqa-rad/{}", self.row),
            image: self.image()?,
            question: self.text("question")?,
            answer: self.text("answer")?,
            answer_type: self.answer_type()?,
            question_types: self.question_types()?,
            organ: self.optional("image_organ")?,
            modality: None,
            language: Language::En,
            part: Some(self.part()?),
            linked_id: self.optional("qid_linked_id")?,
        })
    }

    fn note(&mut self, what: String) {
        self.find(Outcome::Repaired, what);
    }

    fn find(&mut self, outcome: Outcome, what: String) {
        self.findings.push(Finding {
            file: self.path.into(),
            place: Place::Row(self.row),
            outcome,
            what,
        });
    }

    /// A field's text, white space collapsed; a number is taken as its digits. Empty text is an
    /// error.
    fn text(&mut self, key: &str) -> Result<String, String> {
        let written = match self.fields.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => {
                self.note(format!("`{key}` is the number {number}, taken as text"));
                number.to_string()
            }
            Some(other) => return Err(format!("`{key}` is {other}, not text")),
            None => return Err(format!("`{key}` is missing")),
        };
        let collapsed = written.split_whitespace().collect::<Vec<_>>().join(" ");
        if collapsed.is_empty() {
            return Err(format!("`{key}` is empty"));
        }
        if collapsed != written {
            self.note(format!("`{key}` is {written:?}: stray white space dropped"));
        }
        Ok(collapsed)
    }

    /// The file writes an absent value as the text `NULL`.
    fn optional(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.text(key).map(|text| (text != "NULL").then_some(text)),
        }
    }

    /// A plain file name: a path out of the image folder is refused here, once, for all who open it
    /// later.
    fn image(&mut self) -> Result<String, String> {
        let name = self.text("image_name")?;
        let plain = name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0']);
        if plain {
            Ok(name)
        } else {
            Err(format!("`image_name` {name:?} is not a plain file name"))
        }
    }

    fn answer_type(&mut self) -> Result<AnswerType, String> {
        match self.text("answer_type")?.as_str() {
            "CLOSED" => Ok(AnswerType::Closed),
            "OPEN" => Ok(AnswerType::Open),
            other => Err(format!(
                "`answer_type` is {other:?}, neither CLOSED nor OPEN"
            )),
        }
    }

    fn question_types(&mut self) -> Result<Vec<String>, String> {
        let listed = self.text("question_type")?;
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
                self.note(format!("`question_type` {written:?} taken as {name}"));
            }
            types.push(name);
        }
        Ok(types)
    }

    fn part(&mut self) -> Result<Part, String> {
        match self.text("phrase_type")?.as_str() {
            "freeform" | "para" => Ok(Part::Train),
            "test_freeform" | "test_para" => Ok(Part::Test),
            other => Err(format!(
                "`phrase_type` is {other:?}: not a phrase type of the official release"
            )),
        }
    }
}
