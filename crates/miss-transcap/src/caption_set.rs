//! Caption sets on disk, as JSON lines: first one for each request that was answered, then one for each image.
//!
//! ```text
//! {"request":{"key":"9f…","prompt":"captions","version":1,"prompt_sha256":"…","parameters":{…},"paid":{…},…}}
//! {"image":"a.png","attributes":{…},"captions":["…","…"],"realiser":"template/1","sources":["9f…","template/1"]}
//! ```
//!
//! Files without requests and sources, all from templates, are read too.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use miss_data::Captions;
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
use crate::realise::{REALISER, Sampler};
use crate::verify::{Reason, verify};

/// The captions of one image, with what they were made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionSet {
    /// File name below the dataset's image folder.
    pub image: String,
    /// What was known of the image.
    pub attributes: Attributes,
    /// What is drawn from when the image is shown.
    pub captions: Captions,
    /// Name and version of the templates, e.g. [`crate::REALISER`].
    pub realiser: String,
    /// What wrote each of the [texts](Captions::texts): the key of a request, or the name of the templates. Empty: the
    /// templates all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

impl CaptionSet {
    /// Captions from templates.
    #[must_use]
    pub fn from_templates(
        image: String,
        attributes: Attributes,
        sampler: Sampler,
        count: usize,
        seed: u64,
    ) -> Self {
        Self {
            captions: sampler.captions(&attributes, count, seed),
            image,
            attributes,
            realiser: REALISER.to_owned(),
            sources: Vec::new(),
        }
    }

    /// The captions that say less or more than the attributes, with what is wrong. A phrase of a part is held against
    /// that part.
    #[must_use]
    pub fn unfaithful(&self) -> Vec<(&str, Vec<Reason>)> {
        let checked = |attributes: &Attributes, texts: &'_ [String]| -> Vec<Vec<Reason>> {
            texts.iter().map(|text| verify(attributes, text)).collect()
        };
        let reasons: Vec<Vec<Reason>> = match &self.captions {
            Captions::Whole(captions) => checked(&self.attributes, captions),
            Captions::Parts(parts) => {
                let known = self.attributes.parts();
                // A part too many says what the attributes do not.
                let whole = [&self.attributes];
                let known = known.iter().chain(whole.into_iter().cycle());
                let pairs = known.zip(parts);
                pairs
                    .flat_map(|(part, texts)| checked(part, texts))
                    .collect()
            }
        };
        let pairs = self.captions.texts().zip(reasons);
        pairs.filter(|(_, reasons)| !reasons.is_empty()).collect()
    }
}

/// A caption that is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// As the model wrote it.
    pub caption: String,
    /// Why; at least one reason.
    pub reasons: Vec<String>,
}

/// A request that captions come from, or should have come from. Its answer is in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeBy {
    /// Its name.
    pub key: String,
    /// Id of its prompt.
    pub prompt: String,
    /// Version of its prompt.
    pub version: u32,
    /// SHA-256 of the prompt's file, hexadecimal.
    pub prompt_sha256: String,
    /// The model and how it was asked.
    pub parameters: serde_json::Value,
    /// The model as the server names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// What it cost, in pico-dollars (10⁻¹² US dollars).
    pub pico_usd: u64,
    /// Why the whole answer could not be used, or why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Its captions that are not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

/// All of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaptionFile {
    /// Each request once.
    pub requests: Vec<MadeBy>,
    /// Each image once.
    pub sets: Vec<CaptionSet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    request: MadeBy,
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

/// Some millions of images with their captions.
const MAX_BYTES: u64 = 2 << 30;

/// Reads the caption sets of a file; blank lines are skipped.
///
/// # Errors
/// As of [`read_caption_file`].
pub fn read_captions(path: &Path) -> Result<Vec<CaptionSet>, CaptionsError> {
    read_caption_file(path).map(|file| file.sets)
}

/// Reads a file of captions; blank lines are skipped.
///
/// # Errors
/// Names the line that is no caption set, has no caption, has an image that is no path below a folder or was there
/// before, or names a source that is not in the file before it.
pub fn read_caption_file(path: &Path) -> Result<CaptionFile, CaptionsError> {
    let failed = |source| CaptionsError::Read {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(failed(io::Error::other("it is larger than 2 GiB")));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let mut file = CaptionFile::default();
    let mut keys = BTreeSet::new();
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
        if bytes.trim_ascii().starts_with(b"{\"request\":") {
            let RequestLine { request } =
                serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
            if !keys.insert(request.key.clone()) {
                return Err(wrong(format!("request {:?} is there twice", request.key)));
            }
            file.requests.push(request);
            continue;
        }
        let set: CaptionSet =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if !miss_data::manifest::stays_below(&set.image) {
            return Err(wrong(format!(
                "image {:?} is no path below a folder",
                set.image
            )));
        }
        if set.captions.texts().any(|text| text.trim().is_empty()) {
            return Err(wrong(format!("image {:?} lacks a caption", set.image)));
        }
        let texts = set.captions.texts().count();
        if !set.sources.is_empty() && set.sources.len() != texts {
            let (sources, captions) = (set.sources.len(), texts);
            return Err(wrong(format!("{sources} sources for {captions} captions")));
        }
        let unknown = |source: &&String| **source != set.realiser && !keys.contains(*source);
        if let Some(source) = set.sources.iter().find(unknown) {
            return Err(wrong(format!("no request {source:?} before this line")));
        }
        if let Some(first) = first_line.insert(set.image.clone(), line) {
            return Err(wrong(format!(
                "image {:?} is already on line {first}",
                set.image
            )));
        }
        file.sets.push(set);
    }
    Ok(file)
}

/// Writes caption sets as JSON lines, in the order given, and replaces the file only when all is written.
///
/// # Errors
/// If the file cannot be written; an older file is then still whole.
pub fn write_captions(path: &Path, sets: &[CaptionSet]) -> Result<(), CaptionsError> {
    write(path, &[], sets)
}

/// The same with the requests that the captions come from.
///
/// # Errors
/// As of [`write_captions`].
pub fn write_caption_file(path: &Path, file: &CaptionFile) -> Result<(), CaptionsError> {
    write(path, &file.requests, &file.sets)
}

fn write(path: &Path, requests: &[MadeBy], sets: &[CaptionSet]) -> Result<(), CaptionsError> {
    #[derive(Serialize)]
    struct Line<'a> {
        request: &'a MadeBy,
    }
    miss_data::file::write_atomic_with(path, |file| {
        for request in requests {
            serde_json::to_writer(&mut *file, &Line { request })?;
            file.write_all(b"\n")?;
        }
        for set in sets {
            serde_json::to_writer(&mut *file, set)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
    .map_err(|source| CaptionsError::Write {
        path: path.to_owned(),
        source,
    })
}
