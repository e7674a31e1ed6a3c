//! The verifier on captions written by hand, on mutants of faithful ones, and on what the realiser writes.
#![allow(clippy::unwrap_used)]

use miss_transcap::attributes::{
    Attributes, Class, Convention, Finding, Location, Modality, Organ, Pathology, Plane, Shape,
    Side, Size, Structure, Third,
};
use miss_transcap::verify::{Reason, distinct_n, near_duplicates, verify};

const IMAGE: Option<Convention> = Some(Convention::ImageSide);
const PATIENT: Option<Convention> = Some(Convention::PatientSide);

fn at(height: Option<Third>, side: Option<Side>) -> Location {
    Location { height, side }
}

fn finding(name: &str, count: Option<u8>, locations: &[Location]) -> Finding {
    Finding {
        count,
        locations: locations.to_vec(),
        ..Finding::new(Pathology::find(name).unwrap())
    }
}

fn chest(findings: Vec<Finding>, class: Option<Class>, sides: Option<Convention>) -> Attributes {
    let attributes = Attributes {
        modality: Some(Modality::Xray),
        organ: Some(Organ::find("chest").unwrap()),
        class,
        findings,
        sides,
        ..Attributes::default()
    };
    attributes.check().unwrap();
    attributes.normalised()
}

/// The example of the paper: two lung opacities.
fn paper() -> Attributes {
    let places = [
        at(Some(Third::Upper), Some(Side::Left)),
        at(Some(Third::Middle), Some(Side::Right)),
    ];
    chest(vec![finding("lung-opacity", Some(2), &places)], None, IMAGE)
}

fn accepted(attributes: &Attributes, captions: &[&str]) {
    let mut wrong = Vec::new();
    for caption in captions {
        let reasons = verify(attributes, caption);
        if !reasons.is_empty() {
            wrong.push(format!("{caption}: {reasons:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refused(attributes: &Attributes, captions: &[&str]) {
    let wrong: Vec<&&str> = captions
        .iter()
        .filter(|caption| verify(attributes, caption).is_empty())
        .collect();
    assert!(wrong.is_empty(), "accepted: {wrong:#?}");
}

const TWO_OPACITIES: [&str; 16] = [
    "A chest X-ray shows two lung opacities, one in the upper left and one in the middle right of the image.",
    "Two lung opacities are seen in the upper left and the middle right of this chest X-ray.",
    "An X-ray image of the chest. Two lung opacities are seen. The lung opacities lie in the upper left and the middle right.",
    "Chest radiograph demonstrating 2 pulmonary opacities located in the upper-left and middle-right zones.",
    "This chest radiograph reveals a pair of lung opacities: one is in the upper left, the other in the middle right.",
    "In the upper left and middle right of this chest X-ray, there are two lung opacities.",
    "On this chest X-ray, an opacity is seen in the upper left and another in the middle right.",
    "There is one lung opacity in the upper left part of the image and one lung opacity in the middle right part. Chest X-ray.",
    "The image is a chest X-ray. Lung opacities are present; there are two. They are located in the upper left and in the middle right.",
    "Two opacities can be identified on the chest X-ray, in the upper left zone and the middle right zone.",
    "X-ray of the thorax with two areas of opacity, in the upper left and in the middle right of the image.",
    "A chest X-ray with an upper left lung opacity and a middle right lung opacity.",
    "This patient's chest X-ray shows two lung opacities in the upper part of the left side and the middle part of the right side.",
    "A chest X-ray in which two lung opacities can be seen at the upper left and the mid right.",
    "Two lung opacities, in the upper left and middle right of the image, as seen on a chest X-ray.",
    "Shown is a chest X-ray with two lung opacities, one in the middle right and one in the upper left of the image.",
];

#[test]
fn captions_of_the_example_of_the_paper_are_accepted() {
    accepted(&paper(), &TWO_OPACITIES);
}

/// Every mutant says something else, by how it was made.
#[test]
fn every_mutant_of_a_faithful_caption_is_refused() {
    let changes = [
        ("left", "right"),
        ("right", "left"),
        ("upper", "lower"),
        ("middle", "upper"),
        ("mid right", "lower right"),
        ("two", "three"),
        ("Two", "Several"),
        ("2 ", "4 "),
        ("a pair of", "multiple"),
        ("X-ray", "CT scan"),
        ("adiograph", "adiograph and MRI"),
        ("lung opacities", "nodules"),
        ("lung opacities", "lung opacities and a pleural effusion"),
        ("lung opacities", "lung opacities and pneumonia"),
        ("opacities", "opacities suggesting pneumonia"),
        ("opacities", "severe opacities"),
        ("opacities", "small opacities"),
        ("opacities", "round opacities"),
        ("shows", "does not show"),
        ("are seen", "are not seen"),
        ("there are", "there are no"),
        ("with two", "without two"),
        ("one in the upper left and", ""),
        (" and middle right", ""),
        (" and the middle right", ""),
        ("of the image", "of the patient"),
        ("the upper left", "the patient's upper left"),
        ("chest", "lateral chest"),
        ("chest", "abdominal"),
        ("chest", "normal chest"),
        ("This patient's", "This 45-year-old patient's"),
        ("This chest", "This follow-up chest"),
        (".", ", without pleural effusion."),
        (".", ", worse than before."),
        (".", ". The heart is normal."),
        (".", ". No pneumothorax."),
    ];
    let mut tried = 0;
    for caption in TWO_OPACITIES {
        for (from, to) in changes {
            let mutant = caption.replacen(from, to, 1);
            if mutant != caption {
                tried += 1;
                let reasons = verify(&paper(), &mutant);
                assert!(!reasons.is_empty(), "accepted: {mutant}");
            }
        }
    }
    assert!(tried > 200, "only {tried} mutants");
}

#[test]
fn classes_are_told_apart() {
    let normal = chest(vec![], Some(Class::Normal), None);
    let none = chest(vec![], Some(Class::NoFinding), None);
    let other = chest(vec![], Some(Class::AbnormalWithoutOpacity), None);
    let abnormal = chest(vec![], Some(Class::Abnormal), None);
    let of_normal = [
        "A normal chest X-ray.",
        "This chest radiograph is unremarkable.",
        "The chest X-ray shows no abnormality.",
        "Chest X-ray without any abnormal findings.",
        "No abnormalities are seen on this chest X-ray.",
        "On this chest X-ray, abnormalities are not seen.",
    ];
    let of_none = [
        "A chest X-ray with no findings.",
        "None of the findings looked for is seen on this chest X-ray.",
        "Chest radiograph. No finding is reported.",
    ];
    let of_other = [
        "An abnormal chest X-ray without lung opacity.",
        "This chest X-ray is not normal, but there is no lung opacity.",
        "A chest X-ray shows an abnormality but no lung opacities.",
        "No lung opacity is seen on this abnormal chest X-ray.",
        "Chest X-ray: abnormal, with no evidence of lung opacity.",
    ];
    let of_abnormal = [
        "An abnormal chest X-ray.",
        "This chest X-ray is not normal.",
        "A chest X-ray showing an abnormality.",
    ];
    accepted(&normal, &of_normal);
    accepted(&none, &of_none);
    accepted(&other, &of_other);
    accepted(&abnormal, &of_abnormal);
    refused(&none, &of_normal);
    refused(
        &none,
        &[
            "The chest X-ray shows no disease.",
            "A healthy chest on X-ray.",
            "A chest X-ray with no pneumonia.",
        ],
    );
    refused(&normal, &of_none);
    for wrong in [&of_other[..], &of_abnormal[..]] {
        refused(&normal, wrong);
        refused(&none, wrong);
    }
    refused(&other, &of_abnormal);
    refused(&other, &of_normal);
    refused(
        &other,
        &[
            "An abnormal chest X-ray with lung opacity.",
            "An abnormal chest X-ray without lung opacity or pneumonia.",
        ],
    );
    refused(&abnormal, &of_other);
    refused(
        &abnormal,
        &[
            "This chest X-ray is not abnormal.",
            "This chest X-ray is not not normal.",
        ],
    );
}

#[test]
fn negations_reach_as_far_as_they_do() {
    let pneumonia = chest(vec![finding("pneumonia", None, &[])], None, None);
    accepted(
        &pneumonia,
        &[
            "A chest X-ray with pneumonia.",
            "Pneumonia is seen on this chest X-ray.",
            "Chest X-ray with evidence of pneumonia.",
        ],
    );
    refused(
        &pneumonia,
        &[
            "A chest X-ray with no evidence of pneumonia.",
            "A chest X-ray without pneumonia.",
            "The chest X-ray is free of pneumonia.",
            "A chest X-ray showing neither pneumonia nor effusion.",
            "Pneumonia is not seen on this chest X-ray.",
            "Pneumonia is absent on this chest X-ray.",
            "Absence of pneumonia on a chest X-ray.",
            "It is not the case that the chest X-ray is without pneumonia.",
            "A chest X-ray with possible pneumonia.",
            "A chest X-ray consistent with pneumonia.",
            "A chest X-ray with pneumonia and no pleural effusion.",
            "A chest X-ray with pneumonia or effusion.",
            "A chest X-ray with acute pneumonia.",
            "A chest X-ray of a man with pneumonia.",
            "A chest X-ray with bilateral pneumonia.",
            "A chest X-ray with left lower pneumonia.",
            "Two chest X-rays with pneumonia.",
            "A chest X-ray with no abnormality and pneumonia.",
        ],
    );
}

#[test]
fn sides_belong_to_whom_they_are_declared_for() {
    let left = |sides| {
        let place = [at(None, Some(Side::Left))];
        chest(vec![finding("pneumonia", None, &place)], None, sides)
    };
    let of_patient = [
        "Chest X-ray with pneumonia in the left lung.",
        "Pneumonia on the patient's left side is seen on a chest X-ray.",
        "Chest X-ray with pneumonia in the left hemithorax.",
    ];
    let of_image = [
        "Pneumonia is seen on the left side of this chest X-ray.",
        "Chest X-ray with pneumonia on the left of the image.",
        "A chest X-ray with pneumonia on the image's left.",
    ];
    let bare = [
        "A chest X-ray with left-sided pneumonia.",
        "Chest X-ray: pneumonia on the left.",
    ];
    accepted(&left(PATIENT), &of_patient);
    refused(&left(IMAGE), &of_patient);
    accepted(&left(IMAGE), &of_image);
    refused(&left(PATIENT), &of_image);
    accepted(&left(PATIENT), &bare);
    accepted(&left(IMAGE), &bare);
}

#[test]
fn places_and_numbers_go_with_their_findings() {
    let both = [at(None, Some(Side::Left)), at(None, Some(Side::Right))];
    let effusions = chest(
        vec![finding("pleural-effusion", Some(2), &both)],
        None,
        PATIENT,
    );
    accepted(
        &effusions,
        &[
            "A chest X-ray with two pleural effusions, one on each side.",
            "Chest X-ray showing bilateral pleural effusions, two in total.",
            "Two pleural effusions are seen on both sides on a chest X-ray.",
        ],
    );
    refused(
        &effusions,
        &[
            "A chest X-ray with two left pleural effusions.",
            "Bilateral pleural effusions and two masses on a chest X-ray.",
        ],
    );

    let left = [at(None, Some(Side::Left))];
    let right = [at(None, Some(Side::Right))];
    let two = chest(
        vec![
            finding("mass", Some(1), &left),
            finding("nodule", Some(2), &[right[0], right[0]]),
        ],
        None,
        PATIENT,
    );
    accepted(
        &two,
        &[
            "A chest X-ray with a mass on the left and two nodules on the right.",
            "Chest X-ray: a left-sided mass and two right-sided nodules.",
            "On this chest X-ray, one mass is seen on the left side. Two nodules are located on the right side.",
        ],
    );
    refused(
        &two,
        &[
            "A chest X-ray with a mass on the right and two nodules on the left.",
            "A chest X-ray with two masses on the left and a nodule on the right.",
            "A chest X-ray with a mass and two nodules on the right.",
            "A chest X-ray with a mass on the left and two nodules, one on the right and one on the left.",
            "A chest X-ray with masses on the left and two nodules on the right.",
        ],
    );
    let three = chest(vec![finding("nodule", Some(3), &left)], None, PATIENT);
    accepted(
        &three,
        &["Three nodules on a chest X-ray, one on the left."],
    );
    refused(
        &three,
        &[
            "Three nodules on a chest X-ray on the left.",
            "One nodule on the left of a chest X-ray.",
        ],
    );
}

#[test]
fn sizes_shapes_and_organs_with_sides_are_read() {
    let mut tumour = finding("enhancing-brain-tumor", Some(1), &[]);
    tumour.size = Some(Size::Small);
    tumour.shape = Some(Shape::Round);
    let brain = Attributes {
        modality: Some(Modality::MriT1),
        plane: Some(Plane::Axial),
        organ: Some(Organ::find("brain").unwrap()),
        findings: vec![tumour],
        ..Attributes::default()
    };
    accepted(
        &brain,
        &[
            "An axial T1-weighted MRI of the brain showing a small round enhancing brain tumour.",
            "Axial T1-weighted brain MR image. An enhancing brain tumor is visible. The tumor is small and round in shape.",
        ],
    );
    refused(
        &brain,
        &[
            "An axial T1-weighted MRI of the brain showing a small round brain tumour.",
            "An axial T1-weighted MRI of the brain showing a small round non-enhancing brain tumour.",
            "An axial T2-weighted MRI of the brain showing a small round enhancing brain tumour.",
            "An axial MRI of the brain showing a small round enhancing brain tumour.",
            "A coronal T1-weighted MRI of the brain showing a small round enhancing brain tumour.",
            "An axial T1-weighted MRI of the brain showing a large round enhancing brain tumour.",
            "An axial T1-weighted MRI of the brain showing a round enhancing brain tumour.",
        ],
    );
    let kidney = |side| Structure {
        organ: Organ::find("kidney").unwrap(),
        side: Some(side),
    };
    let abdomen = Attributes {
        modality: Some(Modality::Ct),
        organ: Some(Organ::find("abdomen").unwrap()),
        structures: vec![
            Structure {
                organ: Organ::find("liver").unwrap(),
                side: None,
            },
            kidney(Side::Left),
        ],
        ..Attributes::default()
    };
    accepted(
        &abdomen,
        &[
            "An abdominal CT scan showing the liver and the left kidney.",
            "CT of the abdomen. The left kidney and the liver are visible.",
        ],
    );
    refused(
        &abdomen,
        &[
            "An abdominal CT scan showing the liver and the right kidney.",
            "An abdominal CT scan showing the liver and both kidneys.",
            "An abdominal CT scan showing the liver, the left kidney and the spleen.",
            "An abdominal CT scan showing the left kidney.",
            "An abdominal CT scan showing the liver and a kidney.",
        ],
    );
    let pair = Attributes {
        structures: vec![kidney(Side::Left), kidney(Side::Right)],
        ..abdomen
    };
    accepted(
        &pair,
        &[
            "An abdominal CT with both kidneys.",
            "Abdominal CT showing the left kidney and the right kidney.",
            "Abdominal CT showing the left and right kidneys.",
        ],
    );
    refused(&pair, &["Abdominal CT showing the left kidney."]);
}

#[test]
fn a_height_or_side_that_is_said_once_holds_for_each() {
    let upper = |side| at(Some(Third::Upper), Some(side));
    let two =
        |places: &[Location]| chest(vec![finding("lung-opacity", Some(2), places)], None, IMAGE);
    let pair = two(&[upper(Side::Left), upper(Side::Right)]);
    let of_pair = [
        "In the upper third of this chest X-ray there are two lung opacities, one left and one right.",
        "Two lung opacities are seen in the upper third of a chest X-ray, one on the left and one on the right.",
        "Chest X-ray. Two opacities sit in the upper part of the image: one on the left, one on the right.",
        "A chest X-ray with two opacities high in the image, one left, one right.",
    ];
    accepted(&pair, &of_pair);
    let (left, low) = (at(Some(Third::Middle), Some(Side::Left)), Third::Lower);
    refused(&two(&[upper(Side::Left), upper(Side::Left)]), &of_pair);
    refused(&two(&[left, upper(Side::Right)]), &of_pair);
    refused(
        &two(&[at(None, Some(Side::Left)), upper(Side::Right)]),
        &of_pair,
    );
    let three = [upper(Side::Left), upper(Side::Right)];
    let three = chest(vec![finding("lung-opacity", Some(3), &three)], None, IMAGE);
    refused(&three, &of_pair);
    accepted(
        &two(&[upper(Side::Left), at(Some(low), Some(Side::Left))]),
        &[
            "A chest X-ray with two opacities on the left side of the image, one upper and one lower.",
        ],
    );
    refused(
        &pair,
        &[
            "A chest X-ray with two opacities, one left and one right.",
            "Two opacities in the upper third of a chest X-ray, one on the left.",
            "In the upper third of this chest X-ray there are two opacities, two left and one right.",
            "A chest X-ray with two opacities low in the image, one left, one right.",
        ],
    );
}

#[test]
fn the_sides_of_a_sentence_are_of_whom_it_says() {
    let places = [
        at(Some(Third::Upper), Some(Side::Left)),
        at(Some(Third::Lower), None),
    ];
    let of = |sides| chest(vec![finding("nodule", Some(2), &places)], None, sides);
    let caption = "Two nodules on a chest X-ray, one in the upper left and one in the lower part of the image.";
    accepted(&of(IMAGE), &[caption]);
    refused(&of(PATIENT), &[caption]);
}

#[test]
fn what_stands_beside_a_finding_is_not_taken_for_it() {
    let brain = |names: &[&str]| Attributes {
        modality: Some(Modality::MriT1),
        organ: Some(Organ::find("brain").unwrap()),
        findings: names.iter().map(|name| finding(name, None, &[])).collect(),
        ..Attributes::default()
    };
    let both = "T1-weighted brain MRI with non-enhancing brain tumours and brain tumours.";
    accepted(
        &brain(&["non-enhancing-brain-tumor", "brain-tumor"]),
        &[both],
    );
    refused(&brain(&["non-enhancing-brain-tumor"]), &[both]);

    let kidney = |side| Structure {
        organ: Organ::find("kidney").unwrap(),
        side: Some(side),
    };
    let lung = Structure {
        organ: Organ::find("lung").unwrap(),
        side: Some(Side::Right),
    };
    let three = "CT showing the left kidney, the right kidney and the right lung.";
    let ct = |structures| Attributes {
        modality: Some(Modality::Ct),
        structures,
        ..Attributes::default()
    };
    accepted(
        &ct(vec![kidney(Side::Left), kidney(Side::Right), lung]),
        &[three],
    );
    refused(&ct(vec![kidney(Side::Left), lung]), &[three]);

    let two = chest(
        vec![
            finding("mass", Some(1), &[]),
            finding("nodule", Some(1), &[]),
        ],
        None,
        None,
    );
    accepted(
        &two,
        &["Two findings stand out on this chest X-ray: a mass and a nodule."],
    );
    refused(
        &two,
        &["Three findings stand out on this chest X-ray: a mass and a nodule."],
    );
}

#[test]
fn common_words_that_say_something_say_it() {
    let normal = chest(vec![], Some(Class::Normal), None);
    let within = "This plain chest radiograph looks within normal limits.";
    accepted(&normal, &[within]);
    refused(&chest(vec![], Some(Class::NoFinding), None), &[within]);
    refused(
        &normal,
        &["This chest X-ray does not look within normal limits."],
    );
    let pneumonia = chest(vec![finding("pneumonia", None, &[])], None, None);
    accepted(
        &pneumonia,
        &["Without question, this chest X-ray shows pneumonia."],
    );
    refused(
        &pneumonia,
        &[
            "This chest X-ray doesn't show pneumonia.",
            "A chest X-ray with pneumonia and fluid in the pleural space.",
            "A plain chest CT with pneumonia.",
            "A chest X-ray with pneumonia high in the chest.",
        ],
    );
}

#[test]
fn hostile_captions_are_refused_and_reasons_have_kinds() {
    let attributes = chest(vec![], None, None);
    assert_eq!(verify(&attributes, "A chest X-ray."), vec![]);
    for (caption, kind) in [
        ("", "length"),
        (&"a ".repeat(2_000)[..], "length"),
        ("A chest X-ray \u{202e}.", "unknown word"),
        ("A chest X-ray 50%.", "unknown word"),
        ("A chest X-ray with atelectasis.", "added finding"),
        ("A chest X-ray of the spleen.", "added organ"),
        ("An axial chest X-ray.", "added"),
        ("A chest CT.", "contradicts"),
        ("A chest image.", "missing"),
        ("A chest X-ray, or not.", "unclear"),
    ] {
        let reasons = verify(&attributes, caption);
        assert!(
            reasons.iter().any(|reason| reason.kind() == kind),
            "{caption}: {reasons:?}"
        );
        assert!(reasons.iter().all(|reason: &Reason| {
            let text = reason.to_string();
            text.starts_with(reason.kind()) && !text.contains('\u{202e}')
        }));
    }
}

#[test]
fn near_duplicates_are_dropped_and_the_earlier_stays() {
    let captions: Vec<String> = [
        "Two lung opacities are seen in the upper left and the middle right of this chest X-ray.",
        "two lung opacities are seen, in the upper left and the middle right of this chest x-ray",
        "On this chest radiograph, there is pneumonia.",
        "Two lung opacities are seen in the upper left and the middle right of that chest X-ray.",
        "On this chest radiograph, there is pneumonia.",
        "Pneumonia.",
    ]
    .map(String::from)
    .to_vec();
    assert_eq!(near_duplicates(&captions), [1, 3, 4]);
    let two = ["a b a b".to_owned(), "a b".to_owned()];
    assert_eq!(distinct_n(&two, 1), Some(2.0 / 6.0));
    assert_eq!(distinct_n(&two, 2), Some(2.0 / 4.0));
    assert_eq!(distinct_n(&two, 9), None);
}
