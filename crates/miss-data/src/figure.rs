//! Images with captions: what pretraining reads.

use burn_dataset::{Dataset, DatasetError};
use serde::{Deserialize, Serialize};

use crate::record::Part;

/// One image with the texts that describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Unique and stable: `medicat/<pdf_hash>/<fig_uri>`.
    pub id: String,
    /// Path below the dataset's image folder, parts separated by `/`.
    pub image: String,
    /// At least one, the preferred one first; white space collapsed.
    pub captions: Vec<String>,
    /// What must stay on one side of a split: the article or patient the image comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The licence of this very image, where the publishers state one, as they write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The part the publishers put it into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// Figures as a [`Dataset`], for Burn programs that use this crate alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures(pub Vec<Figure>);

impl Dataset<Figure> for Figures {
    /// # Panics
    ///
    /// If `index` is not below `len()`, as the trait demands.
    fn get(&self, index: usize) -> Result<Figure, DatasetError> {
        Ok(self.0[index].clone())
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
