//! Batch mode: requests as a file, answers within a day, at half the price where the server says so (the price is
//! configuration: [`Prices`]).
//!
//! Files beside the journal say how far a batch has come and what was asked, so that a process that was killed goes on
//! with the same batch, and every answer is recorded, whatever was changed in between. What was done and not yet
//! written down is found again on the server, by the name of the file, which is the hash of its lines, and by the file
//! of the batch: nothing is uploaded or created twice.

mod lines;
mod server;
mod state;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

pub use lines::batch_lines;
pub use server::BatchServer;

use crate::journal::{Answered, Journal, JournalError, PromptName};
use crate::llm::wire::Asked;
use crate::llm::{Failure, Key, Prompt, Request};
use crate::price::{Caps, Ledger, Prices, Reserved};
use lines::Lines;
use state::{Planned, State, Store, body_of};

const ENDPOINT: &str = "/v1/chat/completions";
/// The most requests of one batch: OpenAI's limit.
pub const MAX_REQUESTS: usize = 50_000;
/// OpenAI's limit on a batch file is 200 MB.
const MAX_BYTES: usize = 190_000_000;

/// Why a batch cannot go on. What was written to the journal is kept; the state says where to go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The server did not do what it was asked to, after all attempts.
    #[error("{call}: {failure}; run again to go on with the same batch")]
    Server {
        /// Method and path.
        call: &'static str,
        /// What was wrong.
        failure: Failure,
    },
    /// The server does not want this batch. Nothing is under way.
    #[error(
        "{call}: {failure}; nothing was asked: mend what the server says, or put fewer requests into a batch, and run again"
    )]
    Refused {
        /// Method and path.
        call: &'static str,
        /// What the server said.
        failure: Failure,
    },
    /// A request does not fit into a file by itself.
    #[error("request {0} is longer than {MAX_BYTES} bytes; shorten the prompt")]
    TooLong(String),
    /// Another process has the batch.
    #[error("the batch state {} is in use by another run; wait for its end, or name another state", path.display())]
    InUse {
        /// The state.
        path: PathBuf,
    },
    /// The batch under way is elsewhere.
    #[error("the batch of the state {} is at {base_url}; name that server, or another state", path.display())]
    OtherServer {
        /// The state.
        path: PathBuf,
        /// Where it is.
        base_url: String,
    },
    /// The files of state cannot be read or written.
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
    /// There is no batch, and the cap on this leaves no room for one.
    Capped(&'static str),
}

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// `completed`, `expired`, `failed` or `cancelled`.
    pub status: String,
    /// What the server says of the batch as a whole, as why it has failed.
    pub message: Option<String>,
    /// Answers new in the journal.
    pub answered: usize,
    /// Answers to requests that were answered before.
    pub had: usize,
    /// Requests that the server says have failed; a later run may ask them again.
    pub failed: usize,
    /// Requests of which nothing came; they are left for the next run.
    pub missing: usize,
    /// Lines whose request had a line before.
    pub repeated: usize,
    /// Ids of nothing that was asked for, cut to a readable length.
    pub unknown: Vec<String>,
    /// Lines that cannot be read: number, and why.
    pub damaged: Vec<(usize, String)>,
}

/// One batch after another, with what is needed to run them.
#[derive(Debug)]
pub struct Batches<'a> {
    /// Where.
    pub server: &'a BatchServer,
    /// The file of state, there while a batch is under way; two more lie beside it, with `.requests` and `.lock` after
    /// its name.
    pub state: &'a Path,
    /// The prompt that the requests are made from.
    pub prompt: &'a Prompt,
    /// What they cost: in batches, often half.
    pub prices: &'a Prices,
    /// What may be spent: requests that might pass it are left out.
    pub caps: &'a Caps,
    /// The most requests of one batch, the rest being left for the next: fewer than [`MAX_REQUESTS`] where the server
    /// limits the tokens that may wait.
    pub most_requests: usize,
}

impl Batches<'_> {
    /// Brings the batch under way one step further: asks how it stands and, if it is over, takes its answers into the
    /// journal. Where there is none, makes one of those of `requests` that the journal has not. Call this until it
    /// says [`BatchStatus::Ended`], some minutes apart, and again for what is still open then. A batch that the
    /// server has is gone on with whatever `requests` are by then; one that it has not is dropped if they are others.
    ///
    /// # Errors
    /// [`BatchError`]; call again to go on.
    pub async fn advance(
        &self,
        requests: &[Request],
        journal: &mut Journal,
    ) -> Result<BatchStatus, BatchError> {
        let store = Store::open(self.state)?;
        let mut under_way = store.read()?;
        if let Some(state) = &under_way {
            if state.base_url != self.server.base_url() {
                return Err(BatchError::OtherServer {
                    path: self.state.to_owned(),
                    base_url: state.base_url.clone(),
                });
            }
            if state.batch.is_none() && !wanted(state, requests, journal) {
                under_way = self.unless_lost(under_way, &store, journal).await?;
            }
        }
        let mut state = match under_way {
            Some(state) => state,
            None => match self.plan(requests, journal, &store)? {
                Ok(state) => state,
                Err(status) => return Ok(status),
            },
        };
        let id = match &state.batch {
            Some(id) => id.clone(),
            None => self.submit(&mut state, &store, journal).await?,
        };
        let batch = self.server.batch(&id).await;
        let batch = batch.map_err(|failure| at("GET /batches", failure))?;
        let status = batch["status"].as_str().unwrap_or("unknown");
        if !matches!(status, "completed" | "expired" | "failed" | "cancelled") {
            let count = |name: &str| batch["request_counts"][name].as_u64().unwrap_or(0);
            return Ok(BatchStatus::Waiting {
                status: self.server.told(status),
                done: count("completed").saturating_add(count("failed")),
                all: count("total"),
            });
        }
        let collected = self.collect(&state, &store, &batch, journal).await?;
        // Only now: killed before, the answers are downloaded again and found to be in the journal.
        store.remove()?;
        Ok(BatchStatus::Ended(collected))
    }

    /// The requests of the next batch: those without an answer, as far as caps and the size of a file allow.
    fn plan(
        &self,
        requests: &[Request],
        journal: &Journal,
        store: &Store,
    ) -> Result<Result<State, BatchStatus>, BatchError> {
        let mut spent = journal.paid();
        spent += journal.maybe_paid();
        let mut ledger = Ledger::new(self.caps, spent);
        let most = self.most_requests.clamp(1, MAX_REQUESTS);
        let (mut lines, mut planned) = (String::new(), Vec::new());
        let mut seen = HashSet::new();
        for request in requests {
            let key = request.key();
            if journal.get(&key).is_some() || !seen.insert(key.clone()) {
                continue;
            }
            let line = lines::line_of(request);
            if line.len() > MAX_BYTES {
                return Err(BatchError::TooLong(key.0));
            }
            if planned.len() == most || lines.len() + line.len() > MAX_BYTES {
                break;
            }
            let at_most = self.prices.at_most(request);
            match ledger.reserve(at_most) {
                Reserved::Yes => {}
                Reserved::Never(cap) if planned.is_empty() => {
                    return Ok(Err(BatchStatus::Capped(cap)));
                }
                Reserved::Never(_) | Reserved::Later => break,
            }
            lines.push_str(&line);
            planned.push(Planned {
                key,
                asked: Asked::of(request),
                at_most,
            });
        }
        if planned.is_empty() {
            return Ok(Err(BatchStatus::Nothing));
        }
        let now = now();
        let state = State {
            base_url: self.server.base_url().to_owned(),
            prompt: PromptName {
                id: self.prompt.id.clone(),
                version: self.prompt.version,
                sha256: self.prompt.sha256.clone(),
            },
            prices: *self.prices,
            planned: now,
            sha256: State::sum(now, &lines),
            requests: planned,
            started: false,
            file: None,
            batch: None,
        };
        store.begin(&state, &lines)?;
        Ok(Ok(state))
    }

    /// The state, unless the server has no batch of it: then that is given up.
    async fn unless_lost(
        &self,
        state: Option<State>,
        store: &Store,
        journal: &mut Journal,
    ) -> Result<Option<State>, BatchError> {
        let Some(state) = state else { return Ok(None) };
        let file = match (&state.file, state.started) {
            (Some(file), _) => Some(file.clone()),
            (None, false) => None,
            (None, true) => {
                let found = self.server.find_file(&state.name()).await;
                found.map_err(|failure| at("GET /files", failure))?
            }
        };
        if let Some(file) = file {
            let found = self.server.find_batch(&file).await;
            if found
                .map_err(|failure| at("GET /batches", failure))?
                .is_some()
            {
                return Ok(Some(state));
            }
        }
        give_up(
            &state,
            "planned for a batch that was not made",
            store,
            journal,
        )?;
        Ok(None)
    }

    async fn submit(
        &self,
        state: &mut State,
        store: &Store,
        journal: &mut Journal,
    ) -> Result<String, BatchError> {
        let file = match &state.file {
            Some(file) => file.clone(),
            None => {
                let lines = store.lines(state)?;
                // Killed while it told the journal, it does not tell it again.
                let told = match state.started {
                    true => open(journal),
                    false => HashSet::new(),
                };
                state.started = true;
                store.write(state)?;
                let new = |planned: &&Planned| !told.contains(&planned.key);
                for planned in state.requests.iter().filter(new) {
                    journal.started(&planned.key, planned.at_most)?;
                }
                journal.sync()?;
                let call = "POST /files";
                let made = self.server.upload(&state.name(), &lines).await;
                match made.map_err(|failure| at(call, failure))? {
                    Ok(file) => {
                        state.file = Some(file.clone());
                        store.write(state)?;
                        file
                    }
                    Err(failure) => return Err(refused(call, failure, state, store, journal)),
                }
            }
        };
        let call = "POST /batches";
        let made = self.server.create(&file).await;
        match made.map_err(|failure| at(call, failure))? {
            Ok(batch) => {
                state.batch = Some(batch.clone());
                store.write(state)?;
                Ok(batch)
            }
            Err(failure) => Err(refused(call, failure, state, store, journal)),
        }
    }

    async fn collect(
        &self,
        state: &State,
        store: &Store,
        batch: &Value,
        journal: &mut Journal,
    ) -> Result<Collected, BatchError> {
        let text = store.lines(state)?;
        let sent = text.lines().zip(&state.requests);
        let sent: HashMap<&Key, &str> = sent.map(|(line, planned)| (&planned.key, line)).collect();
        let asked = state.requests.iter();
        let asked: HashMap<&Key, Asked> = asked.map(|one| (&one.key, one.asked)).collect();
        let (mut lines, mut seen) = (Lines::default(), HashSet::new());
        for name in ["output_file_id", "error_file_id"] {
            let failed = |failure| at("GET /files", failure);
            if let Some(file) = self.server.id_in(batch, name).map_err(failed)? {
                let content = self.server.content(&file).await.map_err(failed)?;
                lines.read(&content, &asked, &mut seen);
            }
        }
        let time = |name: &str| batch[name].as_f64();
        let seconds = time("created_at").zip(time("completed_at"));
        let seconds = seconds.map_or(0.0, |(start, end)| (end - start).max(0.0));
        let told = |text: &str| self.server.told(text);
        let mut collected = Collected {
            status: batch["status"].as_str().unwrap_or_default().to_owned(),
            message: batch["errors"]["data"][0]["message"].as_str().map(told),
            failed: lines.failed.len(),
            repeated: lines.repeated.len(),
            unknown: lines.unknown.iter().map(|id| told(id)).collect(),
            damaged: lines.damaged,
            ..Collected::default()
        };
        for (key, mut answer) in lines.answered {
            if journal.get(&key).is_some() {
                collected.had += 1;
                continue;
            }
            let scrub = |text: String| self.server.scrub(&text);
            answer.content = self.server.scrub(&answer.content);
            answer.refusal = answer.refusal.map(scrub);
            answer.model = answer.model.map(scrub);
            journal.answer(Answered {
                request: sent.get(&key).map_or(Value::Null, |line| body_of(line)),
                prompt: state.prompt.clone(),
                seconds,
                when: now(),
                paid: state.prices.of(answer.usage.input, answer.usage.output),
                key,
                answer,
            })?;
            collected.answered += 1;
        }
        // Killed here and run again, each is noted once.
        let open = open(journal);
        // A line of the error file is not paid for.
        for (key, reason) in lines.failed.iter().filter(|(key, _)| open.contains(key)) {
            journal.failed(key, &told(reason), false)?;
        }
        for Planned { key, .. } in &state.requests {
            if seen.contains(key) {
                continue;
            }
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
}

/// Whether all that a batch would ask is still asked for and unanswered.
fn wanted(state: &State, requests: &[Request], journal: &Journal) -> bool {
    let wanted: HashSet<Key> = requests.iter().map(Request::key).collect();
    let mut planned = state.requests.iter();
    planned.all(|one| wanted.contains(&one.key) && journal.get(&one.key).is_none())
}

fn open(journal: &Journal) -> HashSet<Key> {
    journal.in_flight().into_iter().cloned().collect()
}

/// Ends a batch that the server does not have.
fn give_up(
    state: &State,
    reason: &str,
    store: &Store,
    journal: &mut Journal,
) -> Result<(), BatchError> {
    if state.started {
        let open = open(journal);
        for Planned { key, .. } in &state.requests {
            if open.contains(key) {
                journal.failed(key, reason, false)?;
            }
        }
        journal.sync()?;
    }
    store.remove()
}

fn refused(
    call: &'static str,
    failure: Failure,
    state: &State,
    store: &Store,
    journal: &mut Journal,
) -> BatchError {
    let reason = format!("the batch was refused: {failure}");
    match give_up(state, &reason, store, journal) {
        Ok(()) => BatchError::Refused { call, failure },
        Err(error) => error,
    }
}

fn at(call: &'static str, failure: Failure) -> BatchError {
    BatchError::Server { call, failure }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
