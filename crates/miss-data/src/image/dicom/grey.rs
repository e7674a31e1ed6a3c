//! Grey values to bytes (PS3.3, C.11.1 and C.11.2; PS3.4, N.2).

use super::data_set::DataSet;
use super::elements::Fault;
use super::frame::Frame;
use super::layout::Layout;
use super::{DicomWindow, WindowShape, tags};

/// The grey frame as RGB.
pub(super) fn to_rgb(
    frame: &Frame<'_>,
    layout: &Layout,
    elements: &DataSet<'_>,
    window: Option<DicomWindow>,
) -> Result<Vec<u8>, Fault> {
    let inverted = match layout.photometric.as_str() {
        "MONOCHROME1" => true,
        "MONOCHROME2" => false,
        other => {
            return Err(format!(
                "it has one channel of Photometric Interpretation {other:?}"
            ));
        }
    };
    let modality = Modality::read(layout, elements)?;
    let padding = padding(layout, elements);
    let is_padding = |value: i64| padding.is_some_and(|(low, high)| (low..=high).contains(&value));
    let value = |raw: u32| frame.value(layout.signed, raw);
    let values = Values::of(frame, layout);

    let curve = match Curve::read(layout, elements, window, &modality)? {
        Some(curve) => curve,
        None if frame.stored <= 8 => {
            let (low, high) = if layout.signed {
                (
                    -(1_i64 << (frame.stored - 1)),
                    (1 << (frame.stored - 1)) - 1,
                )
            } else {
                (0, (1 << frame.stored) - 1)
            };
            Curve::span([low, high].into_iter().map(|value| modality.apply(value)))
        }
        None => {
            let real = values
                .distinct()
                .map(value)
                .filter(|&value| !is_padding(value));
            Curve::span(real.map(|value| modality.apply(value)))
        }
    };
    let grey = |raw: u32| {
        let value = value(raw);
        if is_padding(value) {
            return 0;
        }
        let byte = (curve.apply(modality.apply(value)) * 255.0).round() as u8;
        if inverted { 255 - byte } else { byte }
    };
    Ok(values.map(grey))
}

/// The numbers of a frame, so that each different one is computed once where there can be few.
struct Values<'a> {
    frame: &'a Frame<'a>,
    layout: &'a Layout,
    /// Which numbers of up to 16 bits occur; empty for wider ones.
    occur: Vec<bool>,
}

impl<'a> Values<'a> {
    fn of(frame: &'a Frame<'a>, layout: &'a Layout) -> Self {
        let mut values = Self {
            frame,
            layout,
            occur: Vec::new(),
        };
        if layout.sample_bytes() <= 2 {
            let mut occur = vec![false; 1 << (8 * layout.sample_bytes())];
            values.all().for_each(|raw| occur[raw as usize] = true);
            values.occur = occur;
        }
        values
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        (0..self.layout.pixels()).map(|index| self.frame.raw(self.layout, index))
    }

    /// Every number that occurs, once if they are of up to 16 bits.
    fn distinct(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        if self.occur.is_empty() {
            return Box::new(self.all());
        }
        let occur = self.occur.iter().enumerate().filter(|(_, occurs)| **occurs);
        Box::new(occur.map(|(raw, _)| raw as u32))
    }

    /// Three equal bytes for each pixel.
    fn map(&self, grey: impl Fn(u32) -> u8) -> Vec<u8> {
        let mut pixels = Vec::with_capacity(self.layout.pixels() * 3);
        if self.occur.is_empty() {
            pixels.extend(self.all().flat_map(|raw| [grey(raw); 3]));
        } else {
            let mut table = vec![0; self.occur.len()];
            self.distinct()
                .for_each(|raw| table[raw as usize] = grey(raw));
            pixels.extend(self.all().flat_map(|raw| [table[raw as usize]; 3]));
        }
        pixels
    }
}

/// From stored values to those of the imaging method.
enum Modality {
    Rescale { slope: f64, intercept: f64 },
    Lut(Lut),
}

impl Modality {
    fn read(layout: &Layout, elements: &DataSet<'_>) -> Result<Self, Fault> {
        if let Some(item) = elements.items(tags::MODALITY_LUTS).first() {
            return Ok(Self::Lut(Lut::read(item, layout.signed)?));
        }
        let source = functional_group(layout, elements, tags::FRAME_RESCALE).unwrap_or(elements);
        Ok(Self::Rescale {
            slope: source.decimal(tags::SLOPE)?.unwrap_or(1.0),
            intercept: source.decimal(tags::INTERCEPT)?.unwrap_or(0.0),
        })
    }

    fn apply(&self, value: i64) -> f64 {
        match self {
            Self::Rescale { slope, intercept } => value as f64 * slope + intercept,
            Self::Lut(lut) => lut.get(value).into(),
        }
    }
}

/// From values of the imaging method to `0..=1`.
enum Curve {
    Window(DicomWindow),
    Lut(Lut),
    Span { low: f64, high: f64 },
}

impl Curve {
    /// What the caller or else the file asks for.
    fn read(
        layout: &Layout,
        elements: &DataSet<'_>,
        window: Option<DicomWindow>,
        modality: &Modality,
    ) -> Result<Option<Self>, Fault> {
        if let Some(window) = window {
            if !is_possible(&window) {
                return Err(format!(
                    "the window {window:?} asked for is impossible: its width is too small, or it has no number"
                ));
            }
            return Ok(Some(Self::Window(window)));
        }
        let source = functional_group(layout, elements, tags::FRAME_VOI).unwrap_or(elements);
        if let Some(item) = source.items(tags::VOI_LUTS).first() {
            // What comes out of a lookup table has no sign; what is rescaled can have one.
            let signed = match modality {
                Modality::Lut(_) => false,
                Modality::Rescale { intercept, .. } => layout.signed || *intercept < 0.0,
            };
            return Ok(Some(Self::Lut(Lut::read(item, signed)?)));
        }
        let centre = source.decimal(tags::WINDOW_CENTRE)?;
        // Some writers say "no window" by a width of 0.
        let width = source.decimal(tags::WINDOW_WIDTH)?;
        let (Some(centre), Some(width)) = (centre, width.filter(|&width| width != 0.0)) else {
            return Ok(None);
        };
        let shape = match source.text(tags::VOI_FUNCTION) {
            None | Some("LINEAR") => WindowShape::Linear,
            Some("LINEAR_EXACT") => WindowShape::LinearExact,
            Some("SIGMOID") => WindowShape::Sigmoid,
            Some(other) => {
                return Err(format!(
                    "its VOI LUT Function is {other:?}, which does not exist"
                ));
            }
        };
        let window = DicomWindow {
            centre,
            width,
            shape,
        };
        if !is_possible(&window) {
            return Err(format!(
                "its window has centre {centre} and a width of {width}, which is too small for its shape {shape:?}; \
                 correct its Window Width, or choose a window with `DicomOptions`"
            ));
        }
        Ok(Some(Self::Window(window)))
    }

    /// From the smallest to the largest value.
    fn span(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        Self::Span { low, high }
    }

    fn apply(&self, value: f64) -> f64 {
        match self {
            Self::Lut(lut) => f64::from(lut.get(value.round() as i64)) / f64::from(lut.highest),
            Self::Span { low, high } if low < high => (value - low) / (high - low),
            // All values are the same.
            Self::Span { .. } => 0.0,
            Self::Window(window) => {
                let (centre, width) = match window.shape {
                    WindowShape::Linear => (window.centre - 0.5, window.width - 1.0),
                    WindowShape::LinearExact => (window.centre, window.width),
                    WindowShape::Sigmoid => {
                        return 1.0 / (1.0 + (-4.0 * (value - window.centre) / window.width).exp());
                    }
                };
                if value <= centre - width / 2.0 {
                    0.0
                } else if value > centre + width / 2.0 {
                    1.0
                } else {
                    (value - centre) / width + 0.5
                }
            }
        }
    }
}

fn is_possible(window: &DicomWindow) -> bool {
    let enough = match window.shape {
        WindowShape::Linear => window.width >= 1.0,
        WindowShape::LinearExact | WindowShape::Sigmoid => window.width > 0.0,
    };
    enough && window.width.is_finite() && window.centre.is_finite()
}

/// A lookup table.
struct Lut {
    /// The value that the first entry is for; smaller ones get it too.
    first: i64,
    /// The largest an entry can be.
    highest: u32,
    entries: Vec<u16>,
}

impl Lut {
    fn read(item: &DataSet<'_>, signed: bool) -> Result<Self, Fault> {
        let impossible = || "it has an impossible lookup table".to_owned();
        let descriptor = item.words(tags::LUT_DESCRIPTOR).ok_or_else(impossible)?;
        let &[_, first, bits] = descriptor.as_slice() else {
            return Err(impossible());
        };
        let signed = signed || item.is_signed(tags::LUT_DESCRIPTOR);
        let entries = entries(item, tags::LUT_DATA, descriptor[0]).ok_or_else(impossible)?;
        if !(1..=16).contains(&bits) {
            return Err(impossible());
        }
        Ok(Self {
            first: if signed {
                first.cast_signed().into()
            } else {
                first.into()
            },
            highest: (1 << bits) - 1,
            entries,
        })
    }

    /// The entry for a value, at most `highest`.
    fn get(&self, value: i64) -> u32 {
        let last = self.entries.len() as i64 - 1;
        let index = value.saturating_sub(self.first).clamp(0, last.max(0));
        u32::from(self.entries.get(index as usize).copied().unwrap_or(0)).min(self.highest)
    }
}

/// The entries of a lookup table: bytes if there are as many as entries, else words. `announced` is
/// how many there are, 0 for 65,536.
pub(super) fn entries(elements: &DataSet<'_>, tag: u32, announced: u16) -> Option<Vec<u16>> {
    let count = if announced == 0 {
        1 << 16
    } else {
        announced.into()
    };
    let bytes = elements.bytes(tag)?;
    // Values have an even length.
    if bytes.len() == count || (bytes.len() == count + 1 && count > 1) {
        return Some(bytes[..count].iter().map(|&byte| byte.into()).collect());
    }
    let mut words = elements.words(tag)?;
    words.truncate(count);
    (words.len() == count).then_some(words)
}

/// The values that stand for no measurement.
fn padding(layout: &Layout, elements: &DataSet<'_>) -> Option<(i64, i64)> {
    let read = |tag| {
        let word = elements.word(tag)?;
        Some(if layout.signed {
            i64::from(word.cast_signed())
        } else {
            word.into()
        })
    };
    let value = read(tags::PADDING)?;
    let limit = read(tags::PADDING_LIMIT).unwrap_or(value);
    Some((value.min(limit), value.max(limit)))
}

/// The item of a functional group's sequence that holds for the frame: its own, or the shared one.
fn functional_group<'e>(
    layout: &Layout,
    elements: &'e DataSet<'e>,
    sequence: u32,
) -> Option<&'e DataSet<'e>> {
    let own = elements
        .items(tags::FRAME_GROUPS)
        .get(layout.frame as usize);
    let shared = elements.items(tags::SHARED_GROUPS).first();
    [own, shared]
        .into_iter()
        .flatten()
        .find_map(|group| group.items(sequence).first())
}
