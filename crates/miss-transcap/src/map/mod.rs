//! From what a dataset says of an image to its attributes.

pub mod vqa_rad;

use crate::attributes::Attributes;

/// An image and what is said of it, whatever the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Path below the dataset's image folder. It stays here: no request is made from it.
    pub image: String,
    /// Normalised and checked.
    pub attributes: Attributes,
}
