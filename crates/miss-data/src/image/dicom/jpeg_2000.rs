//! JPEG 2000, part 1.

use std::borrow::Cow;

use super::codec::{mismatch, padded};
use super::elements::Fault;
use super::frame::Frame;
use super::layout::Layout;

/// Numbers of a JPEG 2000 frame; the decoder takes about twelve bytes for each.
const MAX_JPEG_2000: usize = 24 << 20;

/// Decompresses a frame.
pub(super) fn decode<'a>(bytes: &[u8], layout: &Layout) -> Result<Frame<'a>, Fault> {
    let failed = |error| {
        format!("its JPEG 2000 frame cannot be decoded: {error}; convert it with `gdcmconv --raw`")
    };
    // Some writers put a JP2 file around the stream; DICOM has its own colours and palettes.
    let start = bytes
        .windows(4)
        .position(|four| four == [0xFF, 0x4F, 0xFF, 0x51]);
    let bytes = &bytes[start.ok_or("its JPEG 2000 frame has no start; fetch it again")?..];
    let signed = check(bytes)?;
    let settings = hayro_jpeg2000::DecodeSettings::default();
    let image = hayro_jpeg2000::Image::new(bytes, &settings).map_err(failed)?;
    let channels = usize::from(image.color_space().num_channels()) + usize::from(image.has_alpha());
    let found = (image.width(), image.height(), channels);
    if found != (layout.width, layout.height, layout.samples) {
        return Err(mismatch("JPEG 2000", found, layout));
    }
    if layout.pixels() * channels > MAX_JPEG_2000 {
        return Err(format!(
            "its JPEG 2000 frame has more than the {MAX_JPEG_2000} numbers allowed; shrink it first"
        ));
    }
    let bits = u32::from(image.original_bit_depth());
    if bits > layout.allocated || layout.allocated == 1 {
        return Err(format!(
            "its JPEG 2000 frame has {bits} bits, more than the {} allocated",
            layout.allocated
        ));
    }
    let mut context = hayro_jpeg2000::DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(failed)?;
    let size = layout.sample_bytes();
    let mask = u32::MAX >> (32 - bits);
    // The decoder moves the numbers of signed components up into 0.., too.
    let offset = if signed { 1 << (bits - 1) } else { 0 };
    let mut frame = Vec::with_capacity(layout.frame_bytes());
    for component in decoded.components() {
        if component.samples().len() != layout.pixels() || u32::from(component.bit_depth()) != bits
        {
            return Err("its JPEG 2000 channels differ in size or bits".into());
        }
        let whole = component
            .samples()
            .iter()
            .map(|&sample| sample.round().clamp(0.0, mask as f32) as u32);
        frame.extend(whole.flat_map(|value| padded(value.wrapping_sub(offset) & mask, size)));
    }
    Ok(Frame {
        bytes: Cow::Owned(frame),
        planar: true,
        stored: bits,
        shift: 0,
        rgb: !layout.photometric.starts_with("YBR_FULL"),
    })
}

/// Whether the numbers are signed; an error for a stream that would cost far more than its size:
/// tiles and precincts are allocated by the header alone (ITU-T T.800, A.5.1 and A.6.1). And for one
/// that was cut, of which the decoder would make a blurred image.
fn check(bytes: &[u8]) -> Result<bool, Fault> {
    let damaged = || "its JPEG 2000 frame has no size; fetch it again".to_owned();
    let header = bytes.first_chunk::<43>().ok_or_else(damaged)?;
    let word = |at: usize| {
        u64::from(u32::from_be_bytes([
            header[at],
            header[at + 1],
            header[at + 2],
            header[at + 3],
        ]))
    };
    let tiles = |size: u64, tile: u64| size.checked_div(tile).unwrap_or(u64::MAX);
    if tiles(word(8), word(24)).saturating_mul(tiles(word(12), word(28))) > 65_535 {
        return Err("its JPEG 2000 frame has more than the 65535 tiles allowed".into());
    }
    let mut at = 4 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    // The segments of the main header, up to the first tile.
    while let Some(&[0xFF, marker, high, low]) =
        bytes.get(at..).and_then(|rest| rest.first_chunk::<4>())
    {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = bytes.get(at + 4..at + 2 + length).unwrap_or_default();
        // Precincts smaller than 16 pixels a side, except in the lowest resolutions where all are.
        let precincts = match marker {
            0x52 if segment.first().is_some_and(|style| style & 1 == 1) => segment.get(10..),
            0x53 if segment.get(1).is_some_and(|style| style & 1 == 1) => segment.get(7..),
            0x90 => break,
            _ => None,
        };
        if precincts.is_some_and(|sizes| sizes.iter().any(|size| size & 15 < 4 || size >> 4 < 4)) {
            return Err("its JPEG 2000 frame has precincts of less than 16 pixels, which are not supported; convert it with `gdcmconv --raw`".into());
        }
        at += 2 + length;
    }
    // The tile-parts, each with its length.
    while let Some(&[0xFF, 0x90, _, _, _, _, a, b, c, d]) =
        bytes.get(at..).and_then(|rest| rest.first_chunk())
    {
        match u32::from_be_bytes([a, b, c, d]) as usize {
            0 => {
                // The last, up to the end, behind which DICOM may have padding.
                let padding = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
                at = (bytes.len() - padding).saturating_sub(2);
                break;
            }
            length => at = at.saturating_add(length),
        }
    }
    if bytes.get(at..at.saturating_add(2)) != Some(&[0xFF, 0xD9]) {
        return Err("its JPEG 2000 frame stops before its end; fetch it again".into());
    }
    Ok(header[42] & 0x80 != 0)
}
