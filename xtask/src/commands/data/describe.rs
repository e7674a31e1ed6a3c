//! `cargo xtask data describe`: writes the manifest of a user's own data.

use std::path::PathBuf;

use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    /// Folder laid out as VQA-RAD is: `VQA_RAD Dataset Public.json` and `images/`
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// What the data are called
    #[arg(long)]
    name: String,
    /// Their licence, an SPDX expression; LicenseRef-private for data that are not to be shared
    #[arg(long, value_name = "SPDX")]
    licence: String,
    /// The manifest to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let Arguments {
        root,
        name,
        licence,
        out,
    } = arguments;
    let manifest = miss_data::describe(root, name, licence).map_err(Failure::data)?;
    manifest
        .write(out)
        .map_err(|error| Failure::output(out, error))?;
    println!(
        "{}: {} questions about {} images; use it with --set data.manifest={} --set data.root={}",
        out.display(),
        manifest.counts.questions,
        manifest.counts.images,
        out.display(),
        root.display()
    );
    Ok(Exit::Ok)
}
