//! Indexing a tar file in one pass, without trust. Nothing is unpacked.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use ::tar::{EntryType, Header};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::index::{check_file, check_name};
use super::{
    BLOCK, INDEX_FILE, MAX_INDEX_BYTES, MAX_MEMBERS, MAX_SAMPLE_BYTES, MAX_SAMPLES,
    MAX_SHARD_BYTES, Member, Sample, Set, Shard, ShardIndex, VERSION,
};
use crate::file::{hex, sha256_hex, write_atomic};
use crate::manifest::stays_below;

/// Bytes of an extended header (a long name, pax records), at most.
const MAX_EXTENSION_BYTES: u64 = 64 << 10;
/// Zeros behind the end mark, at most: tar fills up to a record, 10 KiB as a rule.
const MAX_PADDING: u64 = 1 << 20;

/// What one pass over a tar file gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The shard's entry in the set.
    pub shard: Shard,
    /// Where its samples lie.
    pub index: ShardIndex,
    /// Files that belong to no sample, as the WebDataset layout has it: hidden ones and those
    /// without an extension.
    pub ignored: usize,
}

/// Why a shard could not be indexed.
#[derive(Debug, Error)]
pub enum IndexTarError {
    /// A file or folder cannot be read or written.
    #[error("cannot read or write {path}: {source}; the index files are written beside the shards, so the folder must let both", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The folder has no shards.
    #[error("{path} holds no `.tar` file: choose the folder that the shards lie in", path = path.display())]
    NoShards {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is a set already.
    #[error("{path} exists already: remove it to index the shards anew", path = path.display())]
    Exists {
        /// The set's index.
        path: PathBuf,
    },
    /// Not a tar file that can be trusted.
    #[error("shard `{file}`, byte {offset}: {what}; fetch it again or pack it anew")]
    Tar {
        /// The shard.
        file: String,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: String,
    },
}

/// Indexes every `.tar` file of `folder`, by name, and writes the index files beside them:
/// the shards of others become a set that [`Shards`](super::Shards) opens.
///
/// # Errors
///
/// [`IndexTarError`]. `index.json` is written last: without it nothing was indexed.
pub fn index_folder(folder: &Path) -> Result<Set, IndexTarError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| IndexTarError::Io { path, source }
    };
    let set_file = folder.join(INDEX_FILE);
    if set_file.exists() {
        return Err(IndexTarError::Exists { path: set_file });
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let name = entry.map_err(failed(folder))?.file_name();
        let name = name.to_string_lossy().into_owned();
        // A hidden file is one that is still being written.
        if name.ends_with(".tar") && !name.starts_with('.') {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(IndexTarError::NoShards {
            path: folder.into(),
        });
    }
    names.sort();
    let mut shards = Vec::with_capacity(names.len());
    for name in names {
        let path = folder.join(&name);
        let indexed = index_tar(File::open(&path).map_err(failed(&path))?, &name)?;
        let index_path = folder.join(indexed.shard.index_file());
        let json = indexed.index.to_json().map_err(failed(&index_path))?;
        write_atomic(&index_path, &json).map_err(failed(&index_path))?;
        shards.push(indexed.shard);
    }
    let set = Set {
        version: VERSION,
        kind: None,
        shards,
    };
    let json = set.to_json().map_err(failed(&set_file))?;
    write_atomic(&set_file, &json).map_err(failed(&set_file))?;
    Ok(set)
}

/// Indexes the tar file `tar`, named `file`, in one pass and constant memory but for the index.
///
/// # Errors
///
/// [`IndexTarError::Tar`]: not a tar file, cut off, with links or devices, with a name or path that
/// cannot be meant, or beyond a limit of this module.
pub fn index_tar(tar: impl Read, file: &str) -> Result<Indexed, IndexTarError> {
    let mut scan = Scan {
        tar: BufReader::with_capacity(1 << 17, tar),
        offset: 0,
        shard: Sha256::new(),
        pending: None,
        open: None,
        keys: HashSet::new(),
        samples: Vec::new(),
        ignored: 0,
    };
    let failed = |offset, what| IndexTarError::Tar {
        file: file.into(),
        offset,
        what,
    };
    check_file(file).map_err(|what| failed(0, what))?;
    let mut at = 0;
    loop {
        match scan.entry() {
            Ok(true) => at = scan.offset,
            Ok(false) => break,
            Err(what) => return Err(failed(at, what)),
        }
    }
    let index = ShardIndex {
        version: VERSION,
        samples: scan.samples,
    };
    let json = index
        .to_json()
        .map_err(|error| failed(0, error.to_string()))?;
    if json.len() as u64 > MAX_INDEX_BYTES {
        let what = format!("its index would have more than {MAX_INDEX_BYTES} bytes");
        return Err(failed(0, what));
    }
    let shard = Shard {
        file: file.into(),
        bytes: scan.offset,
        sha256: hex(&scan.shard.finalize()),
        samples: index.samples.len(),
        index_bytes: json.len() as u64,
        index_sha256: sha256_hex(&json),
    };
    Ok(Indexed {
        shard,
        index,
        ignored: scan.ignored,
    })
}

struct Scan<R> {
    tar: BufReader<R>,
    /// Bytes read so far.
    offset: u64,
    /// Hash of the bytes read so far.
    shard: Sha256,
    /// What extended headers say about the member that follows.
    pending: Option<Extension>,
    /// The sample whose members are being read.
    open: Option<(Sample, Sha256)>,
    keys: HashSet<String>,
    samples: Vec<Sample>,
    ignored: usize,
}

#[derive(Default)]
struct Extension {
    name: Option<String>,
    bytes: Option<u64>,
}

impl<R: Read> Scan<R> {
    /// Reads one entry; `false` at the end of the archive.
    fn entry(&mut self) -> Result<bool, String> {
        let mut block = [0; BLOCK as usize];
        self.exact(&mut block)?;
        if block == [0; BLOCK as usize] {
            self.finish()?;
            return Ok(false);
        }
        let header = Header::from_byte_slice(&block);
        if header.cksum().ok() != Some(checksum(&block)) {
            return Err("this is no tar header (its checksum is wrong)".into());
        }
        let size = header.entry_size().map_err(|error| error.to_string())?;
        match header.entry_type() {
            EntryType::GNULongName => {
                let text = self.extension(size)?;
                let end = text.iter().position(|byte| *byte == 0);
                let name = utf8(&text[..end.unwrap_or(text.len())])?;
                let pending = self.pending.get_or_insert_default();
                if pending.name.replace(name).is_some() {
                    return Err("a member has two long names".into());
                }
            }
            EntryType::XHeader => {
                let records = self.extension(size)?;
                if self.pending.is_some() {
                    return Err("a member has two extended headers".into());
                }
                self.pending = Some(pax(&records)?);
            }
            EntryType::XGlobalHeader => {
                let records = pax(&self.extension(size)?)?;
                if records.name.is_some() || records.bytes.is_some() {
                    return Err("a global header gives every member one name or size".into());
                }
            }
            EntryType::Regular | EntryType::Continuous => {
                let extension = self.pending.take().unwrap_or_default();
                let name = match extension.name {
                    Some(name) => name,
                    None => utf8(&header.path_bytes())?,
                };
                self.member(&name, extension.bytes.unwrap_or(size))?;
            }
            EntryType::Directory => {
                self.pending = None;
                if size != 0 {
                    return Err("a folder has content".into());
                }
            }
            EntryType::Symlink | EntryType::Link => {
                return Err("links are not followed: pack the files themselves".into());
            }
            other => {
                let kind = char::from(other.as_byte()).escape_default();
                return Err(format!("entries of type `{kind}` cannot be read"));
            }
        }
        Ok(true)
    }

    fn member(&mut self, path: &str, bytes: u64) -> Result<(), String> {
        let path = path.strip_prefix("./").unwrap_or(path);
        if !stays_below(path) {
            return Err(format!("{path:?} does not stay below the archive's root"));
        }
        if bytes > MAX_SAMPLE_BYTES {
            return Err(format!(
                "{path:?} has {bytes} bytes, more than the {MAX_SAMPLE_BYTES} allowed"
            ));
        }
        let folder = path.rfind('/').map_or(0, |slash| slash + 1);
        let Some((key, name)) = path[folder..]
            .split_once('.')
            .filter(|(stem, extension)| !stem.is_empty() && !extension.is_empty())
            .map(|(stem, extension)| (&path[..folder + stem.len()], extension))
        else {
            self.ignored += 1;
            return self.content(bytes, |_| {});
        };
        let name = name.to_lowercase();
        check_name(key)?;
        check_name(&name)?;
        if self.open.as_ref().is_none_or(|(open, _)| open.key != key) {
            self.close();
            if !self.keys.insert(key.to_owned()) {
                return Err(format!(
                    "the key {key:?} is there twice: files of one sample must follow each other"
                ));
            }
            if self.samples.len() == MAX_SAMPLES {
                return Err(format!("more than the {MAX_SAMPLES} samples allowed"));
            }
            let sample = Sample {
                key: key.into(),
                sha256: String::new(),
                members: Vec::new(),
            };
            self.open = Some((sample, Sha256::new()));
        }
        let offset = self.offset;
        let Some((mut sample, mut hash)) = self.open.take() else {
            return Err("no sample is open".into());
        };
        if sample.members.len() == MAX_MEMBERS {
            return Err(format!(
                "{key:?} has more than the {MAX_MEMBERS} members allowed"
            ));
        }
        if sample.members.iter().any(|other| other.name == name) {
            return Err(format!("{path:?} is there twice"));
        }
        sample.members.push(Member {
            name,
            offset,
            bytes,
        });
        let span = sample.span();
        if span.end - span.start > MAX_SAMPLE_BYTES {
            return Err(format!(
                "{key:?} has more than the {MAX_SAMPLE_BYTES} bytes allowed"
            ));
        }
        self.content(bytes, |piece| hash.update(piece))?;
        self.open = Some((sample, hash));
        Ok(())
    }

    fn close(&mut self) {
        if let Some((mut sample, hash)) = self.open.take() {
            sample.sha256 = hex(&hash.finalize());
            self.samples.push(sample);
        }
    }

    /// After the first zero block: nothing but zeros may follow.
    fn finish(&mut self) -> Result<(), String> {
        self.close();
        if self.pending.is_some() {
            return Err("the archive ends between a name and its member".into());
        }
        let mut piece = [0; BLOCK as usize];
        let mut padding = 0;
        loop {
            let count = self.tar.read(&mut piece).map_err(cannot_read)?;
            if count == 0 {
                return Ok(());
            }
            self.shard.update(&piece[..count]);
            self.offset += count as u64;
            padding += count as u64;
            if padding > MAX_PADDING || piece[..count].iter().any(|byte| *byte != 0) {
                return Err("there is something behind the end of the archive".into());
            }
        }
    }

    /// The content of an extended header.
    fn extension(&mut self, bytes: u64) -> Result<Vec<u8>, String> {
        if bytes > MAX_EXTENSION_BYTES {
            return Err(format!(
                "an extended header of {bytes} bytes is longer than the {MAX_EXTENSION_BYTES} allowed"
            ));
        }
        let mut content = Vec::with_capacity(bytes as usize);
        self.content(bytes, |piece| content.extend_from_slice(piece))?;
        Ok(content)
    }

    /// Reads `bytes` bytes and what fills their last block.
    fn content(&mut self, bytes: u64, mut use_piece: impl FnMut(&[u8])) -> Result<(), String> {
        let mut piece = [0; 1 << 14];
        let mut left = bytes;
        while left > 0 {
            let count = left.min(piece.len() as u64) as usize;
            self.exact(&mut piece[..count])?;
            use_piece(&piece[..count]);
            left -= count as u64;
        }
        let padding = bytes.next_multiple_of(BLOCK) - bytes;
        self.exact(&mut piece[..padding as usize])
    }

    fn exact(&mut self, into: &mut [u8]) -> Result<(), String> {
        self.tar
            .read_exact(into)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => "the archive is cut off here".into(),
                _ => cannot_read(error),
            })?;
        self.shard.update(&*into);
        self.offset += into.len() as u64;
        if self.offset > MAX_SHARD_BYTES {
            return Err(format!("more than the {MAX_SHARD_BYTES} bytes allowed"));
        }
        Ok(())
    }
}

/// The sum of a header's bytes, those of the sum itself (148 to 155) taken as spaces.
fn checksum(block: &[u8; BLOCK as usize]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..])
}

/// The records `<length> <key>=<value>\n` of an extended header; those that say neither name nor
/// size do not matter here.
fn pax(mut records: &[u8]) -> Result<Extension, String> {
    let wrong = || "an extended header cannot be read".to_owned();
    let mut extension = Extension::default();
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ');
        let digits = space.map(|space| &records[..space]).ok_or_else(wrong)?;
        let length: usize = number(digits).ok_or_else(wrong)?;
        let record = records.get(digits.len() + 1..length).ok_or_else(wrong)?;
        records = &records[length..];
        let record = record.strip_suffix(b"\n").ok_or_else(wrong)?;
        let equals = record.iter().position(|byte| *byte == b'=');
        let (key, value) = record.split_at(equals.ok_or_else(wrong)?);
        match key {
            b"path" => extension.name = Some(utf8(&value[1..])?),
            b"size" => extension.bytes = Some(number(&value[1..]).ok_or_else(wrong)?),
            key if key.starts_with(b"GNU.sparse") => {
                return Err("sparse files cannot be read".into());
            }
            _ => {}
        }
    }
    Ok(extension)
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    // `parse` takes a sign too.
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a name is not UTF-8".into())
}

fn cannot_read(error: io::Error) -> String {
    format!("cannot be read: {error}")
}
