//! `cargo xtask data verify`: compares files with their manifest.

use std::path::{Path, PathBuf};

use miss_data::Manifest;
use miss_data::embed::MANIFEST_FILE;

use crate::config::workspace;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units;

#[derive(clap::Args)]
pub struct Arguments {
    /// The manifest [default: that of the embedded data]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Folder of the files [default: the manifest's folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = arguments.manifest.clone().unwrap_or_else(embedded_manifest);
    let beside = || path.parent().unwrap_or(Path::new("")).to_owned();
    let root = arguments.root.clone().unwrap_or_else(beside);
    let manifest = Manifest::read(&path).map_err(Failure::data)?;
    let verified = manifest.verify(&root).map_err(Failure::data)?;
    println!(
        "{} {}: {} files, {}, as the manifest says ({})",
        manifest.title,
        manifest.version,
        verified.files,
        units::bytes(verified.bytes),
        manifest.licence
    );
    Ok(Exit::Ok)
}

/// The manifest of the data that every checkout has.
pub fn embedded_manifest() -> PathBuf {
    workspace()
        .join("data-manifests/embedded")
        .join(MANIFEST_FILE)
}
