//! What is seen on an image, as noun phrases that agree with their verbs.

use crate::attributes::{
    Attributes, Class, Convention, Finding, Location, Pathology, Side, Size, Structure, Third,
};

/// What decides which frames fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Named with "the".
    Organs,
    Found,
    Absent,
}

/// A noun phrase that can be the subject or the object of a sentence.
#[derive(Debug)]
pub(super) struct Content {
    pub kind: Kind,
    /// Whole, with `a(n)` for the articles.
    pub text: String,
    /// Ends in an aside, so that a comma comes before whatever follows.
    pub open: bool,
    /// A single finding apart from its place.
    pub placed: Option<(String, String)>,
    plural: bool,
    first_plural: bool,
}

impl Content {
    /// "is" or "are", after it.
    pub fn verb(&self) -> &'static str {
        if self.plural { "are" } else { "is" }
    }

    /// "is" or "are", before it: "there is pneumonia and …".
    pub fn verb_before(&self) -> &'static str {
        if self.first_plural { "are" } else { "is" }
    }

    /// "There is no abnormality", but neither "there is the liver" nor "there is none of the findings".
    pub fn fits_there(&self) -> bool {
        self.kind != Kind::Organs && !self.text.starts_with("none ")
    }

    fn plain(kind: Kind, text: impl Into<String>, plural: bool) -> Self {
        Self {
            kind,
            text: text.into(),
            open: false,
            placed: None,
            plural,
            first_plural: plural,
        }
    }
}

/// Everything that is said to be on the image or not to be there, a sentence's worth each.
pub(super) fn contents(attributes: &Attributes) -> Vec<Content> {
    let found = !attributes.findings.is_empty();
    let mut contents = Vec::new();
    contents.extend(organs(attributes));
    if found {
        contents.push(findings(&attributes.findings, attributes.sides));
    }
    let class = attributes.class.and_then(|class| match (class, found) {
        (Class::Normal, _) => Some((Kind::Absent, "no abnormality")),
        (Class::NoFinding, _) => Some((Kind::Absent, "none of the findings looked for")),
        // The image is called abnormal instead.
        (Class::Abnormal, true) => None,
        (Class::Abnormal, false) => Some((Kind::Found, "an abnormality")),
        (Class::AbnormalWithoutOpacity, true) => Some((Kind::Absent, "no lung opacity")),
        (Class::AbnormalWithoutOpacity, false) => {
            Some((Kind::Found, "an abnormality but no lung opacity"))
        }
    });
    contents.extend(class.map(|(kind, text)| Content::plain(kind, text, false)));
    contents
}

/// The organs that are seen besides the one that the image is of.
fn organs(attributes: &Attributes) -> Option<Content> {
    let mut structures: Vec<Structure> = attributes
        .structures
        .iter()
        .copied()
        .filter(|structure| structure.side.is_some() || Some(structure.organ) != attributes.organ)
        .collect();
    structures.sort_unstable();
    structures.dedup();
    let names: Vec<String> = structures
        .iter()
        .map(|structure| format!("the {structure}"))
        .collect();
    let plural = names.len() > 1;
    (!names.is_empty()).then(|| Content::plain(Kind::Organs, list(&names), plural))
}

fn findings(findings: &[Finding], sides: Option<Convention>) -> Content {
    let mut nouns: Vec<Noun> = findings
        .iter()
        .map(|finding| Noun::of(finding, sides))
        .collect();
    // What is said of one must not seem to be said of the next: "two nodules and masses".
    nouns.sort_by_key(|noun| match (&noun.place, noun.modified) {
        (Place::Nowhere, false) => 1,
        (Place::Nowhere, true) => 2,
        _ => 0,
    });
    let texts: Vec<String> = nouns.iter().map(Noun::text).collect();
    let long = texts
        .iter()
        .any(|text| text.contains(',') || text.contains(" and "));
    let text = match texts.split_last() {
        Some((last, rest)) if long && !rest.is_empty() => {
            format!("{}, and {last}", rest.join(", "))
        }
        _ => list(&texts),
    };
    let mut content = Content::plain(Kind::Found, text, nouns.len() > 1);
    content.open = matches!(
        nouns.last(),
        Some(Noun {
            place: Place::Aside(_),
            ..
        })
    );
    content.first_plural = nouns.first().is_some_and(|noun| noun.plural);
    if let [noun] = &nouns[..] {
        content.plural = noun.plural;
        if let Place::Of(place) = &noun.place {
            content.placed = Some((noun.head.clone(), place.clone()));
        }
    }
    content
}

/// A finding as it is spoken of again: "the two lung opacities", "the single nodule", "the pneumonia".
pub(super) struct Definite {
    pub name: String,
    pub plural: bool,
    /// Where it lies, and whether that tells each apart.
    pub place: Option<(String, bool)>,
}

impl Definite {
    /// Without its size and shape.
    pub fn of(finding: &Finding, sides: Option<Convention>) -> Self {
        let plain = Finding {
            size: None,
            shape: None,
            ..finding.clone()
        };
        let noun = Noun::of(&plain, sides);
        let one = |head: &'static str| noun.head.strip_prefix(head);
        let name = match one("a(n) ").or_else(|| one("one ")) {
            Some(one) => format!("the single {one}"),
            None => format!("the {}", noun.head),
        };
        let place = match noun.place {
            Place::Nowhere => None,
            Place::Of(place) => Some((place, false)),
            Place::Aside(places) => Some((places, true)),
        };
        Self {
            name,
            plural: noun.plural,
            place,
        }
    }
}

enum Place {
    Nowhere,
    /// Of all that are named: "in the upper left of the image".
    Of(String),
    /// Of each apart: "two in the upper left and one in the lower right of the image".
    Aside(String),
}

/// One finding.
struct Noun {
    head: String,
    place: Place,
    plural: bool,
    /// Has a number or an adjective before it.
    modified: bool,
}

impl Noun {
    fn of(finding: &Finding, sides: Option<Convention>) -> Self {
        let mut places: Vec<(Location, usize)> = Vec::new();
        let mut sorted = finding.locations.clone();
        sorted.sort_unstable();
        for location in sorted {
            match places.last_mut() {
                Some((last, times)) if *last == location => *times += 1,
                _ => places.push((location, 1)),
            }
        }
        let named = finding.locations.len();
        let each_alone = places.len() == named;
        let apart = match finding.count {
            Some(count) => usize::from(count) != named || !(each_alone || places.len() == 1),
            None => !each_alone,
        };
        let place = if places.is_empty() {
            Place::Nowhere
        } else if apart {
            Place::Aside(places_apart(&places, sides))
        } else {
            Place::Of(places_together(&places, sides))
        };
        let several = matches!(place, Place::Aside(_));
        let (head, plural) = head(finding, several);
        Self {
            head,
            place,
            plural,
            modified: finding.count.is_some() || finding.size.is_some() || finding.shape.is_some(),
        }
    }

    fn text(&self) -> String {
        match &self.place {
            Place::Nowhere => self.head.clone(),
            Place::Of(place) => format!("{} {place}", self.head),
            Place::Aside(places) => format!("{}, {places}", self.head),
        }
    }
}

/// The finding without its places, and whether that is a plural.
///
/// Without a count, neither "a nodule" nor "two" may be said: a plural without article is left open in
/// English, as is the singular of what can be meant as a mass.
fn head(finding: &Finding, several: bool) -> (String, bool) {
    let pathology = finding.pathology;
    let (one, many) = match pathology.plural() {
        Some(plural) => (pathology.noun().to_owned(), plural.to_owned()),
        None => (
            format!("area of {pathology}"),
            format!("areas of {pathology}"),
        ),
    };
    let as_mass = finding.count.is_none() && !several && is_mass(pathology);
    let (number, noun, plural) = match finding.count {
        // "An area of" is only a way to say that there is some.
        Some(1) if pathology.plural().is_none() => (Some("one"), one, false),
        Some(1) => (Some("a(n)"), one, false),
        Some(count) => (Some(number(usize::from(count))), many, true),
        None if as_mass => (None, pathology.noun().to_owned(), false),
        None => (None, many, true),
    };
    let size = finding.size.map(|size| match size {
        Size::Small => "small",
        Size::Moderate if is_mass(pathology) => "moderate",
        Size::Moderate => "moderate-sized",
        Size::Large => "large",
    });
    let shape = finding.shape.map(|shape| shape.to_string());
    let words: Vec<&str> = number
        .into_iter()
        .chain(size)
        .chain(shape.as_deref())
        .chain([noun.as_str()])
        .collect();
    (words.join(" "), plural)
}

/// Can be meant without a number in the singular: "pleural effusion is seen".
fn is_mass(pathology: Pathology) -> bool {
    pathology.plural().is_none()
        || matches!(
            pathology.id(),
            "lung-opacity"
                | "consolidation"
                | "pleural-effusion"
                | "pneumothorax"
                | "liver-cancer"
                | "lung-cancer"
        )
}

/// "in the upper left and the middle right of the image", "on the patient's left and right".
fn places_together(places: &[(Location, usize)], sides: Option<Convention>) -> String {
    let patient = sides == Some(Convention::PatientSide);
    let (mut corners, mut halves, mut thirds) = (Vec::new(), Vec::new(), Vec::new());
    for (location, _) in places {
        match (location.height.map(height), location.side.map(side)) {
            (Some(height), Some(side)) if patient => corners.push(format!("{height} {side}")),
            (Some(height), Some(side)) => corners.push(format!("the {height} {side}")),
            (None, Some(side)) if patient => halves.push(side.to_owned()),
            (None, Some(side)) => halves.push(format!("the {side}")),
            (Some(height), None) => thirds.push(format!("the {height}")),
            (None, None) => {}
        }
    }
    let mut all = Vec::new();
    let mut add = |words: &[String], before, after| {
        if !words.is_empty() {
            all.push(format!("{before}{}{after}", list(words)));
        }
    };
    if patient {
        // Sides first, so that "of the image" is only said of the heights.
        add(&corners, "on the patient's ", "");
        add(&halves, "on the patient's ", "");
        add(&thirds, "in ", " part of the image");
        list(&all)
    } else {
        add(&corners, "in ", "");
        add(&halves, "on ", " side");
        add(&thirds, "in ", " part");
        list(&all) + " of the image"
    }
}

/// "two in the upper left and one in the middle right of the image".
fn places_apart(places: &[(Location, usize)], sides: Option<Convention>) -> String {
    let all: Vec<String> = places
        .iter()
        .map(|(location, times)| {
            let place = places_together(&[(*location, 1)], sides);
            format!("{} {place}", number(*times))
        })
        .collect();
    let suffix = " of the image";
    if sides == Some(Convention::PatientSide) {
        list(&all)
    } else {
        let short: Vec<String> = all
            .iter()
            .map(|place| place.trim_end_matches(suffix).to_owned())
            .collect();
        list(&short) + suffix
    }
}

fn height(third: Third) -> &'static str {
    match third {
        Third::Upper => "upper",
        Third::Middle => "middle",
        Third::Lower => "lower",
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

fn number(count: usize) -> &'static str {
    const WORDS: [&str; Finding::MAX_COUNT as usize] = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    count
        .checked_sub(1)
        .and_then(|index| WORDS.get(index))
        .unwrap_or(&"more than twenty")
}

/// "a", "a and b", "a, b and c".
fn list(items: &[String]) -> String {
    match items.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => items.concat(),
    }
}
