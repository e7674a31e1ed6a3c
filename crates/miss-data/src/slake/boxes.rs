//! Where things lie on SLAKE's images.

use std::path::Path;

use serde_json::Value;

use super::IMAGES_DIR;
use crate::labelled::LabelledBox;
use crate::manifest::stays_below;
use crate::read::{Finding, Outcome, Place, Read, ReadError, read_capped};

/// The boxes of an image, beside it.
const BOXES_FILE: &str = "detection.json";
/// The legend of the masks, below the dataset's folder.
const MASK_FILE: &str = "mask.txt";
/// The largest of these files has 1 kB.
const MAX_BYTES: u64 = 64 << 10;

/// What a value of the masks (`mask.png` beside each image) stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskLabel {
    /// The grey value.
    pub value: u8,
    /// Organ or finding.
    pub label: String,
}

/// Reads the boxes of `image` (`xmlabN/source.jpg`) below the dataset's folder `root`: organs and
/// findings, in the image's pixels.
///
/// # Errors
///
/// [`ReadError`] if there is no such file or it is no list. A box that cannot be used is a finding.
pub fn read_boxes(root: &Path, image: &str) -> Result<Read<LabelledBox>, ReadError> {
    if !stays_below(image) {
        return Err(ReadError::Format {
            path: image.into(),
            expected: "an image of SLAKE",
            what: "it leaves the image folder".into(),
        });
    }
    let path = root.join(IMAGES_DIR).join(image).with_file_name(BOXES_FILE);
    let remedy = "each image folder must hold `source.jpg` and `detection.json`";
    parse_boxes(&read_capped(&path, MAX_BYTES, remedy)?, &path)
}

/// The boxes of one `detection.json`: a list of objects, each `{"label": [x, y, width, height]}`.
/// `path` names the bytes in findings and errors.
///
/// # Errors
///
/// [`ReadError::Format`] for bytes that are no JSON list.
pub fn parse_boxes(bytes: &[u8], path: &Path) -> Result<Read<LabelledBox>, ReadError> {
    let rows: Vec<Value> = serde_json::from_slice(bytes).map_err(|source| ReadError::Format {
        path: path.into(),
        expected: "a JSON list of boxes",
        what: source.to_string(),
    })?;
    let (mut records, mut findings) = (Vec::new(), Vec::new());
    for (row, value) in rows.iter().enumerate() {
        match one_box(value) {
            Some(found) => records.push(found),
            None => findings.push(Finding {
                file: path.into(),
                place: Place::Row(row),
                outcome: Outcome::Dropped,
                what:
                    "not of the form {\"label\": [x, y, width, height]} with numbers of at least 0 \
                       and a size above 0; mend the row or fetch the file again"
                        .into(),
            }),
        }
    }
    Ok(Read { records, findings })
}

fn one_box(value: &Value) -> Option<LabelledBox> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (label, corners) = object.iter().next()?;
    let numbers: Option<Vec<f64>> = corners.as_array()?.iter().map(Value::as_f64).collect();
    match *numbers?.as_slice() {
        [x, y, width, height] if x >= 0.0 && y >= 0.0 && width > 0.0 && height > 0.0 => {
            Some(LabelledBox {
                label: Some(label.clone()),
                x,
                y,
                width,
                height,
            })
        }
        _ => None,
    }
}

/// Reads the legend of the masks from the dataset's folder `root`.
///
/// # Errors
///
/// [`ReadError`] if the file cannot be read. A line that cannot be used is a finding.
pub fn read_mask_labels(root: &Path) -> Result<Read<MaskLabel>, ReadError> {
    let path = root.join(MASK_FILE);
    let remedy = "the folder must hold `mask.txt`";
    parse_mask_labels(&read_capped(&path, MAX_BYTES, remedy)?, &path)
}

/// The legend of the masks: lines of `value:label`. `path` names the bytes in findings and errors.
///
/// # Errors
///
/// [`ReadError::Format`] for bytes that are no UTF-8.
pub fn parse_mask_labels(bytes: &[u8], path: &Path) -> Result<Read<MaskLabel>, ReadError> {
    let text = std::str::from_utf8(bytes).map_err(|source| ReadError::Format {
        path: path.into(),
        expected: "lines of `value:label`",
        what: source.to_string(),
    })?;
    let (mut records, mut findings) = (Vec::<MaskLabel>::new(), Vec::new());
    let mut seen = [false; 256];
    for (line, written) in text.lines().enumerate() {
        if written.trim().is_empty() {
            continue;
        }
        let found = written.split_once(':').and_then(|(value, label)| {
            let value: u8 = value.trim().parse().ok()?;
            let label = label.trim().to_owned();
            let new = !label.is_empty() && !std::mem::replace(&mut seen[usize::from(value)], true);
            new.then_some(MaskLabel { value, label })
        });
        match found {
            Some(label) => records.push(label),
            None => findings.push(Finding {
                file: path.into(),
                place: Place::Line(line + 1),
                outcome: Outcome::Dropped,
                what: "not of the form `value:label` with a value of 0 to 255 that no earlier line has; \
                       mend the line or fetch the file again"
                    .into(),
            }),
        }
    }
    Ok(Read { records, findings })
}
