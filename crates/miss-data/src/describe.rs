//! Writing the manifest of a user's own data.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use thiserror::Error;

use crate::file::PART_SUFFIX;
use crate::format::Format;
use crate::manifest::{Access, Counts, FileEntry, Manifest, is_name, stays_below};

/// Files of one dataset, at most.
const MAX_FILES: usize = 4_000_000;
/// Folders inside each other, at most.
const MAX_DEPTH: usize = 32;

/// Why a folder could not be described.
#[derive(Debug, Error)]
pub enum DescribeError {
    /// The name cannot stand in a manifest.
    #[error("`{name}` is no name of a dataset; use lower-case letters, digits and hyphens only")]
    Name {
        /// The name.
        name: String,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}; a manifest names every file of the folder, so all must be readable", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A file whose path cannot stand in a manifest.
    #[error("{path} cannot stand in a manifest; {remedy}", path = path.display())]
    Path {
        /// The file.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// Too many files.
    #[error("{root} holds more than {MAX_FILES} files; describe a folder that holds the dataset alone", root = root.display())]
    TooMany {
        /// The folder.
        root: PathBuf,
    },
}

/// The manifest of the data in `root`, laid out as `format` says: every file with size and hash as
/// it is now.
///
/// Left out are hidden files, half-brought files, and TOML files directly in the folder (manifests
/// lie there). Links are not followed. `name` is what the data are called, `licence` an SPDX
/// expression, `counts` what a reader found in them. What only their owner knows, such as a
/// citation or where the data can be had, is left empty; where they lie on this machine is not
/// said, since a manifest may be shared.
///
/// # Errors
///
/// [`DescribeError`]: a name that cannot be one, a file that cannot be read or named.
pub fn describe(
    root: &Path,
    name: &str,
    licence: &str,
    format: Format,
    counts: Counts,
) -> Result<Manifest, DescribeError> {
    if !is_name(name) {
        return Err(DescribeError::Name { name: name.into() });
    }
    let mut paths = Vec::new();
    walk(root, "", 0, &mut paths)?;
    paths.sort();
    let entries: Vec<Result<FileEntry, DescribeError>> = paths
        .par_iter()
        .map(|path| {
            FileEntry::of_file(root, path).map_err(|source| DescribeError::File {
                path: root.join(path),
                source,
            })
        })
        .collect();
    Ok(Manifest {
        name: name.into(),
        title: name.into(),
        version: String::new(),
        format,
        licence: licence.into(),
        licence_note: String::new(),
        access: Access::Open,
        terms: String::new(),
        homepage: String::new(),
        citation: String::new(),
        notes: Vec::new(),
        mirror: None,
        hub: None,
        counts_verified: true,
        counts,
        sources: Vec::new(),
        files: entries.into_iter().collect::<Result<_, _>>()?,
    })
}

/// Collects the files below the folder `below` of `root`, by path from `root`.
fn walk(
    root: &Path,
    below: &str,
    depth: usize,
    paths: &mut Vec<String>,
) -> Result<(), DescribeError> {
    let folder = root.join(below);
    let failed = |source| DescribeError::File {
        path: folder.clone(),
        source,
    };
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let refused = |remedy| DescribeError::Path {
            path: entry.path(),
            remedy,
        };
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| refused("rename it: its name is not UTF-8"))?;
        let beside = name.starts_with('.')
            || name.ends_with(PART_SUFFIX)
            || (depth == 0 && name.ends_with(".toml"));
        if beside || kind.is_symlink() {
            continue;
        }
        let path = if below.is_empty() {
            name.to_owned()
        } else {
            format!("{below}/{name}")
        };
        if !stays_below(&path) {
            return Err(refused("rename it without `\\` and `:`"));
        }
        if kind.is_dir() {
            if depth == MAX_DEPTH {
                return Err(refused("its folders are nested too deeply"));
            }
            walk(root, &path, depth + 1, paths)?;
        } else if paths.len() == MAX_FILES {
            return Err(DescribeError::TooMany { root: root.into() });
        } else if kind.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_described_and_verifies() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("images/deep")).unwrap();
        let files = ["a \"q\".json", "images/b.png", "images/deep/c.toml"];
        let beside = [".hidden", "old.toml", "images/d.png.part"];
        for (index, path) in files.iter().chain(&beside).enumerate() {
            fs::write(root.join(path), [0].repeat(index)).unwrap();
        }
        let counts = Counts::from([("questions".into(), 2), ("images".into(), 1)]);
        let manifest = describe(root, "mine", "CC0-1.0", Format::QuestionsJsonl, counts).unwrap();
        let paths: Vec<_> = manifest
            .files
            .iter()
            .map(|entry| entry.path.as_str())
            .collect();
        assert_eq!(paths, files);
        assert_eq!(manifest.bytes(), 3);
        assert_eq!(manifest.count("questions"), Some(2));
        let verified = manifest.verify(root).unwrap();
        assert_eq!((verified.files, verified.unverified), (3, 0));

        let file = root.join("mine.toml");
        manifest.write(&file).unwrap();
        assert_eq!(Manifest::read(&file).unwrap(), manifest);
        let again = describe(root, "mine", "CC0-1.0", manifest.format, Counts::new()).unwrap();
        assert_eq!(again.files, manifest.files, "the manifest is no data");
    }

    #[test]
    fn what_cannot_be_described_is_named() {
        let root = tempfile::tempdir().unwrap();
        let mine = |root: &Path, name| {
            let described = describe(root, name, "CC0-1.0", Format::Slake, Counts::new());
            described.unwrap_err().to_string()
        };
        assert!(mine(root.path(), "My data").contains("`My data`"));
        let absent = root.path().join("absent");
        assert!(mine(&absent, "mine").contains("absent"));
        if cfg!(unix) {
            fs::write(root.path().join("a:b"), "").unwrap();
            assert!(mine(root.path(), "mine").contains("a:b"));
        }
    }
}
