//! Lines of a journal: written with a checksum, read under caps.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::kept::Kept;
use super::{Answered, JournalError};
use crate::llm::Key;
use crate::price::Spent;

/// Longer lines are damage: an answer of the largest size that a client takes is shorter.
const MAX_LINE: usize = 32 << 20;
/// A journal of a million requests is smaller.
const MAX_BYTES: u64 = 8 << 30;

/// What a line says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Entry {
    Started {
        key: Key,
        at_most: Spent,
    },
    Failed {
        key: Key,
        reason: String,
        maybe_paid: bool,
    },
    Answered(Box<Answered>),
}

/// Only Unix lets a folder be opened and synced.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

const HEAD: &str = "{\"sum\":\"";
const MIDDLE: &str = "\",\"entry\":";

pub(super) fn line_of(entry: &Entry) -> io::Result<String> {
    let text = serde_json::to_string(entry)?;
    Ok(format!("{HEAD}{}{MIDDLE}{text}}}\n", sum_of(&text)))
}

fn sum_of(text: &str) -> String {
    let mut sum = miss_data::file::sha256_hex(text.as_bytes());
    sum.truncate(16);
    sum
}

fn parse(line: &[u8]) -> Result<Entry, String> {
    let form = "not a line of a journal";
    let line = std::str::from_utf8(line).map_err(|_| form)?;
    let rest = line.strip_prefix(HEAD).ok_or(form)?;
    let (sum, rest) = rest.split_once(MIDDLE).ok_or(form)?;
    let text = rest.strip_suffix('}').ok_or(form)?;
    if sum_of(text) != sum {
        return Err("its checksum does not fit its content".into());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// What the whole lines of `file` say, their length, and the length of the file.
pub(super) fn read(file: &File, path: &Path) -> Result<(Kept, u64, u64), JournalError> {
    let failed = |source| JournalError::Open {
        path: path.to_owned(),
        source,
    };
    let damaged = |line, what: String| JournalError::Damaged {
        path: path.to_owned(),
        line,
        what,
    };
    let mut reader = BufReader::new(file);
    let mut kept = Kept::default();
    let (mut whole, mut total) = (0_u64, 0_u64);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let limit = MAX_LINE as u64 + 1;
        let count = (&mut reader)
            .take(limit)
            .read_until(b'\n', &mut line)
            .map_err(failed)? as u64;
        total += count;
        if count == limit && line.last() != Some(&b'\n') {
            return Err(damaged(number, format!("longer than {MAX_LINE} bytes")));
        }
        if total > MAX_BYTES {
            return Err(damaged(
                number,
                format!("more than {MAX_BYTES} bytes in all"),
            ));
        }
        let Some(text) = line.strip_suffix(b"\n") else {
            // The end of the file, or a line that a kill cut.
            break;
        };
        kept.add(parse(text).map_err(|what| damaged(number, what))?);
        whole = total;
    }
    Ok((kept, whole, total))
}
