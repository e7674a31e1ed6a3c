//! `cargo xtask data shard`: a dataset as tar shards with an index.

use std::path::{Path, PathBuf};

use miss_data::format::Kind;
use miss_data::shard::{Record, WriteOptions, write};
use miss_data::{Read, dataset as read};

use super::dataset::Dataset;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    dataset: Dataset,
    /// Empty folder for the shards
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Bytes of a shard, at most
    #[arg(long, default_value_t = WriteOptions::default().max_bytes)]
    max_bytes: u64,
    /// Images of a shard, at most
    #[arg(long, default_value_t = WriteOptions::default().max_samples)]
    max_images: usize,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (manifest, root) = arguments.dataset.open()?;
    let options = WriteOptions {
        name: manifest.name.clone(),
        max_bytes: arguments.max_bytes,
        max_samples: arguments.max_images,
    };
    let format = manifest.format;
    let images = root.join(format.images_dir());
    let out = &arguments.out;
    match format.kind() {
        Kind::Questions => shards(read::questions(format, &root), &images, out, &options),
        Kind::Figures => shards(read::figures(format, &root), &images, out, &options),
        Kind::LabelledImages => {
            shards(read::labelled_images(format, &root), &images, out, &options)
        }
    }
}

fn shards<R: Record>(
    read: Result<Read<R>, miss_data::ReadError>,
    images: &Path,
    out: &Path,
    options: &WriteOptions,
) -> Result<Exit, Failure> {
    let records = read
        .and_then(|read| Ok(read.all_or_nothing()?))
        .map_err(Failure::data)?;
    let set = write(&records, images, out, options).map_err(Failure::data)?;
    println!(
        "{}: {} records of {} images in {} shards, {}",
        out.display(),
        records.len(),
        set.samples(),
        set.shards.len(),
        units::bytes(set.shards.iter().map(|shard| shard.bytes).sum())
    );
    Ok(Exit::Ok)
}
