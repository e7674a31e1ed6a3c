//! `cargo xtask data card`: what a dataset is, on what terms, and what to beware of.

use miss_data::card;

use super::dataset::Dataset;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    dataset: Dataset,
    /// Croissant JSON-LD (MLCommons) instead of Markdown
    #[arg(long)]
    croissant: bool,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (manifest, _) = arguments.dataset.open()?;
    if arguments.croissant {
        println!("{:#}", card::croissant(&manifest));
    } else {
        print!("{}", card::markdown(&manifest));
    }
    Ok(Exit::Ok)
}
