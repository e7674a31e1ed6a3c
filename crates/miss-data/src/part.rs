//! Files on their way: written beside their place, hashed as they come, and put in place only when
//! they are what the manifest says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::file::{PART_SUFFIX, hex};
use crate::manifest::FileEntry;

/// Bytes moved at once.
pub(crate) const PIECE: usize = 1 << 16;

/// A file that is not yet whole.
pub(crate) struct Part {
    part: PathBuf,
    target: PathBuf,
    file: File,
    hasher: Sha256,
    bytes: u64,
}

/// Why a file could not be finished.
#[derive(Debug, Error)]
pub(crate) enum PartError {
    /// The disk.
    #[error("cannot be written: {0}")]
    Io(#[from] io::Error),
    /// Other bytes than the manifest's; they were deleted.
    #[error("{0}")]
    Content(String),
}

impl Part {
    /// The part of the file at `path` below `root`. If `keep`, what is there of it is kept and
    /// hashed, unless it is longer than `limit`; otherwise it is begun anew.
    ///
    /// Folders are made as needed, but none is entered through a link: the file would land
    /// elsewhere.
    pub(crate) fn open(root: &Path, path: &str, keep: bool, limit: u64) -> io::Result<Self> {
        let mut folder = root.to_path_buf();
        fs::create_dir_all(&folder)?;
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for step in folders.split('/').filter(|step| !step.is_empty()) {
            folder.push(step);
            match fs::symlink_metadata(&folder) {
                Ok(data) if data.is_dir() => {}
                Ok(_) => return Err(not_plain(&folder)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(&folder)?,
                Err(error) => return Err(error),
            }
        }
        let part = folder.join(format!("{name}{PART_SUFFIX}"));
        if fs::symlink_metadata(&part).is_ok_and(|data| !data.is_file()) {
            return Err(not_plain(&part));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(!keep)
            .open(&part)?;
        let mut this = Self {
            part,
            target: folder.join(name),
            file,
            hasher: Sha256::new(),
            bytes: 0,
        };
        if keep {
            this.take_in(limit)?;
        }
        Ok(this)
    }

    /// Bytes that are there.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// Forgets what is there.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = Sha256::new();
        self.bytes = 0;
        Ok(())
    }

    /// Deletes what is there.
    pub(crate) fn discard(self) -> io::Result<()> {
        drop(self.file);
        fs::remove_file(&self.part)
    }

    /// Puts the file in its place if size and hash are as `entry` says, otherwise deletes it.
    pub(crate) fn finish(self, entry: &FileEntry) -> Result<u64, PartError> {
        let found = hex(&self.hasher.clone().finalize());
        let wrong = match (&entry.bytes, &entry.sha256) {
            (Some(bytes), _) if *bytes != self.bytes => {
                Some(format!("has {} bytes instead of {bytes}", self.bytes))
            }
            (_, Some(expected)) if *expected != found => Some(format!(
                "has other content: expected sha256 {expected}, found {found}"
            )),
            _ => None,
        };
        if let Some(what) = wrong {
            self.discard()?;
            return Err(PartError::Content(what));
        }
        // A power cut leaves the whole file or none under its name, also where no hash could tell.
        self.file.sync_all()?;
        fs::rename(&self.part, &self.target)?;
        Ok(self.bytes)
    }

    fn take_in(&mut self, limit: u64) -> io::Result<()> {
        if self.file.metadata()?.len() > limit {
            return self.restart();
        }
        let mut piece = vec![0; PIECE];
        loop {
            let count = self.file.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            self.hasher.update(&piece[..count]);
            self.bytes += count as u64;
        }
    }
}

/// Another thread may have made it in the meantime.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn not_plain(path: &Path) -> io::Error {
    io::Error::other(format!(
        "{} is a link or another kind of thing than expected; move it away",
        path.display()
    ))
}
