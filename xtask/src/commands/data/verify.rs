//! `cargo xtask data verify`: compares files with their manifest, and what a reader finds with its counts.

use std::path::Path;

use miss_data::{Manifest, count};

use super::dataset::Dataset;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    dataset: Dataset,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (manifest, root) = arguments.dataset.open()?;
    println!("{}", verified(&manifest, &root)?);
    Ok(Exit::Ok)
}

/// One line that says that everything is as promised, and what could not be checked.
pub fn verified(manifest: &Manifest, root: &Path) -> Result<String, Failure> {
    if manifest.files.is_empty() {
        let message = format!(
            "the manifest of {} lists no file, so there is nothing to compare: {}",
            manifest.name, manifest.terms
        );
        return Err(Failure::new(Exit::Data, message));
    }
    let verified = manifest.verify(root).map_err(Failure::data)?;
    let counts = count::counts(manifest.format, root).map_err(Failure::data)?;
    let wrong: Vec<String> = manifest
        .counts
        .iter()
        .filter_map(|(what, promised)| match counts.get(what) {
            Some(found) if found == promised => None,
            Some(found) => Some(format!("{found} {what} instead of {promised}")),
            None => Some(format!("no `{what}` of which there should be {promised}")),
        })
        .collect();
    if !wrong.is_empty() {
        let message = format!(
            "the files of {} in {} are as its manifest says, but a reader finds {}; {}",
            manifest.name,
            root.display(),
            wrong.join(", "),
            match manifest.counts_verified {
                true => "mend the manifest's counts",
                false =>
                    "the manifest's counts are the publishers' and were never compared with files: \
                     yours may be incomplete, or of another version",
            }
        );
        return Err(Failure::new(Exit::Data, message));
    }
    let unverified = match verified.unverified {
        0 => String::new(),
        files => format!("; {files} files have no known hash"),
    };
    Ok(format!(
        "{} {}: {} files, {}, {} counts, as the manifest says{unverified} ({})",
        manifest.title,
        manifest.version,
        verified.files,
        units::bytes(verified.bytes),
        manifest.counts.len(),
        manifest.licence
    ))
}
