//! Readers of VQA-RAD (Lau et al., Scientific Data 5:180251, 2018): the official release, and the two
//! files of MEVF (Nguyen et al., MICCAI 2019) that many papers use instead.
//!
//! The official release is one JSON list and a folder of images. Its slips (numbers for text, stray
//! white space, two misspelt question types) are repaired where the repair loses nothing, and every
//! repair is noted; a row that cannot be repaired is dropped, naming file, row and remedy.
//!
//! The files of MEVF have the same questions and, as further training rows, the official release's
//! framed rewordings. Their `qid`s do not match those of the official release: nothing is to be
//! joined on them.

mod entry;
mod mevf;

use std::path::Path;

pub use entry::{Entry, PhraseType};
pub use mevf::{TEST_FILE, TRAIN_FILE, parse_mevf, parse_mevf_entries, read_mevf};

use crate::read::{Read, ReadError, read_capped};
use crate::record::{Part, Question};
use crate::rows::{Row, objects, records};

/// The list of questions of the official release, below the dataset's folder.
pub const QUESTIONS_FILE: &str = "VQA_RAD Dataset Public.json";
/// The folder of images, below the dataset's folder.
pub const IMAGES_DIR: &str = "images";

/// The release has 1.4 MB; a file beyond this is not it.
const MAX_BYTES: u64 = 16 << 20;

/// Reads all questions of the official VQA-RAD release in the folder `root`.
///
/// # Errors
///
/// [`ReadError`] if the file cannot be read as a whole. A row that cannot be used is a finding.
pub fn read(root: &Path) -> Result<Read<Question>, ReadError> {
    let path = root.join(QUESTIONS_FILE);
    parse(&bytes_of(root, QUESTIONS_FILE)?, &path)
}

/// Reads all rows of the official VQA-RAD release in the folder `root`, all fields of them.
///
/// # Errors
///
/// As of [`read`].
pub fn read_entries(root: &Path) -> Result<Read<Entry>, ReadError> {
    let path = root.join(QUESTIONS_FILE);
    parse_entries(&bytes_of(root, QUESTIONS_FILE)?, &path)
}

/// As [`read`], of the official list's bytes. `path` names them in findings and errors.
///
/// # Errors
///
/// [`ReadError::Format`] for bytes that are no JSON list of objects.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Read<Question>, ReadError> {
    Ok(records(&objects(bytes, path)?, path, |row| {
        let entry = official(row)?;
        let part = match entry.phrase_type {
            PhraseType::TestFreeform | PhraseType::TestPara => Part::Test,
            _ => Part::Train,
        };
        entry.question(row, format!("vqa-rad/{}", row.number()), part)
    }))
}

/// As [`read_entries`], of the official list's bytes. `path` names them in findings and errors.
///
/// # Errors
///
/// As of [`parse`].
pub fn parse_entries(bytes: &[u8], path: &Path) -> Result<Read<Entry>, ReadError> {
    Ok(records(&objects(bytes, path)?, path, official))
}

fn official(row: &mut Row<'_>) -> Result<Entry, String> {
    let entry = Entry::of(row)?;
    match entry.phrase_type {
        PhraseType::Frame => {
            Err("`phrase_type` is \"frame\": not a phrase type of the official release".into())
        }
        _ => Ok(entry),
    }
}

fn bytes_of(root: &Path, file: &str) -> Result<Vec<u8>, ReadError> {
    let remedy = format!("the folder must hold `{file}` and `{IMAGES_DIR}/`");
    read_capped(&root.join(file), MAX_BYTES, &remedy)
}
