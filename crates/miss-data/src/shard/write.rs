//! Writing a set of shards, whole or not at all.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use ::tar::Header;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::index::check_file;
use super::{
    BLOCK, INDEX_FILE, MAX_INDEX_BYTES, MAX_SAMPLE_BYTES, MAX_SAMPLES, Member, Sample, Set, Shard,
    ShardIndex, VERSION,
};
use crate::figure::Figure;
use crate::file::{hex, sha256_hex, sync_folder, write_atomic};
use crate::format::Kind;
use crate::image::MAX_FILE_BYTES;
use crate::labelled::LabelledImage;
use crate::manifest::stays_below;
use crate::record::Question;

/// The name of a sample's records among its members.
pub(super) const RECORDS: &str = "json";
/// Held locked while a set is written. Left behind by a killed write, taken over by the next.
const LOCK_FILE: &str = ".writing";

/// A record that has an image: what a shard can hold.
pub trait Record: Serialize + DeserializeOwned {
    /// What the set says its records are.
    const KIND: Kind;
    /// Path below the dataset's image folder, parts separated by `/`.
    fn image(&self) -> &str;
}

impl Record for Question {
    const KIND: Kind = Kind::Questions;
    fn image(&self) -> &str {
        &self.image
    }
}

impl Record for Figure {
    const KIND: Kind = Kind::Figures;
    fn image(&self) -> &str {
        &self.image
    }
}

impl Record for LabelledImage {
    const KIND: Kind = Kind::LabelledImages;
    fn image(&self) -> &str {
        &self.image
    }
}

/// What a sample's JSON holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Records<R> {
    pub(super) records: Vec<R>,
}

/// How shards are cut and named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// What the shards' names start with.
    pub name: String,
    /// Bytes of a shard, at most; a single sample may be larger.
    pub max_bytes: u64,
    /// Samples of a shard, at most.
    pub max_samples: usize,
}

impl Default for WriteOptions {
    /// Shards of 256 MiB or 10,000 samples, as WebDataset's users have them.
    fn default() -> Self {
        Self {
            name: "shard".into(),
            max_bytes: 256 << 20,
            max_samples: 10_000,
        }
    }
}

/// Why shards could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// Options that cannot be meant.
    #[error("cannot write shards: {what}")]
    Options {
        /// What is wrong.
        what: String,
    },
    /// The folder is not empty.
    #[error("{path} exists already: choose an empty folder for the shards, or remove what is there first", path = path.display())]
    Exists {
        /// What is in the folder: the index of another set, or another file.
        path: PathBuf,
    },
    /// Another process writes there.
    #[error("another process writes shards into {path}: wait for it, or choose another folder", path = path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be written.
    #[error("cannot write {path}: {source}; free some space or choose another folder", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// An image cannot be used.
    #[error("image `{image}` below {root}: {what}; fetch the dataset again and verify it", root = root.display())]
    Image {
        /// As the records name it.
        image: String,
        /// The image folder.
        root: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// More about one image than a sample may hold.
    #[error("image `{image}`: {what}")]
    Records {
        /// As the records name it.
        image: String,
        /// What is wrong.
        what: String,
    },
}

/// Writes `records` with their images, which lie below the folder `images`, as a set of shards into
/// the folder `out`. One sample an image, in the order in which the records first name them; the
/// same input gives the same bytes.
///
/// The folder must be missing or empty, or hold what a write that failed or was killed has left:
/// that is no set, for want of an `index.json`, and is removed.
///
/// # Errors
///
/// [`WriteError`]; no `index.json` is written then.
pub fn write<R: Record>(
    records: &[R],
    images: &Path,
    out: &Path,
    options: &WriteOptions,
) -> Result<Set, WriteError> {
    options.check()?;
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| WriteError::Io { path, source }
    };
    fs::create_dir_all(out).map_err(at(out))?;
    let lock_path = out.join(LOCK_FILE);
    let left = lock_path.exists();
    let lock = File::create(&lock_path).map_err(at(&lock_path))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => WriteError::Busy { path: out.into() },
        TryLockError::Error(source) => at(&lock_path)(source),
    })?;
    let set_path = out.join(INDEX_FILE);
    if set_path.exists() {
        return Err(WriteError::Exists { path: set_path });
    }
    for entry in fs::read_dir(out).map_err(at(out))? {
        let path = entry.map_err(at(out))?.path();
        if path == lock_path {
            continue;
        }
        if !(left && is_ours(&path)) {
            if !left {
                // So that the next write does not take it for ours.
                let _ = fs::remove_file(&lock_path);
            }
            return Err(WriteError::Exists { path });
        }
        // Among new shards an old one would look like one of theirs.
        fs::remove_file(&path).map_err(at(&path))?;
    }
    let mut writer = Writer {
        out,
        options,
        shards: Vec::new(),
        open: None,
    };
    for (number, (image, group)) in by_image(records).into_iter().enumerate() {
        let content = read_image(images, image).map_err(|what| WriteError::Image {
            image: image.into(),
            root: images.into(),
            what,
        })?;
        let failed = |what: String| WriteError::Records {
            image: image.into(),
            what,
        };
        let json = serde_json::to_vec(&Records { records: group })
            .map_err(|error| failed(error.to_string()))?;
        if (content.len() + json.len()) as u64 + 2 * BLOCK > MAX_SAMPLE_BYTES {
            return Err(failed(format!(
                "image and records have more than the {MAX_SAMPLE_BYTES} bytes allowed"
            )));
        }
        let members = [(extension(image), content), (RECORDS.into(), json)];
        writer
            .sample(number, &members)
            .map_err(|source| at(out)(source))?;
    }
    writer.close().map_err(|source| at(out)(source))?;
    let set = Set {
        version: VERSION,
        kind: Some(R::KIND),
        shards: writer.shards,
    };
    let json = set.to_json().map_err(at(&set_path))?;
    if json.len() as u64 > MAX_INDEX_BYTES {
        return Err(WriteError::Options {
            what: "there would be too many shards: let a shard have more bytes".into(),
        });
    }
    write_atomic(&set_path, &json).map_err(at(&set_path))?;
    // The set is whole; a lock file that cannot be removed takes nothing from it.
    let _ = fs::remove_file(&lock_path);
    Ok(set)
}

impl WriteOptions {
    fn check(&self) -> Result<(), WriteError> {
        let what = if let Err(what) = check_file(&format!("{}-000000.tar", self.name)) {
            what
        } else if self.max_samples == 0 || self.max_samples > MAX_SAMPLES {
            format!("a shard must have 1 to {MAX_SAMPLES} samples at most")
        } else if self.max_bytes == 0 || self.max_bytes > super::MAX_SHARD_BYTES / 2 {
            format!(
                "a shard must have 1 to {} bytes at most",
                super::MAX_SHARD_BYTES / 2
            )
        } else {
            return Ok(());
        };
        Err(WriteError::Options { what })
    }
}

struct Writer<'a> {
    out: &'a Path,
    options: &'a WriteOptions,
    shards: Vec<Shard>,
    open: Option<Open>,
}

/// The shard that is being written.
struct Open {
    tar: BufWriter<File>,
    temporary: PathBuf,
    bytes: u64,
    hash: Sha256,
    samples: Vec<Sample>,
}

impl Writer<'_> {
    fn sample(&mut self, number: usize, members: &[(String, Vec<u8>)]) -> io::Result<()> {
        let padded = |content: &Vec<u8>| BLOCK + (content.len() as u64).next_multiple_of(BLOCK);
        let bytes: u64 = members.iter().map(|(_, content)| padded(content)).sum();
        let full = |open: &Open| {
            open.samples.len() == self.options.max_samples
                || open.bytes + bytes + 2 * BLOCK > self.options.max_bytes
        };
        if self.open.as_ref().is_some_and(full) {
            self.close()?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::create(self.out)?,
        };
        // A running number: unique whatever the images are called, and no point in it.
        open.sample(&format!("{number:08}"), members)?;
        self.open = Some(open);
        Ok(())
    }

    /// Gives the open shard its name, once it is whole and on disk.
    fn close(&mut self) -> io::Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.put(&[0; 2 * BLOCK as usize])?;
        open.tar.into_inner()?.sync_all()?;
        let file = format!("{}-{:06}.tar", self.options.name, self.shards.len());
        let index = ShardIndex {
            version: VERSION,
            samples: open.samples,
        };
        let json = index.to_json()?;
        let shard = Shard {
            bytes: open.bytes,
            sha256: hex(&open.hash.finalize()),
            samples: index.samples.len(),
            index_bytes: json.len() as u64,
            index_sha256: sha256_hex(&json),
            file,
        };
        fs::rename(&open.temporary, self.out.join(&shard.file))?;
        sync_folder(&self.out.join(&shard.file))?;
        write_atomic(&self.out.join(shard.index_file()), &json)?;
        self.shards.push(shard);
        Ok(())
    }
}

impl Open {
    fn create(out: &Path) -> io::Result<Self> {
        // One name for all: the lock is held, and what a killed write left is overwritten.
        let temporary = out.join(".shard.tmp");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)?;
        Ok(Self {
            tar: BufWriter::with_capacity(1 << 20, file),
            temporary,
            bytes: 0,
            hash: Sha256::new(),
            samples: Vec::new(),
        })
    }

    fn sample(&mut self, key: &str, members: &[(String, Vec<u8>)]) -> io::Result<()> {
        let mut hash = Sha256::new();
        let mut entries = Vec::with_capacity(members.len());
        for (name, content) in members {
            let bytes = content.len() as u64;
            self.put(header(&format!("{key}.{name}"), bytes)?.as_bytes())?;
            entries.push(Member {
                name: name.clone(),
                offset: self.bytes,
                bytes,
            });
            self.put(content)?;
            let padding = bytes.next_multiple_of(BLOCK) - bytes;
            self.put(&[0; BLOCK as usize][..padding as usize])?;
            hash.update(content);
        }
        self.samples.push(Sample {
            key: key.into(),
            sha256: hex(&hash.finalize()),
            members: entries,
        });
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tar.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// A header that says nothing about who wrote it, and when.
fn header(path: &str, bytes: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(::tar::EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

/// Images in the order in which they are first named, each with its records in their order.
fn by_image<R: Record>(records: &[R]) -> Vec<(&str, Vec<&R>)> {
    let mut places = HashMap::new();
    let mut groups: Vec<(&str, Vec<&R>)> = Vec::new();
    for record in records {
        let place = *places.entry(record.image()).or_insert(groups.len());
        if place == groups.len() {
            groups.push((record.image(), Vec::new()));
        }
        groups[place].1.push(record);
    }
    groups
}

/// Whether a file has a name that a write gives: of a shard, its index or a temporary file.
fn is_ours(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let numbered = |name: &str| {
        let number = name.rsplit_once('-').map(|(_, number)| number);
        number.is_some_and(|text| text.len() >= 6 && text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let stem = name
        .strip_suffix(".index.json")
        .or_else(|| name.strip_suffix(".tar"));
    name.starts_with('.') && name.ends_with(".tmp") || stem.is_some_and(numbered)
}

fn read_image(root: &Path, image: &str) -> Result<Vec<u8>, String> {
    if !stays_below(image) {
        return Err("the path does not stay below the image folder".into());
    }
    let mut content = Vec::new();
    File::open(root.join(image))
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content))
        .map_err(|error| error.to_string())?;
    if content.is_empty() {
        return Err("it is empty".into());
    }
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("it has more than {MAX_FILE_BYTES} bytes"));
    }
    Ok(content)
}

/// The image's extension in lower case, as WebDataset's decoders want it; `bin` where there is none.
fn extension(image: &str) -> String {
    let extension = Path::new(image)
        .extension()
        .and_then(|extension| extension.to_str())
        .map(str::to_ascii_lowercase);
    extension
        .filter(|text| {
            text.len() <= 8
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && text != RECORDS
        })
        .unwrap_or_else(|| "bin".into())
}
