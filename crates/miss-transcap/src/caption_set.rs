//! Caption sets on disk: one JSON line for each image.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;

/// The captions of one image, with what they were made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionSet {
    /// File name below the dataset's image folder.
    pub image: String,
    /// What was known of the image.
    pub attributes: Attributes,
    /// At least one caption.
    pub captions: Vec<String>,
    /// Name and version of what wrote them, e.g. [`crate::REALISER`].
    pub realiser: String,
}

/// Why caption sets could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptionsError {
    /// The file could not be opened or read.
    #[error("cannot read captions from {}: {source}; run the transcap stage first", path.display())]
    Read {
        /// The captions file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write captions to {}: {source}; check that the folder exists and is writable", path.display())]
    Write {
        /// The captions file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not a caption set.
    #[error("{}, line {line}: {what}; mend the line or run the transcap stage again", path.display())]
    Line {
        /// The captions file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads a JSON-lines file of caption sets; blank lines are skipped.
///
/// # Errors
/// Names the line that is no caption set, has no caption, or repeats an image.
pub fn read_captions(path: &Path) -> Result<Vec<CaptionSet>, CaptionsError> {
    let bytes = std::fs::read(path).map_err(|source| CaptionsError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut sets: Vec<CaptionSet> = Vec::new();
    let mut first_line = BTreeMap::new();
    for (index, bytes) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let line = index + 1;
        let wrong = |what| CaptionsError::Line {
            path: path.to_owned(),
            line,
            what,
        };
        let set: CaptionSet =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        let blank = set.captions.iter().any(|caption| caption.trim().is_empty());
        if blank || set.captions.is_empty() {
            return Err(wrong(format!("image {:?} lacks a caption", set.image)));
        }
        if let Some(first) = first_line.insert(set.image.clone(), line) {
            return Err(wrong(format!(
                "image {:?} is already on line {first}",
                set.image
            )));
        }
        sets.push(set);
    }
    Ok(sets)
}

/// Writes caption sets as JSON lines, in the order given, and replaces the file only when all is written.
///
/// # Errors
/// If the file cannot be written; an older file is then still whole.
pub fn write_captions(path: &Path, sets: &[CaptionSet]) -> Result<(), CaptionsError> {
    let failed = |source| CaptionsError::Write {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    for set in sets {
        serde_json::to_writer(&mut bytes, set).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
    }
    miss_data::write_atomic(path, &bytes).map_err(failed)
}
