//! `cargo xtask data`.

mod audit;
mod describe;
mod embed;
mod verify;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::log;

#[derive(Subcommand)]
pub enum Command {
    /// Rebuild the embedded VQA-RAD from a full copy, bit for bit
    Embed(embed::Arguments),
    /// Write the manifest of your own data
    Describe(describe::Arguments),
    /// Compare files with their manifest
    Verify(verify::Arguments),
    /// Say what leaks from training into test, for the official and for an image-disjoint split
    Audit(audit::Arguments),
}

pub fn run(command: &Command) -> Result<Exit, Failure> {
    log::start(None);
    match command {
        Command::Embed(arguments) => embed::run(arguments),
        Command::Describe(arguments) => describe::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
    }
}
