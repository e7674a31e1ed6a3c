//! Reading samples, from wherever the shards lie.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::cache::{Cache, Kept};
use super::index::{IndexError, Sample, Set, Shard, ShardIndex};
use super::order::ShardOrder;
use super::source::{Source, SourceError, range_of};
use super::write::{RECORDS, Record, Records};
use super::{INDEX_FILE, MAX_INDEX_BYTES};
use crate::file::{hex, sha256_hex};
use crate::format::Kind;

/// Indices of shards are held in memory for so many samples (some 300 bytes each): a smaller set can
/// be read in any order, a larger one is best read in that of [`Shards::order`].
const INDEXED_SAMPLES: usize = 1 << 18;
/// A shard is brought whole when so many of its samples were asked for lately.
const WORTH_BRINGING: u32 = 3;
/// "Lately" is among so many shards, or as many as the cache holds.
const LATELY: u64 = 16;

/// A set of shards, read sample by sample, from many threads.
///
/// From a folder, samples are read where they lie. From elsewhere a sample is one request for a
/// range of bytes, until a shard turns out to be read time and again: then it is brought whole into
/// the cache, if there is one.
pub struct Shards {
    source: Source,
    set: Set,
    /// First sample of each shard, and the number of all samples.
    starts: Vec<usize>,
    cache: Option<Cache>,
    /// The shards asked for last, with how often; the latest first.
    lately: Mutex<VecDeque<(usize, u32)>>,
    indices: Mutex<Indices>,
}

/// Indices of the shards that were read lately, by number.
#[derive(Default)]
struct Indices {
    /// Each with when it was last used.
    held: HashMap<usize, (Arc<ShardIndex>, u64)>,
    samples: usize,
    clock: u64,
}

/// A sample as it was read, compared with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSample {
    /// What the names of its members share.
    pub key: String,
    /// In the order of the tar file.
    pub members: Vec<ReadMember>,
}

/// A member of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMember {
    /// What follows the key: `jpg`, `json`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Why shards could not be read.
#[derive(Debug, Error)]
pub enum ShardError {
    /// There is no set.
    #[error(
        "{place} does not exist: this is no set of shards, or its writing was broken off; write it \
         again, or index the shards of others with `index_folder`"
    )]
    NoSet {
        /// The index that is missing.
        place: String,
    },
    /// The location cannot be opened, or a file in it not be read.
    #[error("cannot read {place}: {source}; fetch it again or mend the connection, and try again")]
    Io {
        /// The file.
        place: String,
        /// What the file system, the server or the store said.
        source: io::Error,
    },
    /// An index cannot be meant.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file is not the one the set was made with.
    #[error("{place}: {what}; fetch or write the whole set again")]
    Changed {
        /// The file.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// The web server sends whole files only.
    #[error(
        "the server of {place} sends whole files only (it ignores ranges): give a cache of at least \
         {bytes} bytes, or copy the shards to this machine"
    )]
    NoRanges {
        /// The shard.
        place: String,
        /// Its size.
        bytes: u64,
    },
    /// The cache cannot be used.
    #[error("cannot use the cache {place}: {source}; choose another folder or free some space")]
    Cache {
        /// The cache's folder.
        place: String,
        /// What the file system said.
        source: io::Error,
    },
    /// There is no such sample.
    #[error("sample {index} of a set of {samples}: samples are counted from 0")]
    OutOfRange {
        /// What was asked for.
        index: usize,
        /// How many there are.
        samples: usize,
    },
    /// A sample's JSON does not hold such records.
    #[error("sample `{key}`: {what}; is this a set of these records, written by this program?")]
    Records {
        /// The sample.
        key: String,
        /// What is wrong.
        what: String,
    },
}

impl Shards {
    /// Opens the set at `location`: a folder, an address `http://…` or `https://…` (feature
    /// `fetch`), or `s3://…`, `gs://…`, `az://…` or `file://…` (feature `object-store`). A folder
    /// needs no `cache` and uses none. An object store takes its credentials from the environment, as
    /// its own tools do (`AWS_…`, `GOOGLE_…`, `AZURE_…`), and is not to be used from within an
    /// asynchronous runtime.
    ///
    /// # Errors
    ///
    /// [`ShardError`]: no set there, its index cannot be meant, or a shard of a folder is missing
    /// or has another size.
    pub fn open(location: &str, cache: Option<Cache>) -> Result<Self, ShardError> {
        let source = Source::at(location).map_err(|source| ShardError::Io {
            place: location.into(),
            source,
        })?;
        let place = source.place(INDEX_FILE);
        let bytes =
            source
                .small(INDEX_FILE, MAX_INDEX_BYTES)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => ShardError::NoSet {
                        place: place.clone(),
                    },
                    _ => ShardError::Io {
                        place: place.clone(),
                        source: error,
                    },
                })?;
        let set = Set::parse(&bytes, &place)?;
        if let Some(folder) = source.folder() {
            set.shards
                .iter()
                .try_for_each(|shard| check_size(folder, shard))?;
        }
        let mut samples = 0;
        let mut starts = vec![0];
        starts.extend(set.shards.iter().map(|shard| {
            samples += shard.samples;
            samples
        }));
        Ok(Self {
            cache: cache.filter(|_| source.folder().is_none()),
            source,
            set,
            starts,
            lately: Mutex::default(),
            indices: Mutex::default(),
        })
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the set says about itself.
    #[must_use]
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// What the samples' records are; not known of the shards of others.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.set.kind
    }

    /// An order that needs `window` shards at a time. The cache should hold twice as many.
    #[must_use]
    pub fn order(&self, window: usize, seed: u64) -> ShardOrder {
        let samples: Vec<usize> = self.set.shards.iter().map(|shard| shard.samples).collect();
        ShardOrder::new(&samples, window, seed)
    }

    /// Sample `index`, counted over all shards from 0, compared with its hash.
    ///
    /// # Errors
    ///
    /// [`ShardError`]: it cannot be read, or is not what the set says.
    pub fn get(&self, index: usize) -> Result<ReadSample, ShardError> {
        let samples = self.len();
        if index >= samples {
            return Err(ShardError::OutOfRange { index, samples });
        }
        let number = self.starts.partition_point(|&first| first <= index) - 1;
        let shard = &self.set.shards[number];
        let shard_index = self.index_of(number, shard)?;
        let sample = &shard_index.samples[index - self.starts[number]];
        if let Some(cache) = &self.cache {
            // What is wrong in the cache is brought again.
            if let Some(mut file) = self.cached(cache, number, shard, false)? {
                let read = range_of(&mut file, sample.span());
                if let Some(read) = read.ok().and_then(|bytes| cut(sample, &bytes)) {
                    return Ok(read);
                }
                cache.forget(shard).map_err(|error| broken(cache, error))?;
            }
        }
        let bytes = match self.source.range(shard, sample.span()) {
            Ok(bytes) => bytes,
            Err(SourceError::Io(source)) => return Err(self.unread(&shard.file, source)),
            Err(SourceError::NoRanges) => self.without_ranges(number, shard, sample)?,
        };
        cut(sample, &bytes).ok_or_else(|| ShardError::Changed {
            place: self.source.place(&shard.file),
            what: format!("sample `{}` is not what the index says", sample.key),
        })
    }

    /// The shard in the cache: because it is there, or because it is worth bringing or `needed`.
    fn cached(
        &self,
        cache: &Cache,
        number: usize,
        shard: &Shard,
        needed: bool,
    ) -> Result<Option<File>, ShardError> {
        let worth = self.note(cache, number, shard);
        if let Some(file) = cache.find(shard).map_err(|error| broken(cache, error))? {
            return Ok(Some(file));
        }
        if !worth && !needed {
            return Ok(None);
        }
        // What went wrong on the way and what went wrong with the cache have other remedies.
        let mut failure = None;
        let kept = cache.keep(shard, needed, |file| {
            self.source.copy(shard, file).map_err(|error| {
                let kind = error.kind();
                failure = Some(error);
                kind.into()
            })
        });
        match (kept, failure) {
            (Ok(Kept::Yes(file)), _) => Ok(Some(file)),
            (Ok(Kept::NoRoom), _) => Ok(None),
            (Err(_), Some(error)) if is_full(&error) => Err(broken(cache, error)),
            (Err(_), Some(error)) => Err(self.unread(&shard.file, error)),
            (Err(error), None) if error.kind() == io::ErrorKind::InvalidData => {
                Err(ShardError::Changed {
                    place: self.source.place(&shard.file),
                    what: error.to_string(),
                })
            }
            (Err(error), None) => Err(broken(cache, error)),
        }
    }

    /// Notes that a sample of the shard was asked for; whether it should be brought whole.
    fn note(&self, cache: &Cache, number: usize, shard: &Shard) -> bool {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let place = lately.iter().position(|(other, _)| *other == number);
        let times = place
            .and_then(|place| lately.remove(place))
            .map_or(1, |(_, times)| times + 1);
        lately.push_front((number, times));
        let held = cache.max_bytes / shard.bytes.max(1);
        lately.truncate(held.clamp(1, LATELY) as usize);
        times >= WORTH_BRINGING
    }

    fn without_ranges(
        &self,
        number: usize,
        shard: &Shard,
        sample: &Sample,
    ) -> Result<Vec<u8>, ShardError> {
        let file = match &self.cache {
            Some(cache) => self.cached(cache, number, shard, true)?,
            None => None,
        };
        let mut file = file.ok_or_else(|| ShardError::NoRanges {
            place: self.source.place(&shard.file),
            bytes: shard.bytes,
        })?;
        range_of(&mut file, sample.span()).map_err(|error| self.unread(&shard.file, error))
    }

    fn index_of(&self, number: usize, shard: &Shard) -> Result<Arc<ShardIndex>, ShardError> {
        let lock = || self.indices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().find(number) {
            return Ok(found);
        }
        // Not under the lock: other threads go on with other shards meanwhile.
        let file = shard.index_file();
        let place = self.source.place(&file);
        let bytes = self
            .source
            .small(&file, shard.index_bytes)
            .map_err(|source| self.unread(&file, source))?;
        if sha256_hex(&bytes) != shard.index_sha256 {
            return Err(ShardError::Changed {
                place,
                what: "it is not the index the set was made with".into(),
            });
        }
        let index = Arc::new(ShardIndex::parse(&bytes, shard, &place)?);
        lock().keep(number, &index);
        Ok(index)
    }

    fn unread(&self, file: &str, source: io::Error) -> ShardError {
        ShardError::Io {
            place: self.source.place(file),
            source,
        }
    }
}

impl Indices {
    fn find(&mut self, number: usize) -> Option<Arc<ShardIndex>> {
        let (found, used) = self.held.get_mut(&number)?;
        self.clock += 1;
        *used = self.clock;
        Some(Arc::clone(found))
    }

    fn keep(&mut self, number: usize, index: &Arc<ShardIndex>) {
        self.clock += 1;
        let entry = (Arc::clone(index), self.clock);
        self.samples += index.samples.len();
        if let Some((same, _)) = self.held.insert(number, entry) {
            // Another thread was faster.
            self.samples -= same.samples.len();
        }
        while self.samples > INDEXED_SAMPLES && self.held.len() > 1 {
            let oldest = self.held.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(&number, _)| number) else {
                return;
            };
            if let Some((gone, _)) = self.held.remove(&oldest) {
                self.samples -= gone.samples.len();
            }
        }
    }
}

impl ReadSample {
    /// The content of the member with this name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&[u8]> {
        let found = self.members.iter().find(|member| member.name == name);
        found.map(|member| member.bytes.as_slice())
    }

    /// The sample's image: its first member that is not JSON.
    #[must_use]
    pub fn image(&self) -> Option<&ReadMember> {
        self.members.iter().find(|member| member.name != RECORDS)
    }

    /// The sample's records, as [`write()`](super::write) put them there.
    ///
    /// # Errors
    ///
    /// [`ShardError::Records`]: the sample has no JSON, or one of another shape.
    pub fn records<R: Record>(&self) -> Result<Vec<R>, ShardError> {
        let failed = |what: String| ShardError::Records {
            key: self.key.clone(),
            what,
        };
        let json = self
            .member(RECORDS)
            .ok_or_else(|| failed(format!("it has no member `{RECORDS}`")))?;
        let records: Records<R> =
            serde_json::from_slice(json).map_err(|error| failed(error.to_string()))?;
        Ok(records.records)
    }
}

/// The members of a sample out of its span; `None` if they are not what the index says.
fn cut(sample: &Sample, span: &[u8]) -> Option<ReadSample> {
    let start = sample.span().start;
    let mut hash = Sha256::new();
    let mut members = Vec::with_capacity(sample.members.len());
    for member in &sample.members {
        let first = usize::try_from(member.offset - start).ok()?;
        let bytes = span
            .get(first..)?
            .get(..usize::try_from(member.bytes).ok()?)?;
        hash.update(bytes);
        members.push(ReadMember {
            name: member.name.clone(),
            bytes: bytes.to_vec(),
        });
    }
    (hex(&hash.finalize()) == sample.sha256).then(|| ReadSample {
        key: sample.key.clone(),
        members,
    })
}

fn check_size(folder: &Path, shard: &Shard) -> Result<(), ShardError> {
    let path = folder.join(&shard.file);
    let place = path.display().to_string();
    match std::fs::metadata(&path) {
        Ok(data) if data.len() == shard.bytes => Ok(()),
        Ok(data) => Err(ShardError::Changed {
            place,
            what: format!("it has {} bytes instead of {}", data.len(), shard.bytes),
        }),
        Err(source) => Err(ShardError::Io { place, source }),
    }
}

/// Whether it is the cache's disk that failed, not the way to it.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem
    )
}

fn broken(cache: &Cache, source: io::Error) -> ShardError {
    ShardError::Cache {
        place: cache.dir.display().to_string(),
        source,
    }
}
