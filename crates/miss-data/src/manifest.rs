//! Manifests: what a dataset consists of, where it comes from and on what terms, down to the hash
//! of each file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::file::{sha256_file, sha256_hex, write_atomic};

/// One dataset, as a TOML file describes it. An unknown key is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Short name, as used on the command line.
    pub name: String,
    /// The dataset's full name.
    pub title: String,
    /// Version of the data.
    pub version: String,
    /// SPDX expression.
    pub licence: String,
    /// Who states the licence and where; terms beyond it.
    pub licence_note: String,
    /// Where people read about it.
    pub homepage: String,
    /// How to cite it.
    pub citation: String,
    /// What a reader must find.
    pub counts: Counts,
    /// Where it can be had.
    pub sources: Vec<Source>,
    /// Every file, by path.
    pub files: Vec<FileEntry>,
}

/// Numbers a reader must find in the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// All questions.
    pub questions: usize,
    /// Distinct images that questions refer to.
    pub images: usize,
    /// Questions of the official training set.
    pub train: usize,
    /// Questions of the official test set.
    pub test: usize,
}

/// A place the dataset can be had from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Address, or the name of another manifest this one was made from.
    pub location: String,
    /// Whether the files below were compared with what this place gives.
    pub verified: bool,
    /// What to know about it.
    pub note: String,
}

/// A file of the dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path below the dataset's folder, parts separated by `/`.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Lower-case hexadecimal sha256.
    pub sha256: String,
}

/// What [`Manifest::verify`] compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Files compared.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Why a manifest could not be read.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read manifest {path}: {source}", path = path.display())]
    Io {
        /// The manifest.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Not TOML, or not of a manifest's shape.
    #[error("manifest {path}: {source}", path = path.display())]
    Toml {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A file entry that cannot be meant.
    #[error("manifest {path}, file `{file}`: {what}", path = path.display())]
    File {
        /// The manifest.
        path: PathBuf,
        /// The entry's path.
        file: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The data in a folder is not what the manifest says.
#[derive(Debug, Error)]
#[error(
    "{count} of {files} files of `{name}` below {root} are not as its manifest says: {list}\n\
     Bring these files again ({homepage}), then verify once more.",
    count = problems.len(), root = root.display(), list = Lines(problems)
)]
pub struct VerifyError {
    /// The manifest's name.
    pub name: String,
    /// The folder.
    pub root: PathBuf,
    /// Files in the manifest.
    pub files: usize,
    /// Where to get them.
    pub homepage: String,
    /// All files that are missing or changed, in manifest order.
    pub problems: Vec<Problem>,
}

/// One file that is not as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path below the dataset's folder.
    pub path: String,
    /// What was found.
    pub what: String,
}

impl Manifest {
    /// Reads a manifest and checks that its files lie below the dataset's folder and are named
    /// once.
    ///
    /// # Errors
    ///
    /// [`ManifestError`], naming the manifest and the line or file.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path).map_err(|source| ManifestError::Io {
            path: path.into(),
            source,
        })?;
        let manifest: Self = toml::from_str(&text).map_err(|source| ManifestError::Toml {
            path: path.into(),
            source: source.into(),
        })?;
        let mut seen = BTreeSet::new();
        for entry in &manifest.files {
            let what = if !stays_below(&entry.path) {
                "the path must lie below the dataset's folder"
            } else if !is_sha256(&entry.sha256) {
                "sha256 must be 64 lower-case hexadecimal digits"
            } else if !seen.insert(&entry.path) {
                "the file is listed twice"
            } else {
                continue;
            };
            return Err(ManifestError::File {
                path: path.into(),
                file: entry.path.clone(),
                what,
            });
        }
        Ok(manifest)
    }

    /// The manifest as [`read`](Self::read) takes it.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string(self).expect("text, flags, and counts below 2^63")
    }

    /// Writes the manifest to `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// Any failure of the file system.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_atomic(path, self.to_toml().as_bytes())
    }

    /// Compares size and hash of every file below `root`, in parallel. Needs no network; files that
    /// the manifest does not name are ignored.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] with all files that are missing or changed.
    pub fn verify(&self, root: &Path) -> Result<Verified, VerifyError> {
        let problems: Vec<Problem> = self
            .files
            .par_iter()
            .filter_map(|entry| {
                entry.problem(root).map(|what| Problem {
                    path: entry.path.clone(),
                    what,
                })
            })
            .collect();
        if problems.is_empty() {
            let bytes = self.files.iter().map(|entry| entry.bytes).sum();
            return Ok(Verified {
                files: self.files.len(),
                bytes,
            });
        }
        Err(VerifyError {
            name: self.name.clone(),
            root: root.into(),
            files: self.files.len(),
            homepage: self.homepage.clone(),
            problems,
        })
    }

    /// Hexadecimal sha256 over the files' paths and hashes: names the content, whatever is said
    /// about it.
    #[must_use]
    pub fn hash(&self) -> String {
        let content: BTreeMap<&str, &str> = self
            .files
            .iter()
            .map(|entry| (entry.path.as_str(), entry.sha256.as_str()))
            .collect();
        sha256_hex(serde_json::json!(content).to_string().as_bytes())
    }

    /// The sha256 of the files directly below `folder`, by file name: what
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
            .filter_map(|entry| Some((name(&entry.path)?, entry.sha256.clone())))
            .collect()
    }
}

impl FileEntry {
    /// The entry of a file with this content.
    pub(crate) fn of(path: &str, content: &[u8]) -> Self {
        Self {
            path: path.into(),
            bytes: content.len() as u64,
            sha256: sha256_hex(content),
        }
    }

    fn problem(&self, root: &Path) -> Option<String> {
        let path = root.join(&self.path);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some("missing".into()),
            Err(error) => return Some(format!("cannot be read: {error}")),
            Ok(data) if data.len() != self.bytes => {
                return Some(format!(
                    "has {} bytes instead of {}",
                    data.len(),
                    self.bytes
                ));
            }
            Ok(_) => {}
        }
        match sha256_file(&path) {
            Err(error) => Some(format!("cannot be read: {error}")),
            Ok(found) if found != self.sha256 => {
                Some(format!("has other content (sha256 {found})"))
            }
            Ok(_) => None,
        }
    }
}

struct Lines<'a>(&'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|problem| write!(formatter, "\n  {}: {}", problem.path, problem.what))
    }
}

/// Whether `path` is a plain path below a folder, parts separated by `/`.
pub(crate) fn stays_below(path: &str) -> bool {
    let plain = |part| matches!(part, Component::Normal(_));
    !path.is_empty() && !path.contains(['\\', ':', '\0']) && Path::new(path).components().all(plain)
}

pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
