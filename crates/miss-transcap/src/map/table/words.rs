//! Cells of a table as terms.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::attributes::{Finding, Modality, Organ, Plane, Shape, Side, Size, Structure, Third};
use crate::map::terms::{Label, shown, structure};

/// What a column tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Is {
    Modality,
    Plane,
    Organ,
    Structure,
    Label,
    Count,
    Height,
    Side,
    Size,
    Shape,
}

/// What a cell tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Modality(Modality),
    Plane(Plane),
    Organ(Organ),
    Structure(Structure),
    Label(Label),
    /// `None` for more than [`Finding::MAX_COUNT`].
    Count(Option<u8>),
    Height(Third),
    Side(Side),
    Size(Size),
    Shape(Shape),
}

const THIRDS: [Third; 3] = [Third::Upper, Third::Middle, Third::Lower];
const SIDES: [Side; 2] = [Side::Left, Side::Right];
const SIZES: [Size; 3] = [Size::Small, Size::Moderate, Size::Large];
const SHAPES: [Shape; 6] = [
    Shape::Round,
    Shape::Oval,
    Shape::Irregular,
    Shape::Lobulated,
    Shape::WedgeShaped,
    Shape::Linear,
];

impl Is {
    pub(super) fn may_be_several(self) -> bool {
        matches!(self, Self::Label | Self::Structure)
    }

    pub(super) fn is_place(self) -> bool {
        matches!(self, Self::Height | Self::Side)
    }

    /// A term; an empty one says nothing.
    pub(super) fn read(self, word: &str) -> Result<Option<Said>, String> {
        let word = word.trim();
        if word.is_empty() {
            return Ok(None);
        }
        let unknown = |error: crate::attributes::UnknownTerm| error.to_string();
        Ok(Some(match self {
            Self::Modality => Said::Modality(one_of("modality", &Modality::ALL, word)?),
            Self::Plane => Said::Plane(one_of("plane", &Plane::ALL, word)?),
            Self::Organ => Said::Organ(Organ::find(word).map_err(unknown)?),
            Self::Structure => Said::Structure(structure(word).map_err(unknown)?),
            Self::Label => Said::Label(Label::find(word).map_err(unknown)?),
            Self::Count => Said::Count(count(word)?),
            Self::Height => Said::Height(one_of("height", &THIRDS, word)?),
            Self::Side => Said::Side(one_of("side", &SIDES, word)?),
            Self::Size => Said::Size(one_of("size", &SIZES, word)?),
            Self::Shape => Said::Shape(one_of("shape", &SHAPES, word)?),
        }))
    }
}

/// The value with this id, in any case and with any separators: `X-Ray`.
fn one_of<T: Copy + Serialize>(kind: &str, all: &[T], word: &str) -> Result<T, String> {
    let wanted = bare(&shown(word));
    let id = |value: &T| {
        let id = serde_json::to_value(value).ok();
        id.and_then(|id| id.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    if let Some(found) = all.iter().find(|value| bare(&id(value)) == wanted) {
        return Ok(*found);
    }
    let nearest = all
        .iter()
        .min_by_key(|value| strsim::levenshtein(&bare(&id(value)), &wanted))
        .map(&id)
        .unwrap_or_default();
    let known: Vec<String> = all.iter().map(id).collect();
    Err(format!(
        "`{}` is no {kind}; the nearest is `{nearest}`; map the word to one of {}",
        shown(word),
        known.join(", ")
    ))
}

fn bare(word: &str) -> String {
    word.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// A whole number; tables of numbers with gaps are often written as `2.0`.
fn count(word: &str) -> Result<Option<u8>, String> {
    let number: f64 = word.parse().unwrap_or(f64::NAN);
    if !(number.is_finite() && number >= 1.0 && number.fract() == 0.0) {
        return Err(format!(
            "`{}` is no count: a whole number from 1 is wanted; map what means none to an empty term",
            shown(word)
        ));
    }
    let told = (1..=Finding::MAX_COUNT).find(|count| f64::from(*count) == number);
    Ok(told)
}

/// Whether a number can be the width of an image in pixels.
pub(super) fn is_size(pixels: f64) -> bool {
    pixels.is_finite() && pixels >= 1.0
}

/// The text of a cell; empty where there is none.
pub(super) fn cell(row: &Map<String, Value>, column: &str) -> Result<String, String> {
    match row.get(column) {
        None => Ok(String::new()),
        Some(value) => text(value).ok_or_else(|| not_a_cell(column)),
    }
}

pub(super) fn not_a_cell(column: &str) -> String {
    format!("`{column}` holds a list or an object: a text or a number is wanted")
}

/// What a value is as text, without space around it; `None` for lists and objects.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}
