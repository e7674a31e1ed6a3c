//! A table with a header whose columns are not known beforehand.

use std::collections::HashSet;

use csv::ByteRecord;
use serde_json::{Map, Value};

use super::source::Row;
use crate::read::Place;
use crate::table::Rows;

/// A header is a line, not a book.
const MAX_COLUMNS: usize = 4096;

pub(super) struct Table {
    bytes: Vec<u8>,
    columns: Vec<String>,
}

impl Table {
    /// Reads the header.
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let mut header = ByteRecord::new();
        if Rows::new(&bytes).next(&mut header)?.is_none() {
            return Err("the table is empty".into());
        }
        if header.len() > MAX_COLUMNS {
            return Err(format!("line 1 has more than {MAX_COLUMNS} columns"));
        }
        let mut columns = Vec::with_capacity(header.len());
        let mut seen = HashSet::new();
        for (place, name) in header.iter().enumerate() {
            let name = std::str::from_utf8(name)
                .map_err(|_| "line 1 is not UTF-8: save the table as UTF-8".to_owned())?;
            let name = match name.trim() {
                "" => format!("column {}", place + 1),
                name => name.to_owned(),
            };
            if !seen.insert(name.clone()) {
                return Err(format!(
                    "line 1 names the column `{name}` twice: rename one"
                ));
            }
            columns.push(name);
        }
        Ok(Self { bytes, columns })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Gives each row to `take`, with the line where it begins.
    pub(super) fn each(&self, mut take: impl FnMut(Place, Row)) -> Result<(), String> {
        let mut rows = Rows::new(&self.bytes);
        let mut record = ByteRecord::new();
        // The header.
        rows.next(&mut record)?;
        while let Some(line) = rows.next(&mut record)? {
            take(Place::Line(line), self.row(&record));
        }
        Ok(())
    }

    fn row(&self, record: &ByteRecord) -> Row {
        if record.len() != self.columns.len() {
            return Err(format!(
                "{} fields where the header has {}: a delimiter or quote too many or too few",
                record.len(),
                self.columns.len()
            ));
        }
        let mut fields = Map::new();
        for (name, field) in self.columns.iter().zip(record) {
            let text = std::str::from_utf8(field)
                .map_err(|_| format!("`{name}` is not UTF-8: save the table as UTF-8"))?;
            fields.insert(name.clone(), Value::String(text.to_owned()));
        }
        Ok(fields)
    }
}
