//! `cargo xtask data audit`: what leaks from training into test.

use std::path::PathBuf;

use miss_data::audit::Images;
use miss_data::{SplitKind, split};
use serde_json::json;

use super::dataset::Dataset;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::rows;
use crate::stages::audited;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    dataset: Dataset,
    /// Ways of dividing to look at [default: all that fit the data]
    #[arg(long = "split", value_name = "KIND")]
    splits: Vec<SplitKind>,
    /// Seed of splits that draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Share of the questions on the test side of splits that draw
    #[arg(long, default_value_t = 0.2)]
    test_fraction: f64,
    /// Also write everything, with every pair that is the same, to this JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (manifest, root) = arguments.dataset.open()?;
    let questions = rows::questions(manifest.format, &root)?;
    let names = questions.iter().map(|row| &*row.image);
    let images = Images::load(&root.join(manifest.format.images_dir()), names);
    let kinds = match arguments.splits.as_slice() {
        [] => SplitKind::ALL.as_slice(),
        asked => asked,
    };
    let mut exit = Exit::Ok;
    let mut all = Vec::new();
    for &kind in kinds {
        let split = match split::make(
            kind,
            &questions,
            arguments.seed,
            0.0,
            arguments.test_fraction,
        ) {
            Ok(split) => split,
            // Of all kinds, those that do not fit are left out; of kinds asked for, they are errors.
            Err(split::SplitError::Unfit { .. }) if arguments.splits.is_empty() => continue,
            Err(error) => return Err(Failure::new(Exit::Usage, error.to_string())),
        };
        let audit = audited(&questions, &split, &images)?;
        println!("{} {}\n{audit}\n", split.name, split.hash());
        // A kind that was asked for must not leak; of all, only those that promise not to.
        if audit.leaks() && (kind.promises_no_leak() || !arguments.splits.is_empty()) {
            exit = Exit::Leak;
        }
        all.push(json!({"split": split.name, "hash": split.hash(), "leaks": audit.leaks(), "audit": audit}));
    }
    if let Some(path) = &arguments.json {
        let text =
            json!({"dataset": manifest.name, "data": manifest.hash(), "audits": all}).to_string();
        miss_data::write_atomic(path, text.as_bytes())
            .map_err(|error| Failure::output(path, error))?;
    }
    Ok(exit)
}
