//! The MISS command line: one pipeline from images and questions to a trained model and a report.
//!
//! `main` maps a result to an exit code; [`commands`] holds one file per command, [`stages`] one per stage of the
//! pipeline, [`config`] the way from TOML to the structs of the crates.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a binary talks to its user"
)]

mod allocator;
mod captioned;
mod captioner;
mod commands;
mod config;
mod done;
mod dry_run;
mod exit;
mod failure;
mod hash;
mod interrupt;
mod log;
mod memory;
mod plan;
mod progress;
mod rows;
mod run;
mod run_folder;
mod stages;
mod summary;
mod table;
mod units;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::keep_large_buffers();
    let exit = match commands::run() {
        Ok(exit) => exit,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}
