//! Images: decoding without trust, and the square RGB pixels a model sees.

pub mod augment;
mod check;
mod decode;
#[cfg(feature = "dicom")]
mod dicom;
mod filter;
mod jpeg;
mod normalisation;
mod set;
mod sniff;
mod stretch;

pub use ::image::RgbImage;
pub use augment::Augmentation;
pub use check::broken;
pub(crate) use decode::read_capped;
pub use decode::{MAX_FILE_BYTES, MAX_PIXELS, decode_rgb, decode_rgb_bytes, dimensions};
#[cfg(feature = "dicom")]
pub use dicom::{DicomFrame, DicomOptions, DicomWindow, WindowShape, decode_dicom};
pub use filter::Filter;
pub use normalisation::{Affine, IMAGENET_MEAN, IMAGENET_STD, Normalisation};
pub use set::ImageSet;
pub use stretch::{Region, stretch, stretch_region};

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Channel means that BLIP, ALBEF and CLIP subtract from values in `0..=1`.
pub const BLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Channel standard deviations that BLIP, ALBEF and CLIP divide by.
#[allow(clippy::excessive_precision, reason = "written as published")]
pub const BLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

/// Why an image could not be used.
#[derive(Debug, Error)]
pub enum ImageError {
    /// There is no such file.
    #[error("image {path} does not exist; fetch the dataset again and verify it", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read image {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A name that leads out of the folder of images.
    #[error(
        "image {name:?} does not lie below {dir}; correct the record that names it",
        dir = dir.display()
    )]
    Outside {
        /// The folder of images.
        dir: PathBuf,
        /// The name.
        name: String,
    },
    /// The file has no bytes.
    #[error("image {path} is empty (0 bytes); fetch it again", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is too large to be read at all.
    #[error("image {path} has {bytes} bytes, more than the {MAX_FILE_BYTES} allowed; shrink it first", path = path.display())]
    TooManyBytes {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The header announces more pixels than are decoded.
    #[error(
        "image {path} announces {width} x {height} pixels, more than the {MAX_PIXELS} allowed; shrink it first",
        path = path.display()
    )]
    TooManyPixels {
        /// The file.
        path: PathBuf,
        /// Announced width in pixels.
        width: u32,
        /// Announced height in pixels.
        height: u32,
    },
    /// A JPEG that stops before its end.
    #[error("image {path} is truncated: the JPEG stops before its end; fetch it again", path = path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// A DICOM file that cannot be used.
    #[error("DICOM file {path} cannot be used: {what}", path = path.display())]
    Dicom {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and, where something can be done, what.
        what: String,
    },
    /// A DICOM file compressed in a way that is not served.
    #[error(
        "DICOM file {path} has the transfer syntax {syntax}, which is not supported; convert it with `gdcmconv --raw`",
        path = path.display()
    )]
    TransferSyntax {
        /// The file.
        path: PathBuf,
        /// Its UID and name.
        syntax: String,
    },
    /// A DICOM file, and DICOM is not built in.
    #[error("{path} is a DICOM file; build with the feature `dicom` to read it", path = path.display())]
    NoDicom {
        /// The file.
        path: PathBuf,
    },
    /// A JPEG that no encoder writes.
    #[error("image {path} {what}; it is damaged or made to do harm, fetch it again", path = path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is odd about it.
        what: String,
    },
    /// Not an image of a known kind, or a damaged one.
    #[error("image {path} cannot be decoded: {source}; fetch it again or convert it to JPEG or PNG", path = path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: ::image::ImageError,
    },
    /// The size asked for is impossible.
    #[error(
        "{images} images of {size} x {size} pixels: the size must be at least 1 and the whole fit into memory"
    )]
    Size {
        /// Pixels a side.
        size: u32,
        /// How many images.
        images: usize,
    },
}
