//! One file per stage: inputs from earlier stages' folders, outputs to its own.

mod captions;
mod evaluate;
mod finetune;
mod predict;
mod pretrain;
mod report;
mod split;
mod verify;

use std::path::Path;

use serde::Serialize;
pub use split::{audited, make_split};

use crate::failure::Failure;
use crate::plan::Stage;
use crate::rows::{TestRows, TrainingRows};
use crate::run::Run;

/// Runs `stage`. Here it is decided who sees what: a stage that learns is handed no [`TestRows`].
pub fn run(run: &Run, stage: Stage) -> Result<(), Failure> {
    match stage {
        Stage::Verify => verify::run(run),
        Stage::Split => split::run(run),
        Stage::Captions => captions::run(run, &TrainingRows::open(run)?),
        Stage::Pretrain => pretrain::run(run),
        Stage::Finetune => finetune::run(run, &TrainingRows::open(run)?),
        Stage::Predict => predict::run(run, &TestRows::open(run)?),
        Stage::Evaluate => evaluate::run(run, &TrainingRows::open(run)?, &TestRows::open(run)?),
        Stage::Report => report::run(run),
    }
}

/// Writes `value` as a JSON file.
fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let mut json =
        serde_json::to_vec_pretty(value).map_err(|error| Failure::output(path, error))?;
    json.push(b'\n');
    miss_data::write_atomic(path, &json).map_err(|error| Failure::output(path, error))
}

#[cfg(test)]
mod tests {
    #[test]
    fn stages_that_learn_cannot_name_the_test_rows() {
        let learn = [
            include_str!("captions.rs"),
            include_str!("pretrain.rs"),
            include_str!("finetune.rs"),
        ];
        for source in learn {
            assert!(!source.contains("TestRows"));
            assert!(!source.contains(".test"));
        }
    }
}
