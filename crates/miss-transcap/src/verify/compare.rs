//! What a caption says against what the attributes say.

use crate::attributes::{
    Attributes, Class, Convention, Finding, Location, Modality, Organ, Pathology, Plane,
};

use super::Reason;
use super::places::Place;
use super::read::{Mention, Said};

pub(super) fn compare(attributes: &Attributes, mut said: Said) -> Vec<Reason> {
    let mut reasons = std::mem::take(&mut said.wrong);
    modality(attributes, &said, &mut reasons);
    plane(attributes, &said, &mut reasons);
    organs(attributes, &said, &mut reasons);
    for mention in &said.findings {
        let known = attributes
            .findings
            .iter()
            .any(|finding| finding.pathology == mention.pathology);
        match (known, mention.negated) {
            (true, true) => reasons.push(Reason::Negated(mention.pathology)),
            (true, false) => {}
            (false, true) if denied(attributes, mention.pathology) => {}
            (false, _) => reasons.push(Reason::AddedFinding(mention.pathology)),
        }
        let described = mention.counts.iter().any(|_| !mention.article)
            || !mention.sizes.is_empty()
            || !mention.shapes.is_empty()
            || !mention.places.is_empty();
        if mention.negated && described {
            reasons.push(Reason::Unclear("a description of what is absent"));
        }
    }
    class(attributes, &said, &mut reasons);
    for known in &attributes.findings {
        let mentions: Vec<&Mention> = said
            .findings
            .iter()
            .filter(|mention| mention.pathology == known.pathology && !mention.negated)
            .collect();
        finding(attributes, known, &mentions, &mut reasons);
    }
    reasons
}

/// The class itself says that this is not there.
fn denied(attributes: &Attributes, pathology: Pathology) -> bool {
    attributes.class == Some(Class::AbnormalWithoutOpacity) && pathology.id() == "lung-opacity"
}

fn modality(attributes: &Attributes, said: &Said, reasons: &mut Vec<Reason>) {
    let mut whole = None;
    for one in &said.modalities {
        let agreed = match whole {
            None => Some(*one),
            Some(before) => one.agree(before),
        };
        match agreed {
            Some(agreed) => whole = Some(agreed),
            None => return reasons.push(Reason::Contradicts("modality")),
        }
    }
    match (attributes.modality, whole) {
        (None, None) => {}
        (None, Some(_)) => reasons.push(Reason::Added("modality")),
        (Some(_), None) => reasons.push(Reason::Missing("modality")),
        (Some(known), Some(whole)) if known == whole => {}
        (Some(known), Some(Modality::Mri)) if known.agree(Modality::Mri).is_some() => {
            reasons.push(Reason::Missing("modality"))
        }
        (Some(Modality::Mri), Some(whole)) if whole.agree(Modality::Mri).is_some() => {
            reasons.push(Reason::Added("modality"))
        }
        _ => reasons.push(Reason::Contradicts("modality")),
    }
}

fn plane(attributes: &Attributes, said: &Said, reasons: &mut Vec<Reason>) {
    let frontal = matches!(
        attributes.plane,
        Some(Plane::Posteroanterior | Plane::Anteroposterior)
    );
    match attributes.plane {
        None if said.frontal || !said.planes.is_empty() => reasons.push(Reason::Added("plane")),
        None => {}
        Some(_) if said.frontal && !frontal => reasons.push(Reason::Contradicts("plane")),
        Some(known) if said.planes.iter().any(|plane| *plane != known) => {
            reasons.push(Reason::Contradicts("plane"))
        }
        Some(_) if said.planes.is_empty() => reasons.push(Reason::Missing("plane")),
        Some(_) => {}
    }
}

fn organs(attributes: &Attributes, said: &Said, reasons: &mut Vec<Reason>) {
    for organ in &said.organs {
        let known = attributes.organ == Some(*organ)
            || attributes
                .structures
                .iter()
                .any(|structure| structure.organ == *organ)
            || attributes
                .findings
                .iter()
                .any(|finding| seat(finding.pathology) == Some(organ.id()))
            || organ.id() == "lung" && lungs(attributes);
        if !known {
            reasons.push(Reason::AddedOrgan(*organ));
        }
    }
    let named = |organ: Organ| said.organs.contains(&organ);
    if attributes.organ.is_some_and(|organ| !named(organ)) {
        reasons.push(Reason::Missing("organ"));
    }
    for structure in &attributes.structures {
        let there = match structure.side {
            Some(_) => said.structures.contains(structure),
            None => named(structure.organ),
        };
        if !there {
            reasons.push(Reason::Missing("structures"));
        }
    }
}

/// The half of a chest is called a lung, and so is where there is no lung opacity.
fn lungs(attributes: &Attributes) -> bool {
    let chest = attributes.organ.is_some_and(|organ| organ.id() == "chest");
    chest
        && (attributes.sides == Some(Convention::PatientSide)
            || attributes.class == Some(Class::AbnormalWithoutOpacity))
}

/// The organ that a finding is in by its name, which a caption may therefore name as its place.
fn seat(pathology: Pathology) -> Option<&'static str> {
    Some(match pathology.id() {
        "lung-opacity" | "pneumonia" | "atelectasis" | "consolidation" | "pulmonary-edema"
        | "emphysema" | "fibrosis" | "infiltration" | "lung-cancer" => "lung",
        "cardiomegaly" => "heart",
        "brain-edema" | "brain-tumor" | "enhancing-brain-tumor" | "non-enhancing-brain-tumor" => {
            "brain"
        }
        "liver-cancer" => "liver",
        "kidney-cancer" => "kidney",
        _ => return None,
    })
}

fn class(attributes: &Attributes, said: &Said, reasons: &mut Vec<Reason>) {
    let class = attributes.class;
    if said.normal && class != Some(Class::Normal) {
        reasons.push(Reason::Contradicts("class"));
    }
    if said.no_findings && !matches!(class, Some(Class::Normal | Class::NoFinding)) {
        reasons.push(Reason::Contradicts("class"));
    }
    let wrong = !attributes.findings.is_empty()
        || matches!(class, Some(Class::Abnormal | Class::AbnormalWithoutOpacity));
    if said.abnormal && !wrong {
        reasons.push(Reason::Contradicts("class"));
    }
    let no_opacity = || {
        said.findings
            .iter()
            .any(|mention| mention.negated && denied(attributes, mention.pathology))
    };
    let whole = match class {
        None => true,
        Some(Class::Normal) => said.normal,
        Some(Class::NoFinding) => said.no_findings,
        // A finding that is named is an abnormality.
        Some(Class::Abnormal) => said.abnormal || !attributes.findings.is_empty(),
        Some(Class::AbnormalWithoutOpacity) => {
            (said.abnormal || !attributes.findings.is_empty()) && no_opacity()
        }
    };
    if !whole {
        reasons.push(Reason::Missing("class"));
    }
}

fn finding(
    attributes: &Attributes,
    known: &Finding,
    mentions: &[&Mention],
    reasons: &mut Vec<Reason>,
) {
    if !mentions.iter().any(|mention| mention.named) {
        reasons.push(Reason::Missing("pathology"));
        if mentions.is_empty() {
            return;
        }
    }
    one_value(
        "size",
        known.size,
        mentions.iter().flat_map(|mention| &mention.sizes),
        reasons,
    );
    one_value(
        "shape",
        known.shape,
        mentions.iter().flat_map(|mention| &mention.shapes),
        reasons,
    );
    let mut places: Vec<Place> = Vec::new();
    let mut total = 0_usize;
    let mut counted = false;
    for mention in mentions {
        let mut numbered = None;
        for count in &mention.counts {
            match known.count {
                Some(whole) if *count == whole => counted = true,
                // One of several, where it lies.
                Some(whole) if *count < whole && !mention.places.is_empty() => {
                    numbered = Some(*count)
                }
                None if mention.article => {}
                None if !mention.places.is_empty() && known.locations.len() > 1 => {
                    numbered = Some(*count)
                }
                Some(_) => reasons.push(Reason::Contradicts("count")),
                None => reasons.push(Reason::Added("count")),
            }
        }
        places.extend(mention.places.iter().map(|place| Place {
            number: place.number.or(numbered),
            ..*place
        }));
    }
    for place in &places {
        total += usize::from(place.number.unwrap_or(0));
    }
    if let Some(whole) = known.count
        && !counted
        && total != usize::from(whole)
    {
        reasons.push(Reason::Missing("count"));
    }
    // "Nodules are seen in …" leaves open whether all of them are.
    let all = mentions
        .iter()
        .filter(|mention| !mention.places.is_empty())
        .all(|mention| mention.definite || !mention.counts.is_empty());
    locations(attributes, known, places, all, reasons);
}

fn one_value<'a, T: Copy + PartialEq + 'a>(
    name: &'static str,
    known: Option<T>,
    mut said: impl Iterator<Item = &'a T>,
    reasons: &mut Vec<Reason>,
) {
    match (known, said.next()) {
        (None, None) => {}
        (None, Some(_)) => reasons.push(Reason::Added(name)),
        (Some(_), None) => reasons.push(Reason::Missing(name)),
        (Some(known), Some(first)) => {
            if *first != known || said.any(|other| *other != known) {
                reasons.push(Reason::Contradicts(name));
            }
        }
    }
}

/// "Two in the upper third, one left and one right": a height or side that is said of all holds for each.
fn shared(known: &Finding, places: Vec<Place>) -> Vec<Place> {
    let (whole, each): (Vec<Place>, Vec<Place>) =
        places.iter().partition(|place| place.number.is_none());
    let [whole] = whole[..] else { return places };
    let other = each.iter().all(|place| match (whole.height, whole.side) {
        (Some(_), None) => place.height.is_none(),
        (None, Some(_)) => place.side.is_none(),
        _ => false,
    });
    let total: usize = each
        .iter()
        .map(|place| usize::from(place.number.unwrap_or(0)))
        .sum();
    let complete = match known.count {
        Some(count) => total == usize::from(count),
        None => each.len() > 1,
    };
    if !other || !complete {
        return places;
    }
    each.into_iter()
        .map(|place| Place {
            height: place.height.or(whole.height),
            side: place.side.or(whole.side),
            whose: place.whose.or(whole.whose),
            ..place
        })
        .collect()
}

fn locations(
    attributes: &Attributes,
    known: &Finding,
    places: Vec<Place>,
    all: bool,
    reasons: &mut Vec<Reason>,
) {
    if places.iter().any(|place| {
        place
            .whose
            .is_some_and(|whose| Some(whose) != attributes.sides)
    }) {
        reasons.push(Reason::Contradicts("sides"));
    }
    if known.locations.is_empty() {
        if !places.is_empty() {
            reasons.push(Reason::Added("location"));
        }
        return;
    }
    if places.is_empty() {
        return reasons.push(Reason::Missing("location"));
    }
    let places = shared(known, places);
    let location = |place: &Place| Location {
        height: place.height,
        side: place.side,
    };
    let mut wanted = known.locations.clone();
    wanted.sort_unstable();
    let mut distinct = wanted.clone();
    distinct.dedup();
    let mut told: Vec<Location> = places.iter().map(location).collect();
    told.sort_unstable();
    told.dedup();
    let right = if places.iter().all(|place| place.number.is_none()) {
        let each_alone = distinct.len() == wanted.len();
        let placed = known
            .count
            .is_none_or(|count| usize::from(count) == wanted.len());
        let together = all && distinct.len() == 1 && known.count.is_some();
        told == distinct && (placed || !all) && (each_alone || together)
    } else {
        let mut each: Vec<Location> = Vec::new();
        for place in places.iter().filter(|place| place.number.is_some()) {
            each.extend(std::iter::repeat_n(
                location(place),
                usize::from(place.number.unwrap_or(0)),
            ));
        }
        each.sort_unstable();
        each == wanted && told == distinct
    };
    if !right {
        let fewer =
            told.len() < distinct.len() && told.iter().all(|place| distinct.contains(place));
        reasons.push(if fewer {
            Reason::Missing("location")
        } else {
            Reason::Contradicts("location")
        });
    }
}
