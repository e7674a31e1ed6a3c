//! The two sides of a split, as two types: what training may see, and what only prediction and scoring may.

use std::path::Path;

use miss_data::record::select;
use miss_data::{Format, Question, Split, dataset};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan::Stage;
use crate::run::Run;

/// The training and validation questions of a split.
#[derive(Debug)]
pub struct TrainingRows {
    train: Vec<Question>,
    validation: Vec<Question>,
}

impl TrainingRows {
    /// Reads them; the test questions are dropped on the way.
    pub fn open(run: &Run) -> Result<Self, Failure> {
        let split = read_split(run)?;
        let questions = questions(run.manifest.format, &run.config.data.root)?;
        let mut train = pick(&questions, &split.train)?;
        // SLAKE has one. To learn from it is to learn to say nothing.
        train.retain(|row| !row.answer.is_empty());
        Ok(Self {
            train,
            validation: pick(&questions, &split.validation)?,
        })
    }

    /// The questions to learn from.
    pub fn train(&self) -> Vec<&Question> {
        self.train.iter().collect()
    }

    /// The questions that choose the best epoch.
    pub fn validation(&self) -> Vec<&Question> {
        self.validation.iter().collect()
    }
}

/// The test questions of a split.
#[derive(Debug)]
pub struct TestRows {
    rows: Vec<Question>,
    split: String,
}

impl TestRows {
    /// Reads them.
    pub fn open(run: &Run) -> Result<Self, Failure> {
        let split = read_split(run)?;
        let questions = questions(run.manifest.format, &run.config.data.root)?;
        Ok(Self {
            rows: pick(&questions, &split.test)?,
            split: split.hash(),
        })
    }

    /// The questions, in the order of the file.
    pub fn rows(&self) -> Vec<&Question> {
        self.rows.iter().collect()
    }

    /// Hash of the split they belong to.
    pub fn split_hash(&self) -> &str {
        &self.split
    }
}

fn read_split(run: &Run) -> Result<Split, Failure> {
    let path = run.folder(Stage::Split).join("split.json");
    let text = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(&path, &error))
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> Failure {
    let message = format!(
        "cannot read {}: {error}; make it again with --from split",
        path.display()
    );
    Failure::new(Exit::Data, message)
}

/// All questions of the dataset in `root`; a row that cannot be used stops.
pub fn questions(format: Format, root: &Path) -> Result<Vec<Question>, Failure> {
    let read = dataset::questions(format, root).map_err(Failure::data)?;
    read.all_or_nothing().map_err(Failure::data)
}

fn pick(questions: &[Question], ids: &[String]) -> Result<Vec<Question>, Failure> {
    let chosen = select(questions, ids).map_err(Failure::data)?;
    Ok(chosen.into_iter().cloned().collect())
}
