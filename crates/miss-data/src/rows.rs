//! Rows of a JSON list, field by field, with a note for everything that is repaired: what the readers
//! of VQA-RAD and SLAKE share.

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::read::{Finding, Outcome, Place, Read, ReadError};

/// The largest of these releases has 14,028 rows; a list beyond this is not one of them.
const MAX_ROWS: usize = 1 << 18;

/// The objects of a JSON list of at most [`MAX_ROWS`].
pub(crate) fn objects(bytes: &[u8], path: &Path) -> Result<Vec<Map<String, Value>>, ReadError> {
    let format = |source: serde_json::Error| ReadError::Format {
        path: path.into(),
        expected: "a JSON list of questions",
        what: source.to_string(),
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let rows = Capped.deserialize(&mut reader).map_err(format)?;
    reader.end().map_err(format)?;
    Ok(rows)
}

/// Every row through `record`; a row that gives none is dropped and said so.
pub(crate) fn records<Record>(
    rows: &[Map<String, Value>],
    path: &Path,
    mut record: impl FnMut(&mut Row<'_>) -> Result<Record, String>,
) -> Read<Record> {
    let mut records = Vec::with_capacity(rows.len());
    let mut findings = Vec::new();
    for (row, fields) in rows.iter().enumerate() {
        let mut reader = Row {
            path,
            fields,
            row,
            findings: &mut findings,
        };
        match record(&mut reader) {
            Ok(record) => records.push(record),
            Err(what) => reader.find(
                Outcome::Dropped,
                format!("{what}; mend the row or fetch the file again"),
            ),
        }
    }
    Read { records, findings }
}

/// One row and where it stands.
pub(crate) struct Row<'a> {
    path: &'a Path,
    fields: &'a Map<String, Value>,
    row: usize,
    findings: &'a mut Vec<Finding>,
}

impl Row<'_> {
    /// The row's number, from 0.
    pub(crate) fn number(&self) -> usize {
        self.row
    }

    pub(crate) fn find(&mut self, outcome: Outcome, what: String) {
        self.findings.push(Finding {
            file: self.path.into(),
            place: Place::Row(self.row),
            outcome,
            what,
        });
    }

    pub(crate) fn note(&mut self, what: String) {
        self.find(Outcome::Repaired, what);
    }

    /// A field as it is, if it is there.
    pub(crate) fn value(&self, key: &str) -> Result<&Value, String> {
        self.fields
            .get(key)
            .ok_or_else(|| format!("`{key}` is missing"))
    }

    /// A field's text as written; a number is taken as its digits.
    pub(crate) fn written(&mut self, key: &str) -> Result<String, String> {
        match self.value(key)? {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => {
                let number = number.to_string();
                self.note(format!("`{key}` is the number {number}, taken as text"));
                Ok(number)
            }
            other => Err(format!("`{key}` is {}, not text", shown(other))),
        }
    }

    /// A field's text with white space collapsed; none left is an error.
    pub(crate) fn text(&mut self, key: &str) -> Result<String, String> {
        let written = self.written(key)?;
        let text = self.collapsed(key, &written);
        if text.is_empty() {
            return Err(format!("`{key}` is empty"));
        }
        Ok(text)
    }

    /// `written` with each run of white space made one space and none at the ends.
    pub(crate) fn collapsed(&mut self, key: &str, written: &str) -> String {
        let collapsed = collapse(written);
        if collapsed != written && !collapsed.is_empty() {
            self.note(format!("`{key}` is {written:?}: stray white space dropped"));
        }
        collapsed
    }

    /// A whole number of at least 0, also where it is written as text.
    pub(crate) fn whole(&self, key: &str) -> Result<u64, String> {
        let value = self.value(key)?;
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64(),
        };
        number.ok_or_else(|| {
            format!(
                "`{key}` is {}, not a whole number of at least 0",
                shown(value)
            )
        })
    }
}

/// White space collapsed.
pub(crate) fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A value as JSON, cut where it is long.
pub(crate) fn shown(value: &Value) -> String {
    const CHARS: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Stops a list before it fills the memory.
struct Capped;

impl<'de> DeserializeSeed<'de> for Capped {
    type Value = Vec<Map<String, Value>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Capped {
    type Value = Vec<Map<String, Value>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = list.next_element()? {
            if rows.len() == MAX_ROWS {
                return Err(A::Error::custom(format!("more than {MAX_ROWS} rows")));
            }
            rows.push(row);
        }
        Ok(rows)
    }
}
