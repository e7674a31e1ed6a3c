//! `cargo xtask data describe`: writes the manifest of a user's own data.

use std::path::PathBuf;

use miss_data::{Format, count};

use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the data
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// How the folder is laid out: questions-jsonl, figures-jsonl, class-folders, vqa-rad, slake, ...
    #[arg(long, value_name = "FORMAT", default_value = "questions-jsonl")]
    format: Format,
    /// What the data are called: lower-case letters, digits and hyphens
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
        format,
        name,
        licence,
        out,
    } = arguments;
    let counts = count::counts(*format, root).map_err(Failure::data)?;
    let manifest =
        miss_data::describe(root, name, licence, *format, counts).map_err(Failure::data)?;
    manifest
        .write(out)
        .map_err(|error| Failure::output(out, error))?;
    let counts: Vec<String> = manifest
        .counts
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    println!(
        "{}: {} files, {}; use it with --set data.manifest={} --set data.root={}",
        out.display(),
        manifest.files.len(),
        counts.join(", "),
        out.display(),
        root.display()
    );
    Ok(Exit::Ok)
}
