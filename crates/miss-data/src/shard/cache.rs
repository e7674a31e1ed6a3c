//! Shards kept on disk, at most so many bytes of them.
//!
//! Files are named by the hash of what they hold, so that a changed set never meets an old shard,
//! and several sets can share a folder. A shard is brought into `HASH.partial`, which has its full
//! size from the beginning, is compared with its hash and renamed to `HASH.tar`: the sizes of both
//! kinds together never exceed the limit. Who brings a shard holds its file locked; the lock is gone
//! when the process is, whatever ended it, and the next to need room removes the file. Threads and
//! processes are told apart no further.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Shard;
use crate::file::sha256_read;
use crate::manifest::is_sha256;

const LOCK_FILE: &str = ".lock";
const WHOLE: &str = "tar";
const PARTIAL: &str = "partial";

/// A folder on disk for shards that are read over a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// The folder; made if it is missing. Other files in it are left alone.
    pub dir: PathBuf,
    /// Bytes of all shards in it, at most. The least recently used go first.
    pub max_bytes: u64,
}

/// What became of a wish to have a shard in the cache.
pub(super) enum Kept {
    /// Here it is.
    Yes(File),
    /// It does not fit beside those that are being brought.
    NoRoom,
}

struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    whole: bool,
}

impl Cache {
    /// The shard, if it is in the cache. Notes that it was used.
    pub(super) fn find(&self, shard: &Shard) -> io::Result<Option<File>> {
        let path = self.path(shard, WHOLE);
        // Write access is needed to set the time on some systems.
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() != shard.bytes {
            self.forget(shard)?;
            return Ok(None);
        }
        file.set_modified(SystemTime::now())?;
        Ok(Some(file))
    }

    /// The shard, brought by `bring` if it is not there. If another thread or process brings it,
    /// waits for that. With `wait`, waits for room too.
    pub(super) fn keep(
        &self,
        shard: &Shard,
        wait: bool,
        bring: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<Kept> {
        if shard.bytes > self.max_bytes {
            return Ok(Kept::NoRoom);
        }
        fs::create_dir_all(&self.dir)?;
        let mut file = loop {
            if let Some(file) = self.find(shard)? {
                return Ok(Kept::Yes(file));
            }
            match self.reserve(shard)? {
                Place::Mine(file) => break file,
                Place::Brought(other) => wait_for(&other)?,
                Place::Full(other) if wait => wait_for(&other)?,
                Place::Full(_) => return Ok(Kept::NoRoom),
            }
        };
        let partial = self.path(shard, PARTIAL);
        let done = bring(&mut file)
            .and_then(|()| file.sync_all())
            .and_then(|()| check(&mut file, shard))
            .and_then(|()| {
                // So that nobody who makes room sees it under neither name.
                let _lock = self.lock()?;
                fs::rename(&partial, self.path(shard, WHOLE))
            });
        if let Err(error) = done {
            // Best effort: without its lock the file is removed by the next who needs room.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        file.unlock()?;
        Ok(Kept::Yes(file))
    }

    /// Removes the shard: it is not what it was.
    pub(super) fn forget(&self, shard: &Shard) -> io::Result<()> {
        remove(&self.path(shard, WHOLE))
    }

    fn path(&self, shard: &Shard, kind: &str) -> PathBuf {
        self.dir.join(format!("{}.{kind}", shard.sha256))
    }

    /// Makes room for the shard and takes it, unless another is bringing the shard already.
    fn reserve(&self, shard: &Shard) -> io::Result<Place> {
        let _lock = self.lock()?;
        if self.path(shard, WHOLE).exists() {
            // Just brought by another: `keep` looks again, and has nothing to wait for.
            return Ok(Place::Brought(self.path(shard, WHOLE)));
        }
        let partial = self.path(shard, PARTIAL);
        let mut entries = Vec::new();
        let mut busy = None;
        for entry in self.entries()? {
            if !entry.whole {
                if remove_if_left(&entry.path)? {
                    continue;
                }
                if entry.path == partial {
                    return Ok(Place::Brought(partial));
                }
                busy = Some(entry.path.clone());
            }
            entries.push(entry);
        }
        let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        entries.retain(|entry| entry.whole);
        entries.sort_by_key(|entry| entry.used);
        for entry in entries {
            if bytes + shard.bytes <= self.max_bytes {
                break;
            }
            remove(&entry.path)?;
            bytes -= entry.bytes;
        }
        if bytes + shard.bytes > self.max_bytes {
            // What is left is being brought by others.
            return match busy {
                Some(path) => Ok(Place::Full(path)),
                None => Err(io::Error::other(
                    "the cache's folder changes by other hands",
                )),
            };
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&partial)?;
        file.lock()?;
        file.set_len(shard.bytes)?;
        Ok(Place::Mine(file))
    }

    /// Held, on one file for all, while names in the folder change; never while waiting for a shard.
    fn lock(&self) -> io::Result<File> {
        let lock = File::create(self.dir.join(LOCK_FILE))?;
        lock.lock()?;
        Ok(lock)
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let whole = match path.extension().and_then(OsStr::to_str) {
                Some(WHOLE) => true,
                Some(PARTIAL) => false,
                _ => continue,
            };
            if !path
                .file_stem()
                .and_then(OsStr::to_str)
                .is_some_and(is_sha256)
            {
                continue;
            }
            match fs::symlink_metadata(&path) {
                Ok(data) => entries.push(Entry {
                    bytes: data.len(),
                    used: data.modified()?,
                    path,
                    whole,
                }),
                // Removed meanwhile by who could not bring it, or found it broken.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }
}

enum Place {
    /// Taken, and locked by us.
    Mine(File),
    /// Another brings this very shard into this file.
    Brought(PathBuf),
    /// Others bring other shards, one of them into this file.
    Full(PathBuf),
}

/// Removes a file that nobody brings any more.
fn remove_if_left(partial: &Path) -> io::Result<bool> {
    let file = match OpenOptions::new().write(true).open(partial) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => remove(partial).map(|()| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Waits until nobody holds the file locked.
fn wait_for(path: &Path) -> io::Result<()> {
    match File::open(path) {
        Ok(file) => {
            file.lock_shared()?;
            // Not held on to: the next who needs room tries the lock.
            file.unlock()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::thread::sleep(Duration::from_millis(1));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Through the handle that holds the lock: some systems let no other read.
fn check(file: &mut File, shard: &Shard) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let found = sha256_read(file)?;
    if found == shard.sha256 {
        return Ok(());
    }
    let message = format!(
        "its sha256 is {found}, not {} as its set says: it was changed, or written anew, since it was indexed",
        shard.sha256
    );
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}
