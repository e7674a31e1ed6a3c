//! Comparing a folder with a manifest.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use thiserror::Error;

use super::{FileEntry, Manifest};
use crate::file::sha256_file;

/// Files named in full by an error; the rest are counted.
const SHOWN: usize = 20;

/// What [`Manifest::verify`] compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Files that are there.
    pub files: usize,
    /// Bytes of those whose size the manifest knows.
    pub bytes: u64,
    /// Files whose hash the manifest does not know: they are there, more cannot be said.
    pub unverified: usize,
}

/// The data in a folder is not what the manifest says.
#[derive(Debug, Error)]
#[error(
    "{count} of {files} files of `{name}` below {root} are not as its manifest says: {list}\n\
     Bring these files again{homepage}, then verify once more.",
    count = problems.len(), root = root.display(), list = Lines(problems),
    homepage = if homepage.is_empty() { String::new() } else { format!(" ({homepage})") }
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
    /// Compares size and hash of every file below `root`, in parallel; where the manifest knows
    /// neither, that the file is there. Needs no network; files that the manifest does not name are
    /// ignored.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] with all files that are missing or changed.
    pub fn verify(&self, root: &Path) -> Result<Verified, VerifyError> {
        let problems = self.problems(root);
        if problems.is_empty() {
            let unhashed = |entry: &&FileEntry| entry.sha256.is_none();
            return Ok(Verified {
                files: self.files.len(),
                bytes: self.bytes(),
                unverified: self.files.iter().filter(unhashed).count(),
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

    /// All files that are missing or changed, in manifest order.
    pub(crate) fn problems(&self, root: &Path) -> Vec<Problem> {
        self.files
            .par_iter()
            .filter_map(|entry| {
                entry.problem(root).map(|what| Problem {
                    path: entry.path.clone(),
                    what,
                })
            })
            .collect()
    }
}

impl FileEntry {
    /// Whether the file below `root` is as the manifest says.
    #[cfg(feature = "fetch")]
    pub(crate) fn is_right(&self, root: &Path) -> bool {
        self.problem(root).is_none()
    }

    /// What is wrong with the file below `root`.
    fn problem(&self, root: &Path) -> Option<String> {
        let path = root.join(&self.path);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some("missing".into()),
            Err(error) => return Some(format!("cannot be read: {error}")),
            Ok(data) if !data.is_file() => return Some("is no file".into()),
            Ok(data) => match self.bytes {
                Some(bytes) if data.len() != bytes => {
                    return Some(format!("has {} bytes instead of {bytes}", data.len()));
                }
                _ => {}
            },
        }
        let expected = self.sha256.as_ref()?;
        match sha256_file(&path) {
            Err(error) => Some(format!("cannot be read: {error}")),
            Ok(found) if found != *expected => Some(format!(
                "has other content (sha256 {found} instead of {expected})"
            )),
            Ok(_) => None,
        }
    }
}

/// The first problems, one a line.
pub(crate) struct Lines<'a>(pub &'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            // A manifest that lists no file.
            return formatter.write_str("all of it");
        }
        for problem in self.0.iter().take(SHOWN) {
            write!(formatter, "\n  {}: {}", problem.path, problem.what)?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            rest => write!(formatter, "\n  and {rest} more"),
        }
    }
}
