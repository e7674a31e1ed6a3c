//! The two tables, each on its own: one entry a patient.

use std::collections::HashMap;
use std::path::Path;

use csv::ByteRecord;

use super::{Class, SIDE};
use crate::labelled::LabelledBox;
use crate::manifest::stays_below;
use crate::read::{Finding, Outcome, Place, Read, ReadError};
use crate::table::Table;

/// A patient in the table of boxes.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxes {
    /// `patientId`.
    pub patient: String,
    /// Where the table first names the patient, from 1.
    pub line: usize,
    /// None if `Target` is 0.
    pub boxes: Vec<LabelledBox>,
}

/// A patient in the table of classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// `patientId`.
    pub patient: String,
    /// Where the table first names the patient, from 1.
    pub line: usize,
    /// The class.
    pub class: Class,
}

/// Reads the table of boxes (`patientId,x,y,width,height,Target`): one row a box, or one without numbers
/// for a patient without. A row that cannot be used drops its patient, who would else lack a box unnoticed.
///
/// # Errors
///
/// [`ReadError`] if the bytes are no such table.
pub fn parse_labels(bytes: &[u8], path: &Path) -> Result<Read<Boxes>, ReadError> {
    let columns = ["patientId", "x", "y", "width", "height", "Target"];
    let mut patients = Patients::new(path);
    patients.read(
        bytes,
        &columns,
        |fields, known: Option<&mut Vec<LabelledBox>>| {
            let found = box_of(fields)?;
            match (known, found) {
                (None, found) => Ok(New(found.into_iter().collect())),
                (Some(boxes), Some(found)) if boxes.is_empty() => Err(format!(
                    "a box at ({}, {}) of a patient with `Target` 0",
                    found.x, found.y
                )),
                (Some(boxes), Some(found)) if boxes.contains(&found) => Ok(Again),
                (Some(boxes), Some(found)) => {
                    boxes.push(found);
                    Ok(Added)
                }
                (Some(boxes), None) if boxes.is_empty() => Ok(Again),
                (Some(_), None) => Err("`Target` 0 of a patient with boxes".into()),
            }
        },
    )?;
    Ok(patients.finish(|patient, line, boxes| Boxes {
        patient,
        line,
        boxes,
    }))
}

/// Reads the table of classes (`patientId,class`). It repeats a patient's row for every box; that is not
/// noted, two classes of one patient are.
///
/// # Errors
///
/// [`ReadError`] if the bytes are no such table.
pub fn parse_classes(bytes: &[u8], path: &Path) -> Result<Read<Classified>, ReadError> {
    let mut patients = Patients::new(path);
    patients.read(
        bytes,
        &["patientId", "class"],
        |fields, known: Option<&mut Class>| {
            let written = fields[1].trim();
            let Some(class) = Class::ALL
                .into_iter()
                .find(|class| class.as_str() == written)
            else {
                let names = Class::ALL.map(Class::as_str).join("`, `");
                return Err(format!("`class` {written:?} is none of `{names}`"));
            };
            match known {
                None => Ok(New(class)),
                Some(known) if *known == class => Ok(Added),
                Some(known) => Err(format!(
                    "`class` `{class}` of a patient who is `{known}` above"
                )),
            }
        },
    )?;
    Ok(patients.finish(|patient, line, class| Classified {
        patient,
        line,
        class,
    }))
}

use Step::{Added, Again, New};

/// What a row is to its patient.
enum Step<Content> {
    /// The first row.
    New(Content),
    /// A further row, as expected.
    Added,
    /// A row that says nothing new.
    Again,
}

struct Patients<'a, Content> {
    path: &'a Path,
    entries: Vec<Entry<Content>>,
    places: HashMap<String, usize>,
    findings: Vec<Finding>,
}

struct Entry<Content> {
    patient: String,
    line: usize,
    /// `None` once a row of the patient could not be used.
    content: Option<Content>,
}

impl<'a, Content> Patients<'a, Content> {
    fn new(path: &'a Path) -> Self {
        Self {
            path,
            entries: Vec::new(),
            places: HashMap::new(),
            findings: Vec::new(),
        }
    }

    /// Gives every row's fields, and what is known of its patient, to `step`. The first column names the
    /// patient.
    fn read(
        &mut self,
        bytes: &[u8],
        columns: &[&str],
        step: impl Fn(&[&str], Option<&mut Content>) -> Result<Step<Content>, String>,
    ) -> Result<(), ReadError> {
        let mut table = Table::open(bytes, self.path, columns)?;
        let mut record = ByteRecord::new();
        while let Some((line, fields)) = table.next(&mut record)? {
            let fields = match fields {
                Ok(fields) if is_plain(fields[0].trim()) => fields,
                Ok(fields) => {
                    self.drop_row(
                        line,
                        format!("`patientId` {:?} is not a plain name", fields[0]),
                    );
                    continue;
                }
                Err(what) => {
                    self.drop_row(line, what);
                    continue;
                }
            };
            let patient = fields[0].trim();
            let place = self.places.get(patient).copied();
            let taken = match place.map(|place| &mut self.entries[place].content) {
                None => step(&fields, None),
                Some(Some(content)) => step(&fields, Some(content)),
                Some(None) => Err(format!(
                    "patient `{patient}` has a row above that cannot be used"
                )),
            };
            match taken {
                Ok(New(content)) => self.add(patient, line, Some(content)),
                Ok(Added) => {}
                Ok(Again) => self.find(
                    line,
                    Outcome::Repaired,
                    format!("patient `{patient}` has this row above: counted once"),
                ),
                Err(what) => {
                    match place {
                        Some(place) => self.entries[place].content = None,
                        None => self.add(patient, line, None),
                    }
                    self.drop_row(line, format!("{what}; patient `{patient}` is dropped"));
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, patient: &str, line: usize, content: Option<Content>) {
        self.places.insert(patient.to_owned(), self.entries.len());
        self.entries.push(Entry {
            patient: patient.to_owned(),
            line,
            content,
        });
    }

    fn drop_row(&mut self, line: usize, what: String) {
        let what = format!("{what}; mend the row or fetch the file again");
        self.find(line, Outcome::Dropped, what);
    }

    fn find(&mut self, line: usize, outcome: Outcome, what: String) {
        self.findings.push(Finding {
            file: self.path.into(),
            place: Place::Line(line),
            outcome,
            what,
        });
    }

    fn finish<Record>(self, record: impl Fn(String, usize, Content) -> Record) -> Read<Record> {
        let usable = self.entries.into_iter().filter_map(|entry| {
            let content = entry.content?;
            Some(record(entry.patient, entry.line, content))
        });
        Read {
            records: usable.collect(),
            findings: self.findings,
        }
    }
}

/// An image is named after the patient: a path out of the image folder is refused here.
fn is_plain(patient: &str) -> bool {
    stays_below(patient) && !patient.contains('/')
}

/// The box of a row with `Target` 1; none with 0.
fn box_of(fields: &[&str]) -> Result<Option<LabelledBox>, String> {
    let places = &fields[1..5];
    match fields[5].trim() {
        "0" if places.iter().all(|text| text.trim().is_empty()) => Ok(None),
        "0" => Err("`Target` is 0, but there is a box".into()),
        "1" => {
            let mut numbers = [0.0; 4];
            for (number, text) in numbers.iter_mut().zip(places) {
                *number = pixels(text)?;
            }
            let [x, y, width, height] = numbers;
            let inside = x + width <= SIDE && y + height <= SIDE && width > 0.0 && height > 0.0;
            if !inside {
                return Err(format!(
                    "the box {width} x {height} at ({x}, {y}) is not inside {SIDE} x {SIDE} pixels"
                ));
            }
            Ok(Some(LabelledBox {
                label: Some(Class::LungOpacity.as_str().to_owned()),
                x,
                y,
                width,
                height,
            }))
        }
        other => Err(format!("`Target` {other:?} is neither 0 nor 1")),
    }
}

/// A number of at least 0. Where semicolons separate fields, a comma may separate decimals.
fn pixels(text: &str) -> Result<f64, String> {
    let number = text.trim().replace(',', ".").parse::<f64>();
    match number {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(format!("{text:?} is not a number of pixels")),
    }
}
