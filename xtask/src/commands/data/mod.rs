//! `cargo xtask data`.

mod audit;
mod card;
mod dataset;
mod describe;
mod doctor;
mod embed;
mod fetch;
mod import;
mod list;
mod shard;
mod split;
mod verify;

use clap::Subcommand;
pub use dataset::{Dataset, named};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::log;

#[derive(Subcommand)]
pub enum Command {
    /// Show the datasets that there are manifests of
    List,
    /// Tell what a dataset is, on what terms, and what to beware of
    Card(card::Arguments),
    /// Bring datasets from their publishers or a mirror, and check them
    Fetch(fetch::Arguments),
    /// Compare files with their manifest, and records with its counts
    Verify(verify::Arguments),
    /// Divide a dataset and write the lists of ids
    Split(split::Arguments),
    /// Say what leaks from training into test
    Audit(audit::Arguments),
    /// Say what is wrong with data of your own, row by row
    Doctor(doctor::Arguments),
    /// Bring tables and JSON of others into our own lines of JSON
    Import(import::Arguments),
    /// Write the manifest of your own data
    Describe(describe::Arguments),
    /// Write a dataset as tar shards with an index
    Shard(shard::Arguments),
    /// Rebuild the embedded VQA-RAD from a full copy, bit for bit
    Embed(embed::Arguments),
}

pub fn run(command: &Command) -> Result<Exit, Failure> {
    log::start(None);
    match command {
        Command::List => list::run(),
        Command::Card(arguments) => card::run(arguments),
        Command::Fetch(arguments) => fetch::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Split(arguments) => split::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Describe(arguments) => describe::run(arguments),
        Command::Shard(arguments) => shard::run(arguments),
        Command::Embed(arguments) => embed::run(arguments),
    }
}
