//! `cargo xtask data doctor`: what is wrong with a folder or file of data, row by row.

use std::path::PathBuf;

use miss_data::Format;
use miss_data::doctor::doctor;

use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    /// Folder or file of data
    path: PathBuf,
    /// How it is laid out [default: as its files look]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let report = doctor(&arguments.path, arguments.format).map_err(Failure::data)?;
    if arguments.json {
        println!("{:#}", serde_json::json!(report));
    } else {
        println!("{report}");
    }
    Ok(if report.usable() {
        Exit::Ok
    } else {
        Exit::Data
    })
}
