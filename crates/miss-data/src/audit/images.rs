//! Which images of two sets are the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::file::sha256_hex;
use crate::image::{ImageError, decode_rgb_bytes, read_capped};
use crate::image_hash::{Comparison, Fingerprint, Index, Likeness};

/// What is known of the images in a folder. The more is known, the more an audit sees: names only;
/// bytes under other names; pictures encoded in another way.
#[derive(Debug, Default)]
pub struct Images {
    /// The folder that the names are relative to, links resolved where it exists. Equal names are the
    /// same image in the same folder only.
    pub folder: PathBuf,
    /// Lower-case hexadecimal sha256 of an image's file, by name.
    pub sha256: BTreeMap<String, String>,
    /// What an image shows, by name.
    pub fingerprints: BTreeMap<String, Fingerprint>,
    /// Images that should have been looked at and could not.
    pub unread: Vec<ImageError>,
}

impl Images {
    /// Images in `folder` whose hashes are known, as from
    /// [`Manifest::sha256_below`](crate::Manifest::sha256_below); none are for an audit by names.
    #[must_use]
    pub fn of_hashes(folder: &Path, sha256: BTreeMap<String, String>) -> Self {
        Self {
            folder: folder.canonicalize().unwrap_or_else(|_| folder.into()),
            sha256,
            ..Self::default()
        }
    }

    /// Reads and decodes the images `names` in `folder`, in parallel: 4 kB of each are kept. One that
    /// cannot be used is in [`unread`](Self::unread), not an error; if it can at least be read, its
    /// bytes are hashed.
    #[must_use]
    pub fn load<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let names: Vec<&str> = names.into_iter().collect();
        let read: Vec<Result<_, ImageError>> = names
            .par_iter()
            .map(|name| {
                let path = folder.join(name);
                let bytes = read_capped(&path)?;
                let picture = decode_rgb_bytes(&bytes, &path);
                Ok((
                    sha256_hex(&bytes),
                    picture.map(|image| Fingerprint::of(&image)),
                ))
            })
            .collect();
        let mut images = Self::of_hashes(folder, BTreeMap::new());
        for (name, read) in names.into_iter().zip(read) {
            let picture = read.and_then(|(sha256, picture)| {
                images.sha256.insert(name.into(), sha256);
                picture
            });
            match picture {
                Ok(fingerprint) => {
                    images.fingerprints.insert(name.into(), fingerprint);
                }
                Err(error) => images.unread.push(error),
            }
        }
        images
    }
}

/// In what way two images are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sameness {
    Name,
    Bytes,
    /// The same picture, or a similar one.
    Picture(Comparison),
}

impl Sameness {
    /// Whether the pictures were compared and found so alike.
    pub(super) fn is(self, likeness: Likeness) -> bool {
        matches!(self, Self::Picture(found) if found.likeness == likeness)
    }

    /// Whether the test image was seen in training beyond doubt.
    pub(super) fn is_certain(self) -> bool {
        match self {
            Self::Name | Self::Bytes => true,
            Self::Picture(found) => found.likeness == Likeness::Near,
        }
    }
}

/// For each test image that is like a training image: the training image and in what way. Name goes
/// before bytes, bytes before picture; of several training images the most alike.
pub(super) fn matches<'a>(
    train: &BTreeSet<&'a str>,
    train_images: &Images,
    test: &BTreeSet<&'a str>,
    test_images: &Images,
) -> BTreeMap<&'a str, (&'a str, Sameness)> {
    let one_folder = train_images.folder == test_images.folder;
    let mut by_hash: HashMap<&str, &str> = HashMap::new();
    for name in train {
        if let Some(hash) = train_images.sha256.get(*name) {
            by_hash.entry(hash.as_str()).or_insert(name);
        }
    }
    let pictured: Vec<(&str, &Fingerprint)> = train
        .iter()
        .filter_map(|name| Some((*name, train_images.fingerprints.get(*name)?)))
        .collect();
    let index = Index::new(pictured.iter().map(|(_, picture)| *picture).collect());
    let tests: Vec<&str> = test.iter().copied().collect();
    tests
        .into_par_iter()
        .filter_map(|name| {
            if one_folder && train.contains(name) {
                return Some((name, (name, Sameness::Name)));
            }
            let hash = test_images.sha256.get(name).map(String::as_str);
            if let Some(twin) = hash.and_then(|hash| by_hash.get(hash)) {
                return Some((name, (*twin, Sameness::Bytes)));
            }
            let (place, found) = index.nearest(test_images.fingerprints.get(name)?)?;
            Some((name, (pictured[place].0, Sameness::Picture(found))))
        })
        .collect()
}
