//! Reader of labelled images whose class is the name of their folder: `images/<class>/<file>`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::labelled::LabelledImage;
use crate::manifest::stays_below;
use crate::read::{Finding, Outcome, Place, Read, ReadError};

/// The folder of class folders, below the dataset's folder.
pub const IMAGES_DIR: &str = "images";
/// What the name of an image ends in, in any case.
pub const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "dcm"];

/// Reads the names of all images in the class folders of the folder `root`, sorted by class and name.
///
/// Links are not followed, and folders within class folders are not entered. Hidden files are passed over, with a
/// note for each folder.
///
/// # Errors
///
/// [`ReadError`] if a folder cannot be listed. What is no image of a class is a finding.
pub fn read(root: &Path) -> Result<Read<LabelledImage>, ReadError> {
    let mut reading = Reading {
        records: Vec::new(),
        findings: Vec::new(),
    };
    let images = root.join(IMAGES_DIR);
    for (class, path, kind) in reading.visible(&images)? {
        if !kind.is_dir() {
            let what = "not a folder of a class: move it into one, or away";
            reading.find(path, Outcome::Dropped, what.into());
            continue;
        }
        reading.class(&class, &path)?;
    }
    Ok(Read {
        records: reading.records,
        findings: reading.findings,
    })
}

struct Reading {
    records: Vec<LabelledImage>,
    findings: Vec<Finding>,
}

impl Reading {
    fn class(&mut self, class: &str, folder: &Path) -> Result<(), ReadError> {
        let before = self.records.len();
        for (name, path, kind) in self.visible(folder)? {
            let end = Path::new(&name).extension().unwrap_or_default();
            let is_image = EXTENSIONS
                .iter()
                .any(|known| end.eq_ignore_ascii_case(known));
            let problem = match () {
                () if kind.is_symlink() => {
                    "a link, which is not followed: put the file itself here"
                }
                () if kind.is_dir() => "a folder within that of a class: move its images up",
                () if !kind.is_file() => "not a file: take it away",
                () if !is_image => {
                    "not named as a JPEG, PNG or DICOM file: rename it or take it away"
                }
                () => {
                    let image = format!("{class}/{name}");
                    self.records.push(LabelledImage {
                        id: format!("class-folders/{image}"),
                        image,
                        class: class.to_owned(),
                        boxes: Vec::new(),
                    });
                    continue;
                }
            };
            self.find(path, Outcome::Dropped, problem.into());
        }
        if self.records.len() == before {
            let what = "no image of this class".to_owned();
            self.find(folder.into(), Outcome::Kept, what);
        }
        Ok(())
    }

    /// What a folder holds, sorted by name, but for hidden files and names that cannot stand in a record.
    fn visible(
        &mut self,
        folder: &Path,
    ) -> Result<Vec<(String, PathBuf, fs::FileType)>, ReadError> {
        let failed = |source: io::Error| ReadError::Io {
            path: folder.into(),
            source,
            remedy: format!("the folder must hold `{IMAGES_DIR}/<class>/` with images"),
        };
        let mut found = Vec::new();
        let mut odd = Vec::new();
        let mut hidden = 0_usize;
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            match entry.file_name().into_string() {
                Ok(name) if name.starts_with('.') => hidden += 1,
                Ok(name) if stays_below(&name) => found.push((name, entry.path(), kind)),
                _ => odd.push(entry.path()),
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        odd.sort();
        if hidden > 0 {
            let what = format!("{hidden} hidden files passed over");
            self.find(folder.into(), Outcome::Kept, what);
        }
        for path in odd {
            let what = "the name has characters that a record cannot hold: rename it";
            self.find(path, Outcome::Dropped, what.into());
        }
        Ok(found)
    }

    fn find(&mut self, file: PathBuf, outcome: Outcome, what: String) {
        self.findings.push(Finding {
            file,
            place: Place::Whole,
            outcome,
            what,
        });
    }
}
