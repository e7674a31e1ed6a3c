//! `cargo xtask data audit`: what leaks from training into test, for both ways of dividing.

use std::path::{Path, PathBuf};

use miss_data::Manifest;
use miss_data::split::{image_disjoint, official};

use super::verify::embedded_manifest;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::rows;
use crate::stages::audited;

#[derive(clap::Args)]
pub struct Arguments {
    /// The manifest [default: that of the embedded data]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Folder of the files [default: the manifest's folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Seed of the image-disjoint split
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Share of the questions on the test side of the image-disjoint split
    #[arg(long, default_value_t = 0.2)]
    test_fraction: f64,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = arguments.manifest.clone().unwrap_or_else(embedded_manifest);
    let beside = || path.parent().unwrap_or(Path::new("")).to_owned();
    let root = arguments.root.clone().unwrap_or_else(beside);
    let manifest = Manifest::read(&path).map_err(Failure::data)?;
    let questions = rows::questions(&root)?;
    let disjoint = image_disjoint(&questions, arguments.seed, 0.0, arguments.test_fraction)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;

    let mut exit = Exit::Ok;
    for split in [official(&questions), disjoint] {
        let audit = audited(&manifest, &questions, &split)?;
        println!("{} {}\n{audit}", split.name, split.hash());
        // Only what is declared disjoint must be: the official split is known to leak.
        if audit.leaks() && split.name != "official" {
            exit = Exit::Leak;
        }
    }
    Ok(exit)
}
