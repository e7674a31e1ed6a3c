//! Our own format of a dataset: one JSON object a line, `questions.jsonl` or `figures.jsonl`, beside the folder
//! `images/`.
//!
//! | key of a question | |
//! |---|---|
//! | `image` | path below `images/`, parts separated by `/` |
//! | `question`, `answer` | text; numbers are written as text; an empty answer is taken, with a note |
//! | `id` | optional, unique in the file; absent: `<folder's name>/<line>` |
//! | `answer_type` | optional, `CLOSED` or `OPEN`; absent: `CLOSED` if the answer is yes or no, else `OPEN` |
//! | `question_types` | optional list of text |
//! | `organ`, `modality` | optional text |
//! | `language` | optional, `en` or `zh`; absent: `en` |
//! | `part` | optional, `train`, `validation` or `test` |
//! | `linked_id` | optional text, shared by what must stay on one side of a split: a patient, a study, a report |
//!
//! | key of a figure | |
//! |---|---|
//! | `image` | as above |
//! | `caption`, `captions` | one text, or a list with the preferred one first; at least one |
//! | `id`, `part` | as above |
//! | `group` | optional text, as `linked_id` above |
//! | `licence` | optional text, the licence of this image |
//!
//! `null` is as good as absent. The same is said to machines by [`QUESTION_SCHEMA`] and [`FIGURE_SCHEMA`]: a line
//! is valid under them exactly if the reader takes it without repair and knows all its keys, except that a schema
//! sees one line and cannot tell that an id is repeated, nor a key that is written twice. Beyond that the reader
//! takes what has one meaning only (numbers for text, stray white space, `closed` for `CLOSED`, `val` for
//! `validation`) and notes each repair.
//!
//! Give ids of your own where the data live long: the ids of lines change when lines are taken out, and a split
//! is a list of ids.

mod fields;
mod line;
mod notes;
mod records;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::Path;

use serde::Serialize;

pub(crate) use fields::Fields;
pub(crate) use line::Line;
pub(crate) use notes::Notes;
pub(crate) use records::{figure, part_named, question};

use crate::figure::Figure;
use crate::file::write_atomic_with;
use crate::lines::{MAX_LINE, each_line, open, without_bom};
use crate::read::{Outcome, Place, Read, ReadError};
use crate::record::Question;

/// The file of questions, below the dataset's folder.
pub const QUESTIONS_FILE: &str = "questions.jsonl";
/// The file of figures, below the dataset's folder.
pub const FIGURES_FILE: &str = "figures.jsonl";
/// The folder of images, below the dataset's folder.
pub const IMAGES_DIR: &str = "images";

/// JSON Schema (2020-12) of one line of a [`QUESTIONS_FILE`].
pub const QUESTION_SCHEMA: &str = include_str!("../schema/question.schema.json");
/// JSON Schema (2020-12) of one line of a [`FIGURES_FILE`].
pub const FIGURE_SCHEMA: &str = include_str!("../schema/figure.schema.json");

/// Reads the questions of the folder `root`. Where a line has no `id`, it is `<name of root>/<line>`.
///
/// # Errors
///
/// [`ReadError`] if the file cannot be read as a whole. A line that cannot be used is a finding.
pub fn read_questions(root: &Path) -> Result<Read<Question>, ReadError> {
    let path = root.join(QUESTIONS_FILE);
    let remedy = format!("the folder must hold `{QUESTIONS_FILE}` and `{IMAGES_DIR}/`");
    parse_questions(open(&path, &remedy)?, &path, &name_of(root))
}

/// Reads the figures of the folder `root`. Where a line has no `id`, it is `<name of root>/<line>`.
///
/// # Errors
///
/// [`ReadError`] if the file cannot be read as a whole. A line that cannot be used is a finding.
pub fn read_figures(root: &Path) -> Result<Read<Figure>, ReadError> {
    let path = root.join(FIGURES_FILE);
    let remedy = format!("the folder must hold `{FIGURES_FILE}` and `{IMAGES_DIR}/`");
    parse_figures(open(&path, &remedy)?, &path, &name_of(root))
}

/// Reads questions from lines of JSON. `path` names them in findings; a line without `id` gets `<name>/<line>`.
///
/// # Errors
///
/// [`ReadError`] if `reader` fails, gives no lines of JSON at all, more than 16,777,216 lines, or more than 100,000
/// that cannot be used.
pub fn parse_questions(
    reader: impl BufRead,
    path: &Path,
    name: &str,
) -> Result<Read<Question>, ReadError> {
    parse(reader, path, name, question)
}

/// Reads figures from lines of JSON. `path` names them in findings; a line without `id` gets `<name>/<line>`.
///
/// # Errors
///
/// As of [`parse_questions`].
pub fn parse_figures(
    reader: impl BufRead,
    path: &Path,
    name: &str,
) -> Result<Read<Figure>, ReadError> {
    parse(reader, path, name, figure)
}

/// Writes questions to `path`, one a line, whole or not at all and in the memory of one line.
///
/// # Errors
///
/// Any failure of the file system.
pub fn write_questions<'a>(
    path: &Path,
    questions: impl IntoIterator<Item = &'a Question>,
) -> io::Result<()> {
    write(path, questions)
}

/// Writes figures to `path`, one a line, whole or not at all and in the memory of one line.
///
/// # Errors
///
/// Any failure of the file system.
pub fn write_figures<'a>(
    path: &Path,
    figures: impl IntoIterator<Item = &'a Figure>,
) -> io::Result<()> {
    write(path, figures)
}

fn write(path: &Path, records: impl IntoIterator<Item = impl Serialize>) -> io::Result<()> {
    write_atomic_with(path, |file| {
        for record in records {
            serde_json::to_writer(&mut *file, &record)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
}

fn parse<Record>(
    mut reader: impl BufRead,
    path: &Path,
    name: &str,
    of: fn(&mut Line<'_, '_>, String) -> Result<Record, String>,
) -> Result<Read<Record>, ReadError> {
    refuse_others(&mut reader, path)?;
    let mut notes = Notes::new(path);
    let mut records = Vec::new();
    let mut ids = HashMap::new();
    each_line(reader, path, |number, bytes| {
        let place = Place::Line(number);
        match one(bytes, place, name, &mut ids, &mut notes, of) {
            Ok(record) => records.push(record),
            Err(what) => notes.find(
                place,
                Outcome::Dropped,
                format!("{what}; mend the line or take it out"),
            ),
        }
    })?;
    if records.is_empty() && notes.is_empty() {
        notes.find(Place::Whole, Outcome::Kept, "the file is empty".into());
    }
    Ok(Read {
        records,
        findings: notes.finish()?,
    })
}

fn one<Record>(
    bytes: Option<&[u8]>,
    place: Place,
    name: &str,
    ids: &mut HashMap<String, Place>,
    notes: &mut Notes<'_>,
    of: fn(&mut Line<'_, '_>, String) -> Result<Record, String>,
) -> Result<Record, String> {
    let bytes = bytes.ok_or_else(|| format!("the line has more than {MAX_LINE} bytes"))?;
    let Fields(fields) = serde_json::from_slice(bytes).map_err(|error| json_error(&error))?;
    let mut line = Line::new(fields, place, notes);
    let id = line.id()?.unwrap_or_else(|| match place {
        Place::Line(number) => format!("{name}/{number}"),
        Place::Row(number) => format!("{name}/{number}"),
        Place::Whole => name.to_owned(),
    });
    if let Some(first) = ids.get(&id) {
        return Err(format!("`id` {id:?} is taken{first}"));
    }
    let record = of(&mut line, id.clone())?;
    line.finish();
    ids.insert(id, place);
    Ok(record)
}

/// What serde_json says, with the place in this one line: the error's own line number counts within it.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    match error.column() {
        0 => message.to_owned(),
        column => format!("{message} (column {column})"),
    }
}

/// Files of other kinds would be dropped line by line; they are refused as a whole, with what to do.
fn refuse_others(reader: &mut impl BufRead, path: &Path) -> Result<(), ReadError> {
    let start = reader.fill_buf().map_err(|source| ReadError::Io {
        path: path.into(),
        source,
        remedy: "a file with one JSON object a line is wanted".into(),
    })?;
    if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
        let what = "it is UTF-16: save it as UTF-8".to_owned();
        return Err(format_error(path, what));
    }
    if without_bom(start).trim_ascii_start().starts_with(b"[") {
        let what = "it is one JSON list: import it (`data import`)".to_owned();
        return Err(format_error(path, what));
    }
    let text = without_bom(start).trim_ascii_start();
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    if lines.next() == Some(b"{") && lines.next().is_some_and(|line| line.starts_with(b"\"")) {
        let what = "its records go over several lines: write each on one line, as `jq -c .` does";
        return Err(format_error(path, what.into()));
    }
    Ok(())
}

fn format_error(path: &Path, what: String) -> ReadError {
    ReadError::Format {
        path: path.into(),
        expected: "a file of one JSON object a line",
        what,
    }
}

/// The name of a dataset in a folder: the folder's.
pub(crate) fn name_of(root: &Path) -> String {
    let whole = root.canonicalize();
    let name = whole.as_deref().unwrap_or(root).file_name();
    name.map_or_else(|| "data".into(), |name| name.to_string_lossy().into_owned())
}
