//! The numbers a manifest promises, counted in the records.

use std::collections::BTreeSet;
use std::path::Path;

use crate::dataset::{figures, labelled_images, questions};
use crate::figure::Figure;
use crate::format::{Format, Kind};
use crate::labelled::LabelledImage;
use crate::manifest::Counts;
use crate::medicat;
use crate::read::ReadError;
use crate::record::{AnswerType, Part, Question};

/// What a reader of `format` finds in the folder `root`, under the names of [`Counts`]. A row that is
/// dropped is not counted.
///
/// # Errors
///
/// [`ReadError`] if the files cannot be read.
pub fn counts(format: Format, root: &Path) -> Result<Counts, ReadError> {
    Ok(match format.kind() {
        Kind::Questions => of_questions(&questions(format, root)?.records),
        // A manifest promises the whole release, of which training takes the radiological part.
        Kind::Figures if format == Format::Medicat => {
            let all = medicat::Options {
                radiology_only: false,
                ..medicat::Options::default()
            };
            of_figures(&medicat::read(root, &all)?.records)
        }
        Kind::Figures => of_figures(&figures(format, root)?.records),
        Kind::LabelledImages => of_labelled_images(format, &labelled_images(format, root)?.records),
    })
}

/// Counts of questions: all, by part, by language where there are two, the images asked about, and the
/// closed and open ones of the test part.
#[must_use]
pub fn of_questions(rows: &[Question]) -> Counts {
    let mut counts = Counts::new();
    add(
        &mut counts,
        "images",
        distinct(rows.iter().map(|row| &*row.image)),
    );
    let languages = distinct(rows.iter().map(|row| row.language.name()));
    for row in rows {
        let part = row.part.map(part_name);
        let language = (languages > 1).then(|| row.language.name());
        let answer = match row.answer_type {
            AnswerType::Closed => "closed",
            AnswerType::Open => "open",
        };
        let answer = (row.part == Some(Part::Test)).then_some(answer);
        for name in [Some("questions"), part, answer].into_iter().flatten() {
            add(&mut counts, name, 1);
            if let Some(language) = language {
                add(&mut counts, &format!("{name}-{language}"), 1);
            }
        }
    }
    counts
}

/// Counts of figures: all, by part, and the papers they come from.
#[must_use]
pub fn of_figures(rows: &[Figure]) -> Counts {
    let mut counts = Counts::new();
    add(&mut counts, "figures", rows.len());
    add(
        &mut counts,
        "images",
        distinct(rows.iter().map(|row| &*row.image)),
    );
    let papers = distinct(rows.iter().filter_map(|row| row.group.as_deref()));
    if papers > 0 {
        add(&mut counts, "papers", papers);
    }
    for part in rows.iter().filter_map(|row| row.part) {
        add(&mut counts, part_name(part), 1);
    }
    counts
}

fn of_labelled_images(format: Format, rows: &[LabelledImage]) -> Counts {
    let mut counts = Counts::new();
    if format == Format::RsnaPneumonia {
        // One row a box, and one for a patient without any.
        add(&mut counts, "patients", rows.len());
        add(
            &mut counts,
            "boxes",
            rows.iter().map(|row| row.boxes.len().max(1)).sum(),
        );
    } else {
        add(&mut counts, "images", rows.len());
        for row in rows {
            add(&mut counts, &format!("class-{}", slug(&row.class)), 1);
        }
    }
    counts
}

fn add(counts: &mut Counts, name: &str, number: usize) {
    *counts.entry(name.to_owned()).or_default() += number as u64;
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.collect::<BTreeSet<_>>().len()
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Train => "train",
        Part::Validation => "validation",
        Part::Test => "test",
    }
}

/// A class as part of a count's name: lower-case letters and digits, hyphens for the rest.
fn slug(class: &str) -> String {
    let plain = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    class.chars().map(plain).collect()
}
