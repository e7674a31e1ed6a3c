//! The two files of MEVF.

use std::path::Path;

use super::{Entry, PhraseType, bytes_of};
use crate::read::{Read, ReadError};
use crate::record::{Part, Question};
use crate::rows::{Row, objects, records};

/// The training rows, below the dataset's folder.
pub const TRAIN_FILE: &str = "trainset.json";
/// The test rows, below the dataset's folder.
pub const TEST_FILE: &str = "testset.json";

/// Reads the questions of both files of MEVF in the folder `root`, training rows first. Ids are
/// `vqa-rad-mevf/train/<row>` and `vqa-rad-mevf/test/<row>`, rows counted from 0 in either file.
///
/// # Errors
///
/// [`ReadError`] if a file cannot be read as a whole. A row that cannot be used is a finding.
pub fn read_mevf(root: &Path) -> Result<Read<Question>, ReadError> {
    let mut all = Read {
        records: Vec::new(),
        findings: Vec::new(),
    };
    for (file, part) in [(TRAIN_FILE, Part::Train), (TEST_FILE, Part::Test)] {
        let read = parse_mevf(&bytes_of(root, file)?, &root.join(file), part)?;
        all.records.extend(read.records);
        all.findings.extend(read.findings);
    }
    Ok(all)
}

/// The questions of one file's bytes. `path` names them in findings and errors; `part` is the part
/// that the file holds.
///
/// # Errors
///
/// [`ReadError::Format`] for bytes that are no JSON list of objects.
pub fn parse_mevf(bytes: &[u8], path: &Path, part: Part) -> Result<Read<Question>, ReadError> {
    let folder = match part {
        Part::Train => "train",
        Part::Validation => "validation",
        Part::Test => "test",
    };
    Ok(records(&objects(bytes, path)?, path, |row| {
        let id = format!("vqa-rad-mevf/{folder}/{}", row.number());
        entry(row)?.question(row, id, part)
    }))
}

/// The rows of one file's bytes, all fields of them. `path` names them in findings and errors.
///
/// # Errors
///
/// As of [`parse_mevf`].
pub fn parse_mevf_entries(bytes: &[u8], path: &Path) -> Result<Read<Entry>, ReadError> {
    Ok(records(&objects(bytes, path)?, path, entry))
}

fn entry(row: &mut Row<'_>) -> Result<Entry, String> {
    let entry = Entry::of(row)?;
    match entry.phrase_type {
        PhraseType::TestFreeform | PhraseType::TestPara => Err(
            "`phrase_type` is of the official release: the files of MEVF divide by file, not by type"
                .into(),
        ),
        _ => Ok(entry),
    }
}
