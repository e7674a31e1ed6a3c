//! What rows say, and all rows of an image together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use miss_data::labelled::LabelledBox;
use miss_data::read::{Finding as Note, Outcome, Place, Read};
use serde_json::{Map, Value};

use super::words::{Said, cell, is_size};
use super::{Boxes, Labelled, Measure, note};
use crate::attributes::{
    Attributes, Class, Convention, Finding, Location, Modality, Organ, Pathology, Plane, Shape,
    Size, Structure,
};
use crate::map::finished;
use crate::map::terms::{Label, findings, place, shown, sides};

/// What one row says.
#[derive(Default)]
pub(super) struct RowSaid {
    modality: Option<Modality>,
    plane: Option<Plane>,
    organ: Option<Organ>,
    class: Option<Class>,
    structures: Vec<Structure>,
    pathologies: BTreeSet<Pathology>,
    details: Details,
}

/// What a row says of the pathology that it names. Equal ones are one.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Details {
    /// The inner `None` is more than can be told.
    count: Option<Option<u8>>,
    location: Option<Location>,
    /// The box that the location is of: left, top, width, height, as bits.
    of_box: Option<[u64; 4]>,
    size: Option<Size>,
    shape: Option<Shape>,
}

impl RowSaid {
    pub(super) fn add(&mut self, said: Said) -> Result<(), String> {
        let nowhere = Location {
            height: None,
            side: None,
        };
        let details = &mut self.details;
        match said {
            Said::Modality(value) => modality(&mut self.modality, value)?,
            Said::Plane(value) => same("plane", &mut self.plane, value)?,
            Said::Organ(value) => same("organ", &mut self.organ, value)?,
            Said::Label(Label::Class(value)) => same("class", &mut self.class, value)?,
            Said::Label(Label::Pathology(value)) => drop(self.pathologies.insert(value)),
            Said::Structure(value) => self.structures.push(value),
            Said::Count(value) => same("count", &mut details.count, value)?,
            Said::Size(value) => same("size", &mut details.size, value)?,
            Said::Shape(value) => same("shape", &mut details.shape, value)?,
            Said::Height(value) => {
                let location = details.location.get_or_insert(nowhere);
                same("height", &mut location.height, value)?;
            }
            Said::Side(value) => {
                let location = details.location.get_or_insert(nowhere);
                same("side", &mut location.side, value)?;
            }
        }
        Ok(())
    }

    /// The place of the row's box, if it has one.
    pub(super) fn place_box(
        &mut self,
        boxes: &Boxes,
        row: &Map<String, Value>,
        convention: Convention,
    ) -> Result<(), String> {
        let names = [&boxes.x, &boxes.y, &boxes.width, &boxes.height];
        let mut edges = [0.0; 4];
        let mut empty = 0;
        for (edge, name) in edges.iter_mut().zip(names) {
            match cell(row, name)?.as_str() {
                "" => empty += 1,
                text => *edge = number(name, text)?,
            }
        }
        match empty {
            0 => {}
            4 => return Ok(()),
            _ => return Err("some of a box's columns are empty: fill all of them or none".into()),
        }
        let measure = |measure: &Measure| match measure {
            Measure::Pixels(pixels) => Ok(*pixels),
            Measure::Column(name) => number(name, &cell(row, name)?).and_then(|pixels| {
                let wrong = || format!("`{name}`: not a size of an image in pixels");
                is_size(pixels).then_some(pixels).ok_or_else(wrong)
            }),
        };
        let size = (measure(&boxes.image_width)?, measure(&boxes.image_height)?);
        let [x, y, width, height] = edges;
        let found = LabelledBox {
            label: self.pathologies.first().map(|first| first.id().to_owned()),
            x,
            y,
            width,
            height,
        };
        let location = place(&found, size, convention).map_err(|why| why.to_string())?;
        // Of an organ it is only told that it is seen.
        if !self.pathologies.is_empty() || self.structures.is_empty() {
            self.details.location = Some(location);
            self.details.of_box = Some(edges.map(f64::to_bits));
        }
        Ok(())
    }

    /// That it can be told what counts, places, sizes and shapes are of.
    pub(super) fn details_have_a_pathology(&self) -> Result<(), String> {
        if self.pathologies.len() == 1 || self.details == Details::default() {
            return Ok(());
        }
        Err(format!(
            "a box, count, height, side, size or shape, but {} pathologies in the row: give each a row of its own, or \
             map the value to an empty term",
            self.pathologies.len()
        ))
    }
}

/// The images of a table, in the order of their first rows.
pub(super) struct Images<'a> {
    start: Attributes,
    convention: Option<Convention>,
    table: &'a Path,
    images: Vec<Image>,
    by_name: HashMap<String, usize>,
    notes: Vec<Note>,
}

struct Image {
    name: String,
    place: Place,
    /// Without findings.
    attributes: Attributes,
    found: BTreeMap<Pathology, Vec<Details>>,
    /// A row of it could not be used.
    is_lost: bool,
}

impl<'a> Images<'a> {
    pub(super) fn new(start: Attributes, convention: Option<Convention>, table: &'a Path) -> Self {
        Self {
            start,
            convention,
            table,
            images: Vec::new(),
            by_name: HashMap::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, place: Place, outcome: Outcome, what: String) {
        self.notes.push(note(self.table, place, outcome, what));
    }

    pub(super) fn add(&mut self, name: String, place: Place, row: Result<RowSaid, String>) {
        let index = match self.by_name.get(&name) {
            Some(index) => *index,
            None => {
                self.by_name.insert(name.clone(), self.images.len());
                self.images.push(Image {
                    name,
                    place,
                    attributes: self.start.clone(),
                    found: BTreeMap::new(),
                    is_lost: false,
                });
                self.images.len() - 1
            }
        };
        let image = &mut self.images[index];
        if let Err(what) = row.and_then(|row| image.add(row)) {
            image.is_lost = true;
            let what = format!("{what}; the image is left out");
            self.note(place, Outcome::Dropped, what);
        }
    }

    /// The images of which something is known. `rows` is how many rows there were.
    pub(super) fn finish(mut self, rows: usize) -> Read<Labelled> {
        let mut records = Vec::with_capacity(self.images.len());
        for image in std::mem::take(&mut self.images) {
            if image.is_lost {
                continue;
            }
            let mut odd = Vec::new();
            let (name, place) = (image.name.clone(), image.place);
            match image.finish(self.convention, &mut odd) {
                Ok(attributes) => records.push(Labelled {
                    image: name,
                    attributes,
                }),
                Err(what) => {
                    let what = format!("{what}; the image that begins here is left out");
                    self.note(place, Outcome::Dropped, what);
                }
            }
            for what in odd {
                self.note(place, Outcome::Kept, what);
            }
        }
        if rows == 0 {
            self.note(Place::Whole, Outcome::Kept, "the table has no rows".into());
        }
        self.notes.sort_by_key(|note| note.place);
        Read {
            records,
            findings: self.notes,
        }
    }
}

impl Image {
    fn add(&mut self, row: RowSaid) -> Result<(), String> {
        let known = &mut self.attributes;
        if let Some(value) = row.modality {
            modality(&mut known.modality, value)?;
        }
        if let Some(value) = row.plane {
            same("plane", &mut known.plane, value)?;
        }
        if let Some(value) = row.organ {
            same("organ", &mut known.organ, value)?;
        }
        if let Some(value) = row.class {
            same("class", &mut known.class, value)?;
        }
        known.structures.extend(row.structures);
        for pathology in row.pathologies {
            let details = row.details.clone();
            self.found.entry(pathology).or_default().push(details);
        }
        Ok(())
    }

    /// Its attributes; what is not told of it goes to `odd`.
    fn finish(
        mut self,
        convention: Option<Convention>,
        odd: &mut Vec<String>,
    ) -> Result<Attributes, String> {
        for (pathology, details) in self.found {
            self.attributes
                .findings
                .push(merged(pathology, details, odd)?);
        }
        self.attributes.sides =
            convention.and_then(|convention| sides(&self.attributes.findings, convention));
        if self.attributes == Attributes::default() {
            return Err("nothing is said of it".into());
        }
        finished(self.attributes).map_err(|why| why.to_string())
    }
}

/// One finding from all rows that name it.
fn merged(
    pathology: Pathology,
    mut rows: Vec<Details>,
    odd: &mut Vec<String>,
) -> Result<Finding, String> {
    // The same row twice, or with the box twice, is one statement.
    rows.sort();
    rows.dedup();
    let places: BTreeMap<[u64; 4], Location> = rows
        .iter()
        .filter_map(|row| Some((row.of_box?, row.location?)))
        .collect();
    let boxes = places.len();
    let places = places.into_values().map(|at| (pathology, at)).collect();
    let of_boxes = findings(places).pop();
    let mut finding = of_boxes.unwrap_or_else(|| Finding::new(pathology));
    if boxes == 0 {
        let places: BTreeSet<Location> = rows.iter().filter_map(|row| row.location).collect();
        finding.locations = places.into_iter().collect();
    } else if boxes > usize::from(Finding::MAX_COUNT) {
        let what =
            format!("{boxes} boxes of {pathology}: neither their number nor their places are told");
        odd.push(what);
    }

    let mut count = None;
    for said in rows.iter().filter_map(|row| row.count) {
        same("count", &mut count, said).map_err(|what| format!("{pathology}: {what}"))?;
    }
    match count {
        None => {}
        Some(Some(_)) if pathology.plural().is_none() => {
            odd.push(format!(
                "{pathology} cannot be counted: its count is not told"
            ));
        }
        Some(Some(count)) if boxes > usize::from(count) => {
            return Err(format!(
                "{pathology}: {boxes} boxes, and a count of {count}"
            ));
        }
        Some(Some(count)) => finding.count = Some(count),
        Some(None) => {
            let most = Finding::MAX_COUNT;
            odd.push(format!(
                "a count of {pathology} of more than {most} is not told"
            ));
            finding.count = None;
        }
    }

    finding.size = agreed("size", pathology, rows.iter().map(|row| row.size), odd);
    finding.shape = agreed("shape", pathology, rows.iter().map(|row| row.shape), odd);
    Ok(finding)
}

/// What all rows say. What some say is not told, for it may not be true of all that they name.
fn agreed<T: Copy + PartialEq>(
    name: &str,
    pathology: Pathology,
    mut rows: impl Iterator<Item = Option<T>>,
    odd: &mut Vec<String>,
) -> Option<T> {
    let first = rows.next()?;
    if rows.all(|other| other == first) {
        return first;
    }
    let what = format!("not all rows of {pathology} have the same {name}: it is not told");
    odd.push(what);
    None
}

/// Takes a value that must be the only one.
fn same<T: PartialEq>(name: &str, known: &mut Option<T>, value: T) -> Result<(), String> {
    if known.as_ref().is_some_and(|known| *known != value) {
        return Err(format!(
            "a second {name} that contradicts the first: correct the rows of the image or the map"
        ));
    }
    *known = Some(value);
    Ok(())
}

/// Takes the more exact of two modalities.
fn modality(known: &mut Option<Modality>, value: Modality) -> Result<(), String> {
    let agreed = known.map_or(Some(value), |known| known.agree(value));
    let agreed = agreed.ok_or_else(|| {
        "a second modality that contradicts the first: correct the rows of the image or the map"
            .to_owned()
    })?;
    *known = Some(agreed);
    Ok(())
}

fn number(column: &str, text: &str) -> Result<f64, String> {
    let wrong = || {
        format!(
            "`{column}` is `{}`: a number of pixels is wanted",
            shown(text)
        )
    };
    let number: f64 = text.parse().map_err(|_| wrong())?;
    number.is_finite().then_some(number).ok_or_else(wrong)
}
