//! `cargo xtask data split`: a split as a file that others can use.

use std::path::PathBuf;

use miss_data::{SplitKind, split};

use super::dataset::Dataset;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::rows;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    dataset: Dataset,
    /// The way of dividing: official, official-dedup, mevf, image-disjoint, random, en, zh, bilingual-safe, by-group
    #[arg(long, value_name = "KIND")]
    kind: SplitKind,
    /// Seed of a split that draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Share of the questions on the validation side of a split that draws
    #[arg(long, default_value_t = 0.1)]
    validation_fraction: f64,
    /// Share of the questions on the test side of a split that draws
    #[arg(long, default_value_t = 0.2)]
    test_fraction: f64,
    /// The file to write: ids of the three sides, and their hash
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (manifest, root) = arguments.dataset.open()?;
    let questions = rows::questions(manifest.format, &root)?;
    let split = split::make(
        arguments.kind,
        &questions,
        arguments.seed,
        arguments.validation_fraction,
        arguments.test_fraction,
    )
    .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let out = &arguments.out;
    let failed = |error: &dyn std::error::Error| {
        Failure::new(
            Exit::Output,
            format!("cannot write {}: {error}", out.display()),
        )
    };
    let mut json = serde_json::to_vec_pretty(&split).map_err(|error| failed(&error))?;
    json.push(b'\n');
    miss_data::write_atomic(out, &json).map_err(|error| failed(&error))?;
    let sides = [&split.train, &split.validation, &split.test].map(Vec::len);
    let left_out = match questions.len() - sides.iter().sum::<usize>() {
        0 => String::new(),
        count => format!("{count} of no side, "),
    };
    println!(
        "{}: {} training, {} validation, {} test questions, {left_out}{}",
        out.display(),
        sides[0],
        sides[1],
        sides[2],
        split.hash()
    );
    Ok(Exit::Ok)
}
