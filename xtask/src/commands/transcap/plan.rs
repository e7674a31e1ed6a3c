//! `cargo xtask transcap plan`.

use super::job;
use crate::captioner;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    job: job::Arguments,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let prepared = arguments.job.prepare()?;
    let journal = captioner::open_if_any(&prepared.journal())?;
    print!("{}", prepared.job().plan(journal.as_ref()));
    Ok(Exit::Ok)
}
