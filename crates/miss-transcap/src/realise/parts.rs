//! The two ways in which the paper draws a caption.

use miss_data::Captions;
use serde::{Deserialize, Serialize};

use crate::attributes::{Attributes, Finding};

use super::realise;

/// What is drawn from at every visit of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// Some whole captions of each image, one drawn per visit: the paper's appendix A.3 and its released code.
    #[default]
    WholeCaption,
    /// Phrases of each attribute, one of each drawn per visit and joined in an order that is drawn: the
    /// paper's section 3.4.
    PerAttribute,
}

impl Sampler {
    /// Up to `count` captions of the image, or as many phrases of each attribute, from the template realiser.
    #[must_use]
    pub fn captions(self, attributes: &Attributes, count: usize, seed: u64) -> Captions {
        match self {
            Self::WholeCaption => Captions::Whole(realise(attributes, count, seed)),
            Self::PerAttribute => {
                let parts = attributes.parts();
                Captions::Parts(
                    parts
                        .iter()
                        .map(|part| realise(part, count, seed))
                        .collect(),
                )
            }
        }
    }
}

impl Attributes {
    /// The attributes one by one, each as attributes that can be worded for themselves; together they say what
    /// the whole says. Of a finding, what else is known of it is a part each, with its name. At least one part.
    #[must_use]
    pub fn parts(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut add = |part: Self| {
            if part != Self::default() {
                parts.push(part);
            }
        };
        add(Self {
            modality: self.modality,
            ..Self::default()
        });
        add(Self {
            plane: self.plane,
            ..Self::default()
        });
        add(Self {
            organ: self.organ,
            ..Self::default()
        });
        add(Self {
            structures: self.structures.clone(),
            ..Self::default()
        });
        add(Self {
            class: self.class,
            ..Self::default()
        });
        for finding in &self.findings {
            for part in parts_of(finding) {
                let sided = part.locations.iter().any(|place| place.side.is_some());
                add(Self {
                    findings: vec![part],
                    sides: self.sides.filter(|_| sided),
                    ..Self::default()
                });
            }
        }
        if parts.is_empty() {
            parts.push(Self::default());
        }
        parts
    }
}

fn parts_of(finding: &Finding) -> Vec<Finding> {
    let name = Finding::new(finding.pathology);
    let all = [
        Finding {
            count: finding.count,
            ..name.clone()
        },
        Finding {
            locations: finding.locations.clone(),
            ..name.clone()
        },
        Finding {
            size: finding.size,
            ..name.clone()
        },
        Finding {
            shape: finding.shape,
            ..name.clone()
        },
    ];
    let parts: Vec<Finding> = all.into_iter().filter(|part| *part != name).collect();
    if parts.is_empty() { vec![name] } else { parts }
}
