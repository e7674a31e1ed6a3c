//! `cargo xtask transcap`: Transfer-and-Caption.

mod job;
mod labels;
mod plan;
// mod probe;
mod report;
mod run;
mod verify;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::log;

#[derive(Subcommand)]
pub enum Command {
    /// Say what captions for a dataset would ask of a language model and cost; nothing is asked
    Plan(plan::Arguments),
    /// Find out what a server really does: schemas, limits, seeds, token counts. Costs some short calls
    // Probe(probe::Arguments),
    /// Write captions for a dataset's images, from templates or a language model; a killed run goes on
    Run(run::Arguments),
    /// Check captions against the attributes that they were made from
    Verify(verify::Arguments),
    /// Make the page of images, attributes, captions and noise measures
    Report(report::Arguments),
}

pub fn run(command: &Command) -> Result<Exit, Failure> {
    log::start(None);
    match command {
        Command::Plan(arguments) => plan::run(arguments),
        // Command::Probe(arguments) => probe::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Report(arguments) => report::run(arguments),
    }
}
