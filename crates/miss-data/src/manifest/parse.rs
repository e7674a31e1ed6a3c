//! Manifests as text.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::file::PART_SUFFIX;

use super::{Access, Counts, Hub, Manifest, Source, SourceKind, stays_below};

/// A manifest of a million files has some 150 MB.
const MAX_BYTES: u64 = 256 << 20;

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
    /// A value that cannot be meant.
    #[error("manifest {path}, {place}: {what}", path = path.display())]
    Value {
        /// The manifest.
        path: PathBuf,
        /// Key, or which source.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Manifest {
    /// Reads a manifest; see [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// [`ManifestError`], naming the manifest and the line or file.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let mut text = String::new();
        let read = File::open(path).and_then(|file| {
            // One byte more than allowed tells a file that is too long; the size stated is asked first.
            let stated = file.metadata()?.len();
            let read = match stated {
                0..=MAX_BYTES => file.take(MAX_BYTES + 1).read_to_string(&mut text)? as u64,
                more => more,
            };
            Ok(read <= MAX_BYTES)
        });
        let fits = read.map_err(|source| ManifestError::Io {
            path: path.into(),
            source,
        })?;
        if !fits {
            return Err(ManifestError::Value {
                path: path.into(),
                place: "the file".into(),
                what: "no manifest has more than 256 MiB",
            });
        }
        Self::parse(&text, path)
    }

    /// The manifest in `text`, checked: its files lie below the dataset's folder and are named once,
    /// no path of a file is another's folder, names and sources make sense. `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`ManifestError`], naming the manifest and the line or file.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|source| ManifestError::Toml {
            path: path.into(),
            source: source.into(),
        })?;
        if let Some((place, what)) = manifest.mistake() {
            return Err(ManifestError::Value {
                path: path.into(),
                place,
                what,
            });
        }
        if let Some((file, what)) = manifest.mistaken_file() {
            return Err(ManifestError::File {
                path: path.into(),
                file,
                what,
            });
        }
        Ok(manifest)
    }

    /// The first key with a value that cannot be meant.
    fn mistake(&self) -> Option<(String, &'static str)> {
        if !is_name(&self.name) {
            return Some(("name".into(), "lower-case letters, digits and hyphens only"));
        }
        if self
            .mirror
            .as_ref()
            .is_some_and(|folder| !stays_below(folder))
        {
            return Some(("mirror".into(), "must be a folder below the mirror"));
        }
        if self.access == Access::Gated && self.terms.is_empty() {
            return Some(("terms".into(), "must say how gated data are obtained"));
        }
        if let Some(name) = self.counts.keys().find(|name| !is_name(name)) {
            let place = format!("count `{name}`");
            return Some((place, "lower-case letters, digits and hyphens only"));
        }
        self.sources.iter().enumerate().find_map(|(index, source)| {
            let what = source.mistake(self.hub.is_some())?;
            Some((format!("source {} ({})", index + 1, source.location), what))
        })
    }

    fn mistaken_file(&self) -> Option<(String, &'static str)> {
        let mut seen = HashSet::with_capacity(self.files.len());
        let mut folders = HashSet::new();
        for entry in &self.files {
            let path = entry.path.as_str();
            let what = if !stays_below(path) {
                "the path must lie below the dataset's folder"
            } else if path.ends_with(PART_SUFFIX) {
                "files on their way are called `.part`; rename it"
            } else if entry.sha256.as_ref().is_some_and(|hash| !is_sha256(hash)) {
                "sha256 must be 64 lower-case hexadecimal digits"
            } else if entry
                .bytes
                .is_some_and(|bytes| i64::try_from(bytes).is_err())
            {
                "no file is that large"
            } else if !seen.insert(path) {
                "the file is listed twice"
            } else {
                let parts = path.match_indices('/').map(|(at, _)| &path[..at]);
                folders.extend(parts);
                continue;
            };
            return Some((path.to_owned(), what));
        }
        let both = self
            .files
            .iter()
            .find(|entry| folders.contains(entry.path.as_str()))?;
        Some((both.path.clone(), "another file lies below this one"))
    }

    /// The manifest as [`parse`](Self::parse) takes it; one line a file, so that a person can read
    /// one of many files.
    ///
    /// # Errors
    ///
    /// A number that TOML has no room for: 2^63 and more.
    pub(crate) fn to_toml(&self) -> io::Result<String> {
        #[derive(Serialize)]
        struct Tables<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            hub: Option<&'a Hub>,
            counts: &'a Counts,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            sources: &'a [Source],
        }
        let head = Self {
            files: Vec::new(),
            hub: None,
            counts: Counts::new(),
            sources: Vec::new(),
            ..self.clone()
        };
        let tables = Tables {
            hub: self.hub.as_ref(),
            counts: &self.counts,
            sources: &self.sources,
        };
        let mut text = encode(&head)?;
        text.push_str("files = [\n");
        for entry in &self.files {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "  {{ path = {}", quoted(&entry.path));
            if let Some(bytes) = entry.bytes {
                let _ = write!(text, ", bytes = {bytes}");
            }
            if let Some(hash) = &entry.sha256 {
                let _ = write!(text, ", sha256 = {}", quoted(hash));
            }
            text.push_str(" },\n");
        }
        text.push_str("]\n\n");
        text.push_str(&encode(&tables)?);
        Ok(text)
    }
}

impl Source {
    fn mistake(&self, hub: bool) -> Option<&'static str> {
        let http = |place: &str| place.starts_with("https://") || place.starts_with("http://");
        match self.kind {
            SourceKind::ByHand | SourceKind::MadeFrom => {}
            _ if self.location.starts_with("hub:") && !hub => {
                return Some("`hub:` needs a hub repository");
            }
            _ if self.location.starts_with("hub:") || http(&self.location) => {}
            _ => return Some("an address begins with https://, http:// or hub:"),
        }
        if self.sha256.as_ref().is_some_and(|hash| !is_sha256(hash)) {
            return Some("sha256 must be 64 lower-case hexadecimal digits");
        }
        // A name at the source ends where ours ends, or the rest of the path would not fit it.
        let folder = |place: &str| place.is_empty() || place.ends_with('/');
        let fits = |(ours, theirs): (&String, &String)| folder(ours) == folder(theirs);
        if !self.names.iter().all(fits) {
            return Some("`names` must map files to files, and folders to folders (ending in `/`)");
        }
        None
    }
}

fn encode(value: &impl Serialize) -> io::Result<String> {
    toml::to_string(value).map_err(io::Error::other)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// Whether `text` can be the name of a dataset or a count.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
