//! One frame: found among the others, decompressed, its numbers read.

use std::borrow::Cow;

use super::codec::{Codec, decompress};
use super::elements::{Fault, File, Pixels};
use super::layout::Layout;

/// The numbers of a frame, little endian, each in as many bytes as [`Layout::sample_bytes`] says.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Whether the channels lie one after the other.
    pub(super) planar: bool,
    /// Bits of a number that count, from `shift` on.
    pub(super) stored: u32,
    pub(super) shift: u32,
    /// Whether a decoder has brought colour to RGB.
    pub(super) rgb: bool,
}

impl Frame<'_> {
    /// The number at `index`, without sign, as it is written.
    pub(super) fn raw(&self, layout: &Layout, index: usize) -> u32 {
        let size = layout.sample_bytes();
        let at = index * size;
        match self.bytes.get(at..at + size) {
            Some(&[byte]) => byte.into(),
            Some(&[low, high]) => u16::from_le_bytes([low, high]).into(),
            Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
            _ => 0,
        }
    }

    /// What the bits `raw` mean.
    pub(super) fn value(&self, signed: bool, raw: u32) -> i64 {
        let unused = 64 - self.stored;
        let bits = (u64::from(raw) >> self.shift) << unused;
        if signed {
            bits as i64 >> unused
        } else {
            (bits >> unused) as i64
        }
    }
}

/// The wanted frame's numbers.
pub(super) fn decode<'a>(
    file: &'a File<'_>,
    codec: Option<Codec>,
    layout: &Layout,
) -> Result<Frame<'a>, Fault> {
    match (&file.pixels, codec) {
        (Pixels::Native(bytes), _) => native(bytes, file.big_endian, layout),
        (Pixels::Encapsulated { .. }, None) => {
            Err("its pixels are in fragments although its transfer syntax is not compressed".into())
        }
        (Pixels::Encapsulated { offsets, fragments }, Some(codec)) => {
            let bytes = fragments_of_frame(offsets, fragments, layout)?;
            decompress(codec, &bytes, layout)
        }
    }
}

fn native<'a>(bytes: &'a [u8], big_endian: bool, layout: &Layout) -> Result<Frame<'a>, Fault> {
    let frame = |bytes| Frame {
        bytes,
        planar: layout.planar,
        stored: layout.stored,
        shift: layout.shift,
        rgb: false,
    };
    let missing = |needed: u64| {
        format!(
            "its pixels have {} bytes where frame {} needs {needed}; it is truncated, fetch it again",
            bytes.len(),
            layout.frame
        )
    };
    let index = u64::from(layout.frame);
    if layout.allocated == 1 {
        // Frames follow one another without padding; the first pixel is in the lowest bit.
        let first = index * layout.pixels() as u64;
        let end = (first + layout.pixels() as u64).div_ceil(8);
        if end > bytes.len() as u64 {
            return Err(missing(end));
        }
        let bit = |pixel: u64| bytes[(pixel / 8) as usize] >> (pixel % 8) & 1;
        return Ok(frame(
            (first..first + layout.pixels() as u64).map(bit).collect(),
        ));
    }
    // Two pixels share their colour.
    let halved = layout.photometric == "YBR_FULL_422" && layout.samples == 3;
    let size = if halved {
        layout.frame_bytes() / 3 * 2
    } else {
        layout.frame_bytes()
    };
    let end = (index + 1) * size as u64;
    let found = bytes
        .get((index * size as u64) as usize..end as usize)
        .ok_or_else(|| missing(end))?;
    if halved {
        let bytes = Cow::Owned(spread_422(found, layout)?);
        // Whatever Planar Configuration says.
        return Ok(Frame {
            planar: false,
            ..frame(bytes)
        });
    }
    if !big_endian || layout.allocated == 8 {
        return Ok(frame(Cow::Borrowed(found)));
    }
    let mut swapped = found.to_vec();
    swapped
        .chunks_exact_mut(layout.sample_bytes())
        .for_each(<[u8]>::reverse);
    Ok(frame(Cow::Owned(swapped)))
}

/// From `Y Y Cb Cr` to `Y Cb Cr Y Cb Cr`.
fn spread_422(bytes: &[u8], layout: &Layout) -> Result<Vec<u8>, Fault> {
    if layout.allocated != 8 || !layout.width.is_multiple_of(2) {
        return Err("YBR_FULL_422 needs 8 bits and an even number of columns".into());
    }
    let pair = |pair: &[u8]| [pair[0], pair[2], pair[3], pair[1], pair[2], pair[3]];
    Ok(bytes.chunks_exact(4).flat_map(pair).collect())
}

/// The compressed bytes of the wanted frame (PS3.5, A.4).
fn fragments_of_frame<'a>(
    offsets: &[u32],
    fragments: &[&'a [u8]],
    layout: &Layout,
) -> Result<Cow<'a, [u8]>, Fault> {
    let (frames, wanted) = (layout.frames as usize, layout.frame as usize);
    let join = |parts: &[&'a [u8]]| match parts {
        [one] => Cow::Borrowed(*one),
        parts => Cow::Owned(parts.concat()),
    };
    if fragments.is_empty() {
        return Err("it has no fragments of Pixel Data".into());
    }
    if frames == 1 {
        return Ok(join(fragments));
    }
    if fragments.len() == frames {
        return Ok(join(&fragments[wanted..=wanted]));
    }
    // Several fragments a frame: the offset table says where frames begin, or, where it is empty,
    // the codec's own start does.
    let starts: Vec<usize> = if offsets.len() == frames {
        let mut at = 0_u64;
        let mut table = offsets.iter().copied().peekable();
        let mut starts = Vec::new();
        for (index, fragment) in fragments.iter().enumerate() {
            if table.next_if(|&offset| u64::from(offset) == at).is_some() {
                starts.push(index);
            }
            at += fragment.len() as u64 + 8;
        }
        starts
    } else {
        let begins = |fragment: &[u8]| {
            fragment.starts_with(&[0xFF, 0xD8]) || fragment.starts_with(&[0xFF, 0x4F, 0xFF, 0x51])
        };
        (0..fragments.len())
            .filter(|&index| begins(fragments[index]))
            .collect()
    };
    if starts.len() != frames {
        return Err(format!(
            "its {} fragments cannot be assigned to its {frames} frames",
            fragments.len()
        ));
    }
    let end = starts.get(wanted + 1).copied().unwrap_or(fragments.len());
    Ok(join(&fragments[starts[wanted]..end]))
}
