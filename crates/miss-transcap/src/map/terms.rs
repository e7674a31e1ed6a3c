//! What mappers have in common: labels as terms, and boxes as findings with places.

use std::collections::BTreeMap;

use miss_data::labelled::LabelledBox;
use miss_data::location::location;

use super::MapError;
use crate::attributes::{
    Class, Convention, Finding, Location, Organ, Pathology, Side, Structure, UnknownTerm,
};

/// A word of a dataset for what is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Class(Class),
    Pathology(Pathology),
}

impl Label {
    /// A class by its id, a pathology by any of its names.
    pub(super) fn find(word: &str) -> Result<Self, UnknownTerm> {
        let bare: String = word
            .chars()
            .filter(|letter| letter.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        Ok(Self::Class(match bare.as_str() {
            "normal" | "healthy" => Class::Normal,
            "nofinding" | "nofindings" => Class::NoFinding,
            "abnormal" | "notnormal" => Class::Abnormal,
            "abnormalwithoutopacity" | "nolungopacitynotnormal" => Class::AbnormalWithoutOpacity,
            _ => return Pathology::find(word).map(Self::Pathology),
        }))
    }
}

/// An organ whose label may begin with the patient's side: `Left Kidney`.
pub(super) fn structure(label: &str) -> Result<Structure, UnknownTerm> {
    let (first, rest) = label
        .trim()
        .split_once([' ', '_', '-'])
        .unwrap_or((label, ""));
    let side = match first.to_lowercase().as_str() {
        "left" => Some(Side::Left),
        "right" => Some(Side::Right),
        _ => None,
    };
    let organ = Organ::find(if side.is_some() { rest } else { label })?;
    Ok(Structure { organ, side })
}

/// A text of a dataset for an error message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Where a box lies on an image of `size` (width and height in pixels).
pub(super) fn place(
    found: &LabelledBox,
    size: (f64, f64),
    convention: Convention,
) -> Result<Location, MapError> {
    let (width, height) = size;
    let inside = found.x >= 0.0
        && found.y >= 0.0
        && found.width > 0.0
        && found.height > 0.0
        // Boxes may be rounded up.
        && found.x + found.width <= width + 1.0
        && found.y + found.height <= height + 1.0;
    if !inside {
        return Err(MapError::Box {
            label: shown(found.label.as_deref().unwrap_or_default()),
            width,
            height,
        });
    }
    let at = location(found, size, convention);
    Ok(Location {
        height: Some(at.height),
        side: Some(at.side),
    })
}

/// One finding for each pathology, from one place for each of its boxes. What has a plural is counted; of what
/// has none, as oedema, each place is named once. Of more than [`Finding::MAX_COUNT`] neither count nor places
/// are told.
pub(super) fn findings(places: Vec<(Pathology, Location)>) -> Vec<Finding> {
    let mut by_pathology: BTreeMap<Pathology, Vec<Location>> = BTreeMap::new();
    for (pathology, location) in places {
        by_pathology.entry(pathology).or_default().push(location);
    }
    by_pathology
        .into_iter()
        .map(|(pathology, mut locations)| {
            locations.sort();
            let count = u8::try_from(locations.len())
                .ok()
                .filter(|count| *count <= Finding::MAX_COUNT);
            if count.is_none() {
                locations.clear();
            }
            let counted = pathology.plural().is_some();
            if !counted {
                locations.dedup();
            }
            Finding {
                count: count.filter(|_| counted),
                locations,
                ..Finding::new(pathology)
            }
        })
        .collect()
}

/// The convention, if a finding has a side to which it applies.
pub(super) fn sides(findings: &[Finding], convention: Convention) -> Option<Convention> {
    findings
        .iter()
        .flat_map(|finding| &finding.locations)
        .any(|place| place.side.is_some())
        .then_some(convention)
}
