//! What is wrong with a folder of data, row by row, and what to do about it.
//!
//! [`doctor`] recognises the format by what is in the folder, reads all records, decodes every image that they
//! name, and looks for what makes results wrong without stopping a program: repeated ids, one question about one
//! image with two answers, the same picture under two names, one image in two groups, texts far longer than a
//! model reads.

mod files;
mod recognise;
mod records;
mod show;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::format::{Format, Kind};
use crate::import::{Imported, Mapping, survey};
use crate::read::{Finding, Outcome, Place, Read, ReadError};
use crate::{dataset, medicat};
use records::Facts;

/// What was found in a folder of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The dataset's folder, or the one file of another format.
    pub path: PathBuf,
    /// How the folder is laid out; `None` if it must be imported first or is not known.
    pub format: Option<Format>,
    /// Records that can be used.
    pub records: usize,
    /// Rows that would be dropped.
    pub dropped: usize,
    /// Distinct images that the records name.
    pub images: usize,
    /// Everything that was found: first the rows in the order of the files, then what concerns several of them.
    pub problems: Vec<Problem>,
    /// How many problems there are of each kind.
    pub counts: BTreeMap<ProblemKind, usize>,
    /// What to do, the first thing first.
    pub advice: Vec<String>,
    /// Whether the data can be used as they are: see [`usable`](Self::usable).
    usable: bool,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Of what kind.
    pub kind: ProblemKind,
    /// Whether anything must be done.
    pub severity: Severity,
    /// The file it is in.
    pub file: PathBuf,
    /// Row, from 0, or line, from 1, where there is one: `line 12`.
    pub place: Option<String>,
    /// The record that is concerned.
    pub id: Option<String>,
    /// What it is and what to do.
    pub what: String,
}

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The data cannot be used before this is mended.
    Error,
    /// Results may be wrong, or data are lost.
    Warning,
    /// Good to know.
    Note,
}

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The dataset cannot be read at all.
    Unreadable,
    /// The format is not one that is read.
    UnknownFormat,
    /// A row that would be dropped.
    DroppedRow,
    /// A row that is used after a repair.
    RepairedRow,
    /// Something odd about a row or file that is used.
    OddRow,
    /// An image that a record names is not there.
    MissingImage,
    /// An image cannot be decoded.
    BrokenImage,
    /// An image that no record names.
    ExtraFile,
    /// The same bytes under two names.
    DuplicateImage,
    /// Two records with one id.
    RepeatedId,
    /// One question about one image, twice with one answer.
    RepeatedRecord,
    /// One question about one image with different answers.
    Contradiction,
    /// No answer can be right.
    EmptyAnswer,
    /// An image in several groups (patients, studies) or parts.
    ImageInSeveralGroups,
    /// A text of unusual length.
    LongText,
}

/// Why nothing could be looked at.
#[derive(Debug, Error)]
pub enum DoctorError {
    /// There is nothing at the path.
    #[error("there is nothing at {path}: give the folder of a dataset, or a file to be imported", path = path.display())]
    Absent {
        /// The path.
        path: PathBuf,
    },
    /// A folder cannot be listed.
    #[error("cannot list {path}: {source}", path = path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
}

/// Looks at the dataset at `path`: its folder, or its file of records. `format` is the layout; `None` recognises it.
///
/// # Errors
///
/// [`DoctorError`] if there is nothing to look at. Whatever is wrong with what is there is in the report.
pub fn doctor(path: &Path, format: Option<Format>) -> Result<Report, DoctorError> {
    if !path.exists() {
        return Err(DoctorError::Absent { path: path.into() });
    }
    let found = match format {
        Some(format) => recognise::Found {
            root: recognise::folder_of(path),
            format: Some(format),
            also: Vec::new(),
            sources: Vec::new(),
        },
        None => recognise::recognise(path)?,
    };
    let mut report = Report {
        path: found.root.clone(),
        format: found.format,
        records: 0,
        dropped: 0,
        images: 0,
        problems: Vec::new(),
        counts: BTreeMap::new(),
        advice: Vec::new(),
        usable: false,
    };
    match found.format {
        Some(format) => {
            for other in &found.also {
                let what = format!(
                    "the folder is also laid out as {other}: name that format to have it looked at"
                );
                report.about(
                    ProblemKind::OddRow,
                    Severity::Note,
                    found.root.clone(),
                    what,
                );
            }
            report.dataset(format, &found.root);
        }
        None => report.of_others(&found),
    }
    report.conclude();
    Ok(report)
}

impl Report {
    /// Whether the data can be used as they are: there are records, at most one row in a hundred is dropped, and
    /// there is no [error](Severity::Error). What a program should exit by.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.usable
    }

    /// How many problems are that severe.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let same = |problem: &&Problem| problem.severity == severity;
        self.problems.iter().filter(same).count()
    }

    fn dataset(&mut self, format: Format, root: &Path) {
        let facts = match format.kind() {
            Kind::Questions => {
                let facts = match format {
                    Format::QuestionsJsonl => records::of_own_question,
                    _ => records::of_question,
                };
                self.read(dataset::questions(format, root), root, facts)
            }
            Kind::Figures => {
                let read = match format {
                    // Whatever is in the file: what a training takes of it is another question.
                    Format::Medicat => medicat::read(root, &everything()),
                    _ => dataset::figures(format, root),
                };
                self.read(read, root, records::of_figure)
            }
            Kind::LabelledImages => self.read(
                dataset::labelled_images(format, root),
                root,
                records::of_labelled,
            ),
        };
        let Some(facts) = facts else { return };
        self.records = facts.len();
        records::check(&facts, root, &mut self.problems);
        let folder = root.join(format.images_dir());
        self.images = files::check(&facts, &folder, format, &mut self.problems);
    }

    fn read<Record>(
        &mut self,
        read: Result<Read<Record>, ReadError>,
        root: &Path,
        facts: fn(Record) -> Facts,
    ) -> Option<Vec<Facts>> {
        match read {
            Ok(read) => {
                self.dropped = read.dropped();
                self.problems
                    .extend(read.findings.into_iter().map(problem_of));
                Some(read.records.into_iter().map(facts).collect())
            }
            Err(error) => {
                self.about(
                    ProblemKind::Unreadable,
                    Severity::Error,
                    root.into(),
                    error.to_string(),
                );
                None
            }
        }
    }

    /// Files that are not of a format that is read, but may be imported.
    fn of_others(&mut self, found: &recognise::Found) {
        for source in &found.sources {
            match survey(source, &Mapping::default()) {
                Ok(imported) => self.importable(source, imported),
                Err(error) => self.about(
                    ProblemKind::UnknownFormat,
                    Severity::Error,
                    source.clone(),
                    without_path(&error.to_string(), source),
                ),
            }
        }
        if found.sources.is_empty() {
            let what = "no dataset is recognised here: a folder with `questions.jsonl` or `figures.jsonl` and \
                        `images/`, one of the published datasets as released, or a table or JSON to import is wanted";
            self.about(
                ProblemKind::UnknownFormat,
                Severity::Error,
                found.root.clone(),
                what.into(),
            );
        }
    }

    fn importable(&mut self, source: &Path, imported: Imported) {
        let fields: Vec<String> = imported
            .fields
            .iter()
            .map(|(field, column)| format!("{} from {column}", field.key(imported.kind)))
            .collect();
        let what = format!(
            "a table or JSON of others: import it first; {} records would come of it ({}), columns not used: {}",
            imported.records,
            fields.join(", "),
            match imported.unused.as_slice() {
                [] => "none".to_owned(),
                unused => unused.join(", "),
            }
        );
        self.about(
            ProblemKind::UnknownFormat,
            Severity::Error,
            source.into(),
            what,
        );
        self.records += imported.records;
        self.dropped += imported.dropped;
        self.problems
            .extend(imported.findings.into_iter().map(problem_of));
    }

    fn about(&mut self, kind: ProblemKind, severity: Severity, file: PathBuf, what: String) {
        self.problems.push(Problem {
            kind,
            severity,
            file,
            place: None,
            id: None,
            what,
        });
    }

    fn conclude(&mut self) {
        for problem in &self.problems {
            *self.counts.entry(problem.kind).or_default() += 1;
        }
        let rows = self.records + self.dropped;
        let few_dropped = self.dropped * 100 <= rows;
        self.usable = self.records > 0 && few_dropped && self.count(Severity::Error) == 0;
        self.advice = show::advice(self, few_dropped);
    }
}

/// `text` without the path at its start, which the problem names itself.
fn without_path(text: &str, path: &Path) -> String {
    let start = format!("{}: ", path.display());
    text.strip_prefix(&start).unwrap_or(text).to_owned()
}

fn everything() -> medicat::Options {
    medicat::Options {
        radiology_only: false,
        ..medicat::Options::default()
    }
}

fn problem_of(finding: Finding) -> Problem {
    let (kind, severity) = match finding.outcome {
        Outcome::Dropped => (ProblemKind::DroppedRow, Severity::Warning),
        Outcome::Repaired => (ProblemKind::RepairedRow, Severity::Note),
        Outcome::Kept => (ProblemKind::OddRow, Severity::Note),
    };
    let place = match finding.place {
        Place::Whole => None,
        Place::Row(row) => Some(format!("row {row}")),
        Place::Line(line) => Some(format!("line {line}")),
    };
    Problem {
        kind,
        severity,
        file: finding.file,
        place,
        id: None,
        what: finding.what,
    }
}
