//! Reader of the official VQA-RAD release (Lau et al., Scientific Data 5:180251, 2018).
//!
//! The release is one JSON list and a folder of images. Its slips (numbers for text, stray white
//! space, two misspelt question types) are repaired where the repair loses nothing, and every
//! repair is noted; what cannot be repaired is an error that names file, row and remedy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::record::{AnswerType, Question};

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

/// What [`read`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// All rows, in file order.
    pub questions: Vec<Question>,
    /// What was repaired, in file order.
    pub notes: Vec<Note>,
}

/// One repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Row in the file, from 0.
    pub row: usize,
    /// What was found and what became of it.
    pub what: String,
}

/// Why the questions could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}; the folder must hold `{QUESTIONS_FILE}` and `{IMAGES_DIR}/`", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file is far larger than the release.
    #[error("{path} has {bytes} bytes, more than the {MAX_BYTES} allowed: it is not the VQA-RAD release", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file is not a JSON list.
    #[error("{path} is not a JSON list of questions: {source}; fetch the file again and verify it", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A row cannot be used.
    #[error("{path}, row {row} (counted from 0): {what}; mend the row or fetch the file again", path = path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads all questions of the VQA-RAD release in the folder `root`.
///
/// # Errors
///
/// [`ReadError`] at the first row that cannot be read without loss.
pub fn read(root: &Path) -> Result<Read, ReadError> {
    let path = root.join(QUESTIONS_FILE);
    let bytes = read_capped(&path)?;
    let rows: Vec<Map<String, Value>> =
        serde_json::from_slice(&bytes).map_err(|source| ReadError::Json {
            path: path.clone(),
            source,
        })?;
    let mut questions = Vec::with_capacity(rows.len());
    let mut notes = Vec::new();
    for (row, fields) in rows.iter().enumerate() {
        let mut reader = Row {
            fields,
            row,
            notes: &mut notes,
        };
        let question = reader.question().map_err(|what| ReadError::Row {
            path: path.clone(),
            row,
            what,
        })?;
        questions.push(question);
    }
    Ok(Read { questions, notes })
}

fn read_capped(path: &Path) -> Result<Vec<u8>, ReadError> {
    let at = |source| ReadError::Io {
        path: path.into(),
        source,
    };
    let bytes = fs::metadata(path).map_err(at)?.len();
    if bytes > MAX_BYTES {
        return Err(ReadError::TooLarge {
            path: path.into(),
            bytes,
        });
    }
    fs::read(path).map_err(at)
}

struct Row<'a> {
    fields: &'a Map<String, Value>,
    row: usize,
    notes: &'a mut Vec<Note>,
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
            official_test: self.official_test()?,
            linked_id: self.optional("qid_linked_id")?,
        })
    }

    fn note(&mut self, what: String) {
        self.notes.push(Note {
            row: self.row,
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

    fn official_test(&mut self) -> Result<bool, String> {
        match self.text("phrase_type")?.as_str() {
            "freeform" | "para" => Ok(false),
            "test_freeform" | "test_para" => Ok(true),
            other => Err(format!(
                "`phrase_type` is {other:?}: not a phrase type of the official release"
            )),
        }
    }
}
