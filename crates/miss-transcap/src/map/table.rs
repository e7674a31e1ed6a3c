//! Attributes from a user's own table: commas, semicolons, tabs or bars with a header, a JSON list, or lines of
//! JSON.
//!
//! A map in TOML tells which column is the image, what the other columns mean, and what is true of all images.
//! Columns that it does not name are not read: identifiers cannot get into attributes, for a cell becomes one only
//! by being a term of the closed vocabularies.
//!
//! ```
//! use miss_transcap::map::table::TableMap;
//!
//! let map = TableMap::parse(
//!     r#"
//!     image = "Path"              # the column with the image's path below the image folder
//!     image-suffix = ".jpg"       # is appended to it; may be left out
//!     sides = "image-side"        # whose left and right places mean, or "patient-side"; only where there are any
//!
//!     [constants]                 # of all images: modality, plane, organ, class
//!     modality = "xray"
//!     organ = "chest"
//!
//!     [columns."AP/PA"]
//!     is = "plane"                # modality, plane, organ, structure, label, count, height, side, size or shape
//!     values = { AP = "anteroposterior", PA = "posteroanterior" }
//!
//!     [columns."Pleural Effusion"]
//!     is = "label"                # a pathology of lexicon/pathologies.txt, or normal, no-finding, abnormal, …
//!     values = { "1.0" = "pleural-effusion", "0.0" = "", "-1.0" = "" }    # an empty term says nothing
//!
//!     [columns.Others]
//!     is = "label"                # what `values` does not have is looked up as it stands
//!     separator = "|"             # several in one cell; of labels and structures only
//!
//!     [boxes]                     # a box in a row is a place of the one pathology that the row names
//!     x = "x"                     # columns, in pixels of the image; y from its top
//!     y = "y"
//!     width = "w"
//!     height = "h"
//!     image-width = 1024          # a number, or the name of a column
//!     image-height = "Rows"
//!     "#,
//! )?;
//! let folder = tempfile::tempdir()?;
//! let table = folder.path().join("table.csv");
//! std::fs::write(
//!     &table,
//!     "Patient,Path,AP/PA,Pleural Effusion,Others,x,y,w,h,Rows\n\
//!      Doe,p1/a,AP,0.0,Nodule,100,100,50,50,1024\n\
//!      Doe,p1/a,AP,0.0,Nodule,800,900,50,50,1024\n\
//!      Poe,p2/a,,1.0,Cardiomegaly|Consolidation,,,,,1024\n\
//!      Roe,p3/a,PA,0.0,Nodul,,,,,1024\n",
//! )?;
//! let read = map.labelled(&table)?;
//! assert_eq!(read.records.len(), 2);
//! assert_eq!(read.records[0].image, "p1/a.jpg");
//! assert_eq!(read.records[0].attributes.findings[0].count, Some(2));
//! assert_eq!(read.records[1].attributes.findings.len(), 3);
//! let dropped = read.findings[0].to_string();
//! assert!(dropped.contains("line 5") && dropped.contains("`nodule`"), "{dropped}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Rows with the same image are merged; the order of images is that of their first rows. Identical rows say
//! nothing new. Rows that contradict each other, and a row that cannot be mapped, leave the whole image out, with
//! a finding that names the line: half of what was said of an image would be another statement.
//!
//! `count`, `height`, `side`, `size` and `shape` are of the one pathology that their row names. A size or shape is
//! told if all rows of the pathology agree on it. Where boxes are given and no count, the boxes are counted.

mod image;
mod words;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use miss_data::import::{ImportError, Source};
use miss_data::manifest::stays_below;
use miss_data::read::{Finding, Outcome, Place, Read};
use serde::Deserialize;
use serde_json::{Map, Value};

use self::image::{Images, RowSaid};
use self::words::{Is, Said, cell};
use super::Labelled;
use super::terms::shown;
use crate::attributes::{Attributes, Class, Convention, Modality, Organ, Plane};

/// A map is written by hand.
const MAX_MAP: u64 = 1 << 20;
/// Rows of a table that are read.
const MAX_ROWS: usize = 1 << 22;

/// What the columns of a table mean: the TOML of this [module](self).
#[derive(Debug, Clone, PartialEq)]
pub struct TableMap {
    written: Written,
    columns: Vec<Column>,
}

/// The map as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    image: String,
    #[serde(default)]
    image_suffix: String,
    sides: Option<Convention>,
    #[serde(default)]
    constants: Constants,
    #[serde(default)]
    columns: BTreeMap<String, WrittenColumn>,
    boxes: Option<Boxes>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Constants {
    modality: Option<Modality>,
    plane: Option<Plane>,
    organ: Option<Organ>,
    class: Option<Class>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenColumn {
    is: Is,
    separator: Option<String>,
    #[serde(default)]
    values: BTreeMap<String, String>,
}

/// The columns of a box.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Boxes {
    x: String,
    y: String,
    width: String,
    height: String,
    image_width: Measure,
    image_height: Measure,
}

/// A number of pixels, or the column that has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "a number of pixels or the name of a column is wanted"
)]
enum Measure {
    Pixels(f64),
    Column(String),
}

/// A column whose terms have been looked up.
#[derive(Debug, Clone, PartialEq)]
struct Column {
    name: String,
    is: Is,
    separator: Option<String>,
    values: BTreeMap<String, Option<Said>>,
}

/// Why a map or a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableMapError {
    /// The map cannot be read.
    #[error("cannot read the map {path}: {source}; name a TOML file of at most {MAX_MAP} bytes", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The map is not TOML of the form that is described in this module.
    #[error("the map of the table: {0}")]
    Toml(#[from] toml::de::Error),
    /// A key of the map says what cannot be.
    #[error("the map of the table: `{key}`: {what}")]
    Key {
        /// The key in the map, as `columns.View.values.AP`.
        key: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A map that was read from a file is wrong.
    #[error("{path}: {why}", path = path.display())]
    File {
        /// The map.
        path: PathBuf,
        /// What is wrong with it.
        why: Box<TableMapError>,
    },
    /// The map names a column that the table has not.
    #[error("{path} has no column `{column}`, which `{key}` of the map names; the nearest is `{nearest}`", path = path.display())]
    Column {
        /// The table.
        path: PathBuf,
        /// What was looked for.
        column: String,
        /// The key in the map.
        key: String,
        /// The column that is spelt most like it; empty where there is none.
        nearest: String,
    },
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] ImportError),
}

impl TableMap {
    /// Reads a map from TOML and looks all of its terms up.
    ///
    /// # Errors
    /// [`TableMapError::Toml`] names line and column of an unknown key and the keys there are,
    /// [`TableMapError::Key`] a term that is unknown and the nearest one, or what is missing.
    pub fn parse(text: &str) -> Result<Self, TableMapError> {
        let written: Written = toml::from_str(text)?;
        let wrong = |key: &str, what: String| TableMapError::Key {
            key: key.into(),
            what,
        };
        let mut columns = Vec::with_capacity(written.columns.len());
        for (name, column) in &written.columns {
            let key = format!("columns.{name}");
            if column.separator.is_some() && !column.is.may_be_several() {
                return Err(wrong(
                    &key,
                    "only labels and structures may have a separator".into(),
                ));
            }
            if column.separator.as_deref() == Some("") {
                return Err(wrong(&key, "the separator is empty: leave it out".into()));
            }
            if column.is.is_place() && written.boxes.is_some() {
                return Err(wrong(
                    &key,
                    "places come from `boxes`: take one of both out".into(),
                ));
            }
            let mut values = BTreeMap::new();
            for (value, term) in &column.values {
                let said = column
                    .is
                    .read(term)
                    .map_err(|what| wrong(&format!("{key}.values.{}", shown(value)), what))?;
                values.insert(value.trim().to_owned(), said);
            }
            columns.push(Column {
                name: name.clone(),
                is: column.is,
                separator: column.separator.clone(),
                values,
            });
        }
        let of_sides =
            written.boxes.is_some() || columns.iter().any(|column| column.is == Is::Side);
        if of_sides && written.sides.is_none() {
            let what = "is missing: say whose left and right the sides mean, `image-side` or `patient-side`";
            return Err(wrong("sides", what.into()));
        }
        if let Some(boxes) = &written.boxes {
            for (key, measure) in [
                ("boxes.image-width", &boxes.image_width),
                ("boxes.image-height", &boxes.image_height),
            ] {
                if matches!(measure, Measure::Pixels(pixels) if !words::is_size(*pixels)) {
                    return Err(wrong(key, "not a size of an image in pixels".into()));
                }
            }
        }
        let map = Self { written, columns };
        map.start()
            .check()
            .map_err(|why| wrong("constants", why.to_string()))?;
        Ok(map)
    }

    /// Reads a map from a file.
    ///
    /// # Errors
    /// As of [`TableMap::parse`], with the name of the file.
    pub fn read(path: &Path) -> Result<Self, TableMapError> {
        use std::io::Read as _;
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(MAX_MAP + 1).read_to_string(&mut text))
            .and_then(|bytes| match bytes as u64 > MAX_MAP {
                true => Err(std::io::ErrorKind::FileTooLarge.into()),
                false => Ok(()),
            })
            .map_err(|source| TableMapError::Io {
                path: path.into(),
                source,
            })?;
        Self::parse(&text).map_err(|why| TableMapError::File {
            path: path.into(),
            why: Box::new(why),
        })
    }

    /// What the rows of a table say of its images.
    ///
    /// # Errors
    /// [`TableMapError::Table`] for a table that cannot be read, [`TableMapError::Column`] for one that has not the
    /// columns of the map. What is wrong with single rows are findings.
    pub fn labelled(&self, table: &Path) -> Result<Read<Labelled>, TableMapError> {
        let file = File::open(table).map_err(|source| ImportError::Io {
            path: table.into(),
            source,
        })?;
        let source = Source::open(file, table, None)?;
        self.all_there(&source.columns, table)?;
        let mut images = Images::new(self.start(), self.written.sides, table);
        let mut rows = 0_usize;
        source.each(|place, row| {
            rows += 1;
            if rows > MAX_ROWS {
                return;
            }
            match row {
                Err(what) => images.note(place, Outcome::Dropped, what),
                Ok(row) => match self.image(&row) {
                    Err(what) => images.note(place, Outcome::Dropped, what),
                    Ok(image) => images.add(image, place, self.said(&row)),
                },
            }
        })?;
        if rows > MAX_ROWS {
            return Err(TableMapError::Table(ImportError::Source {
                path: table.into(),
                what: format!("more than {MAX_ROWS} rows: divide it"),
            }));
        }
        Ok(images.finish(rows))
    }

    /// What is true of all images.
    fn start(&self) -> Attributes {
        let all = &self.written.constants;
        Attributes {
            modality: all.modality,
            plane: all.plane,
            organ: all.organ,
            class: all.class,
            ..Attributes::default()
        }
    }

    /// That the table has each column which the map names.
    fn all_there(&self, columns: &[String], table: &Path) -> Result<(), TableMapError> {
        let mut wanted = vec![("image", self.written.image.clone())];
        let names = self.columns.iter().map(|column| column.name.clone());
        wanted.extend(names.map(|name| ("columns", name)));
        if let Some(boxes) = &self.written.boxes {
            wanted.extend(boxes.columns().map(|(key, name)| (key, name.to_owned())));
        }
        for (key, column) in wanted {
            if !columns.contains(&column) {
                let spelt = |other: &&String| strsim::levenshtein(&shown(other), &shown(&column));
                return Err(TableMapError::Column {
                    path: table.into(),
                    nearest: columns
                        .iter()
                        .min_by_key(spelt)
                        .map_or_else(String::new, |name| shown(name)),
                    column,
                    key: key.into(),
                });
            }
        }
        Ok(())
    }

    fn image(&self, row: &Map<String, Value>) -> Result<String, String> {
        let column = &self.written.image;
        let written = cell(row, column)?;
        if written.is_empty() {
            return Err(format!("`{column}` is empty: it must name the image"));
        }
        let image = format!("{written}{}", self.written.image_suffix);
        if !stays_below(&image) {
            return Err(format!(
                "`{column}` is `{}`, which names nothing below the image folder: write the path from there, its \
                 parts separated by `/`",
                shown(&image)
            ));
        }
        Ok(image)
    }

    /// What one row says, or what cannot be understood in it.
    fn said(&self, row: &Map<String, Value>) -> Result<RowSaid, String> {
        let mut said = RowSaid::default();
        for column in &self.columns {
            let mut read = |text: &str| -> Result<(), String> {
                let text = text.trim();
                let found = match column.values.get(text) {
                    Some(found) => *found,
                    None => column
                        .is
                        .read(text)
                        .map_err(|what| format!("`{}`: {what}", column.name))?,
                };
                found
                    .map_or(Ok(()), |found| said.add(found))
                    .map_err(|what| format!("`{}`: {what}", column.name))
            };
            if let (true, Some(Value::Array(list))) =
                (column.is.may_be_several(), row.get(&column.name))
            {
                for value in list {
                    read(&words::text(value).ok_or_else(|| words::not_a_cell(&column.name))?)?;
                }
                continue;
            }
            let text = cell(row, &column.name)?;
            match &column.separator {
                Some(separator) if !column.values.contains_key(text.as_str()) => {
                    text.split(separator.as_str()).try_for_each(read)?;
                }
                _ => read(&text)?,
            }
        }
        if let (Some(boxes), Some(convention)) = (&self.written.boxes, self.written.sides) {
            said.place_box(boxes, row, convention)?;
        }
        said.details_have_a_pathology()?;
        Ok(said)
    }
}

impl Boxes {
    fn columns(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let sizes = [
            ("boxes.image-width", &self.image_width),
            ("boxes.image-height", &self.image_height),
        ];
        let of_sizes = sizes
            .into_iter()
            .filter_map(|(key, measure)| match measure {
                Measure::Column(name) => Some((key, name.as_str())),
                Measure::Pixels(_) => None,
            });
        [
            ("boxes.x", self.x.as_str()),
            ("boxes.y", &self.y),
            ("boxes.width", &self.width),
            ("boxes.height", &self.height),
        ]
        .into_iter()
        .chain(of_sizes)
    }
}

/// A finding at a row of the table.
fn note(table: &Path, place: Place, outcome: Outcome, what: String) -> Finding {
    Finding {
        file: table.into(),
        place,
        outcome,
        what,
    }
}
