//! What can go wrong with weights of others.

use std::path::PathBuf;

use super::{Family, LoadReport};

/// A file that could not be read or does not fit, or a model that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what its name says.
    #[error("{path} is not a readable weights file: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No known model has tensors of these names.
    #[error(
        "{path} holds {count} tensors of no known model (BLIP, MISS, ALBEF, M2I2, MUMC, BERT, ViT, DINOv2); it begins with {names}"
    )]
    UnknownFamily {
        /// The file.
        path: PathBuf,
        /// How many tensors it has.
        count: usize,
        /// The first of their names.
        names: String,
    },
    /// One tensor cannot be read.
    #[error("{path}: the tensor {name} cannot be used: {reason}")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A strict load met something unexpected.
    #[error(
        "{path} ({family}) does not fit this model: {report}\nCheck that the sizes are those of the file; LoadOptions {{ strict: false }} loads what fits"
    )]
    Strict {
        /// The file.
        path: PathBuf,
        /// What it was taken for.
        family: Family,
        /// Everything.
        report: Box<LoadReport>,
    },
    /// The model has something that the other architecture cannot express.
    #[error("Hugging Face's BLIP cannot express this model: {0}")]
    Inexpressible(String),
    /// Writing failed.
    #[error("cannot write {path}: {reason}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}
