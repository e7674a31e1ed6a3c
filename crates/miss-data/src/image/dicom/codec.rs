//! Transfer syntaxes and their decompression.

use std::borrow::Cow;

use super::elements::Fault;
use super::frame::Frame;
use super::layout::Layout;
use super::{jpeg_2000, jpeg_ls};
use crate::image::jpeg;

/// How Pixel Data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

impl Codec {
    /// The codec of a transfer syntax (PS3.6, table A-1), if it compresses; else the syntax's name.
    pub(super) fn of(syntax: Option<&str>) -> Result<Option<Self>, String> {
        let Some(syntax) = syntax else {
            return Ok(None);
        };
        let name = match syntax.strip_prefix("1.2.840.10008.1.2") {
            Some("" | ".1" | ".2" | ".1.99") => return Ok(None),
            Some(".5") => return Ok(Some(Self::Rle)),
            Some(".4.50" | ".4.51" | ".4.55" | ".4.57" | ".4.70") => return Ok(Some(Self::Jpeg)),
            Some(".4.90" | ".4.91") => return Ok(Some(Self::Jpeg2000)),
            Some(".4.80" | ".4.81") => return Ok(Some(Self::JpegLs)),
            Some(".4.92" | ".4.93") => "JPEG 2000 part 2",
            Some(".4.110" | ".4.111" | ".4.112") => "JPEG XL",
            Some(".4.201" | ".4.202" | ".4.203") => "high-throughput JPEG 2000",
            Some(rest) if rest.starts_with(".4.10") => "video",
            _ => "unknown",
        };
        Err(format!("{syntax} ({name})"))
    }
}

/// Decompresses one frame.
pub(super) fn decompress<'a>(
    codec: Codec,
    bytes: &[u8],
    layout: &Layout,
) -> Result<Frame<'a>, Fault> {
    match codec {
        Codec::Rle => rle(bytes, layout),
        Codec::Jpeg => jpeg(bytes, layout),
        Codec::JpegLs => jpeg_ls(bytes, layout),
        Codec::Jpeg2000 => jpeg_2000::decode(bytes, layout),
    }
}

/// RLE (PS3.5, annex G): a segment for each byte of each channel, the highest byte first.
fn rle<'a>(bytes: &[u8], layout: &Layout) -> Result<Frame<'a>, Fault> {
    let damaged = || "its RLE frame is damaged; fetch it again".to_owned();
    let header = bytes.first_chunk::<64>().ok_or_else(damaged)?;
    let word = |index: usize| {
        let at = index * 4;
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize
    };
    let size = layout.sample_bytes();
    let segments = word(0);
    if segments != layout.samples * size || layout.allocated == 1 {
        return Err(format!(
            "its RLE frame has {segments} segments, its pixels {} bytes",
            layout.samples * size
        ));
    }
    let mut frame = vec![0; layout.frame_bytes()];
    let plane = layout.pixels() * size;
    for segment in 0..segments {
        let end = if segment + 1 < segments {
            word(segment + 2)
        } else {
            bytes.len()
        };
        let packed = bytes.get(word(segment + 1)..end).ok_or_else(damaged)?;
        let (channel, byte) = (segment / size, size - 1 - segment % size);
        let target = &mut frame[channel * plane..(channel + 1) * plane];
        unpack(packed, target.iter_mut().skip(byte).step_by(size)).ok_or_else(damaged)?;
    }
    Ok(Frame {
        bytes: Cow::Owned(frame),
        planar: true,
        stored: layout.stored,
        shift: layout.shift,
        rgb: false,
    })
}

/// Fills `target` from runs; nothing if they are too short. A last run may reach beyond it.
fn unpack<'t>(packed: &[u8], mut target: impl ExactSizeIterator<Item = &'t mut u8>) -> Option<()> {
    let mut packed = packed.iter();
    while target.len() > 0 {
        let head = packed.next()?.cast_signed();
        let places = target.by_ref().take(usize::from(head.unsigned_abs()) + 1);
        match head {
            -128 => {}
            0.. => {
                for place in places {
                    *place = *packed.next()?;
                }
            }
            _ => {
                let value = *packed.next()?;
                places.for_each(|place| *place = value);
            }
        }
    }
    Some(())
}

/// Numbers of a JPEG frame; the decoder takes up to five bytes for each.
const MAX_JPEG: usize = 64 << 20;

/// JPEG, lossy with 8 bits or lossless.
fn jpeg<'a>(bytes: &[u8], layout: &Layout) -> Result<Frame<'a>, Fault> {
    let failed =
        |error| format!("its JPEG frame cannot be decoded: {error}; convert it with `dcmdjpeg`");
    let outline = jpeg::outline(bytes);
    if !outline.complete {
        return Err("its JPEG frame stops before its end; fetch it again".into());
    }
    outline
        .check()
        .map_err(|what| format!("its JPEG frame {what}"))?;
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or("its JPEG frame has no header")?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    let channels = match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 | jpeg_decoder::PixelFormat::L16 => 1,
        jpeg_decoder::PixelFormat::RGB24 => 3,
        jpeg_decoder::PixelFormat::CMYK32 => 4,
    };
    let found = (width, height, channels);
    if found != (layout.width, layout.height, layout.samples) {
        return Err(mismatch("JPEG", found, layout));
    }
    if layout.pixels() * channels > MAX_JPEG {
        return Err(format!(
            "its JPEG frame has more than the {MAX_JPEG} numbers allowed; shrink it first"
        ));
    }
    // Two bytes for numbers of more than eight bits, whatever is allocated.
    let wide = info.pixel_format == jpeg_decoder::PixelFormat::L16;
    if layout.allocated == 1 || (wide && layout.allocated == 8) {
        return Err(format!(
            "its JPEG frame has more bits than the {} allocated",
            layout.allocated
        ));
    }
    let to_rgb = outline.ybr.unwrap_or(layout.photometric != "RGB");
    if channels == 3 {
        decoder.set_color_transform(if to_rgb {
            jpeg_decoder::ColorTransform::YCbCr
        } else {
            jpeg_decoder::ColorTransform::RGB
        });
    }
    let decoded = decoder.decode().map_err(failed)?;
    let size = layout.sample_bytes();
    let bytes = if wide {
        let words = decoded
            .chunks_exact(2)
            .map(|word| u16::from_ne_bytes([word[0], word[1]]));
        words.flat_map(|word| padded(word.into(), size)).collect()
    } else if size == 1 {
        decoded
    } else {
        decoded
            .into_iter()
            .flat_map(|byte| padded(byte.into(), size))
            .collect()
    };
    if bytes.len() != layout.frame_bytes() {
        return Err("its JPEG frame is not filled".into());
    }
    Ok(Frame {
        bytes: Cow::Owned(bytes),
        planar: false,
        stored: layout.stored,
        shift: 0,
        rgb: channels == 3,
    })
}

/// JPEG-LS.
fn jpeg_ls<'a>(bytes: &[u8], layout: &Layout) -> Result<Frame<'a>, Fault> {
    let expected = (
        layout.width as usize,
        layout.height as usize,
        layout.samples,
    );
    let image =
        jpeg_ls::decode(bytes, expected).map_err(|what| format!("its JPEG-LS frame {what}"))?;
    if layout.allocated == 1 || image.bits > layout.allocated {
        return Err(format!(
            "its JPEG-LS frame has more bits than the {} allocated",
            layout.allocated
        ));
    }
    let size = layout.sample_bytes();
    let values = image.planes.iter().flatten();
    Ok(Frame {
        bytes: values
            .flat_map(|&value| padded(value.into(), size))
            .collect(),
        planar: true,
        stored: layout.stored,
        shift: 0,
        rgb: false,
    })
}

/// The `size` lowest bytes of a number, little endian.
pub(super) fn padded(value: u32, size: usize) -> impl Iterator<Item = u8> {
    value.to_le_bytes().into_iter().take(size)
}

/// A frame that is not of the announced size.
pub(super) fn mismatch(
    what: &str,
    (width, height, channels): (u32, u32, usize),
    layout: &Layout,
) -> Fault {
    format!(
        "its {what} frame is {width} x {height} of {channels} channels, the file announces {} x {} of {}",
        layout.width, layout.height, layout.samples
    )
}
