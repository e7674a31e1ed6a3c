//! The Image Pixel module: how the numbers of a frame lie (PS3.3, C.7.6.3).

use super::data_set::DataSet;
use super::elements::Fault;
use super::{DicomFrame, MAX_FRAME_BYTES, tags};

/// How a frame's numbers lie.
#[derive(Debug)]
pub(super) struct Layout {
    /// Pixels a row.
    pub(super) width: u32,
    /// Rows.
    pub(super) height: u32,
    /// Frames of the file.
    pub(super) frames: u32,
    /// The frame that is wanted, from 0.
    pub(super) frame: u32,
    /// Numbers a pixel: 1 or 3.
    pub(super) samples: usize,
    /// Bits a number takes: 1, 8, 16 or 32.
    pub(super) allocated: u32,
    /// Bits of a number that count.
    pub(super) stored: u32,
    /// Bits below them that do not.
    pub(super) shift: u32,
    pub(super) signed: bool,
    /// Whether the channels lie one after the other.
    pub(super) planar: bool,
    /// Photometric Interpretation.
    pub(super) photometric: String,
}

impl Layout {
    pub(super) fn read(elements: &DataSet<'_>, frame: DicomFrame) -> Result<Self, Fault> {
        let needed = |tag, what: &str| {
            let word = elements.word(tag);
            word.ok_or_else(|| {
                format!("it does not say its {what}; it is not an image, or damaged")
            })
        };
        let height = needed(tags::ROWS, "Rows")?;
        let width = needed(tags::COLUMNS, "Columns")?;
        if height == 0 || width == 0 {
            return Err(format!("it announces {width} x {height} pixels"));
        }
        let allocated = needed(tags::BITS_ALLOCATED, "Bits Allocated")?;
        if ![1, 8, 16, 32].contains(&allocated) {
            return Err(format!(
                "it has {allocated} Bits Allocated; 1, 8, 16 and 32 are supported"
            ));
        }
        let stored = elements.word(tags::BITS_STORED).unwrap_or(allocated);
        let high = elements
            .word(tags::HIGH_BIT)
            .unwrap_or(stored.saturating_sub(1));
        if stored == 0 || stored > allocated || high >= allocated || high + 1 < stored {
            return Err(format!(
                "{stored} Bits Stored up to High Bit {high} do not fit {allocated} Bits Allocated"
            ));
        }
        let samples = elements.word(tags::SAMPLES).unwrap_or(1);
        if samples != 1 && (samples != 3 || allocated == 1) {
            return Err(format!(
                "it has {samples} Samples per Pixel of {allocated} bits; 1 and 3 are supported"
            ));
        }
        let photometric = elements.text(tags::PHOTOMETRIC);
        let photometric = photometric.unwrap_or(if samples == 1 { "MONOCHROME2" } else { "RGB" });
        let (frames, frame) = frames(elements, frame)?;
        let layout = Self {
            width: width.into(),
            height: height.into(),
            frames,
            frame,
            samples: samples.into(),
            allocated: allocated.into(),
            stored: stored.into(),
            shift: u32::from(high + 1 - stored),
            signed: elements.word(tags::SIGNED) == Some(1),
            planar: samples == 3 && elements.word(tags::PLANAR) == Some(1),
            photometric: photometric.to_owned(),
        };
        if layout.frame_bytes() as u64 > MAX_FRAME_BYTES {
            return Err(format!(
                "a frame has {} bytes, more than the {MAX_FRAME_BYTES} allowed; shrink it first",
                layout.frame_bytes()
            ));
        }
        Ok(layout)
    }

    /// Pixels of a frame.
    pub(super) fn pixels(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Bytes of a number, in a decoded frame.
    pub(super) fn sample_bytes(&self) -> usize {
        (self.allocated as usize).div_ceil(8)
    }

    /// Bytes of a decoded frame: a number of 1 bit takes one.
    pub(super) fn frame_bytes(&self) -> usize {
        self.pixels() * self.samples * self.sample_bytes()
    }

    pub(super) fn is_palette(&self) -> bool {
        self.photometric == "PALETTE COLOR"
    }
}

/// How many frames there are, and the one that is wanted.
fn frames(elements: &DataSet<'_>, wanted: DicomFrame) -> Result<(u32, u32), Fault> {
    let frames = match elements.text(tags::FRAMES) {
        None => 1,
        Some(text) => match text.parse::<u32>() {
            Ok(frames) if frames > 0 && frames < i32::MAX as u32 => frames,
            _ => return Err(format!("Number of Frames is {text:?}")),
        },
    };
    let frame = match wanted {
        DicomFrame::First => 0,
        DicomFrame::Middle => frames / 2,
        DicomFrame::Index(index) if index < frames => index,
        DicomFrame::Index(index) => {
            return Err(format!("it has {frames} frames, none with index {index}"));
        }
    };
    Ok((frames, frame))
}
