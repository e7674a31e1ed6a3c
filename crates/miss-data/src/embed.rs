//! The small copy of VQA-RAD that travels with the repository, made from a full one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use thiserror::Error;

use crate::file::write_atomic;
use crate::format::Format;
use crate::image::{ImageError, decode_rgb, stretch};
use crate::manifest::{Access, Counts, FileEntry, Manifest, Source, SourceKind};
use crate::read::ReadError;
use crate::record::Part;
use crate::vqa_rad::{self, IMAGES_DIR, QUESTIONS_FILE};

/// The manifest, written into the same folder as the data it describes.
pub const MANIFEST_FILE: &str = "vqa-rad-embedded.toml";
/// Longer side of an image in pixels, at most.
pub const MAX_SIDE: u32 = 256;
/// All files together, at most: they lie in git.
pub const MAX_TOTAL_BYTES: u64 = 6_000_000;

const JPEG_QUALITY: u8 = 85;
const LICENCE_FILE: &str = "LICENSE";
const CITATION_FILE: &str = "CITATION";
const HOMEPAGE: &str = "https://osf.io/89kps/";
const CITATION: &str = "Lau, J. J., Gayen, S., Ben Abacha, A. & Demner-Fushman, D. A dataset of clinically generated \
visual questions and answers about radiology images. Scientific Data 5, 180251 (2018). \
https://doi.org/10.1038/sdata.2018.251";
const LICENCE_NOTE: &str = "Dedicated to the public domain by its publishers. Changes in this copy: images shrunk to at \
most 256 pixels a side and compressed again; white space between the values of the questions file dropped.";

const LEAK_NOTE: &str =
    "202 of the 203 images of the official test set are also in the training set.";

/// Why the copy could not be made.
#[derive(Debug, Error)]
pub enum EmbedError {
    /// The full copy's questions.
    #[error(transparent)]
    Questions(#[from] ReadError),
    /// One of its images.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An image that cannot be compressed.
    #[error("cannot compress image {name}: {source}")]
    Encode {
        /// The image's file name.
        name: String,
        /// What the encoder said.
        source: image::ImageError,
    },
    /// The copy cannot be written.
    #[error("cannot write {path}: {source}; choose another output folder or free some space", path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The copy outgrew what may lie in git.
    #[error("the copy has {bytes} bytes, more than the {MAX_TOTAL_BYTES} allowed: {from} is not the official release", from = from.display())]
    TooLarge {
        /// The full copy.
        from: PathBuf,
        /// Bytes of the small one.
        bytes: u64,
    },
}

/// Makes the small copy of the VQA-RAD release in the folder `from` in the folder `out`: the
/// questions without white space between values, the images they refer to with the longer side at
/// most [`MAX_SIDE`] pixels, licence, citation and manifest. The same release gives the same bytes.
///
/// # Errors
///
/// [`EmbedError`]: the release cannot be read, or the copy not be written.
pub fn embed(from: &Path, out: &Path) -> Result<Manifest, EmbedError> {
    let questions = vqa_rad::read(from)?
        .all_or_nothing()
        .map_err(ReadError::from)?;
    let images: BTreeSet<&str> = questions.iter().map(|row| row.image.as_str()).collect();
    let small: Vec<(String, Vec<u8>)> = images
        .par_iter()
        .map(|name| {
            Ok((
                format!("{IMAGES_DIR}/{name}"),
                shrink(&from.join(IMAGES_DIR), name)?,
            ))
        })
        .collect::<Vec<Result<_, EmbedError>>>()
        .into_iter()
        .collect::<Result<_, _>>()?;

    let json = fs::read(from.join(QUESTIONS_FILE)).map_err(|source| ReadError::Io {
        path: from.join(QUESTIONS_FILE),
        source,
        remedy: "it was there a moment ago".into(),
    })?;
    let mut contents = vec![
        (QUESTIONS_FILE.to_owned(), compact_rows(&json)),
        (
            LICENCE_FILE.to_owned(),
            include_bytes!("../assets/CC0-1.0.txt").to_vec(),
        ),
        (
            CITATION_FILE.to_owned(),
            format!("{CITATION}\n").into_bytes(),
        ),
    ];
    contents.extend(small);
    contents.sort();
    let total = contents.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    if total > MAX_TOTAL_BYTES {
        return Err(EmbedError::TooLarge {
            from: from.into(),
            bytes: total,
        });
    }

    let official_test = questions
        .iter()
        .filter(|row| row.part == Some(Part::Test))
        .count();
    let manifest = Manifest {
        name: "vqa-rad-embedded".into(),
        title: "VQA-RAD, the official release with images of at most 256 pixels a side".into(),
        version: "2018 official release".into(),
        format: Format::VqaRad,
        licence: "CC0-1.0".into(),
        licence_note: LICENCE_NOTE.into(),
        access: Access::Open,
        terms: String::new(),
        homepage: HOMEPAGE.into(),
        citation: CITATION.into(),
        notes: vec![LEAK_NOTE.into()],
        mirror: None,
        hub: None,
        counts_verified: true,
        counts: Counts::from(
            [
                ("questions", questions.len()),
                ("images", images.len()),
                ("train", questions.len() - official_test),
                ("test", official_test),
            ]
            .map(|(name, count)| (name.to_owned(), count as u64)),
        ),
        sources: vec![Source {
            kind: SourceKind::MadeFrom,
            location: "vqa-rad".into(),
            verified: true,
            note: "Made from the full release by `cargo xtask data embed --from DIR`.".into(),
            bytes: None,
            sha256: None,
            serves: Vec::new(),
            names: Default::default(),
        }],
        files: contents
            .iter()
            .map(|(path, bytes)| FileEntry::of(path, bytes))
            .collect(),
    };

    let folder = out.join(IMAGES_DIR);
    fs::create_dir_all(&folder).map_err(|source| EmbedError::Write {
        path: folder,
        source,
    })?;
    // The manifest comes last: where it stands, everything it names stands too.
    let toml = manifest.to_toml().map_err(|source| EmbedError::Write {
        path: out.join(MANIFEST_FILE),
        source,
    })?;
    contents.push((MANIFEST_FILE.to_owned(), toml.into_bytes()));
    for (path, bytes) in &contents {
        let path = out.join(path);
        write_atomic(&path, bytes).map_err(|source| EmbedError::Write { path, source })?;
    }
    Ok(manifest)
}

/// The image as a JPEG whose longer side is at most [`MAX_SIDE`]; never enlarged.
fn shrink(folder: &Path, name: &str) -> Result<Vec<u8>, EmbedError> {
    let path = folder.join(name);
    let full = decode_rgb(&path)?;
    let (width, height) = fit(full.width(), full.height());
    let pixels = stretch(&full, width, height);
    compress(&pixels, width, height).map_err(|source| EmbedError::Encode {
        name: name.into(),
        source,
    })
}

fn fit(width: u32, height: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= MAX_SIDE {
        return (width, height);
    }
    // Rounded to the nearest, in integers.
    let scaled = |side: u32| ((side * MAX_SIDE + longer / 2) / longer).max(1);
    (scaled(width), scaled(height))
}

/// Most radiographs are grey throughout: one channel says the same in fewer bytes.
fn compress(pixels: &[u8], width: u32, height: u32) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
    let grey = pixels
        .chunks_exact(3)
        .all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    if grey {
        let channel: Vec<u8> = pixels.iter().step_by(3).copied().collect();
        encoder.encode(&channel, width, height, ExtendedColorType::L8)?;
    } else {
        encoder.encode(pixels, width, height, ExtendedColorType::Rgb8)?;
    }
    Ok(bytes)
}

/// Valid JSON without the white space between its values, but one row of the outer list a line. The
/// values' own bytes are kept, so that a reader sees the same rows, keys and spellings.
fn compact_rows(json: &[u8]) -> Vec<u8> {
    let mut compact = Vec::with_capacity(json.len());
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for &byte in json {
        if in_text {
            compact.push(byte);
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        compact.push(byte);
        if byte == b',' && depth == 1 {
            compact.push(b'\n');
        }
    }
    compact.push(b'\n');
    compact
}
