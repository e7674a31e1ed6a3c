//! Runs a captioning job: from templates, or with a language model and a journal of what was paid for.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use miss_transcap::journal::Journal;
use miss_transcap::llm::batch::{BatchServer, BatchStatus, Batches, MAX_REQUESTS};
use miss_transcap::llm::{Client, Failure as Unanswered, Prompt};
use miss_transcap::run::{Job, Options, Outcome, Progress};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::hash::hash_of;
use crate::interrupt::Interrupt;

/// Time between two lines of progress.
const SILENCE: Duration = Duration::from_secs(5);

/// The options in a file, or the default ones: templates. Paths in it are relative to its folder.
pub fn options(path: Option<&Path>) -> Result<Options, Failure> {
    let Some(path) = path else {
        return Ok(Options::default());
    };
    let mut options =
        Options::read(path).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = |file: &mut Option<PathBuf>| {
        if let Some(file) = file {
            *file = folder.join(&*file);
        }
    };
    beside(&mut options.prompt);
    if let Some(endpoint) = &mut options.endpoint {
        beside(&mut endpoint.key_file);
    }
    Ok(options)
}

/// Hash of what the files of options and prompt say, wherever they lie.
pub fn options_hash(path: Option<&Path>) -> Result<String, Failure> {
    let options = options(path)?;
    let prompt = prompt(&options)?;
    let relevant = Options {
        prompt: None,
        ..options
    };
    Ok(hash_of(&(relevant, prompt.sha256)))
}

/// The prompt that the options name.
pub fn prompt(options: &Options) -> Result<Prompt, Failure> {
    let read = match &options.prompt {
        Some(path) => Prompt::read(path),
        None => Prompt::built_in(),
    };
    read.map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

/// Does the job. What the model is asked and what it answers is kept in the file `journal`, which is only made if a
/// model is asked; an answer in it is never asked for again.
pub fn caption(job: &Job<'_>, journal: &Path, interrupt: &Interrupt) -> Result<Outcome, Failure> {
    let options = job.options;
    let Some(endpoint) = &options.endpoint else {
        return Ok(job.replay(open_if_any(journal)?.as_ref()));
    };
    if options.offline {
        return Ok(job.replay(open_if_any(journal)?.as_ref()));
    }
    let client = Client::new(endpoint, &options.limits)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let mut journal = Journal::open(journal).map_err(Failure::output_error)?;
    if let Some(bytes) = journal.cut() {
        tracing::warn!(
            "the journal's last line was cut short, by a kill or a full disk: {bytes} bytes dropped"
        );
    }
    let in_flight = journal.in_flight().len();
    if in_flight > 0 {
        tracing::warn!(
            "{in_flight} requests of an earlier run were sent and never answered: they may have been paid for, count \
             against the caps, and are asked again with the same idempotency key"
        );
    }
    let mut told = Instant::now();
    let show = |progress: &Progress| {
        if told.elapsed() >= SILENCE {
            told = Instant::now();
            tracing::info!("{}", line(progress));
        }
    };
    job.run_blocking(&mut journal, client.sender(), || interrupt.asked(), show)
        .map_err(Failure::compute)
}

/// How a run that ended early ends the program; nothing for one that did not.
pub fn ended(outcome: &Outcome) -> Option<Failure> {
    let why = outcome.stopped.as_ref()?;
    let left = match outcome.left {
        0 => "what is missing came from templates".to_owned(),
        left => format!("{left} images have no captions yet"),
    };
    let message = format!("{why}: {left}; run the same command again to go on");
    let exit = match why {
        Unanswered::Stopped => Exit::Interrupted,
        _ => Exit::Compute,
    };
    Some(Failure::new(exit, message))
}

/// The journal in a file, if there is one.
pub fn open_if_any(path: &Path) -> Result<Option<Journal>, Failure> {
    match path.exists() {
        true => Journal::open(path).map(Some).map_err(Failure::output_error),
        false => Ok(None),
    }
}

fn line(progress: &Progress) -> String {
    let paid = progress.paid;
    format!(
        "{} of {} tuples, {} calls, {} under way, {} failed, {} tokens, {}",
        progress.done,
        progress.all,
        progress.calls,
        progress.under_way,
        progress.failed,
        paid.tokens(),
        paid.pico_usd
    )
}

/// Takes the job's batch one step further, or begins one; says how it stands. `Ok(None)` when there is nothing left to
/// ask, so that [`caption`] has all answers.
pub fn batch(job: &Job<'_>, journal: &Path) -> Result<Option<String>, Failure> {
    let options = job.options;
    let Some(endpoint) = &options.endpoint else {
        let message = "a batch needs a server: add [endpoint] and [parameters] to the options";
        return Err(Failure::new(Exit::Usage, message));
    };
    let server = BatchServer::new(endpoint, &options.limits)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let batches = Batches {
        server: &server,
        state: &journal.with_file_name("batch.json"),
        prompt: job.prompt,
        prices: &options.prices,
        caps: &options.caps,
        most_requests: MAX_REQUESTS,
    };
    let mut journal = Journal::open(journal).map_err(Failure::output_error)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(Failure::compute)?;
    let requests = job.open_requests(&journal);
    let status = runtime
        .block_on(batches.advance(&requests, &mut journal))
        .map_err(Failure::compute)?;
    Ok(match status {
        BatchStatus::Nothing => None,
        BatchStatus::Waiting { status, done, all } => Some(format!(
            "batch {status}: {done} of {all} requests; run the same command again in some minutes"
        )),
        BatchStatus::Ended(collected) => {
            if collected.status == "failed" {
                let why = collected.message.unwrap_or_default();
                return Err(Failure::new(
                    Exit::Compute,
                    format!("the batch failed: {why}"),
                ));
            }
            Some(format!(
                "batch {}: {} answers new in the journal, {} failed, {} missing, {} damaged; run the same command \
                 again for what is still open",
                collected.status,
                collected.answered,
                collected.failed,
                collected.missing,
                collected.damaged.len()
            ))
        }
        BatchStatus::Capped(what) => {
            let message = format!("the cap on {what} leaves no room for a batch");
            return Err(Failure::new(Exit::Compute, message));
        }
    })
}
