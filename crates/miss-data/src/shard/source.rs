//! Where shards lie: a folder, a web server or an object store.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Shard;

/// A shard is brought in pieces of so many bytes: what is lost when a connection breaks.
const PIECE: u64 = 8 << 20;

/// Where shards lie.
pub(super) enum Source {
    Folder(PathBuf),
    #[cfg(feature = "fetch")]
    Http(super::http::Http),
    #[cfg(feature = "object-store")]
    Store(super::store::Store),
}

/// Why bytes did not come.
#[derive(Debug)]
pub(super) enum SourceError {
    Io(io::Error),
    /// The server sends whole files only.
    #[cfg_attr(
        not(feature = "fetch"),
        allow(dead_code, reason = "only web servers do this, and `fetch` is off")
    )]
    NoRanges,
}

impl From<io::Error> for SourceError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Source {
    /// The source at `location`.
    pub(super) fn at(location: &str) -> io::Result<Self> {
        let Some((scheme, _)) = location.split_once("://") else {
            return Ok(Self::Folder(location.into()));
        };
        match scheme {
            "http" | "https" => http(location),
            _ => store(location),
        }
    }

    /// The folder, if the shards lie on this machine: then no cache is of use.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            #[cfg(any(feature = "fetch", feature = "object-store"))]
            _ => None,
        }
    }

    /// The name of `file` in messages.
    pub(super) fn place(&self, file: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(file).display().to_string(),
            #[cfg(feature = "fetch")]
            Self::Http(http) => http.place(file),
            #[cfg(feature = "object-store")]
            Self::Store(store) => store.place(file),
        }
    }

    /// A whole file of at most `limit` bytes.
    pub(super) fn small(&self, file: &str, limit: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Folder(folder) => {
                let mut bytes = Vec::new();
                let file = File::open(folder.join(file))?;
                file.take(limit + 1).read_to_end(&mut bytes)?;
                within(bytes, limit)
            }
            #[cfg(feature = "fetch")]
            Self::Http(http) => http.small(file, limit),
            #[cfg(feature = "object-store")]
            Self::Store(store) => store.small(file, limit),
        }
    }

    /// Bytes of a shard.
    pub(super) fn range(&self, shard: &Shard, range: Range<u64>) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Folder(folder) => {
                let mut file = File::open(folder.join(&shard.file))?;
                Ok(range_of(&mut file, range)?)
            }
            #[cfg(feature = "fetch")]
            Self::Http(http) => http.range(&shard.file, range, shard.bytes),
            #[cfg(feature = "object-store")]
            Self::Store(store) => Ok(store.range(&shard.file, range)?),
        }
    }

    /// The whole shard into `out`, in pieces; in one stream from a server without ranges.
    pub(super) fn copy(&self, shard: &Shard, out: &mut File) -> io::Result<()> {
        let mut start = 0;
        while start < shard.bytes {
            let end = (start + PIECE).min(shard.bytes);
            match self.range(shard, start..end) {
                Ok(piece) => {
                    out.seek(SeekFrom::Start(start))?;
                    out.write_all(&piece)?;
                }
                Err(SourceError::Io(error)) => return Err(error),
                Err(SourceError::NoRanges) => return self.stream(shard, out),
            }
            start = end;
        }
        Ok(())
    }

    #[cfg_attr(
        not(feature = "fetch"),
        allow(
            unused_variables,
            reason = "only web servers do this, and `fetch` is off"
        )
    )]
    fn stream(&self, shard: &Shard, out: &mut File) -> io::Result<()> {
        match self {
            #[cfg(feature = "fetch")]
            Self::Http(http) => http.stream(&shard.file, shard.bytes, out),
            _ => Err(io::Error::other(
                "whole files are sent by web servers alone",
            )),
        }
    }
}

/// Bytes of an open file.
pub(super) fn range_of(file: &mut File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let wanted = range.end - range.start;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    file.take(wanted).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != wanted {
        return Err(cut_off(bytes.len() as u64, wanted));
    }
    Ok(bytes)
}

pub(super) fn within(bytes: Vec<u8>, limit: u64) -> io::Result<Vec<u8>> {
    if bytes.len() as u64 > limit {
        let message = format!("it has more than the {limit} bytes allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(bytes)
}

pub(super) fn cut_off(found: u64, wanted: u64) -> io::Error {
    let message = format!("{found} bytes came instead of {wanted}: the file is cut off");
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

#[cfg(feature = "fetch")]
fn http(location: &str) -> io::Result<Source> {
    super::http::Http::new(location).map(Source::Http)
}

#[cfg(not(feature = "fetch"))]
fn http(location: &str) -> io::Result<Source> {
    Err(unsupported(location, "fetch"))
}

#[cfg(feature = "object-store")]
fn store(location: &str) -> io::Result<Source> {
    super::store::Store::new(location).map(Source::Store)
}

#[cfg(not(feature = "object-store"))]
fn store(location: &str) -> io::Result<Source> {
    Err(unsupported(location, "object-store"))
}

#[cfg(not(all(feature = "fetch", feature = "object-store")))]
fn unsupported(location: &str, feature: &str) -> io::Error {
    let message = format!("`{location}` cannot be read: built without the feature `{feature}`");
    io::Error::new(io::ErrorKind::Unsupported, message)
}
