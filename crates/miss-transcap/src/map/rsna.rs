//! Attributes of the radiographs of the RSNA pneumonia challenge: the paper's own example (appendix A.3).
//!
//! Each is a frontal radiograph of the chest; the projection is not in the tables. A patient of the class `Lung
//! Opacity` has the finding lung opacity, with a count and a place for each box; of the others the class is told.

use miss_data::labelled::{LabelledBox, LabelledImage};
use miss_data::read::Read;
use miss_data::rsna::{self, Patient, SIDE};

use super::terms::{findings, place, shown, sides};
use super::{Labelled, MapError, dropped, finished};
use crate::attributes::{Attributes, Class, Convention, Finding, Modality, Organ, Pathology};

/// What the tables say of a patient's radiograph, with sides under `convention`. The paper's are the image's.
///
/// # Errors
/// [`MapError::Box`] for a box that leaves the image, [`MapError::Contradiction`] for more boxes than can be
/// counted.
pub fn attributes(patient: &Patient, convention: Convention) -> Result<Attributes, MapError> {
    of(patient.class, &patient.boxes, convention)
}

/// The same for images as [`miss_data::rsna::read`] gives them. An image that cannot be mapped is a finding.
#[must_use]
pub fn labelled(images: &[LabelledImage], convention: Convention) -> Read<Labelled> {
    let mut read = Read {
        records: Vec::with_capacity(images.len()),
        findings: Vec::new(),
    };
    for image in images {
        let class = rsna::Class::ALL
            .into_iter()
            .find(|class| class.as_str() == image.class)
            .ok_or_else(|| MapError::Class {
                class: shown(&image.class),
                known: rsna::Class::ALL.map(rsna::Class::as_str).join(", "),
            });
        match class.and_then(|class| of(class, &image.boxes, convention)) {
            Ok(attributes) => read.records.push(Labelled {
                image: image.image.clone(),
                attributes,
            }),
            Err(why) => read.findings.push(dropped(&image.image, &why)),
        }
    }
    read
}

fn of(
    class: rsna::Class,
    boxes: &[LabelledBox],
    convention: Convention,
) -> Result<Attributes, MapError> {
    let opacity = Pathology::find("lung-opacity")?;
    let places = boxes
        .iter()
        .map(|found| Ok((opacity, place(found, (SIDE, SIDE), convention)?)))
        .collect::<Result<_, MapError>>()?;
    let mut findings = findings(places);
    let class = match class {
        rsna::Class::Normal => Some(Class::Normal),
        rsna::Class::NotNormal => Some(Class::AbnormalWithoutOpacity),
        rsna::Class::LungOpacity => {
            if findings.is_empty() {
                findings.push(Finding::new(opacity));
            }
            None
        }
    };
    finished(Attributes {
        modality: Some(Modality::Xray),
        organ: Some(Organ::find("chest")?),
        class,
        sides: sides(&findings, convention),
        findings,
        ..Attributes::default()
    })
}
