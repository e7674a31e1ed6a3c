//! Reading a dataset by its [`Format`].

use std::path::Path;

use crate::figure::Figure;
use crate::format::Format;
use crate::labelled::LabelledImage;
use crate::read::{Read, ReadError};
use crate::record::Question;
use crate::{class_folders, medicat, rocov2, rsna, slake, vqa_rad};

/// The questions of the dataset in the folder `root`.
///
/// # Errors
///
/// [`ReadError`]: the files cannot be read, or the format has no questions.
pub fn questions(format: Format, root: &Path) -> Result<Read<Question>, ReadError> {
    match format {
        Format::VqaRad => vqa_rad::read(root),
        Format::VqaRadMevf => vqa_rad::read_mevf(root),
        Format::Slake => slake::read(root),
        _ => Err(other_kind(format, root, "a dataset of questions")),
    }
}

/// The figures of the dataset in the folder `root`; of MedICaT those of radiology, with its
/// preferred captions.
///
/// # Errors
///
/// [`ReadError`]: the files cannot be read, or the format has no figures.
pub fn figures(format: Format, root: &Path) -> Result<Read<Figure>, ReadError> {
    match format {
        Format::Medicat => medicat::read(root, &medicat::Options::default()),
        Format::Rocov2 => rocov2::read(root),
        _ => Err(other_kind(format, root, "a dataset of figures with captions")),
    }
}

/// The labelled images of the dataset in the folder `root`.
///
/// # Errors
///
/// [`ReadError`]: the files cannot be read, or the format has no labels.
pub fn labelled_images(format: Format, root: &Path) -> Result<Read<LabelledImage>, ReadError> {
    match format {
        Format::RsnaPneumonia => rsna::read(root),
        Format::ClassFolders => class_folders::read(root),
        _ => Err(other_kind(format, root, "a dataset of labelled images")),
    }
}

fn other_kind(format: Format, root: &Path, expected: &'static str) -> ReadError {
    ReadError::Format {
        path: root.into(),
        expected,
        what: format!("the format {format} is of another kind"),
    }
}
