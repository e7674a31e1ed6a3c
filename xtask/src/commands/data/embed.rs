//! `cargo xtask data embed`: rebuilds `data-manifests/embedded`.

use std::path::PathBuf;

use crate::config::workspace;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units;

#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the full dataset: `VQA_RAD Dataset Public.json` and `images/`
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Where to write [default: data-manifests/embedded in the checkout]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let embedded = || workspace().join("data-manifests/embedded");
    let out = arguments.out.clone().unwrap_or_else(embedded);
    let manifest = miss_data::embed::embed(&arguments.from, &out).map_err(Failure::data)?;
    println!(
        "{}: {} files, {}, manifest {}",
        out.display(),
        manifest.files.len(),
        units::bytes(manifest.bytes()),
        manifest.hash()
    );
    Ok(Exit::Ok)
}
