//! What the index files say, and what they may say: they can come from anywhere.

use std::collections::HashSet;
use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    BLOCK, MAX_INDEX_BYTES, MAX_MEMBERS, MAX_NAME_BYTES, MAX_SAMPLE_BYTES, MAX_SAMPLES,
    MAX_SHARD_BYTES,
};
use crate::format::Kind;
use crate::manifest::is_sha256;

/// Version of the index format.
pub const VERSION: u32 = 1;

/// The shards of a set: `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// [`VERSION`].
    pub version: u32,
    /// What the samples' records are; not known of the shards of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// In the order of the samples.
    pub shards: Vec<Shard>,
}

/// One shard of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Name of the tar file, beside `index.json`.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Lower-case hexadecimal sha256.
    pub sha256: String,
    /// How many samples it holds.
    pub samples: usize,
    /// Size of its index in bytes.
    pub index_bytes: u64,
    /// Lower-case hexadecimal sha256 of its index.
    pub index_sha256: String,
}

/// Where the samples of one shard lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardIndex {
    /// [`VERSION`].
    pub version: u32,
    /// In the order of the tar file.
    pub samples: Vec<Sample>,
}

/// Where one sample lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// What the names of its members share: their path up to the first point of the last part.
    pub key: String,
    /// Lower-case hexadecimal sha256 of the members' bytes, one after the other.
    pub sha256: String,
    /// In the order of the tar file.
    pub members: Vec<Member>,
}

/// Where one member of a sample lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// What follows the key and the point, in lower case: `jpg`, `json`, `seg.png`.
    pub name: String,
    /// First byte in the tar file.
    pub offset: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// An index that cannot be meant.
#[derive(Debug, Error)]
#[error("shard index {place}: {what}; fetch the index again, or write or index the shards anew")]
pub struct IndexError {
    /// The index file.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

impl Set {
    /// Reads an `index.json`. `place` is its name in errors.
    ///
    /// # Errors
    ///
    /// [`IndexError`]: not JSON, another version, or shards that cannot be meant.
    pub fn parse(bytes: &[u8], place: &str) -> Result<Self, IndexError> {
        let set: Self = json(bytes, place)?;
        set.check().map_err(|what| IndexError {
            place: place.into(),
            what,
        })?;
        Ok(set)
    }

    /// Samples of all shards.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.shards.iter().map(|shard| shard.samples).sum()
    }

    /// The index file's bytes.
    pub(super) fn to_json(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    fn check(&self) -> Result<(), String> {
        check_version(self.version)?;
        let mut files = HashSet::new();
        for shard in &self.shards {
            shard
                .check()
                .map_err(|what| format!("shard {:?}: {what}", shard.file))?;
            if !files.insert(&shard.file) {
                return Err(format!("shard {:?} is listed twice", shard.file));
            }
        }
        Ok(())
    }
}

impl Shard {
    /// Name of the shard's index file.
    #[must_use]
    pub fn index_file(&self) -> String {
        let stem = self.file.strip_suffix(".tar").unwrap_or(&self.file);
        format!("{stem}.index.json")
    }

    fn check(&self) -> Result<(), String> {
        check_file(&self.file)?;
        if !is_sha256(&self.sha256) || !is_sha256(&self.index_sha256) {
            return Err("sha256 must be 64 lower-case hexadecimal digits".into());
        }
        at_most("`bytes`", self.bytes, MAX_SHARD_BYTES)?;
        at_most("`index_bytes`", self.index_bytes, MAX_INDEX_BYTES)?;
        at_most("`samples`", self.samples as u64, MAX_SAMPLES as u64)
    }
}

impl ShardIndex {
    /// Reads the index of `shard`. `place` is its name in errors.
    ///
    /// # Errors
    ///
    /// [`IndexError`]: not JSON, another version, not as many samples as `shard` says, members that
    /// lie outside the shard, overlap or are too large, or names that are there twice.
    pub fn parse(bytes: &[u8], shard: &Shard, place: &str) -> Result<Self, IndexError> {
        let index: Self = json(bytes, place)?;
        index.check(shard).map_err(|what| IndexError {
            place: place.into(),
            what,
        })?;
        Ok(index)
    }

    pub(super) fn to_json(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    fn check(&self, shard: &Shard) -> Result<(), String> {
        check_version(self.version)?;
        if self.samples.len() != shard.samples {
            return Err(format!(
                "it has {} samples, not the {} of `{}`",
                self.samples.len(),
                shard.samples,
                shard.file
            ));
        }
        let mut keys = HashSet::new();
        let mut end = 0;
        for sample in &self.samples {
            sample
                .check(&mut end, shard.bytes)
                .map_err(|what| format!("sample {:?}: {what}", sample.key))?;
            if !keys.insert(&sample.key) {
                return Err(format!("the key {:?} is there twice", sample.key));
            }
        }
        Ok(())
    }
}

impl Sample {
    /// First byte in the tar file, and the byte after the last.
    pub(super) fn span(&self) -> std::ops::Range<u64> {
        let first = self.members.first().map_or(0, |member| member.offset);
        let end = |member: &Member| member.offset + member.bytes;
        first..self.members.last().map_or(first, end)
    }

    /// `end` is where the member before ended.
    fn check(&self, end: &mut u64, shard_bytes: u64) -> Result<(), String> {
        if self.members.is_empty() {
            return Err("it has no members".into());
        }
        at_most("members", self.members.len() as u64, MAX_MEMBERS as u64)?;
        if !is_sha256(&self.sha256) {
            return Err("sha256 must be 64 lower-case hexadecimal digits".into());
        }
        check_name(&self.key)?;
        let mut names = HashSet::new();
        for member in &self.members {
            check_name(&member.name)?;
            if !names.insert(&member.name) {
                return Err(format!("the member {:?} is there twice", member.name));
            }
            // A member stands behind its header, and every member starts a block.
            let least = end.next_multiple_of(BLOCK) + BLOCK;
            if member.offset < least || !member.offset.is_multiple_of(BLOCK) {
                let offset = member.offset;
                return Err(format!(
                    "the member {:?} cannot start at byte {offset}",
                    member.name
                ));
            }
            *end = member
                .offset
                .checked_add(member.bytes)
                .filter(|end| *end <= shard_bytes)
                .ok_or_else(|| {
                    format!(
                        "the member {:?} ends beyond the shard's {shard_bytes} bytes",
                        member.name
                    )
                })?;
        }
        let span = self.span();
        at_most("bytes", span.end - span.start, MAX_SAMPLE_BYTES)
    }
}

/// A shard's file name goes into paths and addresses as it is.
pub(super) fn check_file(file: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let good = file.ends_with(".tar")
        && file.len() <= 200
        && !file.starts_with(['.', '-'])
        && file.bytes().all(plain);
    good.then_some(()).ok_or_else(|| {
        "the name must be ASCII letters, digits, `-`, `_` and `.`, and end in `.tar`".into()
    })
}

/// A key or a member's name.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        return Err(format!(
            "a name must have 1 to {MAX_NAME_BYTES} bytes, none of them control characters"
        ));
    }
    Ok(())
}

fn check_version(version: u32) -> Result<(), String> {
    (version == VERSION)
        .then_some(())
        .ok_or_else(|| format!("version {version}, and only {VERSION} can be read"))
}

fn at_most(what: &str, value: u64, limit: u64) -> Result<(), String> {
    (value <= limit)
        .then_some(())
        .ok_or_else(|| format!("{value} {what} are more than the {limit} allowed"))
}

fn json<T: for<'de> Deserialize<'de>>(bytes: &[u8], place: &str) -> Result<T, IndexError> {
    serde_json::from_slice(bytes).map_err(|source| IndexError {
        place: place.into(),
        what: source.to_string(),
    })
}
