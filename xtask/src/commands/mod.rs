//! The commands, one file each.

mod data;
mod pipeline;
mod transcap;

use clap::{Parser, Subcommand};

use crate::exit::{self, Exit};
use crate::failure::Failure;

/// Medical visual question answering: from images and questions to a trained model and a report.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a recipe: verify, split, captions, pretrain, finetune, predict, evaluate, report
    Pipeline(pipeline::Arguments),
    /// Work on datasets
    #[command(subcommand)]
    Data(data::Command),
    /// Turn labelled images into image–text pairs (Transfer-and-Caption)
    #[command(subcommand)]
    Transcap(transcap::Command),
}

/// Parses the command line and runs the command. A wrong command line ends the process with [`Exit::Usage`].
pub fn run() -> Result<Exit, Failure> {
    match Cli::parse().command {
        Command::Pipeline(arguments) => pipeline::run(&arguments),
        Command::Data(command) => data::run(&command),
        Command::Transcap(command) => transcap::run(&command),
    }
}
