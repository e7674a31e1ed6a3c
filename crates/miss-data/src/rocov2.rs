//! Reader of ROCOv2 (Rückert et al., Scientific Data 11:688, 2024): radiological figures of open articles with
//! captions and the medical concepts in them.
//!
//! A dataset's folder holds, for each of `train`, `valid` and `test`, a table of captions and one of concepts,
//! and the images in `images/<part>/<ID>.jpg`.

use std::collections::HashSet;
use std::path::Path;

use csv::ByteRecord;
use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::manifest::stays_below;
use crate::read::{Finding, Outcome, Place, Read, ReadError, read_capped};
use crate::record::Part;
use crate::rows::collapse;
use crate::table::Table;

/// The folder of images, below the dataset's folder.
pub const IMAGES_DIR: &str = "images";
/// The parts, by their name in the files.
pub const PARTS: [(&str, Part); 3] = [
    ("train", Part::Train),
    ("valid", Part::Validation),
    ("test", Part::Test),
];

/// The largest table has about 10 MB.
const MAX_BYTES: u64 = 64 << 20;

/// The medical concepts of one figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concepts {
    /// The id of the [`Figure`].
    pub id: String,
    /// Concept unique identifiers of the Unified Medical Language System, as listed: `C0040405`.
    pub cuis: Vec<String>,
    /// The part the publishers put it into.
    pub part: Part,
}

/// Reads the figures of all parts of the ROCOv2 folder `root`.
///
/// # Errors
///
/// [`ReadError`] if one of the three tables of captions cannot be read as a whole. A row that cannot be used
/// is a finding.
pub fn read(root: &Path) -> Result<Read<Figure>, ReadError> {
    of_all_parts(root, "captions", parse_captions, |figure| &figure.id)
}

/// Reads the concepts of all parts of the ROCOv2 folder `root`. They join the figures by id.
///
/// # Errors
///
/// [`ReadError`] if one of the three tables of concepts cannot be read as a whole. A row that cannot be used
/// is a finding.
pub fn read_concepts(root: &Path) -> Result<Read<Concepts>, ReadError> {
    of_all_parts(root, "concepts", parse_concepts, |concepts| &concepts.id)
}

/// Reads the table of captions (`ID,Caption`) of one part.
///
/// # Errors
///
/// [`ReadError`] if the bytes are no such table.
pub fn parse_captions(bytes: &[u8], path: &Path, part: Part) -> Result<Read<Figure>, ReadError> {
    let folder = folder(part);
    rows(bytes, path, "Caption", |id, text| {
        let caption = collapse(text);
        if caption.is_empty() {
            return Err("`Caption` is empty".into());
        }
        let repaired = caption != text;
        let figure = Figure {
            id: format!("rocov2/{id}"),
            image: format!("{folder}/{id}.jpg"),
            captions: vec![caption],
            group: None,
            licence: None,
            part: Some(part),
        };
        Ok((
            figure,
            repaired.then(|| "`Caption`: stray white space dropped".into()),
        ))
    })
}

/// Reads the table of concepts (`ID,CUIs`, several separated by `;`) of one part.
///
/// # Errors
///
/// [`ReadError`] if the bytes are no such table.
pub fn parse_concepts(bytes: &[u8], path: &Path, part: Part) -> Result<Read<Concepts>, ReadError> {
    rows(bytes, path, "CUIs", |id, text| {
        let cuis: Vec<String> = text.split(';').map(|cui| cui.trim().to_owned()).collect();
        let is_cui = |cui: &String| {
            let digits = cui.strip_prefix('C').unwrap_or_default();
            digits.len() == 7 && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if let Some(other) = cuis.iter().find(|cui| !is_cui(cui)) {
            return Err(format!("`CUIs` has {other:?}, not `C` and seven digits"));
        }
        let id = format!("rocov2/{id}");
        Ok((Concepts { id, cuis, part }, None))
    })
}

fn folder(part: Part) -> &'static str {
    match part {
        Part::Train => PARTS[0].0,
        Part::Validation => PARTS[1].0,
        Part::Test => PARTS[2].0,
    }
}

fn of_all_parts<Record>(
    root: &Path,
    table: &str,
    parse: impl Fn(&[u8], &Path, Part) -> Result<Read<Record>, ReadError>,
    id: impl Fn(&Record) -> &String,
) -> Result<Read<Record>, ReadError> {
    let mut all = Read {
        records: Vec::new(),
        findings: Vec::new(),
    };
    let mut seen = HashSet::new();
    for (name, part) in PARTS {
        let path = root.join(format!("{name}_{table}.csv"));
        let remedy = format!(
            "the folder must hold `train_{table}.csv`, `valid_{table}.csv` and `test_{table}.csv`"
        );
        let bytes = read_capped(&path, MAX_BYTES, &remedy)?;
        let read = parse(&bytes, &path, part)?;
        all.findings.extend(read.findings);
        for record in read.records {
            if seen.insert(id(&record).clone()) {
                all.records.push(record);
                continue;
            }
            all.findings.push(Finding {
                file: path.clone(),
                place: Place::Whole,
                outcome: Outcome::Dropped,
                what: format!("`{}` is in another part too; keep one", id(&record)),
            });
        }
    }
    Ok(all)
}

/// Every row of a table with an `ID` and the column `field` through `record`, which gives the record and
/// what was repaired.
fn rows<Record>(
    bytes: &[u8],
    path: &Path,
    field: &str,
    mut record: impl FnMut(&str, &str) -> Result<(Record, Option<String>), String>,
) -> Result<Read<Record>, ReadError> {
    let mut table = Table::open(bytes, path, &["ID", field])?;
    let mut read = Read {
        records: Vec::new(),
        findings: Vec::new(),
    };
    let mut seen = HashSet::new();
    let mut buffer = ByteRecord::new();
    while let Some((line, fields)) = table.next(&mut buffer)? {
        let mut find = |outcome, what| {
            read.findings.push(Finding {
                file: path.into(),
                place: Place::Line(line),
                outcome,
                what,
            });
        };
        let found = fields.and_then(|fields| {
            let id = fields[0].trim();
            if !stays_below(id) || id.contains('/') {
                return Err(format!("`ID` {id:?} is not a plain file name"));
            }
            let found = record(id, fields[1])?;
            match seen.insert(id.to_owned()) {
                true => Ok(found),
                false => Err(format!("`ID` {id:?} is on an earlier line too")),
            }
        });
        match found {
            Ok((record, repaired)) => {
                repaired
                    .into_iter()
                    .for_each(|what| find(Outcome::Repaired, what));
                read.records.push(record);
            }
            Err(what) => find(
                Outcome::Dropped,
                format!("{what}; mend the row or fetch the file again"),
            ),
        }
    }
    Ok(read)
}
