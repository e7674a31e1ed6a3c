//! What every reader gives: records, and what it has to say about rows of the files.
//!
//! A row that can be used is a record; what was repaired in it is noted. A row that cannot be used
//! is dropped and said so, never silently. Who wants all or nothing asks for
//! [`Read::all_or_nothing`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::format::{Format, Kind};

/// Rows named in full by an error; the rest are counted.
const SHOWN: usize = 20;

/// What a reader found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<Record> {
    /// Every row that can be used, in file order.
    pub records: Vec<Record>,
    /// What was found wrong, in file order.
    pub findings: Vec<Finding>,
}

/// Something a reader found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in the file.
    pub place: Place,
    /// What became of the row.
    pub outcome: Outcome,
    /// What was found and, for a row that is dropped, what to do.
    pub what: String,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// An element of a JSON list, from 0.
    Row(usize),
    /// A line of a text file, from 1.
    Line(usize),
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Used as it is, although something about it is odd.
    Kept,
    /// Used after a repair that loses nothing.
    Repaired,
    /// Not used.
    Dropped,
}

/// Why nothing could be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}; {remedy}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
        /// What the folder must hold.
        remedy: String,
    },
    /// The file is far larger than any release.
    #[error("{path} has more than the {limit} bytes allowed: it is not what its name says", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file as a whole is not of the expected kind.
    #[error("{path} is not {expected}: {what}; fetch the file again and verify it", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// Where and why it is not.
        what: String,
    },
    /// The format holds records of another kind.
    #[error("{path} is a dataset of the format `{format}`, whose records are {found}, not {wanted}; name a dataset of {wanted}", path = path.display())]
    Kind {
        /// The dataset's folder.
        path: PathBuf,
        /// Its format.
        format: Format,
        /// What the format holds.
        found: Kind,
        /// What was asked for.
        wanted: Kind,
    },
    /// Rows that cannot be used, where all are wanted.
    #[error(transparent)]
    Rows(#[from] RowsError),
}

/// Rows that cannot be used.
#[derive(Debug, Error)]
#[error("{}{}", Lines(dropped), more(*count))]
pub struct RowsError {
    /// The first of them.
    pub dropped: Vec<Finding>,
    /// How many there are in all.
    pub count: usize,
}

impl<Record> Read<Record> {
    /// The records, if no row was dropped.
    ///
    /// # Errors
    ///
    /// [`RowsError`], naming file, row and remedy of the rows that cannot be used.
    pub fn all_or_nothing(self) -> Result<Vec<Record>, RowsError> {
        let mut dropped = self.findings;
        dropped.retain(|finding| finding.outcome == Outcome::Dropped);
        if dropped.is_empty() {
            return Ok(self.records);
        }
        let count = dropped.len();
        dropped.truncate(SHOWN);
        Err(RowsError { dropped, count })
    }

    /// How many rows were dropped.
    #[must_use]
    pub fn dropped(&self) -> usize {
        let dropped = |finding: &&Finding| finding.outcome == Outcome::Dropped;
        self.findings.iter().filter(dropped).count()
    }
}

/// Reads a file of at most `limit` bytes. `remedy` says what the folder must hold.
pub(crate) fn read_capped(path: &Path, limit: u64, remedy: &str) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.into(),
        source,
        remedy: remedy.into(),
    };
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large, even one whose size cannot be
    // asked for.
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge {
            path: path.into(),
            limit,
        });
    }
    Ok(bytes)
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}{}: {}",
            self.file.display(),
            self.place,
            self.what
        )
    }
}

impl fmt::Display for Place {
    /// What stands between a file's name and the colon: `, row 3 (counted from 0)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Row(row) => write!(formatter, ", row {row} (counted from 0)"),
            Self::Line(line) => write!(formatter, ", line {line}"),
        }
    }
}

struct Lines<'a>(&'a [Finding]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{finding}")?;
        }
        Ok(())
    }
}

fn more(count: usize) -> String {
    match count.saturating_sub(SHOWN) {
        0 => String::new(),
        rest => format!("\nand {rest} more"),
    }
}
