//! What may be said about an image: closed vocabularies and small numbers, no free text.

mod lexicon;
mod modality;

use std::fmt;

pub use lexicon::{Organ, Pathology, UnknownTerm};
pub use miss_data::location::{Convention, Side, Third};
pub use modality::{Modality, Plane};
use serde::{Deserialize, Serialize};

/// What is known of one image. `None` and an empty list mean that nobody said, not that it is absent.
///
/// The paper's seven attributes (modality, plane, organ and, of each finding, pathology, location, size and
/// shape), and the class and count of its RSNA example (section 3.4 and appendix A.3). There are only enums,
/// small numbers and terms of a closed lexicon: no identifier, path or free text of a dataset can be in here.
/// That is all a request to a language model is made from.
///
/// Images with equal attributes share captions, so mappers return them [normalised](Self::normalised).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// How the image was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modality: Option<Modality>,
    /// Section or projection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plane: Option<Plane>,
    /// Region or organ that the image is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organ: Option<Organ>,
    /// Organs that are seen in it besides, as its labels say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub structures: Vec<Structure>,
    /// What is said of the image as a whole, where no finding is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// What is wrong, each pathology once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Whose left and right the locations of findings mean; there exactly if one of them has a side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sides: Option<Convention>,
}

/// What is said of an image as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Judged to be normal: RSNA's `Normal`.
    Normal,
    /// None of the findings that were looked for: ChestX-ray8's `No Finding`. Weaker than normal.
    NoFinding,
    /// Something is wrong, and it is no lung opacity: RSNA's `No Lung Opacity / Not Normal`.
    AbnormalWithoutOpacity,
    /// Something is wrong, and nobody said what.
    Abnormal,
}

/// An organ with its side, which is the patient's: `left kidney`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Structure {
    /// The organ.
    pub organ: Organ,
    /// The patient's left or right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
}

/// A pathology and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Its name.
    pub pathology: Pathology,
    /// How many there are: 1 to [`Finding::MAX_COUNT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u8>,
    /// Where they are. As many as are counted, or fewer where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// How large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Of what form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
}

/// A place in the image; one part at least is there. "Upper" is towards the image's top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Third of the height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<Third>,
    /// Half of the width, under [`Attributes::sides`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
}

/// How large a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// Small.
    Small,
    /// Between.
    Moderate,
    /// Large.
    Large,
}

/// Of what form a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Round.
    Round,
    /// Oval.
    Oval,
    /// Irregular.
    Irregular,
    /// Lobulated.
    Lobulated,
    /// Like a wedge.
    WedgeShaped,
    /// Like a line.
    Linear,
}

/// Attributes that contradict themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Contradiction(String);

impl Finding {
    /// The largest count; more are not counted but seen.
    pub const MAX_COUNT: u8 = 20;

    /// A pathology of which nothing else is known.
    #[must_use]
    pub fn new(pathology: Pathology) -> Self {
        Self {
            pathology,
            count: None,
            locations: Vec::new(),
            size: None,
            shape: None,
        }
    }
}

impl Attributes {
    /// Lists sorted, so that images of which the same is known have equal attributes.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        self.structures.sort();
        self.structures.dedup();
        for finding in &mut self.findings {
            finding.locations.sort();
        }
        self.findings.sort();
        self
    }

    /// That nothing in here contradicts anything else, and that the [sides](Self::sides) are declared.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), Contradiction> {
        let fail = |what: String| Err(Contradiction(what));
        if let (Some(modality), Some(plane)) = (self.modality, self.plane) {
            let projected = matches!(
                modality,
                Modality::Xray
                    | Modality::Mammography
                    | Modality::Fluoroscopy
                    | Modality::Angiography
            );
            if modality != Modality::Ultrasound && plane.is_projection() && !projected {
                return fail(format!("{modality} has no {plane} projection"));
            }
        }
        if !self.findings.is_empty() && matches!(self.class, Some(Class::Normal | Class::NoFinding))
        {
            return fail("an image with findings is neither normal nor without finding".into());
        }
        for (index, finding) in self.findings.iter().enumerate() {
            let name = finding.pathology;
            if self.class == Some(Class::AbnormalWithoutOpacity) && name.id() == "lung-opacity" {
                return fail(format!("a {name} on an image without one"));
            }
            if self.findings[..index]
                .iter()
                .any(|other| other.pathology == name)
            {
                return fail(format!("{name} is there twice: count it"));
            }
            if let Some(count) = finding.count {
                if count == 0 || count > Finding::MAX_COUNT {
                    let most = Finding::MAX_COUNT;
                    return fail(format!("{name}: a count of {count}, not 1 to {most}"));
                }
                if finding.locations.len() > usize::from(count) {
                    return fail(format!("{name}: more locations than the count of {count}"));
                }
            }
            if finding.locations.len() > usize::from(Finding::MAX_COUNT) {
                return fail(format!("{name}: too many locations"));
            }
            if finding
                .locations
                .iter()
                .any(|place| place.height.is_none() && place.side.is_none())
            {
                return fail(format!("{name}: a location that says nothing"));
            }
        }
        let mut locations = self.findings.iter().flat_map(|finding| &finding.locations);
        match (locations.any(|place| place.side.is_some()), self.sides) {
            (true, None) => fail("sides without saying whose: the image's or the patient's".into()),
            (false, Some(_)) => fail("a convention of sides, but no side".into()),
            _ => Ok(()),
        }
    }

    /// The known attributes as (name, value) pairs for tables and prompts, e.g. `("modality", "T2-weighted MRI")`.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
        add("modality", self.modality.map(|value| value.to_string()));
        add("plane", self.plane.map(|value| value.to_string()));
        add("organ", self.organ.map(|value| value.to_string()));
        if !self.structures.is_empty() {
            let names: Vec<String> = self.structures.iter().map(ToString::to_string).collect();
            add("structures", Some(names.join(", ")));
        }
        add("class", self.class.map(|value| value.to_string()));
        for finding in &self.findings {
            add("pathology", Some(finding.pathology.to_string()));
            add("count", finding.count.map(|value| value.to_string()));
            if !finding.locations.is_empty() {
                let places: Vec<String> =
                    finding.locations.iter().map(ToString::to_string).collect();
                add("location", Some(places.join(", ")));
            }
            add("size", finding.size.map(|value| value.to_string()));
            add("shape", finding.shape.map(|value| value.to_string()));
        }
        add(
            "sides",
            self.sides.map(|value| match value {
                Convention::ImageSide => "of the image".into(),
                Convention::PatientSide => "of the patient".into(),
            }),
        );
        pairs
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::NoFinding => "no finding",
            Self::AbnormalWithoutOpacity => "abnormal, no lung opacity",
            Self::Abnormal => "abnormal",
        })
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Some(side) => write!(f, "{} {}", side_name(side), self.organ),
            None => write!(f, "{}", self.organ),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let height = self.height.map(|height| match height {
            Third::Upper => "upper",
            Third::Middle => "middle",
            Third::Lower => "lower",
        });
        let words: Vec<&str> = height.into_iter().chain(self.side.map(side_name)).collect();
        f.write_str(&words.join(" "))
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "small",
            Self::Moderate => "moderate",
            Self::Large => "large",
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Round => "round",
            Self::Oval => "oval",
            Self::Irregular => "irregular",
            Self::Lobulated => "lobulated",
            Self::WedgeShaped => "wedge-shaped",
            Self::Linear => "linear",
        })
    }
}
