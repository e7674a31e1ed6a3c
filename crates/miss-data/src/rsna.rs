//! Reader of the RSNA pneumonia detection challenge (Shih et al., Radiology: AI 1:e180041, 2019): frontal chest
//! radiographs with one of three classes and the boxes of lung opacities.
//!
//! A dataset's folder holds two tables and, where images are needed, `stage_2_train_images/` with
//! `<patientId>.dcm` or `.png`. Tables are found in the wild with semicolons or tabs for commas; what separates
//! fields is told by the header. [`location`](crate::location) says in words where a box lies.

mod tables;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::labelled::{LabelledBox, LabelledImage};
use crate::read::{Finding, Outcome, Place, Read, ReadError, read_capped};
pub use tables::{Boxes, Classified, parse_classes, parse_labels};

/// The table of boxes, below the dataset's folder.
pub const LABELS_FILE: &str = "stage_2_train_labels.csv";
/// The table of classes, below the dataset's folder.
pub const CLASSES_FILE: &str = "stage_2_detailed_class_info.csv";
/// The folder of images, below the dataset's folder.
pub const IMAGES_DIR: &str = "stage_2_train_images";
/// Width and height of every image, in pixels; boxes are given in them.
pub const SIDE: f64 = 1024.0;

/// The tables have 1.6 MB.
const MAX_BYTES: u64 = 32 << 20;

/// What the radiologists made of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Nothing to be seen.
    Normal,
    /// Something else than pneumonia.
    #[serde(rename = "No Lung Opacity / Not Normal")]
    NotNormal,
    /// An opacity that may be pneumonia, in at least one box.
    #[serde(rename = "Lung Opacity")]
    LungOpacity,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Normal, Self::NotNormal, Self::LungOpacity];

    /// As the publishers write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::NotNormal => "No Lung Opacity / Not Normal",
            Self::LungOpacity => "Lung Opacity",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What both tables say of a patient, each of whom has one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patient {
    /// `patientId`.
    pub id: String,
    /// From the table of classes.
    pub class: Class,
    /// Lung opacities, in pixels of 1024 x 1024, in the order of the file; none unless that is the class.
    pub boxes: Vec<LabelledBox>,
}

/// Reads the radiographs of the challenge's folder `root`.
///
/// Without the folder of images, each is taken to be a `.dcm`, and that is noted: labels alone are enough to
/// write captions.
///
/// # Errors
///
/// [`ReadError`] if one of the tables, or the folder of images, cannot be read. A row that cannot be used and
/// a patient without image are findings.
pub fn read(root: &Path) -> Result<Read<LabelledImage>, ReadError> {
    let Read {
        records: patients,
        mut findings,
    } = read_patients(root)?;
    let folder = root.join(IMAGES_DIR);
    let images = names(&folder)?;
    let mut find = |outcome, what| {
        findings.push(Finding {
            file: folder.clone(),
            place: Place::Whole,
            outcome,
            what,
        });
    };
    if images.is_none() {
        let what = "the folder is missing: labels only, images taken to be `.dcm`";
        find(Outcome::Kept, what.into());
    }
    let mut records = Vec::with_capacity(patients.len());
    for patient in patients {
        let [dicom, png] = ["dcm", "png"].map(|end| format!("{}.{end}", patient.id));
        let image = match &images {
            None => dicom,
            Some(names) if names.contains(&dicom) => dicom,
            Some(names) if names.contains(&png) => png,
            Some(_) => {
                let what = format!("neither `{dicom}` nor `{png}`: fetch the images again");
                find(Outcome::Dropped, what);
                continue;
            }
        };
        records.push(LabelledImage {
            id: format!("rsna-pneumonia/{}", patient.id),
            image,
            class: patient.class.as_str().to_owned(),
            boxes: patient.boxes,
        });
    }
    Ok(Read { records, findings })
}

/// Reads the patients from both tables in the challenge's folder `root`.
///
/// # Errors
///
/// [`ReadError`] if one of the tables cannot be read. A row that cannot be used is a finding.
pub fn read_patients(root: &Path) -> Result<Read<Patient>, ReadError> {
    let remedy = format!("the folder must hold `{LABELS_FILE}` and `{CLASSES_FILE}`");
    let [labels, classes] = [LABELS_FILE, CLASSES_FILE].map(|name| root.join(name));
    let boxes = parse_labels(&read_capped(&labels, MAX_BYTES, &remedy)?, &labels)?;
    let classified = parse_classes(&read_capped(&classes, MAX_BYTES, &remedy)?, &classes)?;
    Ok(join(boxes, &labels, classified, &classes))
}

/// Puts the two tables together; the paths name them in findings. A patient of whom they contradict each
/// other, or whom only one of them has, is dropped.
#[must_use]
pub fn join(
    boxes: Read<Boxes>,
    labels: &Path,
    classified: Read<Classified>,
    classes: &Path,
) -> Read<Patient> {
    let mut records = Vec::with_capacity(boxes.records.len());
    let mut findings = boxes.findings;
    findings.extend(classified.findings);
    let mut find = |file: &Path, line, what| {
        findings.push(Finding {
            file: file.into(),
            place: Place::Line(line),
            outcome: Outcome::Dropped,
            what,
        });
    };
    let mut by_id: HashMap<String, (usize, Class)> = classified
        .records
        .into_iter()
        .map(|row| (row.patient, (row.line, row.class)))
        .collect();
    for Boxes {
        patient,
        line,
        boxes,
    } in boxes.records
    {
        match by_id.remove(&patient) {
            None => {
                let what = format!("patient `{patient}` has no usable row in `{CLASSES_FILE}`");
                find(labels, line, what);
            }
            Some((class_line, class)) if (class == Class::LungOpacity) == boxes.is_empty() => {
                let count = boxes.len();
                let what = format!(
                    "patient `{patient}` has {count} boxes here, but is `{class}` in line {class_line} of \
                     `{CLASSES_FILE}`: mend either"
                );
                find(labels, line, what);
            }
            Some((_, class)) => records.push(Patient {
                id: patient,
                class,
                boxes,
            }),
        }
    }
    let mut rest: Vec<_> = by_id.into_iter().collect();
    rest.sort_by_key(|&(_, (line, _))| line);
    for (patient, (line, _)) in rest {
        let what = format!("patient `{patient}` has no usable row in `{LABELS_FILE}`");
        find(classes, line, what);
    }
    Read { records, findings }
}

/// The names in a folder; `None` where there is no such folder.
fn names(folder: &Path) -> Result<Option<HashSet<String>>, ReadError> {
    let failed = |source| ReadError::Io {
        path: folder.into(),
        source,
        remedy: "it must be a folder of images".into(),
    };
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(entries) => entries
            // A name that is not Unicode is no patient's.
            .map(|entry| {
                Ok(entry
                    .map_err(failed)?
                    .file_name()
                    .to_string_lossy()
                    .into_owned())
            })
            .collect::<Result<_, _>>()
            .map(Some),
    }
}
