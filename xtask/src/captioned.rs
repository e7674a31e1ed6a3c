//! What a dataset says of its images, whatever its format: the input of Transfer-and-Caption.

use std::collections::BTreeMap;
use std::path::Path;

use miss_data::location::Convention;
use miss_data::{Format, LabelledImage, Question, Read, dataset, image, slake};
use miss_transcap::map::class_folders::ClassMap;
use miss_transcap::map::{Labelled, MapError};
use miss_transcap::map::{rsna, slake as slake_map, vqa_rad};

use crate::exit::Exit;
use crate::failure::Failure;

/// Findings told one by one; the rest are counted.
const TOLD: usize = 20;

/// The images of `rows`, of the dataset in `root`, by name. Rows must be training rows: what they say of an image gets
/// into its captions.
pub fn of_questions(
    format: Format,
    root: &Path,
    rows: &[&Question],
    sides: Convention,
) -> Result<Vec<Labelled>, Failure> {
    let mut by_image: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
    for row in rows {
        by_image.entry(&row.image).or_default().push(row);
    }
    by_image
        .into_iter()
        .map(|(image, rows)| {
            let attributes = match format {
                Format::Slake => of_slake(root, image, &rows, sides)?,
                _ => vqa_rad::attributes(&rows),
            };
            Ok(Labelled {
                image: image.to_owned(),
                attributes,
            })
        })
        .collect()
}

fn of_slake(
    root: &Path,
    image: &str,
    rows: &[&Question],
    sides: Convention,
) -> Result<miss_transcap::Attributes, Failure> {
    let boxes = slake::read_boxes(root, image).map_err(Failure::data)?;
    let boxes = boxes.all_or_nothing().map_err(Failure::data)?;
    let size = image::dimensions(&root.join(slake::IMAGES_DIR), image).map_err(Failure::data)?;
    slake_map::attributes(rows, &boxes, size, sides).map_err(|error: MapError| {
        Failure::new(Exit::Data, format!("image {image} of SLAKE: {error}"))
    })
}

/// The labelled images of the dataset in `root`. What cannot be used is told and left out.
pub fn of_labels(
    format: Format,
    root: &Path,
    classes: &ClassMap,
    sides: Convention,
) -> Result<Vec<Labelled>, Failure> {
    let read = dataset::labelled_images(format, root).map_err(Failure::data)?;
    tell(&read);
    let images: Vec<LabelledImage> = read.records;
    let read = match format {
        Format::RsnaPneumonia => rsna::labelled(&images, sides),
        _ => classes.labelled(&images),
    };
    tell(&read);
    Ok(read.records)
}

/// Says what was found about rows.
pub fn tell<T>(read: &Read<T>) {
    for finding in read.findings.iter().take(TOLD) {
        tracing::warn!("{finding}");
    }
    if read.findings.len() > TOLD {
        tracing::warn!("… and {} more", read.findings.len() - TOLD);
    }
}
