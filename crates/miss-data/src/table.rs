//! Tables with named columns, separated by commas, semicolons, tabs or bars.

use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use crate::lines::without_bom;
use crate::read::ReadError;

/// Rows of one table. The largest release has 60,000.
const MAX_ROWS: usize = 1 << 18;

/// A table whose header has been read.
pub(crate) struct Table<'a> {
    bytes: &'a [u8],
    reader: csv::Reader<&'a [u8]>,
    columns: Vec<usize>,
    width: usize,
    rows: usize,
    path: &'a Path,
}

/// One row: where it begins, and the wanted fields in the order asked for, or why they cannot be had.
pub(crate) type Row<'r> = (usize, Result<Vec<&'r str>, String>);

impl<'a> Table<'a> {
    /// Reads the header, which must name each of `wanted`, in any order and among others. What separates
    /// fields is what the header uses most.
    pub(crate) fn open(
        bytes: &'a [u8],
        path: &'a Path,
        wanted: &[&str],
    ) -> Result<Self, ReadError> {
        let bytes = without_bom(bytes);
        let format = |what: String| ReadError::Format {
            path: path.into(),
            expected: "a table with a header",
            what,
        };
        let delimiter = sniff(bytes);
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(bytes);
        let header = reader
            .byte_headers()
            .map_err(|error| format(error.to_string()))?;
        let place = |name: &&str| {
            header
                .iter()
                .position(|field| field.trim_ascii() == name.as_bytes())
                .ok_or_else(|| format(format!("line 1 does not name a column `{name}`")))
        };
        let columns = wanted.iter().map(place).collect::<Result<_, _>>()?;
        let width = header.len();
        Ok(Self {
            bytes,
            reader,
            columns,
            width,
            rows: 0,
            path,
        })
    }

    /// The next row, read into `record`; `None` at the end.
    pub(crate) fn next<'r>(
        &mut self,
        record: &'r mut ByteRecord,
    ) -> Result<Option<Row<'r>>, ReadError> {
        let more = self.reader.read_byte_record(record);
        if !more.map_err(|error| self.format(error.to_string()))? {
            return Ok(None);
        }
        self.rows += 1;
        if self.rows > MAX_ROWS {
            return Err(self.format(format!("more than {MAX_ROWS} rows")));
        }
        let line = record
            .position()
            .map_or(0, |position| line_of(self.bytes, position));
        if record.len() != self.width {
            let what = format!(
                "{} fields where the header has {}",
                record.len(),
                self.width
            );
            return Ok(Some((line, Err(what))));
        }
        let record: &'r ByteRecord = record;
        let text = |&column: &usize| {
            std::str::from_utf8(&record[column]).map_err(|_| "the text is not UTF-8".to_owned())
        };
        Ok(Some((line, self.columns.iter().map(text).collect())))
    }

    fn format(&self, what: String) -> ReadError {
        ReadError::Format {
            path: self.path.into(),
            expected: "a table",
            what,
        }
    }
}

/// The line of a row's first character, from 1. The position that `csv` gives may lie before it: before the line
/// feed of the row above, where that ends in a carriage return too, and before blank lines.
fn line_of(bytes: &[u8], position: &csv::Position) -> usize {
    let rest = bytes.get(position.byte() as usize..).unwrap_or_default();
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() as usize + ends.filter(|&&byte| byte == b'\n').count()
}

pub(crate) fn sniff(bytes: &[u8]) -> u8 {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let header = &bytes[..end.unwrap_or(bytes.len())];
    let count = |delimiter: &u8| header.iter().filter(|byte| *byte == delimiter).count();
    // The last of equals wins: a header of one column has no delimiter, and a comma is the usual one.
    [b'|', b'\t', b';', b',']
        .into_iter()
        .max_by_key(count)
        .unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<(usize, Result<Vec<String>, String>)> {
        let mut table =
            Table::open(text.as_bytes(), Path::new("t"), &["b", "a"]).expect("a header");
        let mut record = ByteRecord::new();
        let mut found = Vec::new();
        while let Some((line, row)) = table.next(&mut record).expect("rows") {
            let owned = |row: Vec<&str>| row.into_iter().map(str::to_owned).collect();
            found.push((line, row.map(owned)));
        }
        found
    }

    #[test]
    fn columns_are_found_by_name_under_any_delimiter() {
        for delimiter in [",", ";", "\t"] {
            // Blank lines, and line ends of two characters.
            let text =
                "\u{FEFF}a|x| b\n\r\n1|2|3\r\n\n\"4\n4\"|5|6\r\n\r\n7|8\n".replace('|', delimiter);
            let row = |b: &str, a: &str| Ok(vec![b.to_owned(), a.to_owned()]);
            let short = Err("2 fields where the header has 3".to_owned());
            let wanted = [(3, row("3", "1")), (5, row("6", "4\n4")), (8, short)];
            assert_eq!(fields(&text), wanted, "{delimiter:?}");
        }
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = Table::open(b"a,c\n", Path::new("t"), &["a", "b"])
            .err()
            .expect("no b");
        assert!(error.to_string().contains("`b`"), "{error}");
        assert!(Table::open(b"", Path::new("t"), &["a"]).is_err());
    }
}
