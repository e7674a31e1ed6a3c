//! The journal: every answer that was paid for, on disk before it counts.
//!
//! Lines of JSON, only ever appended: `{"sum":"…","entry":{…}}`. The sum is the first 16 hexadecimal digits of the
//! SHA-256 of the entry's text, so that damage is seen. An entry is
//!
//! - `started`: a request is about to be sent, with the most it can cost;
//! - `failed`: it ended without an answer, with the reason and whether it may have been paid for;
//! - `answered`: its answer, synced to disk before anybody sees it.
//!
//! The order of lines does not matter: journals are joined by joining the files, and copied by copying them.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::llm::{Answer, Key};
use crate::price::Spent;

/// Longer lines are damage: an answer of the largest size that a client takes is shorter.
const MAX_LINE: usize = 32 << 20;
/// A journal of a million requests is smaller.
const MAX_BYTES: u64 = 8 << 30;

/// A prompt's name, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptName {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// Its name.
    pub key: Key,
    /// The body that was sent.
    pub request: Value,
    /// The prompt it was made from.
    pub prompt: PromptName,
    /// What came.
    pub answer: Answer,
    /// From sending to the last byte, all attempts and waits included.
    pub seconds: f64,
    /// Seconds since 1970 when it came.
    pub when: u64,
    /// What it cost.
    pub paid: Spent,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Entry {
    Started {
        key: Key,
        at_most: Spent,
    },
    Failed {
        key: Key,
        reason: String,
        maybe_paid: bool,
    },
    Answered(Box<Answered>),
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file cannot be opened, read or locked.
    #[error("cannot use the journal {}: {source}; check that its folder exists and can be written", path.display())]
    Open {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the journal {} is in use by another run; wait for its end, or name another journal", path.display())]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// A line that is not the last is damaged.
    #[error(
        "{}, line {line}: {what}; restore the journal from a copy, or delete this line: its request will be asked again",
        path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// An entry could not be written. Nothing more is taken; what was synced before is whole.
    #[error(
        "cannot write to the journal {}: {source}; make room on the disk and run again: no answer that counts is lost",
        path.display()
    )]
    Write {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// All that was asked and answered, in memory and on disk; locked against other processes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    kept: Kept,
    waiting: Vec<Answered>,
    broken: bool,
    cut: Option<u64>,
}

/// What lines add up to.
#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<Key, Recorded>,
    failures: HashMap<Key, String>,
    /// Starts less ends of each key, where they differ, and the most that one costs.
    open: HashMap<Key, (i64, Spent)>,
    paid: Spent,
}

/// The part of an answered request that stays in memory.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What came.
    pub answer: Answer,
    /// The prompt it was made from.
    pub prompt: PromptName,
    /// What it cost.
    pub paid: Spent,
    when: u64,
}

impl Journal {
    /// Opens the journal at `path`, makes it if there is none, locks it and reads it.
    ///
    /// A last line without its end, as a killed process leaves it, is cut off: see [`cut`](Self::cut).
    ///
    /// # Errors
    /// [`JournalError::InUse`], [`JournalError::Damaged`] with the line, [`JournalError::Open`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Open {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::InUse {
                    path: path.to_owned(),
                });
            }
            // A file system without locks.
            Err(TryLockError::Error(source)) if source.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let (kept, whole, total) = read(&file, path)?;
        if total == 0 {
            // It may be new: its name must survive a power cut too.
            sync_folder(path).map_err(failed)?;
        }
        if whole < total {
            file.set_len(whole).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            kept,
            waiting: Vec::new(),
            broken: false,
            cut: (whole < total).then(|| total - whole),
        })
    }

    /// The bytes of a half-written last line that [`open`](Self::open) cut off. Worth a note: its answer, if it was
    /// one, never counted.
    #[must_use]
    pub fn cut(&self) -> Option<u64> {
        self.cut
    }

    /// The answer to a request, if it is on disk.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Answer> {
        self.recorded(key).map(|recorded| &recorded.answer)
    }

    /// The same with its prompt and price.
    #[must_use]
    pub fn recorded(&self, key: &Key) -> Option<&Recorded> {
        self.kept.answers.get(key)
    }

    /// The same with the journal's own copy of the key.
    pub(crate) fn recorded_entry(&self, key: &Key) -> Option<(&Key, &Recorded)> {
        self.kept.answers.get_key_value(key)
    }

    /// Why a request has no answer, if it was tried.
    #[must_use]
    pub fn failure(&self, key: &Key) -> Option<&str> {
        self.kept.failures.get(key).map(String::as_str)
    }

    /// Answered requests.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.kept.answers.len()
    }

    /// Requests that were sent and never answered: they may have been paid for. Sorted.
    #[must_use]
    pub fn in_flight(&self) -> Vec<&Key> {
        let open = self.kept.open.iter().filter(|(_, (count, _))| *count > 0);
        let mut keys: Vec<&Key> = open
            .map(|(key, _)| key)
            .filter(|key| !self.kept.answers.contains_key(key))
            .collect();
        keys.sort();
        keys
    }

    /// What all answers cost.
    #[must_use]
    pub fn paid(&self) -> Spent {
        self.kept.paid
    }

    /// What calls that were sent and whose end is not recorded may have cost at most, those included that were asked
    /// again and answered then: a server that knows no `Idempotency-Key` has billed both.
    #[must_use]
    pub fn maybe_paid(&self) -> Spent {
        let mut sum = Spent::default();
        for (count, at_most) in self.kept.open.values() {
            sum += at_most.times(u64::try_from(*count).unwrap_or(0));
        }
        sum
    }

    /// Notes that a request is about to be sent. Call this first, then send.
    ///
    /// # Errors
    /// [`JournalError::Write`]: do not send.
    pub fn started(&mut self, key: &Key, at_most: Spent) -> Result<(), JournalError> {
        let entry = Entry::Started {
            key: key.clone(),
            at_most,
        };
        self.append(&entry)?;
        self.kept.add(entry);
        Ok(())
    }

    /// Notes that a request ended without an answer.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn failed(
        &mut self,
        key: &Key,
        reason: &str,
        maybe_paid: bool,
    ) -> Result<(), JournalError> {
        let entry = Entry::Failed {
            key: key.clone(),
            reason: reason.to_owned(),
            maybe_paid,
        };
        self.append(&entry)?;
        self.kept.add(entry);
        Ok(())
    }

    /// Appends an answer. It counts after [`sync`](Self::sync), not before: one sync serves all that have come.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn answer(&mut self, answered: Answered) -> Result<(), JournalError> {
        let entry = Entry::Answered(Box::new(answered));
        self.append(&entry)?;
        if let Entry::Answered(answered) = entry {
            self.waiting.push(*answered);
        }
        Ok(())
    }

    /// Brings all that was appended to the disk; then its answers count.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.unbroken()?;
        if let Err(source) = self.file.sync_data() {
            return Err(self.fail(source));
        }
        for answered in self.waiting.drain(..) {
            self.kept.add(Entry::Answered(Box::new(answered)));
        }
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        self.unbroken()?;
        let line = match line_of(entry) {
            Ok(line) => line,
            Err(source) => return Err(self.fail(source)),
        };
        // One write for one line: a kill leaves it whole or cut at its end, and nothing after it.
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => Ok(()),
            Err(source) => Err(self.fail(source)),
        }
    }

    /// A line may be half written: what followed it could not be read again.
    fn unbroken(&mut self) -> Result<(), JournalError> {
        match self.broken {
            true => Err(self.fail(io::Error::other("an earlier write failed"))),
            false => Ok(()),
        }
    }

    fn fail(&mut self, source: io::Error) -> JournalError {
        self.broken = true;
        self.waiting.clear();
        JournalError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

impl Kept {
    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Started { key, at_most } => {
                let open = self.open.entry(key).or_default();
                open.0 += 1;
                if at_most.tokens() > open.1.tokens() {
                    open.1 = at_most;
                }
            }
            Entry::Failed {
                key,
                reason,
                maybe_paid,
            } => {
                if !maybe_paid {
                    self.open.entry(key.clone()).or_default().0 -= 1;
                }
                // The least of several, so that their order does not matter.
                let kept = self.failures.entry(key).or_insert_with(|| reason.clone());
                if reason < *kept {
                    *kept = reason;
                }
            }
            Entry::Answered(answered) => {
                let Answered {
                    key,
                    prompt,
                    answer,
                    when,
                    paid,
                    ..
                } = *answered;
                self.open.entry(key.clone()).or_default().0 -= 1;
                self.paid += paid;
                let new = Recorded {
                    answer,
                    prompt,
                    paid,
                    when,
                };
                match self.answers.entry(key) {
                    std::collections::hash_map::Entry::Vacant(vacant) => {
                        vacant.insert(new);
                    }
                    // Joined journals: the older answer, and of equally old ones the lesser text.
                    std::collections::hash_map::Entry::Occupied(mut old) => {
                        let age = |one: &Recorded| (one.when, one.answer.content.clone());
                        if age(&new) < age(old.get()) {
                            old.insert(new);
                        }
                    }
                }
            }
        }
    }
}

/// Only Unix lets a folder be opened and synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

const HEAD: &str = "{\"sum\":\"";
const MIDDLE: &str = "\",\"entry\":";

fn line_of(entry: &Entry) -> io::Result<String> {
    let text = serde_json::to_string(entry)?;
    Ok(format!("{HEAD}{}{MIDDLE}{text}}}\n", sum_of(&text)))
}

fn sum_of(text: &str) -> String {
    let mut sum = miss_data::file::sha256_hex(text.as_bytes());
    sum.truncate(16);
    sum
}

fn parse(line: &[u8]) -> Result<Entry, String> {
    let form = "not a line of a journal";
    let line = std::str::from_utf8(line).map_err(|_| form)?;
    let rest = line.strip_prefix(HEAD).ok_or(form)?;
    let (sum, rest) = rest.split_once(MIDDLE).ok_or(form)?;
    let text = rest.strip_suffix('}').ok_or(form)?;
    if sum_of(text) != sum {
        return Err("its checksum does not fit its content".into());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// What the whole lines of `file` say, their length, and the length of the file.
fn read(file: &File, path: &Path) -> Result<(Kept, u64, u64), JournalError> {
    let failed = |source| JournalError::Open {
        path: path.to_owned(),
        source,
    };
    let damaged = |line, what: String| JournalError::Damaged {
        path: path.to_owned(),
        line,
        what,
    };
    let mut reader = BufReader::new(file);
    let mut kept = Kept::default();
    let (mut whole, mut total) = (0_u64, 0_u64);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let limit = MAX_LINE as u64 + 1;
        let count = (&mut reader)
            .take(limit)
            .read_until(b'\n', &mut line)
            .map_err(failed)? as u64;
        total += count;
        if count == limit && line.last() != Some(&b'\n') {
            return Err(damaged(number, format!("longer than {MAX_LINE} bytes")));
        }
        if total > MAX_BYTES {
            return Err(damaged(
                number,
                format!("more than {MAX_BYTES} bytes in all"),
            ));
        }
        let Some(text) = line.strip_suffix(b"\n") else {
            // The end of the file, or a line that a kill cut.
            break;
        };
        kept.add(parse(text).map_err(|what| damaged(number, what))?);
        whole = total;
    }
    Ok((kept, whole, total))
}
