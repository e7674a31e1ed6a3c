//! `cargo xtask transcap run`.

use miss_transcap::write_caption_file;

use super::job;
use crate::captioner;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    job: job::Arguments,
    /// Ask by batch files (/v1/files, /v1/batches), often at half the price: one step a call, until all is answered
    #[arg(long)]
    batch: bool,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen().map_err(Failure::compute)?;
    let prepared = arguments.job.prepare()?;
    let out = &prepared.out;
    std::fs::create_dir_all(out).map_err(|error| Failure::output(out, error))?;
    if arguments.batch
        && let Some(status) = captioner::batch(&prepared.job(), &prepared.journal())?
    {
        println!("{status}");
        return Ok(Exit::Ok);
    }
    let outcome = captioner::caption(&prepared.job(), &prepared.journal(), &interrupt)?;
    let path = out.join("captions.jsonl");
    write_caption_file(&path, &outcome.file).map_err(Failure::output_error)?;
    print!("{outcome}");
    println!("{}", path.display());
    match captioner::ended(&outcome) {
        Some(failure) => Err(failure),
        None => Ok(Exit::Ok),
    }
}
