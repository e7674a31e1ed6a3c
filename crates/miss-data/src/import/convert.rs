//! Rows of others as records of ours.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::mapping::{Column, Field, Mapping};
use super::source::{Row, Source, of_reading};
use super::{ImportError, Imported, Records, file_of};
use crate::figure::Figure;
use crate::format::Kind;
use crate::jsonl::{IMAGES_DIR, Line, Notes, figure, part_named, question};
use crate::lines::MAX_LINES;
use crate::read::{Outcome, Place};
use crate::rows::collapse;

/// What tables write where nothing is known.
const NOTHING: [&str; 6] = ["", "NULL", "null", "NaN", "nan", "None"];

pub(super) fn convert(
    reader: impl Read,
    path: &Path,
    mapping: &Mapping,
) -> Result<(Imported, Records), ImportError> {
    let source = Source::open(reader, path, mapping.annotations.as_deref())?;
    let columns = source.columns.clone();
    let (kind, fields) = decide(path, mapping, &columns)?;
    let unused = unused(&columns, &fields);
    let name = mapping.name.clone().unwrap_or_else(|| stem(path));
    let conversion = Conversion {
        fields: &fields,
        known: columns.iter().map(String::as_str).collect(),
        kind,
        suffix: &mapping.image_suffix,
        name,
    };
    let mut notes = Notes::new(path);
    let (records, dropped) = match kind {
        Kind::Figures => {
            let (mut figures, dropped) =
                conversion.run(source, path, &mut notes, figure, |record| &mut record.id)?;
            if !matches!(fields.get(&Field::Id), Some(Column::Told(_))) {
                figures = merged(figures, &mut notes);
            }
            (Records::Figures(figures), dropped)
        }
        _ => {
            let (questions, dropped) =
                conversion.run(source, path, &mut notes, question, |record| &mut record.id)?;
            (Records::Questions(questions), dropped)
        }
    };
    let count = match &records {
        Records::Questions(questions) => questions.len(),
        Records::Figures(figures) => figures.len(),
    };
    let imported = Imported {
        source: path.into(),
        file: file_of(kind).into(),
        kind,
        records: count,
        dropped,
        fields: fields.into_iter().collect(),
        unused,
        findings: notes.finish().map_err(|error| of_reading(path, error))?,
    };
    Ok((imported, records))
}

/// What the rows become, and from which columns.
fn decide(
    path: &Path,
    mapping: &Mapping,
    columns: &[String],
) -> Result<(Kind, BTreeMap<Field, Column>), ImportError> {
    let wrong = |problem: String, example| ImportError::Columns {
        path: path.into(),
        problem,
        columns: columns.to_vec(),
        example,
    };
    let mut fields = mapping.resolve(columns).map_err(|(field, name)| {
        let key = field.key(Kind::Questions);
        wrong(
            format!("there is no column `{name}` for `{key}`"),
            "image=img_file",
        )
    })?;
    let has = |field| fields.contains_key(&field);
    let kind = match mapping.kind {
        Some(kind) => kind,
        None if has(Field::Question) || has(Field::Answer) || !has(Field::Caption) => {
            Kind::Questions
        }
        None => Kind::Figures,
    };
    let wanted: &[(Field, &str)] = match kind {
        Kind::Questions => &[
            (Field::Image, "image=img_file"),
            (Field::Question, "question=ask"),
            (Field::Answer, "answer=label"),
        ],
        Kind::Figures => &[
            (Field::Image, "image=img_file"),
            (Field::Caption, "caption=report"),
        ],
        Kind::LabelledImages => {
            let what = "only questions and figures are imported: put labelled images into one folder a class";
            return Err(ImportError::Source {
                path: path.into(),
                what: what.into(),
            });
        }
    };
    for (field, example) in wanted {
        if !has(*field) {
            let key = field.key(kind);
            return Err(wrong(
                format!("no column is known to be the `{key}`"),
                example,
            ));
        }
    }
    for (field, column) in &fields {
        if !field.belongs_to(kind) && !matches!(column, Column::Guessed(_)) {
            let key = field.key(kind);
            return Err(wrong(format!("{kind:?} have no `{key}`"), "image=img_file"));
        }
    }
    fields.retain(|field, _| field.belongs_to(kind));
    Ok((kind, fields))
}

fn unused(columns: &[String], fields: &BTreeMap<Field, Column>) -> Vec<String> {
    let used: BTreeSet<&str> = fields.values().filter_map(Column::name).collect();
    let free = |column: &&String| !used.contains(column.as_str());
    columns.iter().filter(free).cloned().collect()
}

struct Conversion<'a> {
    fields: &'a BTreeMap<Field, Column>,
    known: BTreeSet<&'a str>,
    kind: Kind,
    suffix: &'a str,
    name: String,
}

impl Conversion<'_> {
    /// All records, and how many rows were dropped.
    fn run<Record>(
        &self,
        source: Source<'_>,
        path: &Path,
        notes: &mut Notes<'_>,
        of: fn(&mut Line<'_, '_>, String) -> Result<Record, String>,
        id_of: fn(&mut Record) -> &mut String,
    ) -> Result<(Vec<Record>, usize), ImportError> {
        let guessed_id = matches!(self.fields.get(&Field::Id), Some(Column::Guessed(_)));
        let mut records = Vec::new();
        let mut places = Vec::new();
        let mut ids: HashMap<String, Place> = HashMap::new();
        let mut repeated = None;
        let mut rows = 0_usize;
        let mut first_dropped = None;
        source.each(|place, row| {
            rows += 1;
            if rows > MAX_LINES {
                return;
            }
            let record = self.record(row, place, notes, of, |id| match ids.get(id) {
                Some(first) if guessed_id => {
                    repeated.get_or_insert((*first, place));
                    Ok(())
                }
                Some(first) => Err(format!("`id` {id:?} is taken{first}")),
                None => {
                    ids.insert(id.to_owned(), place);
                    Ok(())
                }
            });
            match record {
                Ok(record) => {
                    records.push(record);
                    places.push(place);
                }
                Err(what) => {
                    first_dropped.get_or_insert_with(|| format!("{place}: {what}"));
                    notes.find(place, Outcome::Dropped, format!("{what}; mend the row"));
                }
            }
        })?;
        if rows > MAX_LINES {
            let what = format!("more than {MAX_LINES} rows: divide it");
            return Err(ImportError::Source {
                path: path.into(),
                what,
            });
        }
        if records.is_empty() {
            let path = path.into();
            return Err(match first_dropped {
                Some(first) => ImportError::Nothing { path, rows, first },
                None => ImportError::Source {
                    path,
                    what: "there are no rows".into(),
                },
            });
        }
        if let Some((first, second)) = repeated {
            let [first, second] = [first, second].map(|place| place.to_string());
            let what = format!(
                "the column guessed as `id` repeats itself ({} and {}): ids are `{}/<row>` instead",
                first.trim_start_matches(", "),
                second.trim_start_matches(", "),
                self.name
            );
            notes.find(Place::Whole, Outcome::Kept, what);
            for (record, place) in records.iter_mut().zip(&places) {
                *id_of(record) = self.id(*place);
            }
        }
        let dropped = rows - records.len();
        Ok((records, dropped))
    }

    fn record<Record>(
        &self,
        row: Row,
        place: Place,
        notes: &mut Notes<'_>,
        of: fn(&mut Line<'_, '_>, String) -> Result<Record, String>,
        new_id: impl FnOnce(&str) -> Result<(), String>,
    ) -> Result<Record, String> {
        let mut row = row?;
        let mut fields = Map::new();
        for (&field, column) in self.fields {
            let value = match column {
                Column::Constant(text) => Value::String(text.clone()),
                Column::Told(name) | Column::Guessed(name) => {
                    row.remove(name).unwrap_or(Value::Null)
                }
            };
            let guessed = matches!(column, Column::Guessed(_));
            let value = self.value(field, value, guessed, place, notes)?;
            let is_list = value.is_array() && field == Field::Caption;
            let key = if is_list {
                "captions"
            } else {
                field.key(self.kind)
            };
            fields.insert(key.to_owned(), value);
        }
        for name in row
            .keys()
            .filter(|name| !self.known.contains(name.as_str()))
        {
            let name: String = name.chars().take(60).collect();
            notes.once(place, format!("the column `{name}` is not used"));
        }
        let mut line = Line::new(fields, place, notes);
        let id = line.id()?.unwrap_or_else(|| self.id(place));
        let record = of(&mut line, id.clone())?;
        line.finish();
        new_id(&id)?;
        Ok(record)
    }

    fn id(&self, place: Place) -> String {
        match place {
            Place::Line(number) | Place::Row(number) => format!("{}/{number}", self.name),
            Place::Whole => self.name.clone(),
        }
    }

    /// A value as our format writes it, as far as one meaning is certain.
    fn value(
        &self,
        field: Field,
        value: Value,
        guessed: bool,
        place: Place,
        notes: &mut Notes<'_>,
    ) -> Result<Value, String> {
        let key = field.key(self.kind);
        let text = match (field, value) {
            (Field::Image, Value::Object(mut object)) => {
                // A feature of type image, as the Hugging Face datasets write it.
                return match object.remove("path") {
                    Some(Value::String(path)) => Ok(Value::String(self.image(&path, place, notes))),
                    _ => Err("`image` holds no `path`: save the image as a file".into()),
                };
            }
            (_, Value::Number(number)) => number.to_string(),
            (Field::Answer, Value::Array(answers)) => return only_answer(answers),
            (_, Value::String(text)) => text,
            (_, other) => return Ok(other),
        };
        let text = match field {
            Field::Id => text,
            Field::Image => self.image(&text, place, notes),
            _ => collapse(&text),
        };
        let required = matches!(
            field,
            Field::Image | Field::Question | Field::Answer | Field::Caption
        );
        if field == Field::Answer && text.is_empty() {
            return Err("`answer` is empty".into());
        }
        if !required && NOTHING.contains(&text.as_str()) {
            return Ok(Value::Null);
        }
        let known = match field {
            Field::AnswerType => answer_type(&text),
            Field::Part => part_named(&text).map(str::to_owned),
            Field::Language => Some(text.to_lowercase()),
            Field::QuestionTypes => {
                let types = text.split([',', ';']).map(str::trim);
                let types = types.filter(|kind| !kind.is_empty());
                return Ok(types.map(|kind| Value::String(kind.to_owned())).collect());
            }
            _ => Some(text.clone()),
        };
        match known {
            Some(known) => Ok(Value::String(known)),
            None if guessed => {
                let short: String = text.chars().take(60).collect();
                let what =
                    format!("{short:?} in the column guessed as `{key}` has no known meaning");
                notes.once(place, format!("{what}: left out"));
                Ok(Value::Null)
            }
            None => Ok(Value::String(text)),
        }
    }

    /// A path below the folder of images.
    fn image(&self, written: &str, place: Place, notes: &mut Notes<'_>) -> String {
        let path = written.trim().replace('\\', "/");
        if path.is_empty() {
            return path;
        }
        let below = path.strip_prefix("./").unwrap_or(&path);
        let bare = below
            .strip_prefix(IMAGES_DIR)
            .and_then(|rest| rest.strip_prefix('/'));
        if bare.is_some() {
            let what = format!("`{IMAGES_DIR}/` taken off the start of `image`");
            notes.once(place, what);
        }
        format!("{}{}", bare.unwrap_or(below), self.suffix)
    }
}

/// The answer of a list of answers that all say the same.
fn only_answer(answers: Vec<Value>) -> Result<Value, String> {
    let bare = |answer: Value| match answer {
        Value::Object(mut object) => object.remove("answer").unwrap_or(Value::Null),
        other => other,
    };
    let mut answers = answers.into_iter().map(bare);
    let first = answers.next().unwrap_or(Value::Null);
    if answers.all(|other| other == first) {
        return Ok(first);
    }
    Err("`answer` is a list of different answers: name a column with one".into())
}

fn answer_type(text: &str) -> Option<String> {
    let known = match text.to_lowercase().as_str() {
        "closed" | "close" | "closed-ended" | "yes/no" | "yesno" | "yes_no" => "CLOSED",
        "open" | "open-ended" | "other" | "number" => "OPEN",
        _ => return None,
    };
    Some(known.to_owned())
}

/// Rows about one image, alike in all but the caption, as one figure with several captions.
fn merged(figures: Vec<Figure>, notes: &mut Notes<'_>) -> Vec<Figure> {
    let before = figures.len();
    let mut places = HashMap::new();
    let mut kept: Vec<Figure> = Vec::with_capacity(before);
    for figure in figures {
        let key = (
            figure.image.clone(),
            figure.group.clone(),
            figure.licence.clone(),
            figure.part,
        );
        let place = *places.entry(key).or_insert(kept.len());
        match kept.get_mut(place) {
            None => kept.push(figure),
            Some(known) => {
                for caption in figure.captions {
                    if !known.captions.contains(&caption) {
                        known.captions.push(caption);
                    }
                }
            }
        }
    }
    let fewer = before - kept.len();
    if fewer > 0 {
        let what = format!("{fewer} rows about an image told before became further captions of it");
        notes.find(Place::Whole, Outcome::Kept, what);
    }
    kept
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem();
    stem.map_or_else(|| "data".into(), |stem| stem.to_string_lossy().into_owned())
}
