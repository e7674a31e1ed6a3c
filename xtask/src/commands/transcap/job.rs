//! What is captioned and how: shared by `plan` and `run`.

use std::path::PathBuf;

use miss_transcap::llm::Prompt;
use miss_transcap::map::Labelled;
use miss_transcap::run::{Checks, Job, Options};

use super::labels::Labels;
use crate::captioner;
use crate::config::workspace;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub labels: Labels,
    /// How captions are made: sampler, server, model, limits, prices, caps [default: templates, five captions an image]
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// Folder of the captions, and of the journal of what was paid for [default: captions/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A job with all that it borrows.
pub struct Prepared {
    pub labelled: Vec<Labelled>,
    pub options: Options,
    prompt: Prompt,
    /// Where captions and journal lie.
    pub out: PathBuf,
}

impl Arguments {
    /// Reads labels and options.
    pub fn prepare(&self) -> Result<Prepared, Failure> {
        let options = captioner::options(self.options.as_deref())?;
        let prompt = captioner::prompt(&options)?;
        let (name, labelled) = self.labels.read()?;
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| workspace().join("captions").join(name));
        Ok(Prepared {
            labelled,
            options,
            prompt,
            out,
        })
    }
}

impl Prepared {
    pub fn job(&self) -> Job<'_> {
        Job {
            labelled: &self.labelled,
            options: &self.options,
            prompt: &self.prompt,
            checks: Checks::default(),
        }
    }

    /// What was paid for.
    pub fn journal(&self) -> PathBuf {
        self.out.join("journal.jsonl")
    }
}
