//! Lines of a text file of any length, one at a time, in the memory of one line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::read::ReadError;

/// Longer lines are passed over without being held.
pub(crate) const MAX_LINE: usize = 1 << 20;
/// What the files read by line may hold in all: the largest known has 0.5 GB.
const MAX_BYTES: u64 = 16 << 30;
/// All known datasets of images with texts are smaller.
pub(crate) const MAX_LINES: usize = 1 << 24;

/// Opens a file to be read by line. `remedy` says what the folder must hold.
pub(crate) fn open(path: &Path, remedy: &str) -> Result<BufReader<File>, ReadError> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|source| ReadError::Io {
            path: path.into(),
            source,
            remedy: remedy.into(),
        })
}

/// Gives every line that is not blank, with its number from 1 and without its end, to `take`. Instead of a
/// line of more than [`MAX_LINE`] bytes it gives `None`.
pub(crate) fn each_line(
    mut reader: impl BufRead,
    path: &Path,
    mut take: impl FnMut(usize, Option<&[u8]>),
) -> Result<(), ReadError> {
    let failed = |source| ReadError::Io {
        path: path.into(),
        source,
        remedy: "fetch the file again and verify it".into(),
    };
    let mut line = Vec::new();
    let mut total = 0_u64;
    for number in 1.. {
        line.clear();
        let read = next_line(&mut reader, &mut line).map_err(failed)?;
        if read == 0 {
            break;
        }
        total += read;
        if total > MAX_BYTES {
            return Err(ReadError::TooLarge {
                path: path.into(),
                limit: MAX_BYTES,
            });
        }
        if number > MAX_LINES {
            return Err(ReadError::Format {
                path: path.into(),
                expected: "a file of JSON lines",
                what: format!("more than {MAX_LINES} lines: divide it"),
            });
        }
        let text = match number {
            1 => without_bom(&line),
            _ => &line,
        };
        if line.len() > MAX_LINE {
            take(number, None);
        } else if !text.trim_ascii().is_empty() {
            take(number, Some(text.trim_ascii()));
        }
    }
    Ok(())
}

/// `bytes` without the mark some editors write at the start of a UTF-8 file.
pub(crate) fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// Reads up to and with the next line feed. Keeps at most one byte more than [`MAX_LINE`], which tells a line
/// that is too long; returns how many bytes were read in all.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut total = 0_u64;
    loop {
        let piece = match reader.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = piece.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(piece.len(), |end| end + 1);
        let content = &piece[..end.unwrap_or(piece.len())];
        let room = (MAX_LINE + 1).saturating_sub(line.len());
        line.extend_from_slice(&content[..content.len().min(room)]);
        let last = taken == 0 || end.is_some();
        reader.consume(taken);
        total += taken as u64;
        if last {
            return Ok(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8], buffer: usize) -> Vec<(usize, Option<usize>)> {
        let mut found = Vec::new();
        each_line(
            BufReader::with_capacity(buffer, bytes),
            Path::new("x"),
            |number, line| found.push((number, line.map(<[u8]>::len))),
        )
        .expect("memory can be read");
        found
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does_whatever_the_buffer() {
        let text = b"\xEF\xBB\xBFab\r\n\n  \nc\n\nlast";
        for buffer in [1, 2, 3, 64] {
            assert_eq!(
                lines(text, buffer),
                [(1, Some(2)), (4, Some(1)), (6, Some(4))]
            );
        }
        assert_eq!(lines(b"", 8), []);
        assert_eq!(lines(b"\xEF\xBB\xBF\r\na", 8), [(2, Some(1))]);
    }

    #[test]
    fn a_line_at_the_limit_is_read_and_one_beyond_is_passed_over() {
        let mut text = vec![b'x'; MAX_LINE];
        text.push(b'\n');
        text.extend(vec![b'y'; MAX_LINE + 1]);
        text.extend(b"\nz");
        assert_eq!(
            lines(&text, 4096),
            [(1, Some(MAX_LINE)), (2, None), (3, Some(1))]
        );
    }
}
