//! Made questions and predictions, and where the real data are.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use miss_data::{AnswerType, Language, Part, Question};
use miss_eval::Prediction;

pub const SPLIT: &str = "5f2c";

pub fn question(id: &str, question: &str, answer: &str, answer_type: AnswerType) -> Question {
    Question {
        id: id.into(),
        image: format!("{id}.jpg"),
        question: question.into(),
        answer: answer.into(),
        answer_type,
        question_types: vec!["PRES".into()],
        organ: Some("CHEST".into()),
        modality: None,
        language: Language::En,
        part: Some(Part::Test),
        linked_id: None,
    }
}

pub fn prediction(question: &Question, answer: &str) -> Prediction {
    Prediction {
        id: question.id.clone(),
        image: question.image.clone(),
        split: SPLIT.into(),
        question: question.question.clone(),
        truth: question.answer.clone(),
        answer_type: question.answer_type,
        question_types: question.question_types.clone(),
        organ: question.organ.clone(),
        answer: answer.into(),
        log_probability: -0.5,
        decoding: "beam-3".into(),
        model: "e3b0".into(),
        config: "c442".into(),
    }
}

/// A folder of the shared data beside the checkout, if it is there; says so if not.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn shared(name: &str) -> Option<PathBuf> {
    present(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared")
            .join(name),
    )
}

/// The path, if something is there; says so if not.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn present(path: PathBuf) -> Option<PathBuf> {
    if !path.exists() {
        // To the handle: the test runner captures what is printed.
        let _ = writeln!(std::io::stderr(), "skipped: {} not found", path.display());
        return None;
    }
    Some(path)
}
