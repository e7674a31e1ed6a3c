//! The numbers of one run, with everything that defines them.

use std::path::Path;

use miss_data::{AnswerType, Question};
use serde::{Deserialize, Serialize};

use crate::normalise::normalise;
use crate::score::Score;

/// Scores of one prediction file, as `metrics.json` keeps them. The same input gives the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// [`crate::METRIC`] at the time.
    pub metric: String,
    /// [`crate::NORMALISER`] at the time.
    pub normaliser: String,
    /// How the intervals were made.
    pub interval: String,
    /// Hash of the split.
    pub split: String,
    /// Questions of the test set. Every score counts them all, answered or not.
    pub n: usize,
    /// Questions without a prediction; each counts as wrong.
    pub missing: usize,
    /// How the answers were made, e.g. `beam-3`; empty without predictions, as are the next two.
    pub decoding: String,
    /// Hash of the weights.
    pub model: String,
    /// Hash of the configuration.
    pub config: String,
    /// The model's scores.
    pub partitions: Partitions,
    /// What can be had without looking at an image.
    pub baselines: Baselines,
}

impl Metrics {
    /// Writes the metrics as indented JSON, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        miss_data::write_atomic(path, &bytes)
    }
}

/// The same answers under both meanings of "closed". Numbers of one are not comparable with numbers of the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partitions {
    /// The MISS paper's: closed is a question whose true answer is yes or no.
    pub yes_no: Partition,
    /// Most others': closed is what the dataset annotates as closed.
    pub annotated: Partition,
}

/// Scores of the closed, the open and all questions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Closed questions.
    pub closed: Score,
    /// Open questions.
    pub open: Score,
    /// All questions.
    pub overall: Score,
}

/// Answers made from the training questions alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baselines {
    /// One answer to every question: the most frequent of training.
    pub majority: Baseline,
    /// The most frequent training answer to the same question text, else the majority answer.
    pub question_lookup: Baseline,
}

/// Scores of one baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// What it does, with this run's numbers.
    pub rule: String,
    /// Its scores.
    pub partitions: Partitions,
}

impl Partitions {
    /// Scores `(question, is the answer right)` pairs.
    pub(crate) fn score<'a>(answers: impl Iterator<Item = (&'a Question, bool)>) -> Self {
        let mut yes_no = [Count::default(); 2];
        let mut annotated = [Count::default(); 2];
        for (question, right) in answers {
            let by_answer = usize::from(is_yes_no(&question.answer));
            yes_no[by_answer].add(right);
            let by_annotation = usize::from(question.answer_type == AnswerType::Closed);
            annotated[by_annotation].add(right);
        }
        Self {
            yes_no: Partition::of(yes_no),
            annotated: Partition::of(annotated),
        }
    }
}

/// Whether a true answer makes its question closed in the paper's sense.
pub(crate) fn is_yes_no(truth: &str) -> bool {
    matches!(normalise(truth).as_str(), "yes" | "no")
}

#[derive(Clone, Copy, Default)]
struct Count {
    correct: usize,
    n: usize,
}

impl Count {
    fn add(&mut self, right: bool) {
        self.correct += usize::from(right);
        self.n += 1;
    }
}

impl Partition {
    fn of([open, closed]: [Count; 2]) -> Self {
        Self {
            closed: Score::new(closed.correct, closed.n),
            open: Score::new(open.correct, open.n),
            overall: Score::new(closed.correct + open.correct, closed.n + open.n),
        }
    }
}
