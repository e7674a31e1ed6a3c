//! Taking files out of archives that nobody trusts.
//!
//! Only members that the manifest names are written, each hashed as it comes and put in place only
//! when it is right. Their sizes are the manifest's, so an archive cannot fill the disk. An archive
//! that holds a path out of its folder, a wanted member twice, or a wanted member that is a link or
//! a device was made by somebody with other plans and is refused as a whole.

mod tar;
mod zip;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::manifest::{FileEntry, Problem};
use crate::part::{PIECE, Part, PartError};

/// Members of one tar archive, at most.
const MAX_MEMBERS: usize = 4_000_000;
/// Bytes of a member whose size the manifest does not state, at most.
const MAX_UNSTATED: u64 = 1 << 30;
/// Bytes that one compressed byte may become. Deflate cannot make more than 1,032; text of medical
/// records and images makes fewer than 30.
const MAX_RATIO: u64 = 200;
/// Bytes for which the ratio is not asked.
const RATIO_FREE: u64 = 64 << 20;

/// Kinds of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Zip, members stored or deflated.
    Zip,
    /// Tar.
    Tar,
    /// Tar, gzipped.
    TarGz,
}

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extracted {
    /// Files that are now in their places.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are not: absent from the archive or other than the manifest says.
    pub problems: Vec<Problem>,
}

/// Why an archive was given up.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// It cannot be opened or read.
    #[error("cannot read archive {archive}: {source}", archive = archive.display())]
    Io {
        /// The archive.
        archive: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It is cut off or not an archive of its kind.
    #[error("archive {archive} is damaged: {what}; bring it again", archive = archive.display())]
    Damaged {
        /// The archive.
        archive: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It tries something that no dataset needs.
    #[error("archive {archive} is refused: member `{member}` {what}; do not use it", archive = archive.display())]
    Hostile {
        /// The archive.
        archive: PathBuf,
        /// The member.
        member: String,
        /// What it tries.
        what: &'static str,
    },
    /// It grows beyond what its size allows.
    #[error("archive {archive} is refused: {what}", archive = archive.display())]
    Limit {
        /// The archive.
        archive: PathBuf,
        /// Which limit.
        what: String,
    },
    /// A file cannot be written.
    #[error("cannot write `{file}` below {root}: {source}", root = root.display())]
    Write {
        /// The dataset's folder.
        root: PathBuf,
        /// Path of the file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
}

/// Takes the members `wanted` out of the archive at `path` and puts them where their entries say,
/// below `root`.
///
/// # Errors
///
/// [`ArchiveError`]: the archive is damaged or hostile, or a file cannot be written. Files that were
/// put in place before are right and stay.
pub fn extract(
    path: &Path,
    kind: Kind,
    wanted: &BTreeMap<String, &FileEntry>,
    root: &Path,
) -> Result<Extracted, ArchiveError> {
    let io = |source| ArchiveError::Io {
        archive: path.into(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let compressed = file.metadata().map_err(io)?.len();
    let reader = io::BufReader::with_capacity(PIECE, file);
    let mut sink = Sink {
        archive: path,
        root,
        wanted,
        done: BTreeSet::new(),
        first: None,
        result: Extracted::default(),
    };
    match kind {
        Kind::Zip => zip::extract(reader, &mut sink)?,
        Kind::Tar => tar::extract(reader, compressed, &mut sink)?,
        Kind::TarGz => {
            let limit = RATIO_FREE.max(compressed.saturating_mul(MAX_RATIO));
            tar::extract(flate2::read::MultiGzDecoder::new(reader), limit, &mut sink)?;
        }
    }
    let absent = wanted
        .iter()
        .filter(|(name, _)| !sink.done.contains(name.as_str()))
        .map(|(name, entry)| Problem {
            path: entry.path.clone(),
            what: format!(
                "archive {} has no member `{name}`{}",
                path.display(),
                match &sink.first {
                    Some(first) => format!(" (its first is `{first}`)"),
                    None => String::new(),
                }
            ),
        });
    let mut result = sink.result;
    result.problems.extend(absent);
    Ok(result)
}

/// Where members go.
struct Sink<'a> {
    archive: &'a Path,
    root: &'a Path,
    wanted: &'a BTreeMap<String, &'a FileEntry>,
    /// Members that were met.
    done: BTreeSet<&'a str>,
    /// The archive's first file: says how names in it begin where the wanted ones are not found.
    first: Option<String>,
    result: Extracted,
}

impl<'a> Sink<'a> {
    /// The entry of the member `name`, if it is wanted.
    fn wants(&mut self, name: &str) -> Result<Option<&'a FileEntry>, ArchiveError> {
        // Windows takes both separators.
        let escapes = name.starts_with(['/', '\\'])
            || name.as_bytes().get(1) == Some(&b':')
            || name.split(['/', '\\']).any(|part| part == "..");
        if escapes {
            return Err(self.hostile(name, "lies outside the archive's folder"));
        }
        let plain = name.strip_prefix("./").unwrap_or(name);
        if self.first.is_none() && !plain.ends_with('/') && !plain.is_empty() {
            self.first = Some(shortened(plain));
        }
        let Some((wanted, entry)) = self.wanted.get_key_value(plain) else {
            return Ok(None);
        };
        if !self.done.insert(wanted) {
            return Err(self.hostile(name, "is there twice"));
        }
        Ok(Some(entry))
    }

    /// Writes the member of a wanted entry, of which the archive says that it has `stated` bytes.
    fn take(
        &mut self,
        entry: &FileEntry,
        stated: u64,
        mut content: impl Read,
    ) -> Result<(), ArchiveError> {
        let limit = entry.bytes.unwrap_or(MAX_UNSTATED);
        if stated > limit || entry.bytes.is_some_and(|bytes| bytes != stated) {
            self.problem(entry, format!("has {stated} bytes instead of {limit}"));
            return Ok(());
        }
        let failed = |source| ArchiveError::Write {
            root: self.root.into(),
            file: entry.path.clone(),
            source,
        };
        let mut part = Part::open(self.root, &entry.path, false, limit).map_err(failed)?;
        let mut piece = vec![0; PIECE];
        loop {
            let count = match content.read(&mut piece) {
                Ok(count) => count,
                Err(error) => {
                    part.discard().map_err(failed)?;
                    return Err(self.damaged(format!("member for `{}`: {error}", entry.path)));
                }
            };
            if count == 0 {
                break;
            }
            if part.bytes() + count as u64 > stated {
                part.discard().map_err(failed)?;
                let what = format!("member for `{}` is longer than it says", entry.path);
                return Err(self.damaged(what));
            }
            part.push(&piece[..count]).map_err(failed)?;
        }
        if part.bytes() < stated {
            let what = format!(
                "member for `{}` ends after {} of {stated} bytes",
                entry.path,
                part.bytes()
            );
            part.discard().map_err(failed)?;
            return Err(self.damaged(what));
        }
        match part.finish(entry) {
            Ok(bytes) => {
                self.result.files += 1;
                self.result.bytes += bytes;
                Ok(())
            }
            Err(PartError::Content(what)) => {
                self.problem(entry, what);
                Ok(())
            }
            Err(PartError::Io(source)) => Err(failed(source)),
        }
    }

    fn problem(&mut self, entry: &FileEntry, what: String) {
        self.result.problems.push(Problem {
            path: entry.path.clone(),
            what: format!("{what}, in archive {}", self.archive.display()),
        });
    }

    fn hostile(&self, member: &str, what: &'static str) -> ArchiveError {
        ArchiveError::Hostile {
            archive: self.archive.into(),
            member: shortened(member),
            what,
        }
    }

    fn damaged(&self, what: impl ToString) -> ArchiveError {
        ArchiveError::Damaged {
            archive: self.archive.into(),
            what: what.to_string(),
        }
    }

    fn limit(&self, what: impl ToString) -> ArchiveError {
        ArchiveError::Limit {
            archive: self.archive.into(),
            what: what.to_string(),
        }
    }
}

/// A name for a message, whatever somebody made of it.
fn shortened(name: &str) -> String {
    let plain = |letter: char| match letter.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => letter,
    };
    name.chars().take(200).map(plain).collect()
}
