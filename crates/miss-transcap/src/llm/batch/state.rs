//! What is kept of a batch while it is under way: enough to go on with it, and to record every answer, whatever has
//! become of the prompt, the options or the images in between.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BatchError;
use crate::journal::PromptName;
use crate::llm::Key;
use crate::llm::wire::Asked;
use crate::price::{Prices, Spent};

/// A state of so many requests is smaller.
const MAX_STATE: u64 = 32 << 20;

/// How far a batch has come. It is written before each step that costs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// The server.
    pub(super) base_url: String,
    /// The prompt that the requests were made from.
    pub(super) prompt: PromptName,
    /// What they cost.
    pub(super) prices: Prices,
    /// When it was planned, in seconds since 1970: a later batch of the same lines is another file.
    pub(super) planned: u64,
    /// SHA-256 of the time and the lines: the name of the file on the server.
    pub(super) sha256: String,
    /// The requests, in the order of the lines.
    pub(super) requests: Vec<Planned>,
    /// The journal is being told, or has been.
    pub(super) started: bool,
    /// Id of the uploaded file.
    pub(super) file: Option<String>,
    /// Id of the batch.
    pub(super) batch: Option<String>,
}

/// A request of a batch.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Planned {
    pub(super) key: Key,
    pub(super) asked: Asked,
    /// The most that it costs.
    pub(super) at_most: Spent,
}

impl State {
    /// Name of the file on the server.
    pub(super) fn name(&self) -> String {
        format!("miss-{}.jsonl", self.sha256)
    }

    /// SHA-256 of a time and lines.
    pub(super) fn sum(planned: u64, lines: &str) -> String {
        miss_data::file::sha256_hex(format!("{planned}\n{lines}").as_bytes())
    }
}

/// The files of a batch, locked against other processes as long as this lives: the state; beside it the lines that
/// are uploaded (`.requests`), and a file for the lock (`.lock`), which stays.
#[derive(Debug)]
pub(super) struct Store {
    state: PathBuf,
    requests: PathBuf,
    _lock: File,
}

impl Store {
    pub(super) fn open(state: &Path) -> Result<Self, BatchError> {
        let beside = |end: &str| {
            let mut path = state.as_os_str().to_owned();
            path.push(end);
            PathBuf::from(path)
        };
        let failed = |error: io::Error| wrong(state, &error.to_string());
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(beside(".lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BatchError::InUse {
                    path: state.to_owned(),
                });
            }
            // A file system without locks.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Self {
            state: state.to_owned(),
            requests: beside(".requests"),
            _lock: lock,
        })
    }

    /// The state, if a batch is under way.
    pub(super) fn read(&self) -> Result<Option<State>, BatchError> {
        let bytes = match read(&self.state, MAX_STATE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| self.wrong(&error.to_string()))?,
        };
        let state = serde_json::from_slice(&bytes);
        state
            .map(Some)
            .map_err(|error| self.wrong(&error.to_string()))
    }

    /// The lines of the batch, as they were planned.
    pub(super) fn lines(&self, state: &State) -> Result<String, BatchError> {
        let failed = |what: String| wrong(&self.requests, &what);
        let bytes = read(&self.requests, super::MAX_BYTES as u64)
            .map_err(|error| failed(error.to_string()))?;
        let lines = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
        match State::sum(state.planned, &lines) == state.sha256
            && lines.lines().count() == state.requests.len()
        {
            true => Ok(lines),
            false => Err(failed("not the requests of this batch".into())),
        }
    }

    /// A new batch: its lines first, which are nothing without a state.
    pub(super) fn begin(&self, state: &State, lines: &str) -> Result<(), BatchError> {
        miss_data::file::write_atomic(&self.requests, lines.as_bytes())
            .map_err(|error| wrong(&self.requests, &error.to_string()))?;
        self.write(state)
    }

    pub(super) fn write(&self, state: &State) -> Result<(), BatchError> {
        let text = serde_json::to_vec(state).map_err(|error| self.wrong(&error.to_string()))?;
        miss_data::file::write_atomic(&self.state, &text)
            .map_err(|error| self.wrong(&error.to_string()))
    }

    /// The end of a batch.
    pub(super) fn remove(&self) -> Result<(), BatchError> {
        let failed = |error: io::Error| self.wrong(&error.to_string());
        std::fs::remove_file(&self.state).map_err(failed)?;
        std::fs::remove_file(&self.requests).map_err(failed)
    }

    fn wrong(&self, message: &str) -> BatchError {
        wrong(&self.state, message)
    }
}

/// The body in a line of a batch.
pub(super) fn body_of(line: &str) -> Value {
    // The checksum fits, so it is JSON, with a body.
    let mut line: Value = serde_json::from_str(line).unwrap_or_default();
    line["body"].take()
}

fn wrong(path: &Path, message: &str) -> BatchError {
    BatchError::State {
        path: path.to_owned(),
        message: message.to_owned(),
    }
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let length = std::fs::metadata(path)?.len();
    match length > most {
        true => Err(io::Error::other("too large to be one")),
        false => std::fs::read(path),
    }
}
