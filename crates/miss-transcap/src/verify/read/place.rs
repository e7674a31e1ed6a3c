//! Which places are of which finding, and whose sides they have.

use crate::attributes::{Convention, Organ, Side, Structure, Third};

use super::super::places::{Item, places};
use super::super::words::Sense;
use super::{Reader, Reason};

impl Reader<'_> {
    pub(super) fn item(&mut self, change: impl FnOnce(&mut Item)) {
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
    pub(super) fn number_of_place(&mut self, next: &[Sense]) {
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

    pub(super) fn height(&mut self, height: Third) {
        if self.current.is_some_and(|item| item.height.is_some()) {
            self.close();
        }
        self.item(|item| item.height = Some(height));
    }

    pub(super) fn close(&mut self) {
        self.items.extend(self.current.take());
    }

    /// "of the image" after places; otherwise an image ends what was said of the words before it.
    pub(super) fn image(&mut self, of: bool) {
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

    pub(super) fn sides_of(&mut self, whose: Convention) {
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

    pub(super) fn organ(&mut self, organ: Organ, next: &[Sense]) {
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

    /// Gives the places read so far to the finding that they are of.
    pub(super) fn place(&mut self) {
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
}
