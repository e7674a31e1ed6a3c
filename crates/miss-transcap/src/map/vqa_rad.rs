//! Attributes of a VQA-RAD image, from what its question rows say.
//!
//! VQA-RAD has one attribute field, the organ. Modality and plane are asked for in the questions of
//! the types MODALITY and PLANE; a row tells one of them
//! - by its answer, if the answer consists of words of the lexicon only ("MRI - T2 weighted", "pa"), or
//! - by its question, if the answer is yes and the question consists of such words only
//!   ("Is this an axial image?").
//!
//! A row with any other word says nothing ("Which modality would show ...?"). Rows that contradict each
//! other make the attribute unknown.

use miss_data::record::Question;

use crate::attributes::{Attributes, Modality, Organ, Plane};

/// What the rows of one image say about it. Pass training rows only: a caption made of a test row
/// would carry its answer into pretraining.
///
/// A projection without a modality makes it a radiograph. A plane that its modality cannot have (a PA
/// projection of a CT, a coronal section of a radiograph) is taken as unknown.
pub fn attributes(rows: &[&Question]) -> Attributes {
    let mut modalities = Vec::new();
    let mut planes = Vec::new();
    for said in rows.iter().filter_map(|row| said_by(row)) {
        for word in said {
            match word {
                Word::Modality(modality) => modalities.push(modality),
                Word::Plane(plane) => planes.push(plane),
                Word::Filler => {}
            }
        }
    }
    let organs: Vec<Organ> = rows
        .iter()
        .filter_map(|row| organ(row.organ.as_deref()?))
        .collect();

    let modality_contradicted = !modalities.is_empty();
    let modality = agreed(modalities, Modality::agree);
    let plane = agreed(planes, |one, two| (one == two).then_some(one));
    let (modality, plane) = match (modality, plane) {
        (None, Some(plane)) if plane.is_projection() && !modality_contradicted => {
            (Some(Modality::Xray), Some(plane))
        }
        (Some(modality), Some(plane)) if plane.is_projection() != (modality == Modality::Xray) => {
            (Some(modality), None)
        }
        as_said => as_said,
    };
    Attributes {
        modality,
        plane,
        organ: agreed(organs, |one, two| (one == two).then_some(one)),
        ..Attributes::default()
    }
}

/// One value for all statements, or `None` where there are none or two contradict each other.
fn agreed<T>(statements: Vec<T>, agree: impl Fn(T, T) -> Option<T>) -> Option<T> {
    let mut statements = statements.into_iter();
    let first = statements.next()?;
    statements.try_fold(first, agree)
}

fn organ(field: &str) -> Option<Organ> {
    match field.to_ascii_uppercase().as_str() {
        "HEAD" => Organ::find("head").ok(),
        "CHEST" => Organ::find("chest").ok(),
        "ABD" => Organ::find("abdomen").ok(),
        _ => None,
    }
}

/// The words a row uses to name modality and plane, or `None` if it does not name them.
fn said_by(row: &Question) -> Option<Vec<Word>> {
    let asks = |kind: &str| {
        let mut given = row.question_types.iter();
        given.any(|given| given.eq_ignore_ascii_case(kind))
    };
    if !(asks("MODALITY") || asks("PLANE")) {
        return None;
    }
    let question = normalise(&row.question);
    // "What type of imaging does this not represent?"
    if question.split(' ').any(|word| word == "not") {
        return None;
    }
    let answer = normalise(&row.answer);
    let statement = match answer.as_str() {
        "no" => return None,
        "yes" => question,
        _ => answer,
    };
    statement.split(' ').map(Word::read).collect()
}

/// Lower case, only letters and digits, terms of several words joined.
fn normalise(text: &str) -> String {
    const TERMS: [(&str, &str); 4] = [
        ("x ray", "xray"),
        ("plain film", "xray"),
        ("posterior anterior", "posteroanterior"),
        ("anterior posterior", "anteroposterior"),
    ];
    let words: Vec<String> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    // Blanks at both ends keep a term from matching inside a longer word.
    let mut text = format!(" {} ", words.join(" "));
    for (term, word) in TERMS {
        text = text.replace(&format!(" {term} "), &format!(" {word} "));
    }
    text.trim().to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Modality(Modality),
    Plane(Plane),
    /// Changes nothing about modality and plane.
    Filler,
}

impl Word {
    /// `None` for a word outside the lexicon: then the row is not understood.
    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "xray" | "xr" | "cxr" | "radiograph" => Self::Modality(Modality::Xray),
            "ct" => Self::Modality(Modality::Ct),
            "mri" | "mr" => Self::Modality(Modality::Mri),
            "t1" => Self::Modality(Modality::MriT1),
            "t2" => Self::Modality(Modality::MriT2),
            "flair" => Self::Modality(Modality::MriFlair),
            "dwi" | "diffusion" => Self::Modality(Modality::MriDiffusion),
            "adc" => Self::Modality(Modality::MriAdc),
            "ultrasound" => Self::Modality(Modality::Ultrasound),
            "axial" | "transverse" => Self::Plane(Plane::Axial),
            "coronal" => Self::Plane(Plane::Coronal),
            "sagittal" | "saggital" => Self::Plane(Plane::Sagittal),
            "pa" | "posteroanterior" => Self::Plane(Plane::Posteroanterior),
            "ap" | "anteroposterior" => Self::Plane(Plane::Anteroposterior),
            "lateral" => Self::Plane(Plane::Lateral),
            _ if FILLERS.contains(&word) => Self::Filler,
            _ => return None,
        })
    }
}

const FILLERS: &[&str] = &[
    "a",
    "above",
    "an",
    "and",
    "brain",
    "by",
    "chest",
    "contrast",
    "cut",
    "enhanced",
    "film",
    "format",
    "gi",
    "image",
    "imaging",
    "in",
    "is",
    "iv",
    "map",
    "non",
    "noncontrast",
    "of",
    "oriented",
    "plane",
    "position",
    "protocol",
    "scan",
    "section",
    "taken",
    "the",
    "this",
    "via",
    "view",
    "was",
    "weighted",
    "with",
];

#[cfg(test)]
mod tests {
    use miss_data::record::{AnswerType, Language, Part};

    use super::*;

    fn row(kind: &str, question: &str, answer: &str) -> Question {
        Question {
            id: "vqa-rad/0".into(),
            image: "synpic1.jpg".into(),
            question: question.into(),
            answer: answer.into(),
            answer_type: AnswerType::Open,
            question_types: vec![kind.into()],
            organ: Some("CHEST".into()),
            modality: None,
            language: Language::En,
            part: Some(Part::Train),
            linked_id: None,
        }
    }

    fn of(rows: &[Question]) -> Attributes {
        attributes(&rows.iter().collect::<Vec<_>>())
    }

    #[test]
    fn reads_the_answers_that_vqa_rad_has() {
        let modality = |answer: &str| of(&[row("MODALITY", "What is it?", answer)]).modality;
        for answer in [
            "x-ray",
            "Chest X ray",
            "xray",
            "CXR",
            "plain film",
            "plain film x-ray",
            "X-ray Plain Film",
        ] {
            assert_eq!(modality(answer), Some(Modality::Xray), "{answer}");
        }
        for answer in [
            "CT",
            "non-contrast CT",
            "CT with contrast",
            "contrast ct with gi and iv contrast",
        ] {
            assert_eq!(modality(answer), Some(Modality::Ct), "{answer}");
        }
        for answer in ["FLAIR", "mr - flair", "mri/flair", "flair mri"] {
            assert_eq!(modality(answer), Some(Modality::MriFlair), "{answer}");
        }
        assert_eq!(modality("MRI"), Some(Modality::Mri));
        assert_eq!(modality("t2-mri"), Some(Modality::MriT2));
        assert_eq!(modality("MRI - T1 weighted"), Some(Modality::MriT1));
        assert_eq!(modality("mr - adc map"), Some(Modality::MriAdc));
        assert_eq!(
            modality("diffusion weighted imaging (dwi)"),
            Some(Modality::MriDiffusion)
        );
        for answer in [
            "with contrast",
            "both",
            "gadolinium",
            "oral and iv",
            "ct or mri",
        ] {
            assert_eq!(modality(answer), None, "{answer}");
        }
    }

    #[test]
    fn projections_make_a_radiograph() {
        let read = of(&[row("PLANE", "Which plane?", "PA")]);
        assert_eq!(read.plane, Some(Plane::Posteroanterior));
        assert_eq!(read.modality, Some(Modality::Xray));
        assert_eq!(read.organ, Organ::find("chest").ok());
        assert_eq!(of(&[row("MODALITY", "Modality?", "pa xray")]), read);
        assert_eq!(
            of(&[row(
                "PLANE",
                "Is this in the posterior-anterior plane?",
                "Yes"
            )]),
            read
        );
    }

    #[test]
    fn a_yes_counts_only_if_every_word_of_the_question_is_known() {
        let plane = |question: &str, answer: &str| of(&[row("PLANE", question, answer)]).plane;
        assert_eq!(plane("Is this an axial image?", "yes"), Some(Plane::Axial));
        assert_eq!(plane("Is this an axial image?", "no"), None);
        assert_eq!(
            plane("Does this axial section include the cardia?", "yes"),
            None
        );
    }

    #[test]
    fn contradictions_and_negated_questions_say_nothing() {
        let ct = row("MODALITY", "What is it?", "ct");
        let mri = row("MODALITY", "What is it?", "mri");
        let flair = row("MODALITY", "Which sequence?", "flair");
        let pa = row("PLANE", "Which plane?", "pa");
        let coronal = row("PLANE", "Which plane?", "coronal");
        assert_eq!(of(&[ct.clone(), mri.clone()]).modality, None);
        assert_eq!(of(&[mri, flair]).modality, Some(Modality::MriFlair));
        assert_eq!(of(&[pa.clone(), coronal.clone()]).plane, None);

        // A plane its modality cannot have.
        let both = of(&[ct, pa]);
        assert_eq!((both.modality, both.plane), (Some(Modality::Ct), None));
        let xray = row("MODALITY", "What is it?", "cxr");
        assert_eq!(of(&[xray, coronal]).plane, None);

        let negated = row("MODALITY", "What does this not represent?", "ultrasound");
        assert_eq!(of(&[negated]).modality, None);
        // Another question type names no modality, whatever its answer.
        assert_eq!(of(&[row("PRES", "What is seen?", "ct")]).modality, None);
        assert_eq!(of(&[]), Attributes::default());
    }
}
