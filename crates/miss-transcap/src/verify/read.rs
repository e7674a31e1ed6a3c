//! Reads a caption: which words go with which finding, and what a "no" is said of.

mod negation;

use crate::attributes::{
    Attributes, Convention, Modality, Organ, Pathology, Plane, Shape, Side, Size, Structure, Third,
};

use super::Reason;
use super::places::{Item, Place, places};
use super::words::{Lexed, Sense};
use negation::{Negation, Subject};

/// Everything that a caption says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub modalities: Vec<Modality>,
    pub planes: Vec<Plane>,
    pub frontal: bool,
    pub organs: Vec<Organ>,
    pub structures: Vec<Structure>,
    pub normal: bool,
    pub no_findings: bool,
    pub abnormal: bool,
    pub findings: Vec<Mention>,
    pub wrong: Vec<Reason>,
}

/// A finding where the caption names it.
#[derive(Debug)]
pub(super) struct Mention {
    pub pathology: Pathology,
    /// By a name that is not only a part of its own.
    pub named: bool,
    pub negated: bool,
    /// A number, or one for "a".
    pub counts: Vec<u8>,
    /// The count is an article's.
    pub article: bool,
    /// "the nodules": all of them.
    pub definite: bool,
    pub sizes: Vec<Size>,
    pub shapes: Vec<Shape>,
    pub places: Vec<Place>,
}

struct Reader<'a> {
    attributes: &'a Attributes,
    said: Said,
    items: Vec<Item>,
    current: Option<Item>,
    number: Option<u8>,
    article: bool,
    /// A number that "in" follows: of the place, not of a finding.
    there: Option<u8>,
    preposition: bool,
    /// "of the" went before.
    of: bool,
    /// An image was named after the place that was read last.
    image_since: bool,
    /// "the" or "this" went before, with adjectives at most in between.
    definite: bool,
    size: Option<Size>,
    shape: Option<Shape>,
    whose: Option<Convention>,
    negation: Negation,
    subjects: Vec<Subject>,
    /// The finding of this sentence that was named last.
    last: Option<usize>,
    previous: Sense,
}

pub(super) fn read(attributes: &Attributes, lexed: &Lexed) -> Said {
    let mut reader = Reader {
        attributes,
        said: Said::default(),
        items: Vec::new(),
        current: None,
        number: None,
        article: false,
        there: None,
        preposition: false,
        of: false,
        image_since: false,
        definite: false,
        size: None,
        shape: None,
        whose: None,
        negation: Negation::None,
        subjects: Vec::new(),
        last: None,
        previous: Sense::Stop,
    };
    for (index, sense) in lexed.senses.iter().enumerate() {
        reader.take(*sense, &lexed.senses[index + 1..], lexed);
        reader.previous = *sense;
    }
    reader.stop();
    reader.said
}

impl Reader<'_> {
    fn unclear(&mut self, what: &'static str) {
        self.said.wrong.push(Reason::Unclear(what));
    }

    fn take(&mut self, sense: Sense, next: &[Sense], lexed: &Lexed) {
        let of_before = self.of;
        self.of = match sense {
            Sense::Of => true,
            Sense::The
            | Sense::Article
            | Sense::Neutral
            | Sense::These
            | Sense::Plane(_)
            | Sense::Organ(_) => self.of,
            _ => false,
        };
        let definite = self.definite;
        self.definite = match sense {
            Sense::The | Sense::These | Sense::Possessive => true,
            Sense::Number(_)
            | Sense::Size(_)
            | Sense::Shape(_)
            | Sense::Side(_)
            | Sense::Height(_) => self.definite,
            _ => false,
        };
        match sense {
            Sense::Unknown(index) => {
                let word = lexed.unknown.get(index).cloned().unwrap_or_default();
                self.said.wrong.push(Reason::UnknownWord(word));
            }
            Sense::Modality(modality) => {
                self.said.modalities.push(modality);
                self.image(of_before);
            }
            Sense::Image => self.image(of_before),
            Sense::Plane(plane) => self.said.planes.push(plane),
            Sense::Frontal => self.said.frontal = true,
            Sense::Organ(organ) => self.organ(organ, next),
            Sense::Pathology(pathology) => self.finding(pathology, true, definite),
            Sense::Head(head) => {
                let (pathology, named) = self.by_head(head, definite);
                if let Some(pathology) = pathology {
                    self.finding(pathology, named, definite);
                }
            }
            Sense::Number(number) => self.determiner(Some(number), false),
            Sense::Other => self.determiner(Some(1), false),
            Sense::Article => self.determiner(None, true),
            Sense::The => {
                self.adjectives_backward();
                self.end_negation();
            }
            Sense::Vague => {
                self.said.wrong.push(Reason::Contradicts("count"));
            }
            Sense::Both => {
                let follows = next
                    .iter()
                    .find(|sense| !matches!(sense, Sense::The | Sense::Of));
                match follows {
                    Some(Sense::Organ(_) | Sense::Height(_) | Sense::Zone) => {
                        self.item(|item| item.both = true)
                    }
                    Some(Sense::Side(_)) => {}
                    _ => self.determiner(Some(2), false),
                }
            }
            Sense::Bilateral => self.item(|item| item.both = true),
            Sense::Side(side) => {
                self.number_of_place(next);
                if self.current.is_some_and(|item| item.side.is_some()) {
                    self.close();
                }
                self.item(|item| item.side = Some(side));
            }
            Sense::Height(height) => {
                self.number_of_place(next);
                self.height(height);
            }
            Sense::HeightIn(height) => {
                self.take(Sense::In, next, lexed);
                self.height(height);
            }
            Sense::Axis(height) => {
                if self.attributes.plane == Some(Plane::Axial) {
                    self.unclear("up and down of a transverse section");
                }
                self.height(height);
            }
            Sense::Zone | Sense::Neutral | Sense::These => {
                if sense != Sense::Zone && self.negation == Negation::Met {
                    // "no opacity on this radiograph": the scope ended before "this".
                    self.end_negation();
                }
            }
            Sense::Size(size) => {
                if self.size.replace(size).is_some() {
                    self.unclear("two sizes");
                }
            }
            Sense::Shape(shape) => {
                if self.shape.replace(shape).is_some() {
                    self.unclear("two shapes");
                }
            }
            Sense::ShapeAfter(shape) => {
                if self.shape.replace(shape).is_some() {
                    self.unclear("two shapes");
                }
                if self.last.is_some() {
                    self.adjectives_backward();
                }
            }
            Sense::After => {
                if self.last.is_some() {
                    self.adjectives_backward();
                }
            }
            Sense::Pleura => {
                let there = self.attributes.findings.iter().any(|finding| {
                    matches!(
                        finding.pathology.id(),
                        "pleural-effusion" | "pleural-thickening" | "pneumothorax"
                    )
                });
                if !there {
                    self.said.wrong.push(Reason::Added("pleura"));
                }
            }
            Sense::No => self.negate(),
            Sense::Not => {
                let forward = next
                    .iter()
                    .take_while(|sense| {
                        !matches!(sense, Sense::Stop | Sense::But | Sense::And | Sense::Comma)
                    })
                    .any(|sense| {
                        matches!(
                            sense,
                            Sense::Pathology(_)
                                | Sense::Head(_)
                                | Sense::Normal
                                | Sense::Abnormal
                                | Sense::Findings
                        )
                    });
                if forward {
                    self.negate()
                } else {
                    self.negate_backward()
                }
            }
            Sense::Absent => self.negate_backward(),
            Sense::Normal => self.class(Sense::Normal),
            Sense::Abnormal => self.class(Sense::Abnormal),
            Sense::Findings => self.class(Sense::Findings),
            // "in the lower third, on the left": one place until something is said twice.
            Sense::Comma => {
                if let Some(item) = &mut self.current {
                    item.comma = true;
                }
            }
            Sense::And => {
                self.close();
                self.preposition = false;
                if self.negation == Negation::Met {
                    self.negation = Negation::Unclear;
                }
            }
            Sense::Or => {
                self.close();
                if self.negation == Negation::Unclear {
                    self.negation = Negation::Met;
                } else if self.negation == Negation::None {
                    self.unclear("one or the other");
                }
            }
            Sense::But => {
                self.place();
                self.negation = Negation::None;
                self.subjects.clear();
            }
            Sense::Patient => {
                if of_before {
                    self.sides_of(Convention::PatientSide);
                } else if matches!(next.first(), Some(Sense::Side(_))) {
                    self.whose = Some(Convention::PatientSide);
                }
            }
            Sense::Possessive => {
                self.whose = match self.previous {
                    Sense::Patient => Some(Convention::PatientSide),
                    Sense::Image | Sense::Modality(_) => Some(Convention::ImageSide),
                    _ => None,
                };
            }
            Sense::In => {
                if let Some(number) = self.number.take()
                    && !std::mem::take(&mut self.article)
                {
                    self.there = Some(number);
                }
                self.preposition = true;
                self.whose = None;
                if self.negation == Negation::Met {
                    self.negation = Negation::None;
                }
            }
            Sense::Of => {}
            Sense::Verb => {
                if matches!(self.negation, Negation::Met | Negation::Unclear) {
                    self.negation = Negation::None;
                }
            }
            Sense::Stop => self.stop(),
        }
    }

    fn item(&mut self, change: impl FnOnce(&mut Item)) {
        self.image_since = false;
        if self.current.is_none() {
            self.current = Some(Item {
                number: self.there.take(),
                preposition: self.preposition,
                article: matches!(self.previous, Sense::The | Sense::Article),
                whose: self.whose,
                ..Item::default()
            });
        }
        if let Some(item) = &mut self.current {
            change(item);
        }
    }

    /// "one left and one right": a number is of the place if no noun follows that it could count.
    fn number_of_place(&mut self, next: &[Sense]) {
        let free = self.number.is_some() && !self.article && self.current.is_none();
        if !free || self.last.is_none() {
            return;
        }
        let noun = next.iter().find(|sense| {
            matches!(
                sense,
                Sense::Stop
                    | Sense::Comma
                    | Sense::In
                    | Sense::Verb
                    | Sense::Pathology(_)
                    | Sense::Head(_)
                    | Sense::Abnormal
                    | Sense::Findings
            )
        });
        if matches!(
            noun,
            None | Some(Sense::Stop | Sense::Comma | Sense::In | Sense::Verb)
        ) {
            self.there = self.number.take();
        }
    }

    fn height(&mut self, height: Third) {
        if self.current.is_some_and(|item| item.height.is_some()) {
            self.close();
        }
        self.item(|item| item.height = Some(height));
    }

    fn close(&mut self) {
        self.items.extend(self.current.take());
    }

    /// "of the image" after places; otherwise an image ends what was said of the words before it.
    fn image(&mut self, of: bool) {
        if self.number.take().is_some_and(|number| number != 1) {
            self.said.wrong.push(Reason::Added("number of images"));
        }
        self.article = false;
        if of && (self.current.is_some() || !self.items.is_empty()) {
            self.sides_of(Convention::ImageSide);
        }
        self.image_since = true;
        self.preposition = false;
        self.end_negation();
    }

    fn sides_of(&mut self, whose: Convention) {
        let mut clash = false;
        // "one in the upper left and one in the lower right of the image": of both.
        if let Some(last) = self.last {
            for place in &mut self.said.findings[last].places {
                place.whose = place.whose.or(place.side.map(|_| whose));
            }
        }
        for item in self.items.iter_mut().chain(&mut self.current) {
            if item.side.is_some() || item.both {
                match item.whose {
                    None => item.whose = Some(whose),
                    Some(other) => clash |= other != whose && !item.both,
                }
            }
        }
        if clash && whose == Convention::PatientSide {
            self.unclear("sides of the image and of the patient");
        }
    }

    fn organ(&mut self, organ: Organ, next: &[Sense]) {
        self.said.organs.push(organ);
        let adjective = next
            .iter()
            .find(|sense| !matches!(sense, Sense::Neutral | Sense::Plane(_)));
        if matches!(adjective, Some(Sense::Modality(_) | Sense::Image)) {
            return;
        }
        let of = |side| Structure {
            organ,
            side: Some(side),
        };
        let mut sides = Vec::new();
        let bare = |item: &Item| {
            item.height.is_none() && (item.side.is_some() || item.both) && !item.of_organ
        };
        for item in self
            .items
            .iter()
            .chain(&self.current)
            .filter(|item| bare(item))
        {
            match item.side {
                Some(side) => sides.push(side),
                None => sides.extend([Side::Left, Side::Right]),
            }
        }
        let of_structures = self.current.is_some_and(|item| bare(&item))
            && sides
                .iter()
                .all(|side| self.attributes.structures.contains(&of(*side)));
        if of_structures {
            self.said.structures.extend(sides.into_iter().map(of));
            let placed = self.current.is_some_and(|item| item.preposition) && self.last.is_some();
            if !placed {
                self.items.retain(|item| !bare(item));
                self.current = None;
                return;
            }
        }
        if !self.image_since {
            self.sides_of(Convention::PatientSide);
            for item in self.items.iter_mut().chain(&mut self.current) {
                item.of_organ = true;
            }
        }
    }

    /// The finding of the attributes that this is the last word of.
    ///
    /// Of a longer name only if it is definite: "the tumour", for "and tumours" are others.
    fn by_head(&self, head: &str, definite: bool) -> (Option<Pathology>, bool) {
        let mut found = self
            .attributes
            .findings
            .iter()
            .map(|finding| finding.pathology)
            .filter(|one| one.noun().ends_with(head));
        let fallback = || {
            let id = match head {
                "opacity" => "lung-opacity",
                "tumour" => "brain-tumor",
                "oedema" => "pulmonary-edema",
                "effusion" => "pleural-effusion",
                "thickening" => "pleural-thickening",
                _ => "lung-cancer",
            };
            Pathology::find(id).ok()
        };
        match (found.next(), found.next()) {
            (Some(one), None) => {
                let named = matches!(
                    one.id(),
                    "lung-opacity" | "brain-tumor" | "pulmonary-edema" | "brain-edema"
                );
                if named || definite {
                    (Some(one), named)
                } else {
                    (fallback(), true)
                }
            }
            _ => (fallback(), true),
        }
    }

    fn determiner(&mut self, number: Option<u8>, article: bool) {
        self.adjectives_backward();
        if self.last.is_some() {
            self.place();
        }
        if self.number.is_some() && !self.article {
            self.count_backward();
        }
        self.number = number.or(Some(1));
        self.article = article;
        self.end_negation();
    }

    fn finding(&mut self, pathology: Pathology, named: bool, definite: bool) {
        // An adjective goes with this finding, what has a preposition with the one before.
        let adjective = match self.current {
            Some(item)
                if !item.preposition
                    && self.items.is_empty()
                    && !(item.comma && self.last.is_some()) =>
            {
                self.current.take()
            }
            Some(item)
                if !item.preposition && self.last.is_some() && !item.article && !item.comma =>
            {
                self.current.take()
            }
            _ => None,
        };
        if self.last.is_some() {
            self.place();
        }
        self.adjectives_needed();
        let negated = match self.negation {
            Negation::None => false,
            Negation::Waiting | Negation::Met => {
                self.negation = Negation::Met;
                true
            }
            Negation::Unclear => {
                self.unclear("what the negation is of");
                true
            }
        };
        let index = self.said.findings.len();
        self.said.findings.push(Mention {
            pathology,
            named,
            negated,
            counts: self.number.take().into_iter().collect(),
            article: std::mem::take(&mut self.article),
            definite,
            sizes: self.size.take().into_iter().collect(),
            shapes: self.shape.take().into_iter().collect(),
            places: Vec::new(),
        });
        self.subjects.push(Subject::Finding(index));
        self.last = Some(index);
        self.preposition = false;
        if let Some(item) = adjective {
            self.items.push(item);
            self.place();
        } else if self.current.is_some() || !self.items.is_empty() {
            self.place();
        }
    }

    /// A number that "in" follows, and no place then, counts what went before.
    fn adjectives_needed(&mut self) {
        if let Some(number) = self.there.take() {
            self.number_backward(number);
        }
    }

    fn count_backward(&mut self) {
        if let Some(number) = self.number.take()
            && !std::mem::take(&mut self.article)
        {
            self.number_backward(number);
        }
    }

    fn number_backward(&mut self, number: u8) {
        match self.referent() {
            Some(index) => self.said.findings[index].counts.push(number),
            None => self.unclear("what the number counts"),
        }
    }

    /// The finding that a word is said of which stands after it or in a later sentence.
    fn referent(&self) -> Option<usize> {
        let only = |one: &Mention| {
            self.said
                .findings
                .iter()
                .all(|other| other.pathology == one.pathology)
        };
        self.last.or_else(|| {
            let index = self.said.findings.len().checked_sub(1)?;
            only(&self.said.findings[index]).then_some(index)
        })
    }

    fn adjectives_backward(&mut self) {
        if self.size.is_none() && self.shape.is_none() {
            return;
        }
        let (size, shape) = (self.size.take(), self.shape.take());
        match self.referent() {
            Some(index) => {
                self.said.findings[index].sizes.extend(size);
                self.said.findings[index].shapes.extend(shape);
            }
            None => self.unclear("what is of that size or shape"),
        }
    }

    /// Gives the places read so far to the finding that they are of.
    fn place(&mut self) {
        self.close();
        let items = std::mem::take(&mut self.items);
        if items.is_empty() {
            return;
        }
        let of_organ = |item: &Item| item.of_organ && !item.preposition;
        if self.last.is_none() && items.iter().any(of_organ) {
            // "The left kidney is seen": no place of what an earlier sentence is of.
            self.said.wrong.push(Reason::Added("side of an organ"));
        }
        let places = places(&items);
        match self.referent() {
            Some(index) => self.said.findings[index].places.extend(places),
            None => self.unclear("what is in that place"),
        }
        self.preposition = false;
    }

    fn stop(&mut self) {
        self.adjectives_backward();
        self.place();
        self.adjectives_needed();
        self.count_backward();
        if self.negation == Negation::Waiting {
            self.unclear("what the negation is of");
        }
        self.negation = Negation::None;
        self.subjects.clear();
        self.last = None;
        self.preposition = false;
        self.whose = None;
    }
}
