//! A table with a header whose columns are not known beforehand.

use std::collections::HashSet;
use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Value};

use super::source::Row;
use crate::jsonl::MAX_ROWS;
use crate::lines::without_bom;
use crate::read::Place;
use crate::table::sniff;

/// A header is a line, not a book.
const MAX_COLUMNS: usize = 4096;
/// Stands on a line of its own behind the table: if it becomes part of a field, a quote was left open.
const END: &[u8] = b"\x01end of the table\x01";

pub(super) struct Table {
    bytes: Vec<u8>,
    delimiter: u8,
    columns: Vec<String>,
}

impl Table {
    /// Reads the header.
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let delimiter = sniff(without_bom(&bytes));
        let header = ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(without_bom(&bytes))
            .into_byte_records()
            .next();
        let header = match header {
            None => return Err("the table is empty".into()),
            Some(Err(error)) => return Err(error.to_string()),
            Some(Ok(header)) => header,
        };
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
        Ok(Self {
            bytes,
            delimiter,
            columns,
        })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Gives each row to `take`, with the line where it begins.
    pub(super) fn each(&self, mut take: impl FnMut(Place, Row)) -> Result<(), String> {
        let table = without_bom(&self.bytes);
        let mut reader = ReaderBuilder::new()
            .delimiter(self.delimiter)
            .flexible(true)
            .from_reader(table.chain(&b"\n"[..]).chain(END));
        let mut record = ByteRecord::new();
        let mut rows = 0;
        while reader
            .read_byte_record(&mut record)
            .map_err(|error| error.to_string())?
        {
            let line = record.position().map_or(0, csv::Position::line) as usize;
            if record.as_slice().ends_with(END) {
                if record.len() == 1 && record.as_slice() == END {
                    return Ok(());
                }
                return Err(format!(
                    "a quote in the row that begins at line {line} is never closed: close it, or double it if it \
                     is part of the text"
                ));
            }
            rows += 1;
            if rows > MAX_ROWS {
                return Err(format!("more than {MAX_ROWS} rows: divide the table"));
            }
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
