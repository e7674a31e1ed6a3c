//! `predictions.jsonl`: the only input of scoring.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use miss_data::AnswerType;
use serde::{Deserialize, Serialize};

/// A line longer than this is no prediction; it is refused before it is held in memory.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// A generated answer to one question, with all that is needed to score it years later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// Id of the question.
    pub id: String,
    /// File name of its image.
    pub image: String,
    /// Hash of the split that put the question into the test set.
    pub split: String,
    /// The question as asked.
    pub question: String,
    /// The true answer.
    pub truth: String,
    /// The dataset's own annotation.
    pub answer_type: AnswerType,
    /// The dataset's kinds of question.
    pub question_types: Vec<String>,
    /// The dataset's organ field.
    pub organ: Option<String>,
    /// The generated answer, as it came.
    pub answer: String,
    /// Natural logarithm of the probability of the answer's tokens.
    pub log_probability: f64,
    /// How the answer was made, e.g. `beam-3`.
    pub decoding: String,
    /// Hash of the weights.
    pub model: String,
    /// Hash of the configuration.
    pub config: String,
}

/// Why predictions could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictionsError {
    /// The file could not be opened or read.
    #[error("cannot read predictions from {}: {source}; run the predict stage first", path.display())]
    Read {
        /// The predictions file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write predictions to {}: {source}; check that the folder exists and is writable", path.display())]
    Write {
        /// The predictions file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not a prediction.
    #[error("{}, line {line}: {what}; mend the line or run the predict stage again", path.display())]
    Line {
        /// The predictions file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads a JSON-lines file of predictions; blank lines are skipped.
///
/// # Errors
/// Names the line that is too long, not UTF-8, no prediction (a missing or unknown field, a log
/// probability that is no number), or repeats an id.
pub fn read_predictions(path: &Path) -> Result<Vec<Prediction>, PredictionsError> {
    let unreadable = |source| PredictionsError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut predictions: Vec<Prediction> = Vec::new();
    let mut first_line: BTreeMap<String, usize> = BTreeMap::new();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = (&mut file)
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut bytes)
            .map_err(unreadable)?;
        if read == 0 {
            break;
        }
        let wrong = |what| PredictionsError::Line {
            path: path.to_owned(),
            line,
            what,
        };
        if read as u64 > MAX_LINE_BYTES {
            return Err(wrong(format!("longer than {MAX_LINE_BYTES} bytes")));
        }
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            continue;
        }
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let prediction: Prediction = serde_json::from_str(text).map_err(|error| {
            // serde_json counts lines within this one.
            let what = error.to_string();
            wrong(what.replace(" at line 1 column ", " at column "))
        })?;
        if let Some(first) = first_line.insert(prediction.id.clone(), line) {
            let id = &prediction.id;
            return Err(wrong(format!("question {id:?} is already on line {first}")));
        }
        predictions.push(prediction);
    }
    Ok(predictions)
}

/// Writes predictions as JSON lines, in the order given, and replaces the file only when all is written.
///
/// # Errors
/// If a log probability is not finite (JSON has no such number), or the file cannot be written; an
/// older file is then still whole.
pub fn write_predictions(path: &Path, predictions: &[Prediction]) -> Result<(), PredictionsError> {
    let mut bytes = Vec::new();
    for (index, prediction) in predictions.iter().enumerate() {
        if !prediction.log_probability.is_finite() {
            return Err(PredictionsError::Line {
                path: path.to_owned(),
                line: index + 1,
                what: format!(
                    "the log probability of question {:?} is {}",
                    prediction.id, prediction.log_probability
                ),
            });
        }
        serde_json::to_writer(&mut bytes, prediction).map_err(|error| PredictionsError::Write {
            path: path.to_owned(),
            source: error.into(),
        })?;
        bytes.push(b'\n');
    }
    miss_data::write_atomic(path, &bytes).map_err(|source| PredictionsError::Write {
        path: path.to_owned(),
        source,
    })
}
