//! Batch mode: requests as a file, answers within a day, at half the price where the server says so (the price is
//! configuration: [`Prices`]).
//!
//! A file of state beside the journal says how far a batch has come, so that a process that was killed goes on with
//! the same batch. What was done and not yet written down is found again on the server, by the name of the file, which
//! is the hash of its lines, and by the file of the batch: nothing is uploaded or created twice.

mod lines;
mod server;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use lines::{Lines, batch_lines};
pub use server::BatchServer;

use crate::journal::{Answered, Journal, JournalError, PromptName};
use crate::llm::{Key, Prompt, Request, Usage};
use crate::price::{Caps, Ledger, Prices, Reserved, Spent};

const ENDPOINT: &str = "/v1/chat/completions";
/// OpenAI's limits on one batch file are 50,000 requests and 200 MB.
const MAX_REQUESTS: usize = 50_000;
const MAX_BYTES: usize = 190_000_000;
/// A state of so many keys is smaller.
const MAX_STATE: u64 = 16 << 20;

/// Why a batch cannot go on. What was written to the journal is kept; the state says where to go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The server did not do what it was asked to.
    #[error("{call}: {message}; run again to go on with the same batch")]
    Server {
        /// Method and path.
        call: String,
        /// What was wrong.
        message: String,
    },
    /// The file of state cannot be read or written.
    #[error("the batch state {}: {message}; restore it, or delete it to ask anew", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        message: String,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl BatchError {
    fn said(call: &str, message: &str) -> Self {
        Self::Server {
            call: call.to_owned(),
            message: message.to_owned(),
        }
    }

    /// Without the address, which may have a user's name in it, and with the cause that reqwest hides.
    fn of(call: &str, error: &reqwest::Error) -> Self {
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let message = match cause.downcast_ref::<reqwest::Error>() {
            Some(_) => "no response".to_owned(),
            None => cause.to_string(),
        };
        Self::said(call, &message)
    }
}

/// How a batch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchStatus {
    /// The server works on it: its word for that, and requests done and in all.
    Waiting {
        /// `validating`, `in_progress`, `finalizing`, …
        status: String,
        /// Completed or failed.
        done: u64,
        /// In all.
        all: u64,
    },
    /// It is over, and what came is in the journal.
    Ended(Collected),
    /// There is no batch, and nothing to ask.
    Nothing,
}

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// `completed`, `expired`, `failed` or `cancelled`.
    pub status: String,
    /// Answers new in the journal.
    pub answered: usize,
    /// Answers that the journal had already.
    pub had: usize,
    /// Requests that the server says have failed; a later run may ask them again.
    pub failed: usize,
    /// Requests of which nothing came; they are left for the next run.
    pub missing: usize,
    /// Lines whose request had a line before.
    pub repeated: usize,
    /// Ids of nothing that was asked for.
    pub unknown: Vec<String>,
    /// Lines that cannot be read: number, and why.
    pub damaged: Vec<(usize, String)>,
}

/// How far a batch has come, as it is on disk. It is written before each step that costs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// SHA-256 of the lines: the name of the file on the server.
    sha256: String,
    /// The keys of the requests in it.
    keys: Vec<Key>,
    /// The journal has been told.
    #[serde(default)]
    started: bool,
    /// Id of the uploaded file.
    #[serde(default)]
    file: Option<String>,
    /// Id of the batch.
    #[serde(default)]
    batch: Option<String>,
}

/// One batch after another, with what is needed to run them.
#[derive(Debug)]
pub struct Batches<'a> {
    /// Where.
    pub server: &'a BatchServer,
    /// The file of state; there while a batch is under way.
    pub state: &'a Path,
    /// The prompt that the requests are made from.
    pub prompt: &'a Prompt,
    /// What they cost: of batches, often half.
    pub prices: &'a Prices,
    /// What may be spent: requests that might pass it are left out.
    pub caps: &'a Caps,
}

impl Batches<'_> {
    /// Brings the batch under way one step further: asks how it stands and, if it is over, takes its answers into the
    /// journal. Where there is none, makes one of those of `requests` that the journal has not. Call this with the
    /// same requests until it says [`BatchStatus::Ended`], some minutes apart.
    ///
    /// # Errors
    /// [`BatchError`]; call again to go on.
    pub async fn advance(
        &self,
        requests: &[Request],
        journal: &mut Journal,
    ) -> Result<BatchStatus, BatchError> {
        let mut state = match self.read()? {
            Some(state) => state,
            None => match self.plan(requests, journal)? {
                Some(state) => state,
                None => return Ok(BatchStatus::Nothing),
            },
        };
        let by_key: HashMap<Key, &Request> = requests
            .iter()
            .map(|request| (request.key(), request))
            .collect();
        let id = match &state.batch {
            Some(id) => id.clone(),
            None => self.submit(&mut state, &by_key, journal).await?,
        };
        let batch = self.server.batch(&id).await?;
        let status = batch["status"].as_str().unwrap_or("unknown").to_owned();
        if !matches!(
            status.as_str(),
            "completed" | "expired" | "failed" | "cancelled"
        ) {
            let count = |name: &str| batch["request_counts"][name].as_u64().unwrap_or(0);
            return Ok(BatchStatus::Waiting {
                status,
                done: count("completed") + count("failed"),
                all: count("total"),
            });
        }
        let collected = self
            .collect(&state, &batch, status, &by_key, journal)
            .await?;
        // Only now: killed before, the answers are downloaded again and found to be in the journal.
        std::fs::remove_file(self.state).map_err(|error| self.wrong(&error.to_string()))?;
        Ok(BatchStatus::Ended(collected))
    }

    /// The requests of the next batch: those without an answer, as far as caps and the size of a file allow.
    fn plan(&self, requests: &[Request], journal: &Journal) -> Result<Option<State>, BatchError> {
        let mut spent = journal.paid();
        spent += journal.maybe_paid();
        let mut ledger = Ledger::new(self.caps, spent);
        let (mut chosen, mut keys, mut bytes) = (String::new(), Vec::new(), 0);
        let mut seen = HashSet::new();
        for request in requests {
            let key = request.key();
            if journal.get(&key).is_some() || !seen.insert(key.clone()) {
                continue;
            }
            let line = lines::line_of(request);
            bytes += line.len();
            let allowed = ledger.reserve(self.prices.at_most(request));
            if keys.len() == MAX_REQUESTS || bytes > MAX_BYTES || allowed != Reserved::Yes {
                break;
            }
            chosen.push_str(&line);
            keys.push(key);
        }
        if keys.is_empty() {
            return Ok(None);
        }
        // The time makes a later batch of the same lines another file.
        let name = format!("{}{chosen}", now());
        let state = State {
            sha256: miss_data::file::sha256_hex(name.as_bytes()),
            keys,
            started: false,
            file: None,
            batch: None,
        };
        self.write(&state)?;
        Ok(Some(state))
    }

    async fn submit(
        &self,
        state: &mut State,
        by_key: &HashMap<Key, &Request>,
        journal: &mut Journal,
    ) -> Result<String, BatchError> {
        let chosen: Vec<&Request> = state
            .keys
            .iter()
            .filter_map(|key| by_key.get(key).copied())
            .collect();
        if chosen.len() < state.keys.len() {
            return Err(self.wrong("it is of other requests, and they are not sent yet"));
        }
        if !state.started {
            for (key, request) in state.keys.iter().zip(&chosen) {
                journal.started(key, self.prices.at_most(request))?;
            }
            journal.sync()?;
            state.started = true;
            self.write(state)?;
        }
        let file = match &state.file {
            Some(file) => file.clone(),
            None => {
                let name = format!("miss-{}.jsonl", state.sha256);
                let file = match self.server.find_file(&name).await? {
                    Some(file) => file,
                    None => {
                        let text = chosen.iter().map(|request| lines::line_of(request));
                        self.server.upload(&name, text.collect()).await?
                    }
                };
                state.file = Some(file.clone());
                self.write(state)?;
                file
            }
        };
        let batch = match self.server.find_batch(&file).await? {
            Some(batch) => batch,
            None => self.server.create(&file).await?,
        };
        state.batch = Some(batch.clone());
        self.write(state)?;
        Ok(batch)
    }

    async fn collect(
        &self,
        state: &State,
        batch: &Value,
        status: String,
        by_key: &HashMap<Key, &Request>,
        journal: &mut Journal,
    ) -> Result<Collected, BatchError> {
        let keys: HashSet<&Key> = state.keys.iter().collect();
        // Answers to requests that are no longer wanted are paid for, but nobody knows what they say.
        let most = |key: &Key| {
            let request = keys.contains(key).then(|| by_key.get(key)).flatten()?;
            let Spent { input, output, .. } = self.prices.at_most(request);
            Some(Usage {
                input,
                output,
                estimated: true,
            })
        };
        let (mut lines, mut seen) = (Lines::default(), HashSet::new());
        for name in ["output_file_id", "error_file_id"] {
            let named = serde_json::json!({ "id": batch[name] });
            if batch[name].as_str().is_some_and(|id| !id.is_empty()) {
                let file = server::id("GET /batches", &named)?;
                lines.read(&self.server.content(&file).await?, &most, &mut seen);
            }
        }
        let time = |name: &str| batch[name].as_f64();
        let seconds = time("created_at").zip(time("completed_at"));
        let seconds = seconds.map_or(0.0, |(start, end)| (end - start).max(0.0));
        let mut collected = Collected {
            status,
            failed: lines.failed.len(),
            repeated: lines.repeated.len(),
            unknown: lines.unknown,
            damaged: lines.damaged,
            ..Collected::default()
        };
        for (key, answer) in lines.answered {
            let Some(request) = by_key.get(&key).filter(|_| journal.get(&key).is_none()) else {
                collected.had += 1;
                continue;
            };
            journal.answer(Answered {
                request: request.body(),
                prompt: PromptName {
                    id: self.prompt.id.clone(),
                    version: self.prompt.version,
                    sha256: self.prompt.sha256.clone(),
                },
                seconds,
                when: now(),
                paid: self.prices.of(answer.usage.input, answer.usage.output),
                key,
                answer,
            })?;
            collected.answered += 1;
        }
        // Killed here and run again, each is noted once.
        let open: HashSet<Key> = journal.in_flight().into_iter().cloned().collect();
        // A line of the error file is not paid for.
        for (key, reason) in lines.failed.iter().filter(|(key, _)| open.contains(key)) {
            journal.failed(key, reason, false)?;
        }
        for key in state.keys.iter().filter(|key| !seen.contains(*key)) {
            if open.contains(key) {
                // What was not done in time is not paid for; what came damaged may be.
                let paid = collected.status == "completed" || !collected.damaged.is_empty();
                let reason = format!("not in the output of a batch that {}", collected.status);
                journal.failed(key, &reason, paid)?;
            }
            collected.missing += 1;
        }
        journal.sync()?;
        Ok(collected)
    }

    fn wrong(&self, message: &str) -> BatchError {
        BatchError::State {
            path: self.state.to_owned(),
            message: message.to_owned(),
        }
    }

    fn read(&self) -> Result<Option<State>, BatchError> {
        let length = match std::fs::metadata(self.state) {
            Ok(file) => file.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.wrong(&error.to_string())),
        };
        if length > MAX_STATE {
            return Err(self.wrong("too large to be one"));
        }
        let text = std::fs::read(self.state).map_err(|error| self.wrong(&error.to_string()))?;
        let state = serde_json::from_slice(&text);
        state
            .map(Some)
            .map_err(|error| self.wrong(&error.to_string()))
    }

    fn write(&self, state: &State) -> Result<(), BatchError> {
        let text = serde_json::to_vec(state).map_err(|error| self.wrong(&error.to_string()))?;
        miss_data::file::write_atomic(self.state, &text)
            .map_err(|error| self.wrong(&error.to_string()))
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
