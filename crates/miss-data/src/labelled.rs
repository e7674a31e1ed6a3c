//! Images with labels instead of texts: what Transfer-and-Caption reads.

use burn_dataset::{Dataset, DatasetError};
use serde::{Deserialize, Serialize};

/// One image with its class and the boxes of its findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledImage {
    /// Unique and stable: `rsna-pneumonia/<patientId>`.
    pub id: String,
    /// Path below the dataset's image folder, parts separated by `/`.
    pub image: String,
    /// As the publishers write it.
    pub class: String,
    /// Where findings lie; none for an image without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<LabelledBox>,
}

/// A rectangle on an image, in the image's own pixels. "Left" is the image's left, which in a
/// radiograph seen as usual is the patient's right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledBox {
    /// What it encloses, where the publishers say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Left edge, pixels from the image's left.
    pub x: f64,
    /// Upper edge, pixels from the image's top.
    pub y: f64,
    /// Pixels.
    pub width: f64,
    /// Pixels.
    pub height: f64,
}

/// Labelled images as a [`Dataset`], for Burn programs that use this crate alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelledImages(pub Vec<LabelledImage>);

impl Dataset<LabelledImage> for LabelledImages {
    /// # Panics
    ///
    /// If `index` is not below `len()`, as the trait demands.
    fn get(&self, index: usize) -> Result<LabelledImage, DatasetError> {
        Ok(self.0[index].clone())
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
