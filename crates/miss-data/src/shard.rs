//! Tar shards in the WebDataset layout: a dataset in a few large files instead of many small ones.
//!
//! A shard is a plain tar file. Files of one basename are one sample: `00000012.jpg`, the image's
//! bytes untouched, and `00000012.json`, its records:
//!
//! ```json
//! {"records":[{"id":"vqa-rad/7","image":"synpic29265.jpg","question":"…","answer":"…"}]}
//! ```
//!
//! A sample is an image, not a question: an image is stored, transferred and decoded once, however
//! many questions are asked about it, and whoever reads a sample has all of them.
//!
//! Beside each shard `NAME-000000.tar` lies its index `NAME-000000.index.json`, where each member
//! of each sample lies, so that one sample is read by one range of bytes. `index.json` names the
//! shards and hashes shards and indices; it is written last, so that a set with an `index.json` is
//! whole, and its own hash names every byte of the set. Every sample is compared with its hash
//! whenever it is read.
//!
//! [`write()`] writes a set, [`index_folder`] indexes the shards of others, [`Shards`] reads either
//! from a folder, over HTTP or from an object store, and [`ShardOrder`] shuffles such that a few
//! shards at a time are needed.

mod cache;
#[cfg(feature = "fetch")]
mod http;
mod index;
mod order;
mod read;
mod source;
#[cfg(feature = "object-store")]
mod store;
mod tar;
mod write;

pub use cache::Cache;
pub use index::{IndexError, Member, Sample, Set, Shard, ShardIndex, VERSION};
pub use order::{ShardEpoch, ShardOrder};
pub use read::{ReadMember, ReadSample, ShardError, Shards};
pub use tar::{IndexTarError, Indexed, index_folder, index_tar};
pub use write::{Record, WriteError, WriteOptions, write};

/// The file that names the shards of a set.
pub const INDEX_FILE: &str = "index.json";
/// Bytes of all members of a sample, at most: a sample is held in memory.
pub const MAX_SAMPLE_BYTES: u64 = 256 << 20;
/// Bytes of an index file, at most.
pub const MAX_INDEX_BYTES: u64 = 64 << 20;
/// Samples of a shard, at most.
pub const MAX_SAMPLES: usize = 200_000;
/// Members of a sample, at most.
pub const MAX_MEMBERS: usize = 64;
/// Bytes of a shard, at most.
pub const MAX_SHARD_BYTES: u64 = 1 << 40;
/// Bytes of a key or a member's name, at most.
const MAX_NAME_BYTES: usize = 512;
/// The unit of a tar file.
const BLOCK: u64 = 512;
