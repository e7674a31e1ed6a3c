//! The two ways in which the paper draws a caption.

use miss_data::{Captions, mix};
use serde::{Deserialize, Serialize};

use crate::attributes::{Attributes, Class, Finding, Pathology, Plane, Size};

use super::content::Definite;
use super::phrases::Phrases;
use super::{choose, contents, fill, filled, fingerprint, frames, realise};

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
                    (0_u64..)
                        .zip(&parts)
                        .map(|(index, part)| phrases(part, count, mix(&[seed, index])))
                        .collect(),
                )
            }
        }
    }
}

impl Sampler {
    /// Up to `count` texts for what this sampler asks for one by one: all attributes, or one of their parts.
    #[cfg(feature = "client")]
    pub(crate) fn texts(self, item: &Attributes, count: usize, seed: u64) -> Vec<String> {
        match self {
            Self::WholeCaption => realise(item, count, seed),
            Self::PerAttribute => phrases(item, count, seed),
        }
    }
}

impl Attributes {
    /// The attributes one by one, each as attributes that can be worded for themselves; together they say what
    /// the whole says. Of a finding, what else is known of it is a part each, with its name and its count, so that
    /// none of them sounds like another number of them. At least one part.
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
    let counted = Finding {
        count: finding.count,
        ..name.clone()
    };
    let all = [
        counted.clone(),
        Finding {
            locations: finding.locations.clone(),
            ..counted.clone()
        },
        Finding {
            size: finding.size,
            ..counted.clone()
        },
        Finding {
            shape: finding.shape,
            ..counted.clone()
        },
    ];
    let mut parts = vec![counted.clone()];
    parts.extend(all.into_iter().filter(|part| *part != counted));
    parts
}

/// Up to `count` short sentences of one of the [parts](Attributes::parts), which read as of one image in any order.
fn phrases(part: &Attributes, count: usize, seed: u64) -> Vec<String> {
    let sentences = sentences(part);
    if sentences.is_empty() {
        return realise(part, count, seed);
    }
    choose(sentences, count, mix(&[seed, fingerprint(part)]))
}

/// Of the frames of a part; none where there is nothing to say.
fn sentences(part: &Attributes) -> Vec<Vec<String>> {
    let phrases = Phrases::of(part);
    let of_image = |patterns: &[&str]| filled(patterns, &phrases, None);
    if part.modality.is_some() {
        return of_image(&MODALITY);
    }
    if let Some(plane) = part.plane {
        return of_plane(plane, &phrases);
    }
    if part.organ.is_some() {
        return of_image(&ORGAN);
    }
    match part.class {
        Some(Class::Abnormal) => return of_image(&ABNORMAL),
        Some(Class::AbnormalWithoutOpacity) => return of_image(&WITHOUT_OPACITY),
        _ => {}
    }
    if let [finding] = &part.findings[..] {
        let described = of_finding(finding, part);
        if !described.is_empty() {
            return described;
        }
    }
    let mut sentences = Vec::new();
    for content in contents(part) {
        sentences.extend(filled(
            &frames::without_image(&content),
            &phrases,
            Some(&content),
        ));
    }
    if part.class == Some(Class::Normal) {
        sentences.extend(of_image(&["the image is normal."]));
    }
    sentences
}

fn of_plane(plane: Plane, phrases: &Phrases) -> Vec<Vec<String>> {
    let (noun, tail) = if plane.is_projection() {
        ("projection", "in {plane} projection")
    } else {
        ("plane", "in the {plane} plane")
    };
    PLANE
        .iter()
        .map(|frame| {
            let frame = frame.replace("{noun}", noun).replace("{tail}", tail);
            fill(&frame, phrases, None)
        })
        .collect()
}

/// What is said of a finding again; none if it is only named or counted.
fn of_finding(finding: &Finding, part: &Attributes) -> Vec<Vec<String>> {
    let definite = Definite::of(finding, part.sides);
    let (patterns, said, bare): (&[&str], String, String) = match (finding.size, finding.shape) {
        (Some(size), _) => (&SIZE, size.to_string(), bare(size, finding.pathology)),
        (None, Some(shape)) => (&SHAPE, shape.to_string(), shape.to_string()),
        (None, None) => match definite.place {
            Some((place, false)) => (&PLACE, place, String::new()),
            Some((places, true)) => (&PLACES_APART, places, String::new()),
            None => return Vec::new(),
        },
    };
    let agree = |many: &'static str, one: &'static str| if definite.plural { many } else { one };
    patterns
        .iter()
        .map(|frame| {
            let sentence = frame
                .replace("{d}", &definite.name)
                .replace("{is}", agree("are", "is"))
                .replace("{lie}", agree("lie", "lies"))
                .replace("{appear}", agree("appear", "appears"))
                .replace("{have}", agree("have", "has"))
                .replace("{bare}", &bare)
                .replace("{s}", &said);
            vec![super::capitalise(&super::with_articles(&sentence))]
        })
        .collect()
}

/// "The nodules are moderate-sized", but "the pneumonia is moderate".
fn bare(size: Size, pathology: Pathology) -> String {
    match (size, pathology.plural()) {
        (Size::Moderate, Some(_)) => "moderate-sized".to_owned(),
        _ => size.to_string(),
    }
}

const MODALITY: [&str; 12] = [
    "it is a(n) {whole}.",
    "this is a(n) {whole}.",
    "the image is a(n) {whole}.",
    "the picture is a(n) {whole}.",
    "the modality is {method}.",
    "the technique is {method}.",
    "{method} was used.",
    "it was made with {method}.",
    "it was acquired by {method}.",
    "it was obtained with {method}.",
    "the image was taken by {method}.",
    "the imaging technique is {method}.",
];

const PLANE: [&str; 12] = [
    "the {noun} is {plane}.",
    "the view is {plane}.",
    "it is a(n) {plane} view.",
    "this is a(n) {plane} view.",
    "the image is a(n) {plane} view.",
    "we see a(n) {plane} view.",
    "a(n) {plane} view is shown.",
    "the {noun} shown is {plane}.",
    "it was taken {tail}.",
    "it is shown {tail}.",
    "the image is {tail}.",
    "the view shown is {plane}.",
];

const ORGAN: [&str; 12] = [
    "the {organ} is shown.",
    "the {organ} is seen.",
    "the {organ} is visible.",
    "the {organ} was imaged.",
    "the {organ} was examined.",
    "it shows the {organ}.",
    "this shows the {organ}.",
    "the image shows the {organ}.",
    "it is of the {organ}.",
    "it was taken of the {organ}.",
    "we see the {organ}.",
    "the region shown is the {organ}.",
];

const ABNORMAL: [&str; 5] = [
    "the image is abnormal.",
    "it is abnormal.",
    "it is not normal.",
    "this is not normal.",
    "the image is not normal.",
];

const WITHOUT_OPACITY: [&str; 5] = [
    "the image is abnormal but shows no lung opacity.",
    "it is abnormal but without lung opacity.",
    "it is not normal but shows no lung opacity.",
    "no lung opacity is seen, but the image is abnormal.",
    "the image is abnormal. no lung opacity is seen.",
];

const SIZE: [&str; 8] = [
    "{d} {is} {bare}.",
    "{d} {appear} {bare}.",
    "{d} seen here {is} {bare}.",
    "{d} {is} {s} in size.",
    "{d} {is} of {s} size.",
    "{d} {appear} {s} in size.",
    "in size, {d} {is} {s}.",
    "the size of {d} is {s}.",
];

const SHAPE: [&str; 8] = [
    "{d} {is} {s}.",
    "{d} {appear} {s}.",
    "{d} seen here {is} {s}.",
    "{d} {is} {s} in shape.",
    "{d} {is} of {s} shape.",
    "{d} {have} a(n) {s} shape.",
    "in shape, {d} {is} {s}.",
    "the shape of {d} is {s}.",
];

const PLACE: [&str; 8] = [
    "{d} {is} {s}.",
    "{d} {lie} {s}.",
    "{d} {is} seen {s}.",
    "{d} {is} located {s}.",
    "{d} {is} found {s}.",
    "{d} can be seen {s}.",
    "{s}, {d} {is} seen.",
    "{s} {lie} {d}.",
];

const PLACES_APART: [&str; 5] = [
    "{d}: {s}.",
    "{d} {is} seen, {s}.",
    "{d} {is} located, {s}.",
    "{d} can be seen, {s}.",
    "here, {d} {is} seen, {s}.",
];
