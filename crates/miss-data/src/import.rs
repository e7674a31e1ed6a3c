//! Bringing tables and JSON of others into our own [format](crate::jsonl).
//!
//! A table with a header (commas, semicolons, tabs or bars), a JSON list of objects, lines of JSON, and the pair
//! of files of the VQA challenge (questions and annotations, joined by `question_id`) or the one of COCO captions
//! (images and annotations, joined by `image_id`). Which column is which field is guessed from the usual names and
//! can be told; the guess is part of what is [given back](Imported). Nothing is lost silently: columns that are not
//! used are listed, rows that cannot be used are findings with their line.

mod convert;
mod mapping;
mod source;
mod table;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub(crate) use mapping::usual_keys;
pub use mapping::{Column, Field, Mapping, MappingError};
pub use source::{Row, Source};

use crate::figure::Figure;
use crate::format::Kind;
use crate::jsonl::{FIGURES_FILE, IMAGES_DIR, QUESTIONS_FILE, write_figures, write_questions};
use crate::read::{Finding, Outcome};
use crate::record::Question;
use source::io_error;

/// Findings that are shown one by one; the rest are counted.
const SHOWN: usize = 20;

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The file it comes from.
    pub source: PathBuf,
    /// The file that was written, or would be.
    pub file: PathBuf,
    /// [`Kind::Questions`] or [`Kind::Figures`].
    pub kind: Kind,
    /// How many were written.
    pub records: usize,
    /// Rows that could not be used.
    pub dropped: usize,
    /// What each field was taken from.
    pub fields: Vec<(Field, Column)>,
    /// Columns that no field was taken from.
    pub unused: Vec<String>,
    /// What was found, in the order of the source.
    pub findings: Vec<Finding>,
}

/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The source cannot be read.
    #[error("cannot read {path}: {source}; a table, a JSON list or lines of JSON is wanted", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The source is larger than what is read at once.
    #[error("{path} has more than the {limit} bytes allowed; divide it, or write it as one JSON object a line", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The source is not of a kind that can be imported.
    #[error("{path}: {what}", path = path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// What it is, where it goes wrong, and what to do.
        what: String,
    },
    /// The columns do not make records.
    #[error("{path}: {problem}; its columns are {}; name the right one, as in `{example}`", listed(columns), path = path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// What is missing.
        problem: String,
        /// The columns that there are.
        columns: Vec<String>,
        /// A setting that would help.
        example: &'static str,
    },
    /// No row can be used.
    #[error("{path}: none of its {rows} rows can be used; the first{first}", path = path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// How many rows there are.
        rows: usize,
        /// Where the first is and what is wrong with it: `, line 2: …`.
        first: String,
    },
    /// The file to be written is there.
    #[error("{path} exists already; take it away or choose another folder", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The result cannot be written.
    #[error("cannot write {path}: {source}; free some space or choose another folder", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// What a source was made into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// Questions about images.
    Questions(Vec<Question>),
    /// Images with captions.
    Figures(Vec<Figure>),
}

/// Imports `source` into `questions.jsonl` or `figures.jsonl` in the folder `out`, which is made if need be. Records
/// are in the order of the source. The file is written whole or not at all; one that exists is left alone.
///
/// # Errors
///
/// [`ImportError`]; nothing is written then.
pub fn import(source: &Path, mapping: &Mapping, out: &Path) -> Result<Imported, ImportError> {
    let (mut imported, records) = parse(open(source)?, source, mapping)?;
    let path = out.join(&imported.file);
    if path.exists() {
        return Err(ImportError::Exists { path });
    }
    let written = fs::create_dir_all(out).and_then(|()| match &records {
        Records::Questions(questions) => write_questions(&path, questions),
        Records::Figures(figures) => write_figures(&path, figures),
    });
    written.map_err(|source| ImportError::Write {
        path: path.clone(),
        source,
    })?;
    imported.file = path;
    Ok(imported)
}

/// What [`import`] would do; nothing is written.
///
/// # Errors
///
/// [`ImportError`], as of [`import`].
pub fn survey(source: &Path, mapping: &Mapping) -> Result<Imported, ImportError> {
    parse(open(source)?, source, mapping).map(|(imported, _)| imported)
}

/// The records that `reader` gives, and what is to be said about them. `path` names it; `file` of what is given back
/// is the name that the file of records has in a dataset's folder.
///
/// # Errors
///
/// [`ImportError`], as of [`import`].
pub fn parse(
    reader: impl Read,
    path: &Path,
    mapping: &Mapping,
) -> Result<(Imported, Records), ImportError> {
    convert::convert(reader, path, mapping)
}

fn open(path: &Path) -> Result<File, ImportError> {
    File::open(path).map_err(|source| io_error(path, source))
}

impl fmt::Display for Imported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Figures => "figures",
            _ => "questions",
        };
        writeln!(
            formatter,
            "{}: {} {kind} from {}, {} rows dropped",
            self.file.display(),
            self.records,
            self.source.display(),
            self.dropped
        )?;
        for (field, column) in &self.fields {
            writeln!(formatter, "  {:<14} {column}", field.key(self.kind))?;
        }
        if !self.unused.is_empty() {
            writeln!(formatter, "  not used: {}", listed(&self.unused))?;
        }
        // What is lost comes first.
        let is_dropped = |finding: &&Finding| finding.outcome == Outcome::Dropped;
        let dropped = self.findings.iter().filter(is_dropped);
        let used = self.findings.iter().filter(|finding| !is_dropped(finding));
        for finding in dropped.chain(used).take(SHOWN) {
            let dropped = match finding.outcome {
                Outcome::Dropped => "dropped: ",
                Outcome::Repaired => "repaired: ",
                Outcome::Kept => "",
            };
            writeln!(formatter, "  {dropped}{finding}")?;
        }
        match self.findings.len().saturating_sub(SHOWN) {
            0 => {}
            rest => writeln!(formatter, "  and {rest} more findings")?,
        }
        write!(
            formatter,
            "The images belong into `{IMAGES_DIR}/` beside the file; `data doctor` says which are missing."
        )
    }
}

fn listed(columns: &[String]) -> String {
    /// Columns that are named; the rest are counted.
    const NAMED: usize = 40;
    let names: Vec<String> = columns
        .iter()
        .take(NAMED)
        .map(|name| format!("`{}`", name.chars().take(60).collect::<String>()))
        .collect();
    match columns.len().saturating_sub(NAMED) {
        0 if names.is_empty() => "none".into(),
        0 => names.join(", "),
        rest => format!("{} and {rest} more", names.join(", ")),
    }
}

/// The file below the folder of a dataset that records of `kind` go to.
fn file_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Figures => FIGURES_FILE,
        _ => QUESTIONS_FILE,
    }
}
