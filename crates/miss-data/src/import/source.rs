//! The kinds of files that can be imported, told apart by what is in them, as rows with named columns.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::ImportError;
use super::table::Table;
use crate::jsonl::{Fields, json_error};
use crate::lines::{MAX_LINE, each_line, without_bom};
use crate::read::{Place, ReadError};

/// A row's fields by the names of their columns, or why there are none.
pub type Row = Result<Map<String, Value>, String>;

/// What is read at once: tables and lists. Lines of JSON have no such limit.
const MAX_WHOLE: u64 = 512 << 20;
/// What is looked at to tell the kind.
const HEAD: u64 = 1 << 20;
/// Columns of lines of JSON are looked for in so many lines.
const LINES_LOOKED_AT: usize = 1000;

/// A table, a JSON list or lines of JSON as rows with named columns: for who makes records of another kind.
pub struct Source<'a> {
    /// The names of the columns. Lines of JSON may have others further down.
    pub columns: Vec<String>,
    path: &'a Path,
    rows: Rows<'a>,
}

enum Rows<'a> {
    Table(Table),
    List(Vec<Row>),
    Lines(Box<dyn BufRead + 'a>),
}

impl<'a> Source<'a> {
    /// Tells what `reader` gives and which columns it has. `path` names it in errors; `annotations` is the file of
    /// answers that belongs to a file of the VQA challenge.
    ///
    /// # Errors
    ///
    /// [`ImportError`] for what cannot be read, is too large, or is of no kind that is known.
    pub fn open(
        mut reader: impl Read + 'a,
        path: &'a Path,
        annotations: Option<&Path>,
    ) -> Result<Self, ImportError> {
        let mut head = Vec::new();
        reader
            .by_ref()
            .take(HEAD)
            .read_to_end(&mut head)
            .map_err(|source| io_error(path, source))?;
        let wrong = |what: String| ImportError::Source {
            path: path.into(),
            what,
        };
        if let Some(what) = foreign(&head) {
            return Err(wrong(what.into()));
        }
        let text = without_bom(&head).trim_ascii_start();
        let first = text.first().copied();
        let of_records = first == Some(b'{') && begins_with_a_record(text);
        let of_lines = if of_records {
            names(&first_lines(&head))
        } else {
            Vec::new()
        };
        if annotations.is_some() && (first != Some(b'{') || of_records) {
            let what =
                "annotations belong to a JSON object with a list `questions`, which this is not";
            return Err(wrong(what.into()));
        }
        let all = Cursor::new(head).chain(reader);
        let rows = match first {
            None => return Err(wrong("the file is empty".into())),
            Some(b'{') if of_records => Rows::Lines(Box::new(BufReader::new(all))),
            Some(b'[') => {
                let list: Vec<Fields> = serde_json::from_slice(without_bom(&whole(all, path)?))
                    .map_err(|error| wrong(format!("as a JSON list of objects: {error}")))?;
                Rows::List(list.into_iter().map(|Fields(row)| Ok(row)).collect())
            }
            Some(b'{') => Rows::List(joined(object(all, path)?, path, annotations)?),
            Some(_) => Rows::Table(Table::open(whole(all, path)?).map_err(wrong)?),
        };
        let columns = match &rows {
            Rows::Table(table) => table.columns().to_vec(),
            Rows::List(rows) => names(rows.iter().flatten()),
            Rows::Lines(_) => of_lines,
        };
        Ok(Self {
            columns,
            path,
            rows,
        })
    }

    /// Gives each row to `take`, in the order of the file. There may be any number of them.
    ///
    /// # Errors
    ///
    /// [`ImportError`] for a file that breaks off, cannot be read, or leaves a quote open.
    pub fn each(self, mut take: impl FnMut(Place, Row)) -> Result<(), ImportError> {
        let path = self.path;
        match self.rows {
            Rows::Table(table) => table.each(take).map_err(|what| ImportError::Source {
                path: path.into(),
                what,
            }),
            Rows::List(rows) => {
                for (number, row) in rows.into_iter().enumerate() {
                    take(Place::Row(number), row);
                }
                Ok(())
            }
            Rows::Lines(reader) => {
                let each = each_line(reader, path, |number, line| {
                    let row = line
                        .ok_or_else(|| format!("the line has more than {MAX_LINE} bytes"))
                        .and_then(fields);
                    take(Place::Line(number), row);
                });
                each.map_err(|error| of_reading(path, error))
            }
        }
    }
}

fn fields(line: &[u8]) -> Row {
    let Fields(row) = serde_json::from_slice(line).map_err(|error| json_error(&error))?;
    Ok(row)
}

fn whole(reader: impl Read, path: &Path) -> Result<Vec<u8>, ImportError> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells what is too large.
    reader
        .take(MAX_WHOLE + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| io_error(path, source))?;
    if bytes.len() as u64 > MAX_WHOLE {
        return Err(ImportError::TooLarge {
            path: path.into(),
            limit: MAX_WHOLE,
        });
    }
    Ok(bytes)
}

pub(super) fn io_error(path: &Path, source: io::Error) -> ImportError {
    ImportError::Io {
        path: path.into(),
        source,
    }
}

pub(super) fn of_reading(path: &Path, error: ReadError) -> ImportError {
    match error {
        ReadError::Io { path, source, .. } => ImportError::Io { path, source },
        ReadError::TooLarge { path, limit } => ImportError::TooLarge { path, limit },
        ReadError::Format { path, what, .. } => ImportError::Source { path, what },
        other => ImportError::Source {
            path: path.into(),
            what: other.to_string(),
        },
    }
}

/// Kinds that must be converted first, by their first bytes.
fn foreign(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"PAR1") {
        return Some(
            "it is a Parquet file: write it as CSV first, for example with Python, \
             `pandas.read_parquet(\"x.parquet\").to_csv(\"x.csv\", index=False)`, and save images that it holds as files",
        );
    }
    if head.starts_with(b"PK\x03\x04") {
        return Some(
            "it is an archive or a spreadsheet: unpack it, or save the sheet as CSV (UTF-8)",
        );
    }
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return Some("it is UTF-16: save it as UTF-8");
    }
    head.contains(&0)
        .then_some("it is not text: a table, a JSON list or lines of JSON is wanted")
}

/// Whether the first line is an object by itself, and not a whole file of lists.
fn begins_with_a_record(text: &[u8]) -> bool {
    let end = text.iter().position(|&byte| byte == b'\n');
    match fields(&text[..end.unwrap_or(text.len())]) {
        Ok(row) => lists(&row).is_empty(),
        // A first line with a slip is told as such, if it looks like a line at all.
        Err(_) => end.is_some_and(|end| text[..end].trim_ascii_end().ends_with(b"}")),
    }
}

/// The first rows among the whole lines of `head`.
fn first_lines(head: &[u8]) -> Vec<Map<String, Value>> {
    let lines = without_bom(head).split(|&byte| byte == b'\n');
    lines
        .take(LINES_LOOKED_AT)
        .filter_map(|line| fields(line).ok())
        .collect()
}

/// All keys, in the order of their first appearance.
fn names<'a>(rows: impl IntoIterator<Item = &'a Map<String, Value>>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for key in rows.into_iter().flat_map(Map::keys) {
        if !seen.contains(key) {
            seen.insert(key.clone());
            names.push(key.clone());
        }
    }
    names
}

/// The keys under which lists of objects stand.
fn lists(object: &Map<String, Value>) -> Vec<&String> {
    let is_list = |value: &Value| {
        value
            .as_array()
            .is_some_and(|list| list.first().is_some_and(Value::is_object))
    };
    object
        .iter()
        .filter(|(_, value)| is_list(value))
        .map(|(key, _)| key)
        .collect()
}

/// The rows of an object of lists: questions with their annotations, annotations with their images, or the one
/// list that there is.
fn joined(
    mut object: Map<String, Value>,
    path: &Path,
    annotations: Option<&Path>,
) -> Result<Vec<Row>, ImportError> {
    if let Some(other) = annotations {
        let file = File::open(other).map_err(|source| io_error(other, source))?;
        let list = self::object(file, other)?.remove("annotations");
        let list = list.ok_or_else(|| ImportError::Source {
            path: other.into(),
            what: "it has no list `annotations`".into(),
        })?;
        object.insert("annotations".into(), list);
    }
    let names: Vec<String> = lists(&object).into_iter().cloned().collect();
    let has = |name: &str| names.iter().any(|other| other == name);
    let wrong = |what: String| ImportError::Source {
        path: path.into(),
        what,
    };
    let mut take = |name: &str| rows(object.remove(name));
    let mut rows = if has("questions") {
        let questions = take("questions");
        if !has("annotations")
            && !questions
                .iter()
                .flatten()
                .any(|row| row.contains_key("answer"))
        {
            let what = "it holds questions without answers: name the file of annotations too";
            return Err(wrong(what.into()));
        }
        join(
            questions,
            "question_id",
            take("annotations"),
            "question_id",
            |_| true,
        )
    } else if has("annotations") {
        take("annotations")
    } else if let [one] = names.as_slice() {
        take(one)
    } else {
        let keys: Vec<&String> = object.keys().take(20).collect();
        return Err(wrong(format!(
            "a JSON object with the keys {keys:?}: a list of objects is wanted, or lists named `questions` and \
             `annotations`, or `images` and `annotations`"
        )));
    };
    if has("images") {
        rows = join(rows, "image_id", take("images"), "id", |key| {
            key == "file_name"
        });
    }
    Ok(rows)
}

fn object(reader: impl Read, path: &Path) -> Result<Map<String, Value>, ImportError> {
    let bytes = whole(reader, path)?;
    let Fields(object) =
        serde_json::from_slice(without_bom(&bytes)).map_err(|error| ImportError::Source {
            path: path.into(),
            what: format!("as one JSON object: {error}"),
        })?;
    Ok(object)
}

fn rows(list: Option<Value>) -> Vec<Row> {
    let Some(Value::Array(list)) = list else {
        return Vec::new();
    };
    list.into_iter()
        .map(|row| match row {
            Value::Object(row) => Ok(row),
            _ => Err("not an object".to_owned()),
        })
        .collect()
}

/// Adds to each row those `wanted` keys of the one row among `others` with the same number that it has not itself.
fn join(
    rows: Vec<Row>,
    key: &str,
    others: Vec<Row>,
    other_key: &str,
    wanted: fn(&str) -> bool,
) -> Vec<Row> {
    if others.is_empty() {
        return rows;
    }
    let mut by_key: HashMap<String, Option<Map<String, Value>>> = HashMap::new();
    for other in others.into_iter().flatten() {
        if let Some(number) = other.get(other_key) {
            // Two rows with one number: neither can be told to be meant.
            by_key
                .entry(number.to_string())
                .and_modify(|known| *known = None)
                .or_insert(Some(other));
        }
    }
    let add = |row: Map<String, Value>| {
        let mut row = row;
        let number = row
            .get(key)
            .map(Value::to_string)
            .ok_or_else(|| format!("`{key}` is missing"))?;
        match by_key.get(&number) {
            None => Err(format!("nothing belongs to `{key}` {number}")),
            Some(None) => Err(format!("`{key}` {number} is there twice")),
            Some(Some(other)) => {
                for (name, value) in other.iter().filter(|(name, _)| wanted(name)) {
                    row.entry(name.clone()).or_insert_with(|| value.clone());
                }
                Ok(row)
            }
        }
    };
    rows.into_iter().map(|row| row.and_then(add)).collect()
}
