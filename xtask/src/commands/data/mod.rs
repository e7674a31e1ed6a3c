//! `cargo xtask data`.

mod audit;
mod dataset;
mod describe;
mod embed;
mod list;
mod split;
mod verify;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::log;

#[derive(Subcommand)]
pub enum Command {
    /// Show the datasets that there are manifests of
    List,
    /// Compare files with their manifest, and records with its counts
    Verify(verify::Arguments),
    /// Divide a dataset and write the lists of ids
    Split(split::Arguments),
    /// Say what leaks from training into test
    Audit(audit::Arguments),
    /// Write the manifest of your own data
    Describe(describe::Arguments),
    /// Rebuild the embedded VQA-RAD from a full copy, bit for bit
    Embed(embed::Arguments),
}

pub fn run(command: &Command) -> Result<Exit, Failure> {
    log::start(None);
    match command {
        Command::List => list::run(),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Split(arguments) => split::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Describe(arguments) => describe::run(arguments),
        Command::Embed(arguments) => embed::run(arguments),
    }
}
