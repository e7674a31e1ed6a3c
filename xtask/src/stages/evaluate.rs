//! Scores the answers, beside baselines that never see an image.

use miss_eval::{Evaluation, evaluate, read_predictions};

use crate::failure::Failure;
use crate::plan::Stage;
use crate::rows::{TestRows, TrainingRows};
use crate::run::Run;

pub fn run(run: &Run, training: &TrainingRows, test: &TestRows) -> Result<(), Failure> {
    let path = run.folder(Stage::Predict).join("predictions.jsonl");
    let predictions = read_predictions(&path).map_err(Failure::data)?;
    let metrics = evaluate(&Evaluation {
        test: &test.rows(),
        train: &training.train(),
        predictions: &predictions,
        split_hash: test.split_hash(),
    })
    .map_err(Failure::compute)?;
    let path = run.folder(Stage::Evaluate).join("metrics.json");
    metrics
        .write(&path)
        .map_err(|error| Failure::output(&path, error))
}
