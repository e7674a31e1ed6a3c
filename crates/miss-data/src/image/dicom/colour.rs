//! Colour to RGB of 8 bits (PS3.3, C.7.6.3.1.2 and C.7.9).

use super::data_set::DataSet;
use super::elements::Fault;
use super::frame::Frame;
use super::grey::entries;
use super::layout::Layout;
use super::tags;

/// The colour frame as RGB.
pub(super) fn to_rgb(
    frame: &Frame<'_>,
    layout: &Layout,
    elements: &DataSet<'_>,
) -> Result<Vec<u8>, Fault> {
    if layout.is_palette() && layout.samples == 1 {
        return palette(frame, layout, elements);
    }
    let ybr = match layout.photometric.as_str() {
        _ if frame.rgb => false,
        "RGB" => false,
        "YBR_FULL" | "YBR_FULL_422" => true,
        other => {
            return Err(format!(
                "it has three channels of Photometric Interpretation {other:?}; convert it to RGB"
            ));
        }
    };
    let pixels = layout.pixels();
    // From a pixel to the next, and from a channel to the next.
    let (step, channel) = if frame.planar { (1, pixels) } else { (3, 1) };
    let mut rgb = Vec::with_capacity(pixels * 3);
    for pixel in 0..pixels {
        let value = |index: usize| {
            let raw = frame.raw(layout, pixel * step + index * channel);
            to_byte(frame.value(false, raw), frame.stored)
        };
        let values = [value(0), value(1), value(2)];
        rgb.extend(if ybr { from_ybr(values) } else { values });
    }
    Ok(rgb)
}

/// By its full range, rounded.
fn to_byte(value: i64, bits: u32) -> u8 {
    let highest = (1_i64 << bits) - 1;
    ((value * 255 + highest / 2) / highest) as u8
}

/// `YBR_FULL` (ITU-R BT.601 over the full range, as in JFIF).
fn from_ybr([y, b, r]: [u8; 3]) -> [u8; 3] {
    let (y, b, r) = (f64::from(y), f64::from(b) - 128.0, f64::from(r) - 128.0);
    let values = [
        y + 1.402 * r,
        y - 0.344_136 * b - 0.714_136 * r,
        y + 1.772 * b,
    ];
    // The conversion keeps within 0 and 255.
    values.map(|value| value.round() as u8)
}

fn palette(frame: &Frame<'_>, layout: &Layout, elements: &DataSet<'_>) -> Result<Vec<u8>, Fault> {
    let mut first = 0;
    let mut tables: [Vec<u8>; 3] = Default::default();
    for (channel, table) in (0..).zip(&mut tables) {
        if elements.bytes(tags::SEGMENTED_PALETTE + channel).is_some() {
            return Err(
                "its palette is segmented, which is not supported; convert it to RGB".into(),
            );
        }
        let impossible = || "it has no palette, or an impossible one".to_owned();
        let descriptor = elements
            .words(tags::PALETTE_DESCRIPTOR + channel)
            .ok_or_else(impossible)?;
        let &[count, start, bits] = descriptor.as_slice() else {
            return Err(impossible());
        };
        if !(1..=16).contains(&bits) {
            return Err(impossible());
        }
        first = if layout.signed {
            start.cast_signed().into()
        } else {
            i64::from(start)
        };
        let entries = entries(elements, tags::PALETTE + channel, count).ok_or_else(impossible)?;
        let highest = (1_i64 << bits) - 1;
        let byte = |entry| to_byte(i64::from(entry).min(highest), bits.into());
        *table = entries.into_iter().map(byte).collect();
    }
    let mut rgb = Vec::with_capacity(layout.pixels() * 3);
    for pixel in 0..layout.pixels() {
        let value = frame.value(layout.signed, frame.raw(layout, pixel)) - first;
        rgb.extend(tables.each_ref().map(|table| {
            let last = table.len() as i64 - 1;
            table[value.clamp(0, last) as usize]
        }));
    }
    Ok(rgb)
}
