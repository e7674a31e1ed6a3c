//! `cargo xtask data import`: tables and JSON of others into our own lines of JSON.

use std::path::PathBuf;

use miss_data::import::{Mapping, import, survey};

use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    /// A table (CSV, TSV), a JSON list, lines of JSON, or the questions of the VQA challenge's pair of files
    source: PathBuf,
    /// Folder to write `questions.jsonl` or `figures.jsonl` into; its images belong into `images/` there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// FIELD=COLUMN where the guess is wrong, FIELD:=TEXT for all rows alike, image+=.jpg for an ending
    #[arg(long = "map", value_name = "SETTING")]
    map: Vec<String>,
    /// The annotations of the VQA challenge's pair of files
    #[arg(long, value_name = "FILE")]
    annotations: Option<PathBuf>,
    /// First part of the ids where the source has none [default: the source's name]
    #[arg(long)]
    name: Option<String>,
    /// Say what would be done and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut mapping = Mapping {
        name: arguments.name.clone(),
        annotations: arguments.annotations.clone(),
        ..Mapping::default()
    };
    for setting in &arguments.map {
        mapping
            .set(setting)
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    }
    let imported = if arguments.dry_run {
        survey(&arguments.source, &mapping)
    } else {
        import(&arguments.source, &mapping, &arguments.out)
    };
    println!("{}", imported.map_err(Failure::data)?);
    Ok(Exit::Ok)
}
