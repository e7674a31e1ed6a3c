//! Reader of SLAKE 1.0 (Liu et al., ISBI 2021), English and Chinese: questions, boxes of organs and
//! findings, the legend of the masks, and the knowledge graph.
//!
//! Within a language the publishers' parts share no image; across languages they do: most English test
//! images are Chinese training images. Train on both languages with the split
//! [`bilingual-safe`](crate::split::SplitKind::BilingualSafe) only.
//!
//! One question of the release, qid 1622 of the English training part, has no answer. It is a record, so that
//! the counts are the published ones and the splits (`en`: 4,919 for training) hold it, and a finding; leave
//! questions without an answer out when learning.

mod boxes;
mod entry;
mod knowledge;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub use boxes::{MaskLabel, parse_boxes, parse_mask_labels, read_boxes, read_mask_labels};
pub use entry::{BaseType, Entry};
pub use knowledge::{KNOWLEDGE_FILES, Triple, parse_knowledge, read_knowledge};

use crate::read::{Read, ReadError, read_capped};
use crate::record::{Part, Question};
use crate::rows::{Row, objects, records};

/// The folder of images, below the dataset's folder: a folder an image, `xmlabN/source.jpg`.
pub const IMAGES_DIR: &str = "imgs";
/// The files of questions, below the dataset's folder, with their parts. Where there is no
/// `validate.json`, `validation.json` is read.
pub const FILES: [(&str, Part); 3] = [
    ("train.json", Part::Train),
    ("validate.json", Part::Validation),
    ("test.json", Part::Test),
];
/// Another name of `validate.json`.
const VALIDATION_FILE: &str = "validation.json";

/// The largest file has 3.3 MB; one beyond this is not it.
const MAX_BYTES: u64 = 16 << 20;

/// Reads the questions of all three parts, in both languages, from the folder `root`. Ids are
/// `slake/<qid>`.
///
/// # Errors
///
/// [`ReadError`] if a file cannot be read as a whole. A row that cannot be used is a finding.
pub fn read(root: &Path) -> Result<Read<Question>, ReadError> {
    let mut seen = HashSet::new();
    from_files(root, |bytes, path, part| {
        questions(bytes, path, part, &mut seen)
    })
}

/// Reads the rows of all three parts, all fields of them.
///
/// # Errors
///
/// As of [`read`].
pub fn read_entries(root: &Path) -> Result<Read<Entry>, ReadError> {
    from_files(root, |bytes, path, _| parse_entries(bytes, path))
}

/// The questions of one file's bytes. `path` names them in findings and errors; `part` is the part
/// that the file holds.
///
/// # Errors
///
/// [`ReadError::Format`] for bytes that are no JSON list of objects.
pub fn parse(bytes: &[u8], path: &Path, part: Part) -> Result<Read<Question>, ReadError> {
    questions(bytes, path, part, &mut HashSet::new())
}

/// The rows of one file's bytes, all fields of them. `path` names them in findings and errors.
///
/// # Errors
///
/// As of [`parse`].
pub fn parse_entries(bytes: &[u8], path: &Path) -> Result<Read<Entry>, ReadError> {
    Ok(records(&objects(bytes, path)?, path, Entry::of))
}

fn questions(
    bytes: &[u8],
    path: &Path,
    part: Part,
    seen: &mut HashSet<u64>,
) -> Result<Read<Question>, ReadError> {
    let question = |row: &mut Row<'_>| {
        let entry = Entry::of(row)?;
        let qid = entry.qid;
        let question = entry.question(row, part)?;
        if seen.insert(qid) {
            Ok(question)
        } else {
            Err(format!("`qid` {qid} stands in an earlier row too"))
        }
    };
    Ok(records(&objects(bytes, path)?, path, question))
}

fn from_files<Record>(
    root: &Path,
    mut parse: impl FnMut(&[u8], &Path, Part) -> Result<Read<Record>, ReadError>,
) -> Result<Read<Record>, ReadError> {
    let mut all = Read {
        records: Vec::new(),
        findings: Vec::new(),
    };
    for (file, part) in FILES {
        let path = existing(root, file);
        let remedy = "the folder must hold `train.json`, `validate.json` (or `validation.json`), `test.json` \
                      and `imgs/`";
        let bytes = read_capped(&path, MAX_BYTES, remedy)?;
        let read = parse(&bytes, &path, part)?;
        all.records.extend(read.records);
        all.findings.extend(read.findings);
    }
    Ok(all)
}

fn existing(root: &Path, file: &str) -> PathBuf {
    let path = root.join(file);
    let other = root.join(VALIDATION_FILE);
    if file == FILES[1].0 && !path.exists() && other.exists() {
        other
    } else {
        path
    }
}
