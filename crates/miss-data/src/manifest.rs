//! Manifests: what a dataset consists of, where it comes from and on what terms, down to the hash
//! of each file.
//!
//! A manifest never says more than somebody checked: a size or hash that nobody could take is left
//! out, counts nobody could check are marked so, and a source whose files were not compared is not
//! `verified`.

mod parse;
mod verify;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::file::{sha256_hex, write_atomic};
use crate::format::Format;

pub use parse::ManifestError;
pub(crate) use parse::{LICENCE_REMEDY, is_licence, is_name, is_sha256};
#[cfg(feature = "fetch")]
pub(crate) use verify::Lines;
pub use verify::{Problem, Verified, VerifyError};

/// Numbers a reader must find in the data, by name: lower-case letters, digits and hyphens.
///
/// Names in use: `questions`, `images` (distinct ones that records refer to), `figures`, `papers`,
/// `patients`, `boxes` (rows of a table of boxes), the parts `train`, `validation` and `test`, a
/// language's share of any of these such as `questions-en` or `test-en`, `closed` and `open` of the
/// test part, and `class-NAME` for the images of a class.
pub type Counts = BTreeMap<String, u64>;

/// One dataset, as a TOML file describes it. An unknown key is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Short name, as used on the command line: lower-case letters, digits and hyphens.
    pub name: String,
    /// The dataset's full name.
    pub title: String,
    /// Version of the data.
    pub version: String,
    /// How the folder is laid out.
    pub format: Format,
    /// SPDX expression.
    pub licence: String,
    /// Who states the licence and where; terms beyond it.
    pub licence_note: String,
    /// Whether anybody may download it.
    #[serde(default)]
    pub access: Access,
    /// How gated data are obtained by hand: what to sign, where to ask, where to put the files.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub terms: String,
    /// Where people read about it.
    pub homepage: String,
    /// How to cite it.
    pub citation: String,
    /// What a user should know before trusting a number, such as leaks between its parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Its folder below a mirror of datasets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// Whether the counts were found in the files below, rather than only read about.
    pub counts_verified: bool,
    /// Every file, by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileEntry>,
    /// Its repository on a hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<Hub>,
    /// What a reader must find.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: Counts,
    /// Where it can be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
}

/// Whether a dataset can be downloaded by anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Whoever accepts the licence.
    #[default]
    Open,
    /// Whoever did what [`Manifest::terms`] says.
    Gated,
}

/// A dataset repository on the Hugging Face hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// `owner/name`.
    pub repository: String,
    /// A commit, or a branch where no commit could be confirmed.
    pub revision: String,
}

/// A place the dataset can be had from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// How it is had from there.
    pub kind: SourceKind,
    /// Address, or the name of another manifest this one was made from; `hub:PATH` is a path in the
    /// manifest's hub repository.
    pub location: String,
    /// Whether the files below were compared with what this place gives.
    pub verified: bool,
    /// What to know about it.
    pub note: String,
    /// Size of an archive in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Lower-case hexadecimal sha256 of an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Paths of the files it serves, folders with a `/` at the end; all files if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serves: Vec<String>,
    /// Paths that are called otherwise there: from ours, a file's or with a `/` at the end a
    /// folder's, to theirs. `""` stands for the dataset's folder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// How a source gives its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Each below one HTTP address.
    Files,
    /// In a zip archive.
    Zip,
    /// In a tar archive.
    Tar,
    /// In a gzipped tar archive.
    TarGz,
    /// Only to people: the note says how.
    ByHand,
    /// Not at all: the data were made from those of another manifest.
    MadeFrom,
}

/// A file of the dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path below the dataset's folder, parts separated by `/`.
    pub path: String,
    /// Size in bytes; absent where only the internet can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Lower-case hexadecimal sha256; absent where only the internet can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Manifest {
    /// Writes the manifest to `path`, whole or not at all. Comments of a file that was there are
    /// lost.
    ///
    /// # Errors
    ///
    /// Any failure of the file system; a number of 2^63 or more.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_atomic(path, self.to_toml()?.as_bytes())
    }

    /// A count by name, `None` if the manifest promises none.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        self.counts.get(name).copied()
    }

    /// Bytes of all files whose size is known.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sizes = self.files.iter().filter_map(|entry| entry.bytes);
        sizes.fold(0, u64::saturating_add)
    }

    /// Hexadecimal sha256 over the files' paths and hashes: names the content, whatever is said
    /// about it.
    #[must_use]
    pub fn hash(&self) -> String {
        let content: BTreeMap<&str, Option<&str>> = self
            .files
            .iter()
            .map(|entry| (entry.path.as_str(), entry.sha256.as_deref()))
            .collect();
        sha256_hex(serde_json::json!(content).to_string().as_bytes())
    }

    /// The known sha256 of the files directly below `folder`, by file name: what
    /// [`audit`](crate::audit::audit) asks for.
    #[must_use]
    pub fn sha256_below(&self, folder: &str) -> BTreeMap<String, String> {
        let name = |path: &str| {
            path.strip_prefix(folder)?
                .strip_prefix('/')
                .map(str::to_owned)
        };
        self.files
            .iter()
            .filter_map(|entry| Some((name(&entry.path)?, entry.sha256.clone()?)))
            .collect()
    }

    /// The address of a source: its location, with `hub:` spelt out.
    #[must_use]
    pub fn address(&self, source: &Source) -> String {
        match (source.location.strip_prefix("hub:"), &self.hub) {
            (Some(path), Some(hub)) => format!(
                "https://huggingface.co/datasets/{}/resolve/{}/{path}",
                hub.repository, hub.revision
            ),
            _ => source.location.clone(),
        }
    }
}

impl Source {
    /// What the file at `path` of the dataset is called at this source, or `None` if it is not there.
    #[must_use]
    pub fn name_of(&self, path: &str) -> Option<String> {
        let inside = |place: &str| place.is_empty() || place.ends_with('/');
        let covers = |place: &str| place == path || (inside(place) && path.starts_with(place));
        if !self.serves.is_empty() && !self.serves.iter().any(|place| covers(place)) {
            return None;
        }
        // The most special name wins.
        let renamed = self
            .names
            .iter()
            .filter(|(ours, _)| covers(ours))
            .max_by_key(|(ours, _)| ours.len());
        Some(match renamed {
            Some((ours, theirs)) => format!("{theirs}{}", &path[ours.len()..]),
            None => path.to_owned(),
        })
    }
}

impl FileEntry {
    /// The entry of a file with this content.
    #[must_use]
    pub fn of(path: &str, content: &[u8]) -> Self {
        Self {
            path: path.into(),
            bytes: Some(content.len() as u64),
            sha256: Some(sha256_hex(content)),
        }
    }

    /// The entry of the file at `path` below `root`, as it is now.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn of_file(root: &Path, path: &str) -> io::Result<Self> {
        let file = root.join(path);
        Ok(Self {
            path: path.into(),
            bytes: Some(std::fs::metadata(&file)?.len()),
            sha256: Some(crate::file::sha256_file(&file)?),
        })
    }
}

/// Whether a path, parts separated by `/`, names something below a folder on every system. No path has two such
/// names: `a//b` and `./a/b` are refused, so that names can be compared.
#[must_use]
pub fn stays_below(path: &str) -> bool {
    let plain = |part| !matches!(part, "" | "." | "..");
    !path.contains(['\\', ':', '\0']) && path.split('/').all(plain)
}

/// A path as it stands in an address.
pub(crate) fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for &byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_as_rfc_3986_says() {
        assert_eq!(encoded("VQA Data/ü?.json"), "VQA%20Data/%C3%BC%3F.json");
    }
}
