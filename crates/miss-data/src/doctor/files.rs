//! What is wrong with the images of a dataset.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::records::{Facts, named};
use super::{Problem, ProblemKind, Severity};
use crate::file::sha256_file;
use crate::format::Format;
use crate::image::{ImageError, decode_rgb};
use crate::rows::collapse;

/// Files looked at below the folder of images.
const MAX_FILES: usize = 1 << 22;
/// Folders within folders that are entered.
const MAX_DEPTH: usize = 8;
/// Endings of files that are taken for images.
const ENDINGS: [&str; 10] = [
    "jpg", "jpeg", "png", "dcm", "bmp", "gif", "tif", "tiff", "webp", "dicom",
];

/// An image that records name.
struct Image<'a> {
    name: &'a str,
    /// The first record that names it.
    id: &'a str,
    records: usize,
}

/// Adds what is wrong with the images in `folder`; returns how many images the records name.
pub(super) fn check(
    facts: &[Facts],
    folder: &Path,
    format: Format,
    problems: &mut Vec<Problem>,
) -> usize {
    let images = distinct(facts);
    let mut report = |kind, severity, file: &str, id: Option<&str>, what| {
        problems.push(Problem {
            kind,
            severity,
            file: if file.is_empty() {
                folder.into()
            } else {
                folder.join(file)
            },
            place: None,
            id: id.map(Into::into),
            what,
        });
    };
    if images.is_empty() {
        return 0;
    }
    if !folder.is_dir() {
        let what = format!(
            "there is no such folder: it must hold the {} images that the records name",
            images.len()
        );
        report(ProblemKind::MissingImage, Severity::Error, "", None, what);
        return images.len();
    }
    let there = Tree::of(folder);
    // Every image is decoded, and nothing of it kept but what tells it from others.
    let states: Vec<Result<String, ImageError>> = images
        .par_iter()
        .map(|image| {
            let path = folder.join(image.name);
            decode_rgb(&path)?;
            sha256_file(&path).map_err(|source| ImageError::Io { path, source })
        })
        .collect();
    let mut same: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (image, state) in images.iter().zip(&states) {
        match state {
            Ok(sha256) => same.entry(sha256).or_default().push(image.name),
            Err(ImageError::Missing { .. }) => {
                let what = format!(
                    "the image is missing (records that name it: {}){}",
                    image.records,
                    there.hint(image.name, format)
                );
                report(
                    ProblemKind::MissingImage,
                    Severity::Error,
                    image.name,
                    Some(image.id),
                    what,
                );
            }
            Err(error) => report(
                ProblemKind::BrokenImage,
                Severity::Error,
                image.name,
                Some(image.id),
                // Some decoders write several lines.
                format!(
                    "{} (records that name it: {})",
                    collapse(&error.to_string()),
                    image.records
                ),
            ),
        }
    }
    let mut same: Vec<Vec<&str>> = same.into_values().filter(|names| names.len() > 1).collect();
    same.sort();
    for names in same {
        let what = format!(
            "{} images are the same file ({}): they must stay on one side of a split; use one name for them",
            names.len(),
            named(names.iter().copied())
        );
        report(
            ProblemKind::DuplicateImage,
            Severity::Warning,
            names[0],
            None,
            what,
        );
    }
    let wanted: HashSet<&str> = images.iter().map(|image| image.name).collect();
    for file in &there.files {
        // SLAKE's folders have masks beside each image.
        let belongs = format == Format::Slake && !file.ends_with("/source.jpg");
        if !wanted.contains(file.as_str()) && is_image(file) && !belongs {
            let what = "no record names this image".to_owned();
            report(ProblemKind::ExtraFile, Severity::Note, file, None, what);
        }
    }
    if there.more {
        let what =
            format!("only the first {MAX_FILES} files, {MAX_DEPTH} folders deep, were looked at");
        report(ProblemKind::OddRow, Severity::Note, "", None, what);
    }
    images.len()
}

/// The images in the order in which records name them first.
fn distinct(facts: &[Facts]) -> Vec<Image<'_>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut images: Vec<Image<'_>> = Vec::new();
    for fact in facts {
        let place = *places.entry(&fact.image).or_insert(images.len());
        match images.get_mut(place) {
            Some(image) => image.records += 1,
            None => images.push(Image {
                name: &fact.image,
                id: &fact.id,
                records: 1,
            }),
        }
    }
    images
}

/// All files below a folder. Links are listed and not followed.
struct Tree {
    files: BTreeSet<String>,
    /// Names without case and ending, for those who look for a file that is not there.
    loosely: HashMap<String, String>,
    /// Whether there are more than were looked at.
    more: bool,
}

impl Tree {
    fn of(folder: &Path) -> Self {
        let mut tree = Self {
            files: BTreeSet::new(),
            loosely: HashMap::new(),
            more: false,
        };
        tree.enter(folder, "", 0);
        for file in &tree.files {
            tree.loosely.insert(loose(file), file.clone());
        }
        tree
    }

    /// A folder that cannot be listed has no files; images in it are found missing or broken.
    fn enter(&mut self, folder: &Path, prefix: &str, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            if self.files.len() == MAX_FILES {
                self.more = true;
                return;
            }
            let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else {
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let below = format!("{prefix}{name}");
            if !kind.is_dir() {
                self.files.insert(below);
            } else if depth == MAX_DEPTH {
                self.more = true;
            } else {
                self.enter(&entry.path(), &format!("{below}/"), depth + 1);
            }
        }
    }

    /// Which file may be meant by a name that is not there.
    fn hint(&self, name: &str, format: Format) -> String {
        let prefix = format!("{}/", format.images_dir());
        if let Some(rest) = name.strip_prefix(&prefix)
            && self.files.contains(rest)
        {
            return format!("; names are below `{prefix}`: write {rest:?}");
        }
        let same = self.loosely.get(&loose(name));
        let base = name.rsplit('/').next().unwrap_or(name);
        let same = same.or_else(|| self.loosely.get(&loose(base)));
        match same {
            Some(other) => format!("; there is {other:?}: is that meant?"),
            None => ": put it there or take the records out".into(),
        }
    }
}

/// Lower case, without a known ending.
fn loose(name: &str) -> String {
    let lower = name.to_lowercase();
    match lower.rsplit_once('.') {
        Some((stem, ending)) if ENDINGS.contains(&ending) => stem.to_owned(),
        _ => lower,
    }
}

fn is_image(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    ENDINGS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}
