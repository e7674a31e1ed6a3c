//! Tables with named columns, separated by commas, semicolons, tabs or bars.

use std::io::{Chain, Read};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use crate::lines::without_bom;
use crate::read::ReadError;

/// Rows of one table. The largest release has 60,000.
const MAX_ROWS: usize = 1 << 18;
/// Stands on a line of its own behind the table: if it becomes part of a field, a quote was left open, and what
/// follows the quote would be one long text.
const END: &[u8] = b"\n\x01end of the table\x01";

/// All rows of a table, the header among them.
pub(crate) struct Rows<'a> {
    bytes: &'a [u8],
    reader: csv::Reader<Chain<&'a [u8], &'static [u8]>>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let bytes = without_bom(bytes);
        let reader = ReaderBuilder::new()
            .delimiter(sniff(bytes))
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes.chain(END));
        Self { bytes, reader }
    }

    /// Reads the next row into `record` and gives the line it begins at; `None` at the end.
    pub(crate) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<usize>, String> {
        let more = self.reader.read_byte_record(record);
        if !more.map_err(|error| error.to_string())? {
            return Ok(None);
        }
        let line = record
            .position()
            .map_or(0, |position| line_of(self.bytes, position));
        // A table may say the same itself, further up.
        let read = self.reader.position().byte() as usize;
        let mark = END.trim_ascii_start();
        if read < self.bytes.len() + END.len() || !record.as_slice().ends_with(mark) {
            return Ok(Some(line));
        }
        match record.as_slice() == mark {
            true => Ok(None),
            false => Err(format!(
                "a quote in the row that begins at line {line} is never closed: close it, or double it if it is \
                 part of the text"
            )),
        }
    }
}

/// A table whose header has been read.
pub(crate) struct Table<'a> {
    all: Rows<'a>,
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
        let format = |what: String| ReadError::Format {
            path: path.into(),
            expected: "a table with a header",
            what,
        };
        let mut all = Rows::new(bytes);
        let mut header = ByteRecord::new();
        let first = all.next(&mut header).map_err(format)?;
        if first.is_none() {
            return Err(format("it is empty".into()));
        }
        let place = |name: &&str| {
            header
                .iter()
                .position(|field| field.trim_ascii() == name.as_bytes())
                .ok_or_else(|| format(format!("line 1 does not name a column `{name}`")))
        };
        let columns = wanted.iter().map(place).collect::<Result<_, _>>()?;
        let width = header.len();
        Ok(Self {
            all,
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
        let Some(line) = self.all.next(record).map_err(|what| self.format(what))? else {
            return Ok(None);
        };
        self.rows += 1;
        if self.rows > MAX_ROWS {
            return Err(self.format(format!("more than {MAX_ROWS} rows")));
        }
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

fn sniff(bytes: &[u8]) -> u8 {
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
    fn a_quote_that_is_never_closed_swallows_no_rows() {
        // The last column: the number of fields is right, whatever the text swallows.
        for (text, line) in [
            ("b,a\n1,\"open\n2,x\n", 2),
            ("b,a\r\n1,x\r\n2,\"open\r\n3,x", 3),
            ("b,a\n1,\"", 2),
        ] {
            let mut table = Table::open(text.as_bytes(), Path::new("t"), &["a"]).expect("a header");
            let mut record = ByteRecord::new();
            let error = loop {
                match table.next(&mut record) {
                    Ok(row) => assert!(row.is_some(), "{text:?}"),
                    Err(error) => break error.to_string(),
                }
            };
            assert!(error.contains(&format!("line {line} is never")), "{error}");
        }
        // What stands behind the table to tell may stand in it, too.
        let text = "a,b\n\x01end of the table\x01\n1,\x01end of the table\x01\n2,3";
        let row = |b: &str, a: &str| Ok(vec![b.to_owned(), a.to_owned()]);
        let short = Err("1 fields where the header has 2".to_owned());
        let wanted = [
            (2, short),
            (3, row("\x01end of the table\x01", "1")),
            (4, row("3", "2")),
        ];
        assert_eq!(fields(text), wanted);
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
