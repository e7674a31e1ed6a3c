//! Attributes of images whose class is the name of their folder.
//!
//! What all images have in common and what the classes mean is told in TOML. A class that is not told of is
//! looked up in the lexicon.
//!
//! ```
//! use miss_transcap::map::class_folders::ClassMap;
//!
//! let map = ClassMap::parse(
//!     r#"
//!     modality = "xray"
//!     organ = "chest"
//!
//!     [classes]
//!     "lo" = "lung-opacity"          # a pathology of lexicon/pathologies.txt, by any of its names,
//!     "ok" = "no-finding"            # or normal, no-finding, abnormal, abnormal-without-opacity
//!     "#,
//! )?;
//! assert_eq!(map.attributes("lo")?, map.attributes("Lung Opacity")?);
//! assert!(map.attributes("Pnuemonia").unwrap_err().to_string().contains("`pneumonia`"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use miss_data::labelled::LabelledImage;
use miss_data::read::Read;
use serde::Deserialize;

use super::terms::Label;
use super::{Labelled, MapError, dropped, finished};
use crate::attributes::{Attributes, Finding, Modality, Organ, Plane};

/// What the classes of a dataset mean. The default looks all of them up in the lexicon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassMap {
    /// Of all images.
    pub modality: Option<Modality>,
    /// Of all images.
    pub plane: Option<Plane>,
    /// Of all images.
    pub organ: Option<Organ>,
    /// From the name of a class to a class or a pathology.
    #[serde(default)]
    pub classes: BTreeMap<String, String>,
}

impl ClassMap {
    /// Reads a map from TOML and checks that each of its terms is in the lexicon.
    ///
    /// # Errors
    /// A text that names line and column of a key or term that is unknown.
    pub fn parse(text: &str) -> Result<Self, ClassMapError> {
        let map: Self = toml::from_str(text)?;
        for class in map.classes.keys() {
            map.attributes(class).map_err(|why| ClassMapError::Class {
                class: class.clone(),
                why,
            })?;
        }
        Ok(map)
    }

    /// What is known of an image of the class `class`.
    ///
    /// # Errors
    /// [`MapError::Unknown`] for a class that is neither in the map nor in the lexicon; it names the nearest term.
    pub fn attributes(&self, class: &str) -> Result<Attributes, MapError> {
        let term = self.classes.get(class).map_or(class, String::as_str);
        let mut attributes = Attributes {
            modality: self.modality,
            plane: self.plane,
            organ: self.organ,
            ..Attributes::default()
        };
        match Label::find(term)? {
            Label::Class(class) => attributes.class = Some(class),
            Label::Pathology(pathology) => attributes.findings = vec![Finding::new(pathology)],
        }
        finished(attributes)
    }

    /// The same for images as [`miss_data::class_folders::read`] gives them. An image of a class that cannot be
    /// mapped is a finding.
    #[must_use]
    pub fn labelled(&self, images: &[LabelledImage]) -> Read<Labelled> {
        let mut read = Read {
            records: Vec::with_capacity(images.len()),
            findings: Vec::new(),
        };
        for image in images {
            match self.attributes(&image.class) {
                Ok(attributes) => read.records.push(Labelled {
                    image: image.image.clone(),
                    attributes,
                }),
                Err(why) => read.findings.push(dropped(&image.image, &why)),
            }
        }
        read
    }
}

/// Why a map of classes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClassMapError {
    /// Not TOML of the form that is described in this module.
    #[error("the map of classes: {0}")]
    Toml(#[from] toml::de::Error),
    /// A class that is mapped to what does not exist or contradicts the rest.
    #[error("the map of classes: class `{class}`: {why}")]
    Class {
        /// The name of the class.
        class: String,
        /// What is wrong with its term.
        why: MapError,
    },
}
