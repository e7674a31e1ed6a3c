//! From what a dataset says of an image to its attributes.
//!
//! Every mapper looks a dataset's words up in the closed lexicon and gives attributes that are normalised and
//! checked. What is not in the lexicon is an error or a finding, never a text that is passed on.

pub mod class_folders;
pub mod rsna;
pub mod slake;
pub mod table;
mod terms;
pub mod vqa_rad;

use miss_data::read::{Finding, Outcome, Place};
use thiserror::Error;

use crate::attributes::{Attributes, Contradiction, UnknownTerm};

/// An image and what is said of it, whatever the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Path below the dataset's image folder. It stays here: no request is made from it.
    pub image: String,
    /// Normalised and checked.
    pub attributes: Attributes,
}

/// Why what a dataset says of an image makes no attributes.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MapError {
    /// A word that stands for nothing.
    #[error(transparent)]
    Unknown(#[from] UnknownTerm),
    /// Statements that cannot all be true.
    #[error("{0}; correct the labels of the image")]
    Contradiction(#[from] Contradiction),
    /// A class that its publishers do not have.
    #[error("the class is `{class}`; it must be one of {known}")]
    Class {
        /// What was found, cut where it is long.
        class: String,
        /// What there is.
        known: String,
    },
    /// A box that does not lie on its image.
    #[error(
        "the box of `{label}` does not lie on the image of {width} x {height} pixels: boxes must be given in the \
         pixels of the image as it is stored"
    )]
    Box {
        /// What the box encloses, cut where it is long.
        label: String,
        /// Of the image, in pixels.
        width: f64,
        /// Of the image, in pixels.
        height: f64,
    },
}

/// Attributes as every mapper gives them.
fn finished(attributes: Attributes) -> Result<Attributes, MapError> {
    let attributes = attributes.normalised();
    attributes.check()?;
    Ok(attributes)
}

/// That an image was left out, and why.
fn dropped(image: &str, why: &MapError) -> Finding {
    Finding {
        file: image.into(),
        place: Place::Whole,
        outcome: Outcome::Dropped,
        what: why.to_string(),
    }
}
