//! One file on its way.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::http::Answer;
use super::{Progress, Run};
use crate::manifest::{FileEntry, encoded};
use crate::part::{PIECE, Part, PartError};

/// Bytes of a file whose size the manifest does not state, at most.
const MAX_UNSTATED: u64 = 16 << 30;
/// Failures in a row without a new byte, at most.
const MAX_FAILURES: u32 = 4;
/// Connections for one file, at most.
const MAX_CONNECTIONS: u32 = 100;

/// A place that a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    File(PathBuf),
    Url(String),
}

impl Origin {
    /// The place of `path`, parts separated by `/`, below this one.
    pub(super) fn join(&self, path: &str) -> Self {
        match self {
            Self::File(folder) => Self::File(folder.join(path)),
            Self::Url(url) => Self::Url(format!("{}/{}", url.trim_end_matches('/'), encoded(path))),
        }
    }
}

/// Why an attempt ended before the file did.
pub(super) enum Stop {
    /// Worth another try.
    Lost(String),
    /// Worth another try after the wait that the server asks for.
    Busy(String, Duration),
    /// Not worth one.
    Fatal(String),
}

/// What an origin gives.
pub(super) struct Opened {
    /// Position in the file of the first byte that comes.
    pub start: u64,
    /// Bytes of the whole file, if known.
    pub total: Option<u64>,
    pub content: Box<dyn Read>,
}

/// Brings a file to its place; gives the bytes that came. The error says why it did not.
pub(super) fn bring(
    run: &Run<'_>,
    entry: &FileEntry,
    origin: &Origin,
    shown: &str,
) -> Result<u64, String> {
    // Only a hash can tell whether what another run left belongs to this file.
    let hashed = entry.sha256.is_some();
    let open = |keep| {
        let limit = entry.bytes.unwrap_or(MAX_UNSTATED);
        Part::open(run.root, &entry.path, keep, limit)
            .map_err(|error| format!("cannot be written: {error}"))
    };
    let mut part = open(hashed)?;
    let mut left_over = part.bytes() > 0;
    let mut transfer = Transfer {
        run,
        entry,
        origin,
        shown,
        tag: None,
        came: 0,
    };
    let (mut failures, mut connections) = (0, 0);
    loop {
        let before = transfer.came;
        let stop = match transfer.attempt(&mut part) {
            Ok(()) => match part.finish(entry) {
                Ok(_) => return Ok(transfer.came),
                Err(PartError::Content(_)) if left_over => {
                    left_over = false;
                    part = open(false)?;
                    continue;
                }
                Err(error) => return Err(format!("{error} (from {})", transfer.place())),
            },
            Err(stop) => stop,
        };
        let (what, wait) = match stop {
            Stop::Fatal(what) => (what, None),
            Stop::Lost(what) => (what, Some(Duration::ZERO)),
            Stop::Busy(what, wait) => (what, Some(wait)),
        };
        failures = if transfer.came > before {
            1
        } else {
            failures + 1
        };
        connections += 1;
        let again = failures <= MAX_FAILURES && connections < MAX_CONNECTIONS;
        let Some(wait) = wait.filter(|_| again) else {
            let kept = if hashed { part.bytes() } else { 0 };
            // What is worth nothing is not left lying about.
            if kept == 0 {
                part.discard()
                    .map_err(|error| format!("cannot be deleted: {error}"))?;
            }
            let place = transfer.place();
            return Err(format!("{what} (from {place}; {kept} bytes are kept)"));
        };
        if !hashed && transfer.tag.is_none() {
            part.restart()
                .map_err(|error| format!("cannot be written: {error}"))?;
        }
        thread::sleep(wait.max(run.pause.saturating_mul(1 << (failures - 1).min(16))));
    }
}

struct Transfer<'a> {
    run: &'a Run<'a>,
    entry: &'a FileEntry,
    origin: &'a Origin,
    shown: &'a str,
    /// Names the version that the bytes so far are of.
    tag: Option<String>,
    /// Bytes that came.
    came: u64,
}

impl Transfer<'_> {
    /// Brings the rest of the file.
    fn attempt(&mut self, part: &mut Part) -> Result<(), Stop> {
        let disk = |error| Stop::Fatal(format!("cannot be written: {error}"));
        if part.bytes() > 0 && self.entry.bytes == Some(part.bytes()) {
            return Ok(());
        }
        let mut opened = self.open(part.bytes())?;
        if let (Some(bytes), Some(total)) = (self.entry.bytes, opened.total)
            && bytes != total
        {
            return Err(Stop::Fatal(format!(
                "has {total} bytes there instead of {bytes}"
            )));
        }
        if opened.start == 0 {
            part.restart().map_err(disk)?;
        } else if opened.start != part.bytes() {
            return Err(Stop::Fatal("another part came than was asked for".into()));
        }
        let total = self.entry.bytes.or(opened.total);
        let unstated = || {
            opened
                .total
                .map_or(MAX_UNSTATED, |total| total.min(MAX_UNSTATED))
        };
        let limit = self.entry.bytes.unwrap_or_else(unstated);
        let mut piece = vec![0; PIECE];
        loop {
            (self.run.progress)(Progress {
                file: self.shown,
                bytes: part.bytes(),
                total,
            });
            let count = opened
                .content
                .read(&mut piece)
                .map_err(|error| Stop::Lost(format!("connection lost: {error}")))?;
            if count == 0 {
                break;
            }
            if part.bytes() + count as u64 > limit {
                // What is there cannot be a beginning of the right file.
                part.restart().map_err(disk)?;
                return Err(Stop::Fatal(format!("has more than {limit} bytes there")));
            }
            part.push(&piece[..count]).map_err(disk)?;
            self.came += count as u64;
        }
        match total {
            Some(total) if part.bytes() < total => Err(Stop::Lost(format!(
                "it ended after {} of {total} bytes",
                part.bytes()
            ))),
            _ => Ok(()),
        }
    }

    fn open(&mut self, start: u64) -> Result<Opened, Stop> {
        match self.origin {
            Origin::Url(url) => {
                let Answer { opened, tag } =
                    self.run.client.get(url, start, self.tag.as_deref())?;
                self.tag = tag;
                Ok(opened)
            }
            Origin::File(path) => {
                let open = || {
                    let mut file = File::open(path)?;
                    let total = file.metadata()?.len();
                    // A file of another size is told by the caller.
                    let start = start.min(total);
                    file.seek(SeekFrom::Start(start))?;
                    Ok(Opened {
                        start,
                        total: Some(total),
                        content: Box::new(file),
                    })
                };
                open().map_err(|error: std::io::Error| Stop::Fatal(error.to_string()))
            }
        }
    }

    fn place(&self) -> String {
        match self.origin {
            Origin::File(path) => path.display().to_string(),
            Origin::Url(url) => url.clone(),
        }
    }
}
