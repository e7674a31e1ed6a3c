//! Reading a dataset by the name of its format, as its manifest gives it.

use std::path::Path;

use crate::figure::Figure;
use crate::format::{Format, Kind};
use crate::labelled::LabelledImage;
use crate::read::{Read, ReadError};
use crate::record::Question;
use crate::{class_folders, jsonl, medicat, rocov2, rsna, slake, vqa_rad};

/// Reads the questions in the folder `root`, which is laid out as `format`.
///
/// # Errors
///
/// [`ReadError`] if the format holds no questions, or a file cannot be read as a whole. A row that cannot be used
/// is a finding.
pub fn questions(format: Format, root: &Path) -> Result<Read<Question>, ReadError> {
    match format {
        Format::VqaRad => vqa_rad::read(root),
        Format::VqaRadMevf => vqa_rad::read_mevf(root),
        Format::Slake => slake::read(root),
        Format::QuestionsJsonl => jsonl::read_questions(root),
        other => Err(of_another_kind(other, root, Kind::Questions)),
    }
}

/// Reads the figures in the folder `root`, which is laid out as `format`: of MedICaT, what its
/// [default options](medicat::Options) take.
///
/// # Errors
///
/// [`ReadError`] if the format holds no figures, or a file cannot be read as a whole. A row that cannot be used
/// is a finding.
pub fn figures(format: Format, root: &Path) -> Result<Read<Figure>, ReadError> {
    match format {
        Format::Medicat => medicat::read(root, &medicat::Options::default()),
        Format::Rocov2 => rocov2::read(root),
        Format::FiguresJsonl => jsonl::read_figures(root),
        other => Err(of_another_kind(other, root, Kind::Figures)),
    }
}

/// Reads the labelled images in the folder `root`, which is laid out as `format`.
///
/// # Errors
///
/// [`ReadError`] if the format holds no labelled images, or a file cannot be read as a whole. A row that cannot be
/// used is a finding.
pub fn labelled_images(format: Format, root: &Path) -> Result<Read<LabelledImage>, ReadError> {
    match format {
        Format::RsnaPneumonia => rsna::read(root),
        Format::ClassFolders => class_folders::read(root),
        other => Err(of_another_kind(other, root, Kind::LabelledImages)),
    }
}

fn of_another_kind(format: Format, root: &Path, wanted: Kind) -> ReadError {
    ReadError::Kind {
        path: root.into(),
        format,
        found: format.kind(),
        wanted,
    }
}
