//! Telling a dataset's format by what is in its folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::DoctorError;
use crate::format::Format;
use crate::{jsonl, rocov2, rsna, slake, vqa_rad};

/// Names looked at in one folder.
const MAX_NAMES: usize = 100_000;

pub(super) struct Found {
    /// The dataset's folder.
    pub(super) root: PathBuf,
    pub(super) format: Option<Format>,
    /// Other formats that the folder could be read as.
    pub(super) also: Vec<Format>,
    /// Files that might be imported, where there is no format.
    pub(super) sources: Vec<PathBuf>,
}

pub(super) fn recognise(path: &Path) -> Result<Found, DoctorError> {
    let root = folder_of(path);
    let listing = Listing::of(&root)?;
    let mut formats = listing.formats();
    if !path.is_dir() {
        // A file that no format of the folder reads is looked at by itself.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        formats.retain(|format| listing.reads(*format, &name));
        if formats.is_empty() {
            return Ok(Found {
                root: path.into(),
                format: None,
                also: Vec::new(),
                sources: vec![path.into()],
            });
        }
    }
    let mut formats = formats.into_iter();
    let format = formats.next();
    let sources = match format {
        Some(_) => Vec::new(),
        None => listing.tables().map(|name| root.join(name)).collect(),
    };
    Ok(Found {
        root,
        format,
        also: formats.collect(),
        sources,
    })
}

/// The folder itself, or that of a file.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.into();
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        _ => ".".into(),
    }
}

/// The names in a folder, sorted.
struct Listing {
    files: Vec<String>,
    folders: Vec<String>,
    /// Whether `images/` has folders in it.
    images_in_folders: bool,
}

impl Listing {
    fn of(root: &Path) -> Result<Self, DoctorError> {
        let [files, folders] = names(root)?;
        let images = root.join(crate::class_folders::IMAGES_DIR);
        let images_in_folders = images.is_dir() && !names(&images)?[1].is_empty();
        Ok(Self {
            files,
            folders,
            images_in_folders,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file == name)
    }

    fn has_folder(&self, name: &str) -> bool {
        self.folders.iter().any(|folder| folder == name)
    }

    /// All formats that the folder could be read as, the surest first.
    fn formats(&self) -> Vec<Format> {
        let has = |name: &str| self.has(name);
        let captions = |(part, _): &(&str, _)| has(&format!("{part}_captions.csv"));
        let rules = [
            (Format::QuestionsJsonl, has(jsonl::QUESTIONS_FILE)),
            (Format::FiguresJsonl, has(jsonl::FIGURES_FILE)),
            (Format::VqaRad, has(vqa_rad::QUESTIONS_FILE)),
            (
                Format::VqaRadMevf,
                has("trainset.json") && has("testset.json"),
            ),
            (
                Format::Slake,
                has("train.json") && has("test.json") && self.has_folder(slake::IMAGES_DIR),
            ),
            (Format::Rocov2, rocov2::PARTS.iter().any(captions)),
            (
                Format::RsnaPneumonia,
                has(rsna::LABELS_FILE) || has(rsna::CLASSES_FILE),
            ),
            (
                Format::Medicat,
                self.has_folder(Format::Medicat.images_dir())
                    && self.files.iter().any(|name| self.of_medicat(name)),
            ),
        ];
        let formats = rules.into_iter().filter(|(_, is)| *is);
        let mut formats: Vec<Format> = formats.map(|(format, _)| format).collect();
        // Folders of images are part of many layouts: they are the dataset only where no table is.
        if formats.is_empty() && self.images_in_folders && self.tables().next().is_none() {
            formats.push(Format::ClassFolders);
        }
        formats
    }

    fn of_medicat(&self, name: &str) -> bool {
        let ours = [jsonl::QUESTIONS_FILE, jsonl::FIGURES_FILE];
        name.ends_with(".jsonl") && !ours.contains(&name)
    }

    /// Whether the file `name` is one that `format` reads.
    fn reads(&self, format: Format, name: &str) -> bool {
        match format {
            Format::QuestionsJsonl => name == jsonl::QUESTIONS_FILE,
            Format::FiguresJsonl => name == jsonl::FIGURES_FILE,
            Format::VqaRad => name == vqa_rad::QUESTIONS_FILE,
            Format::VqaRadMevf => ["trainset.json", "testset.json"].contains(&name),
            Format::Slake => slake::FILES.iter().any(|(file, _)| *file == name),
            Format::Rocov2 => name.ends_with("_captions.csv"),
            Format::RsnaPneumonia => [rsna::LABELS_FILE, rsna::CLASSES_FILE].contains(&name),
            Format::Medicat => self.of_medicat(name),
            Format::ClassFolders => false,
        }
    }

    /// Files that might be imported.
    fn tables(&self) -> impl Iterator<Item = &String> {
        const ENDINGS: [&str; 8] = [
            "csv", "tsv", "json", "jsonl", "ndjson", "parquet", "xlsx", "txt",
        ];
        self.files.iter().filter(|name| {
            let ending = Path::new(name).extension().unwrap_or_default();
            let known = ENDINGS
                .iter()
                .any(|known| ending.eq_ignore_ascii_case(known));
            let about = ["README.txt", "LICENSE.txt", "LICENCE.txt"].contains(&name.as_str());
            known && !about
        })
    }
}

/// The names of files and of folders.
fn names(folder: &Path) -> Result<[Vec<String>; 2], DoctorError> {
    let failed = |source| DoctorError::List {
        path: folder.into(),
        source,
    };
    let [mut files, mut folders] = [Vec::new(), Vec::new()];
    for entry in fs::read_dir(folder).map_err(failed)?.take(MAX_NAMES) {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        match entry.path().is_dir() {
            true => folders.push(name),
            false => files.push(name),
        }
    }
    files.sort();
    folders.sort();
    Ok([files, folders])
}
