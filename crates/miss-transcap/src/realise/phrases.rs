//! The words for each attribute, and how they join into a noun phrase.

use crate::attributes::{Attributes, Class, Modality, Organ, Plane};

/// What can fill a slot of a frame, for one attribute tuple. An empty list means that the frames
/// with this slot do not apply.
pub(crate) struct Phrases {
    /// Noun phrases, without article, that say everything that is known.
    pub whole: Vec<String>,
    /// Noun phrases, without article, that say everything but the organ.
    pub image: Vec<String>,
    /// Mass nouns for the technique with plane, e.g. "axial CT"; empty without a modality.
    pub method: Vec<String>,
    /// The organ's nouns, used with "the".
    pub organ: Vec<String>,
    /// The plane's adjectives; one that is empty if it is not known.
    pub plane: Vec<String>,
}

impl Phrases {
    pub fn of(attributes: &Attributes) -> Self {
        let words = ModalityWords::of(attributes.modality);
        let planes = plane_adjectives(attributes.plane);
        let (mut organ_adjectives, organs) = organ_words(attributes.organ);
        if attributes.modality.is_none() {
            // "A chest X-ray", but not "a chest medical image".
            organ_adjectives = &[];
        }

        let mut whole = Vec::new();
        let mut image = Vec::new();
        for noun in words.nouns {
            for plane in planes {
                image.push(join(&[plane, words.sequence, "", noun]));
                for adjective in organ_adjectives {
                    whole.push(join(&[plane, words.sequence, adjective, noun]));
                }
                for organ in &organs {
                    whole.push(format!(
                        "{} of the {organ}",
                        join(&[plane, words.sequence, "", noun])
                    ));
                    whole.extend(in_plane(attributes.plane, plane).map(|tail| {
                        format!(
                            "{} of the {organ} {tail}",
                            join(&[words.sequence, "", noun])
                        )
                    }));
                }
                if organs.is_empty() {
                    whole.push(join(&[plane, words.sequence, "", noun]));
                    whole.extend(
                        in_plane(attributes.plane, plane)
                            .map(|tail| format!("{} {tail}", join(&[words.sequence, "", noun]))),
                    );
                }
            }
        }

        if !attributes.findings.is_empty()
            && matches!(
                attributes.class,
                Some(Class::Abnormal | Class::AbnormalWithoutOpacity)
            )
        {
            // The findings are what is abnormal: "an abnormality" beside them would be one more.
            for noun in &mut whole {
                noun.insert_str(0, "abnormal ");
            }
        }
        let mut method = Vec::new();
        for technique in words.techniques {
            for plane in planes {
                method.push(join(&[plane, words.sequence, technique]));
            }
        }
        Self {
            whole,
            image,
            method,
            organ: organs.iter().map(ToString::to_string).collect(),
            plane: planes.iter().map(ToString::to_string).collect(),
        }
    }
}

struct ModalityWords {
    /// Comes before the organ: "T2-weighted head MR image".
    sequence: &'static str,
    nouns: &'static [&'static str],
    techniques: &'static [&'static str],
}

impl ModalityWords {
    fn of(modality: Option<Modality>) -> Self {
        const MR_NOUNS: &[&str] = &["MRI scan", "MR image", "magnetic resonance image"];
        const MR_TECHNIQUES: &[&str] = &["MRI", "magnetic resonance imaging"];
        let mri = |sequence| Self {
            sequence,
            nouns: MR_NOUNS,
            techniques: MR_TECHNIQUES,
        };
        let plain = |nouns, techniques| Self {
            sequence: "",
            nouns,
            techniques,
        };
        match modality {
            Some(Modality::Xray) => plain(
                &["X-ray", "radiograph", "X-ray image"],
                &["radiography", "X-ray imaging"],
            ),
            Some(Modality::Ct) => plain(
                &["CT scan", "CT image", "computed tomography scan"],
                &["CT", "computed tomography"],
            ),
            Some(Modality::Mri) => mri(""),
            Some(Modality::MriT1) => mri("T1-weighted"),
            Some(Modality::MriT2) => mri("T2-weighted"),
            Some(Modality::MriFlair) => mri("FLAIR"),
            Some(Modality::MriDiffusion) => mri("diffusion-weighted"),
            Some(Modality::MriAdc) => plain(&["MRI ADC map", "MR ADC map"], &["MR ADC mapping"]),
            Some(Modality::Ultrasound) => plain(
                &["ultrasound image", "ultrasound scan", "sonogram"],
                &["ultrasound", "sonography"],
            ),
            Some(Modality::Mammography) => {
                plain(&["mammogram", "mammography image"], &["mammography"])
            }
            Some(Modality::Fluoroscopy) => plain(
                &["fluoroscopic image", "fluoroscopy image"],
                &["fluoroscopy"],
            ),
            Some(Modality::Angiography) => plain(
                &["angiogram", "angiographic image", "angiography image"],
                &["angiography"],
            ),
            Some(Modality::Pet) => plain(
                &["PET scan", "PET image", "positron emission tomography scan"],
                &["PET", "positron emission tomography"],
            ),
            None => plain(&["medical image", "radiological image"], &[]),
        }
    }
}

/// An unknown plane is one empty adjective, so that the loops above run once.
fn plane_adjectives(plane: Option<Plane>) -> &'static [&'static str] {
    match plane {
        Some(Plane::Axial) => &["axial", "transverse"],
        Some(Plane::Coronal) => &["coronal"],
        Some(Plane::Sagittal) => &["sagittal"],
        Some(Plane::Posteroanterior) => &["posteroanterior", "PA"],
        Some(Plane::Anteroposterior) => &["anteroposterior", "AP"],
        Some(Plane::Lateral) => &["lateral"],
        None => &[""],
    }
}

/// "in the axial plane", "in PA projection"; nothing where the plane is not known.
fn in_plane(plane: Option<Plane>, adjective: &str) -> Option<String> {
    plane.map(|plane| {
        if plane.is_projection() {
            format!("in {adjective} projection")
        } else {
            format!("in the {adjective} plane")
        }
    })
}

/// Adjectives and nouns.
fn organ_words(organ: Option<Organ>) -> (&'static [&'static str], Vec<&'static str>) {
    let Some(organ) = organ else {
        return (&[], Vec::new());
    };
    match organ.id() {
        "head" => (&["head", "cranial"], vec!["head"]),
        "chest" => (&["chest", "thoracic"], vec!["chest", "thorax"]),
        "abdomen" => (&["abdominal"], vec!["abdomen"]),
        "brain" => (&["brain"], vec!["brain"]),
        "neck" => (&["neck"], vec!["neck"]),
        _ => (&[], vec![organ.noun()]),
    }
}

fn join(words: &[&str]) -> String {
    let known: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !word.is_empty())
        .collect();
    known.join(" ")
}
