//! DICOM: from a file of an imaging device to the pixels a viewer would show.
//!
//! Served are grey and colour images in whole numbers of up to 32 bits: uncompressed (implicit and
//! explicit VR, little and big endian, deflated), RLE, JPEG (baseline, extended with 8 bits,
//! progressive, lossless), JPEG-LS and JPEG 2000. The structure is walked by code of our own that
//! allocates by what is there (see `elements`), and a frame takes at most 16 bytes for each of its
//! numbers, so that a file of any content costs a bounded amount of memory.

mod codec;
mod colour;
mod data_set;
mod elements;
mod frame;
mod grey;
mod jpeg_2000;
mod jpeg_ls;
mod layout;
mod tags;

use std::path::Path;

use image::RgbImage;

use super::ImageError;
use elements::Fault;

/// Bytes of one frame after decompression; a larger one is refused before.
const MAX_FRAME_BYTES: u64 = 256 << 20;

/// Which frame of a DICOM file becomes the image, and how its grey values do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DicomOptions {
    /// The frame of a file with several.
    pub frame: DicomFrame,
    /// A window in place of the file's own, for grey images.
    pub window: Option<DicomWindow>,
}

/// A frame of a multi-frame file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DicomFrame {
    /// The first.
    First,
    /// The one in the middle, the later of two: in a volume or a loop it shows more than the first.
    #[default]
    Middle,
    /// By index, from 0.
    Index(u32),
}

/// A window of grey values, in units after rescaling (Hounsfield units in CT).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DicomWindow {
    /// Value in the middle.
    pub centre: f64,
    /// Distance from black to white; at least 1 for [`WindowShape::Linear`], above 0 for the others.
    pub width: f64,
    /// Shape of the curve.
    pub shape: WindowShape,
}

/// Shape of a window's curve (PS3.3, C.11.2.1.2 and C.11.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowShape {
    /// `LINEAR`, from `centre - width / 2` to `centre + width / 2 - 1`.
    #[default]
    Linear,
    /// `LINEAR_EXACT`, from `centre - width / 2` to `centre + width / 2`.
    LinearExact,
    /// `SIGMOID`.
    Sigmoid,
}

/// Decodes a DICOM file's `bytes` to 8-bit RGB; `path` names it in errors.
///
/// Grey values are rescaled (Modality LUT, or slope and intercept), then brought to 0–255 by the
/// window in `options`, else by the file's first VOI LUT, else by its first window, unless that has
/// a width of 0. Without any of these, values of up to 8 bits keep their full range, so that 8 bits stay as they are, and wider
/// ones span from the smallest to the largest value of the frame. Padding is black; `MONOCHROME1`
/// is inverted. Functional groups of enhanced multi-frame files are used, shared or per frame.
/// Colour is brought to RGB (from `YBR_FULL`, `YBR_FULL_422`, `PALETTE COLOR`) and to 8 bits by its
/// full range. Overlays, presentation states and ICC profiles are not applied.
///
/// # Errors
///
/// [`ImageError`], naming the file and what to do: not DICOM, damaged, without pixels, with a window
/// that is impossible, of a kind or transfer syntax that is not served, or beyond the limits. A JPEG
/// frame that was cut and closed again is not told from a whole one.
pub fn decode_dicom(
    bytes: &[u8],
    path: &Path,
    options: &DicomOptions,
) -> Result<RgbImage, ImageError> {
    let fault = |what: Fault| ImageError::Dicom {
        path: path.into(),
        what,
    };
    let file = elements::read(bytes).map_err(fault)?;
    let layout = layout::Layout::read(&file.elements, options.frame).map_err(fault)?;
    if u64::from(layout.width) * u64::from(layout.height) > super::MAX_PIXELS {
        return Err(ImageError::TooManyPixels {
            path: path.into(),
            width: layout.width,
            height: layout.height,
        });
    }
    let codec =
        codec::Codec::of(file.syntax.as_deref()).map_err(|syntax| ImageError::TransferSyntax {
            path: path.into(),
            syntax,
        })?;
    let frame = frame::decode(&file, codec, &layout).map_err(fault)?;
    let pixels = if layout.samples == 1 && !layout.is_palette() {
        grey::to_rgb(&frame, &layout, &file.elements, options.window)
    } else {
        colour::to_rgb(&frame, &layout, &file.elements)
    };
    let pixels = pixels.map_err(fault)?;
    RgbImage::from_raw(layout.width, layout.height, pixels)
        .ok_or_else(|| fault("its pixels do not fill the frame".into()))
}
