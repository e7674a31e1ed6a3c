//! Attributes of a SLAKE image, from its question rows and its boxes.
//!
//! Modality and region are fields of every row. The weighting of an MRI and the plane are asked for, in the way of
//! VQA-RAD, and read by the same rule. Boxes are of organs, whose names tell the patient's side (`Left Kidney`), or
//! of pathologies; the places of the latter are thirds and halves of the image under the declared convention.

use miss_data::labelled::LabelledBox;
use miss_data::record::Question;

use super::terms::{findings, place, shown, sides, structure};
use super::{MapError, finished, vqa_rad};
use crate::attributes::{Attributes, Convention, Modality, Organ, Pathology};

/// What rows and boxes say of one image of `size` (width and height in pixels, as it is stored). Pass training rows
/// only: a caption made of a test row would carry its answer into pretraining. Rows of either language may be
/// given; only the English ones tell weighting and plane.
///
/// # Errors
/// [`MapError`] for a label, region or modality that is not known, for rows of which one contradicts another, and for a
/// box that leaves the image.
pub fn attributes(
    rows: &[&Question],
    boxes: &[LabelledBox],
    size: (u32, u32),
    convention: Convention,
) -> Result<Attributes, MapError> {
    let size = (f64::from(size.0), f64::from(size.1));
    // Not the organ, which VQA-RAD writes otherwise.
    let said = vqa_rad::attributes(rows);
    let modality = one(rows, |row| row.modality.as_deref(), modality)?;
    let organ = one(rows, |row| row.organ.as_deref(), region)?;
    // The questions are only asked for what the field leaves open.
    let modality = match (modality, said.modality) {
        (Some(field), Some(asked)) => field.agree(asked).or(Some(field)),
        (field, _) => field,
    };
    // A radiograph's "coronal plane" is no section.
    let plane = said
        .plane
        .filter(|plane| plane.is_projection() == (modality == Some(Modality::Xray)));

    let (mut structures, mut places) = (Vec::new(), Vec::new());
    for found in boxes {
        let label = found.label.as_deref().unwrap_or_default();
        // All of SLAKE's effusions are of the chest, where the word alone means the pleural one.
        let name = if label.eq_ignore_ascii_case("effusion") {
            "pleural-effusion"
        } else {
            label
        };
        match Pathology::find(name) {
            Ok(pathology) => places.push((pathology, place(found, size, convention)?)),
            Err(_) => structures.push(structure(label)?),
        }
    }
    let findings = findings(places);
    finished(Attributes {
        modality,
        plane,
        organ,
        structures,
        class: None,
        sides: sides(&findings, convention),
        findings,
    })
}

/// The value on which all rows agree.
fn one<T: PartialEq>(
    rows: &[&Question],
    field: fn(&Question) -> Option<&str>,
    read: fn(&str) -> Result<T, MapError>,
) -> Result<Option<T>, MapError> {
    let mut agreed = None;
    for written in rows.iter().filter_map(|row| field(row)) {
        let value = read(written)?;
        if agreed.as_ref().is_some_and(|known| *known != value) {
            return Err(MapError::Class {
                class: shown(written),
                known: "the same in all rows of the image".into(),
            });
        }
        agreed = Some(value);
    }
    Ok(agreed)
}

fn modality(field: &str) -> Result<Modality, MapError> {
    match field.to_ascii_uppercase().as_str() {
        "MRI" => Ok(Modality::Mri),
        "CT" => Ok(Modality::Ct),
        "X-RAY" => Ok(Modality::Xray),
        _ => Err(MapError::Class {
            class: shown(field),
            known: "MRI, CT, X-Ray".into(),
        }),
    }
}

/// Where a row is of the lungs or the heart, the image is of the chest: what else is in it, its boxes tell.
fn region(field: &str) -> Result<Organ, MapError> {
    let name = match field.to_ascii_lowercase().as_str() {
        "lung" | "chest_lung" | "chest_heart" | "chest_mediastinal" => "chest",
        "brain" | "brain_tissue" => "brain",
        "brain_face" => "head",
        "pelvic cavity" => "pelvis",
        other => return Ok(Organ::find(other)?),
    };
    Ok(Organ::find(name)?)
}
