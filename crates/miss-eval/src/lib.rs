#![doc = include_str!("../README.md")]

mod baselines;
mod evaluate;
mod metrics;
mod normalise;
mod prediction;
mod report;
mod score;

pub use evaluate::{EvaluateError, Evaluation, evaluate};
pub use metrics::{Baseline, Baselines, Metrics, Partition, Partitions};
pub use normalise::{METRIC, NORMALISER, normalise};
pub use prediction::{Prediction, PredictionsError, read_predictions, write_predictions};
pub use report::{AuditRow, CaptionExample, LossSeries, ReportInput, report};
pub use score::Score;
