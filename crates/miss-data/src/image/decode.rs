//! From a file to RGB pixels.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use super::sniff::is_dicom;
use super::{ImageError, jpeg};
use crate::manifest::stays_below;

/// Files beyond this size are refused unread.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// Images whose header announces more pixels are refused before decoding. The largest figures of
/// the supported datasets have 5,800 pixels a side.
pub const MAX_PIXELS: u64 = 64 << 20;
/// Bytes the decoder of PNG may take; a 16-bit RGBA image of [`MAX_PIXELS`] fits. That of JPEG knows
/// no such limit: it takes what [`decode_rgb`] says.
const MAX_DECODER_BYTES: u64 = 8 * MAX_PIXELS + (64 << 20);

/// Bytes that a PNG's chunks beside its pixels may take.
const MAX_EXTRA_BYTES: u64 = 16 << 20;

/// Decodes a JPEG, PNG or, with the feature `dicom`, DICOM file, of whatever mode, to 8-bit RGB.
///
/// What it is is told by its content, not by its name. Of a DICOM file the middle frame is taken,
/// as [`decode_dicom`](super::decode_dicom) does by default.
///
/// Grey becomes three equal channels, palettes are resolved, 16-bit values are scaled by 255/65535
/// and rounded, transparency is dropped and the colour under it kept, CMYK is converted as Pillow
/// does. An orientation tag is not applied, as in the published pipelines.
///
/// Beside the file, up to 12 bytes are taken for each pixel that the header announces: 768 MiB for
/// [`MAX_PIXELS`].
///
/// # Errors
///
/// [`ImageError`], naming the file and what to do. A JPEG without its end marker is an error, not a
/// grey area; one that was cut and closed again is not told from a whole one.
pub fn decode_rgb(path: &Path) -> Result<RgbImage, ImageError> {
    decode_rgb_bytes(&read_capped(path)?, path)
}

/// Width and height in pixels of the JPEG or PNG file `name` below the folder `dir`, from its header alone.
///
/// # Errors
///
/// [`ImageError`], naming the file and what to do. Of a DICOM file, whose pixels may be several frames, it says that the
/// format is not known.
pub fn dimensions(dir: &Path, name: &str) -> Result<(u32, u32), ImageError> {
    if !stays_below(name) {
        return Err(ImageError::Outside {
            dir: dir.into(),
            name: name.into(),
        });
    }
    let path = dir.join(name);
    let file = File::open(&path).map_err(|source| io_error(&path, source))?;
    ImageReader::new(io::BufReader::new(file))
        .with_guessed_format()
        .map_err(|source| io_error(&path, source))?
        .into_dimensions()
        .map_err(|source| ImageError::Decode { path, source })
}

/// Decodes the image `name` below the folder `dir`: names come from the records of others.
pub(super) fn decode_below(dir: &Path, name: &str) -> Result<RgbImage, ImageError> {
    if !stays_below(name) {
        return Err(ImageError::Outside {
            dir: dir.into(),
            name: name.into(),
        });
    }
    decode_rgb(&dir.join(name))
}

/// Decodes a file's `bytes` as [`decode_rgb`] does; `path` names them in errors.
///
/// # Errors
///
/// As [`decode_rgb`]. How many bytes there are is the caller's to limit.
pub fn decode_rgb_bytes(bytes: &[u8], path: &Path) -> Result<RgbImage, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty { path: path.into() });
    }
    let reader = ImageReader::new(Cursor::new(bytes));
    let mut reader = reader
        .with_guessed_format()
        .map_err(|source| io_error(path, source))?;
    let failed = |source| ImageError::Decode {
        path: path.into(),
        source,
    };

    let mut limits = Limits::default();
    limits.max_alloc = Some(match png_pixels(bytes) {
        // What a PNG carries beside its pixels, colour profiles above all, may inflate to anything.
        Some(pixels) => {
            MAX_DECODER_BYTES.min(pixels.saturating_mul(8).saturating_add(MAX_EXTRA_BYTES))
        }
        None => MAX_DECODER_BYTES,
    });
    reader.limits(limits);
    let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
    // The preamble of a DICOM file may hold the start of a TIFF.
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) && is_dicom(bytes) {
        return dicom(bytes, path);
    }
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooManyPixels {
            path: path.into(),
            width,
            height,
        });
    }
    // The decoder fills what is missing with grey; the file must say that it is whole.
    if is_jpeg {
        let outline = jpeg::outline(bytes);
        if !outline.complete {
            return Err(ImageError::Truncated { path: path.into() });
        }
        outline.check().map_err(|what| ImageError::Refused {
            path: path.into(),
            what,
        })?;
    }
    let decoded = DynamicImage::from_decoder(decoder).map_err(failed)?;
    Ok(decoded.into_rgb8())
}

/// The pixels that a PNG's header, always its first chunk, announces.
fn png_pixels(bytes: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e, f, g, h] = bytes
        .strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?
        .first_chunk()?;
    let (width, height) = ([a, b, c, d], [e, f, g, h]);
    Some(u64::from(u32::from_be_bytes(width)) * u64::from(u32::from_be_bytes(height)))
}

#[cfg(feature = "dicom")]
fn dicom(bytes: &[u8], path: &Path) -> Result<RgbImage, ImageError> {
    super::decode_dicom(bytes, path, &super::DicomOptions::default())
}

#[cfg(not(feature = "dicom"))]
fn dicom(_bytes: &[u8], path: &Path) -> Result<RgbImage, ImageError> {
    Err(ImageError::NoDicom { path: path.into() })
}

/// Reads a file of at most [`MAX_FILE_BYTES`].
pub(crate) fn read_capped(path: &Path) -> Result<Vec<u8>, ImageError> {
    let file = File::open(path).map_err(|source| io_error(path, source))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large, even one whose size cannot be
    // asked for.
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| io_error(path, source))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let bytes = fs::metadata(path).map_or(bytes.len() as u64, |data| data.len());
        return Err(ImageError::TooManyBytes {
            path: path.into(),
            bytes,
        });
    }
    Ok(bytes)
}

fn io_error(path: &Path, source: io::Error) -> ImageError {
    match source.kind() {
        io::ErrorKind::NotFound => ImageError::Missing { path: path.into() },
        _ => ImageError::Io {
            path: path.into(),
            source,
        },
    }
}
