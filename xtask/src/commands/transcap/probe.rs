//! `cargo xtask transcap probe`.

use std::path::PathBuf;

use miss_transcap::llm::{Client, probe};

use crate::captioner;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    /// The options that name the server and the model
    #[arg(long, value_name = "FILE")]
    options: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let options = captioner::options(Some(&arguments.options))?;
    let (Some(endpoint), Some(parameters)) = (&options.endpoint, &options.parameters) else {
        let message = format!(
            "{} names no server and model: add [endpoint] and [parameters]",
            arguments.options.display()
        );
        return Err(Failure::new(Exit::Usage, message));
    };
    let client = Client::new(endpoint, &options.limits)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let prompt = captioner::prompt(&options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(Failure::compute)?;
    print!("{}", runtime.block_on(probe(&client, parameters, &prompt)));
    Ok(Exit::Ok)
}
