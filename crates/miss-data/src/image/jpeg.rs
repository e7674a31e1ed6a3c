//! Whether a JPEG is whole, and what it consists of: a walk over its markers (ITU-T T.81, annex B), without decoding.

const TEMPORARY: u8 = 0x01;
const RESTART_FIRST: u8 = 0xD0;
const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;
const APPLICATION_0: u8 = 0xE0;
const APPLICATION_14: u8 = 0xEE;

/// Scans beyond these are refused: each costs a pass over all pixels, however few bytes it has.
/// Encoders write about ten.
const MAX_SCANS: usize = 128;

/// What a JPEG consists of.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Whether the end-of-image marker of the outermost image is reached.
    pub(super) complete: bool,
    scans: usize,
    frames: usize,
    /// Whether three channels are luma and colour differences, if the file says so itself.
    #[cfg_attr(
        not(feature = "dicom"),
        allow(dead_code, reason = "the decoder of files finds out by itself")
    )]
    pub(super) ybr: Option<bool>,
}

impl Outline {
    /// Refuses what no encoder writes and what would cost much.
    pub(super) fn check(&self) -> Result<(), String> {
        let (scans, frames) = (self.scans, self.frames);
        if scans > MAX_SCANS {
            return Err(format!(
                "has {scans} scans, more than the {MAX_SCANS} allowed"
            ));
        }
        if frames > 1 {
            return Err(format!("has {frames} frame headers"));
        }
        Ok(())
    }
}

/// Walks over the markers of the outermost image. Thumbnails have markers of their own, but lie
/// inside segments, which are stepped over; bytes after the end do not matter.
pub(super) fn outline(bytes: &[u8]) -> Outline {
    let mut outline = Outline::default();
    let _ = walk(bytes, &mut outline);
    outline
}

/// Nothing where the bytes stop before the end.
fn walk(bytes: &[u8], outline: &mut Outline) -> Option<()> {
    let mut at = 0;
    loop {
        // Entropy-coded data, if any, up to the next marker; inside it a byte 0xFF is followed by
        // 0x00.
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)? + 1;
        let marker = *bytes.get(at)?;
        match marker {
            END_OF_IMAGE => {
                outline.complete = true;
                return Some(());
            }
            // Stuffing, and markers without a segment. Another 0xFF is a fill byte, taken as the
            // next marker's first.
            0x00 | TEMPORARY | RESTART_FIRST..=START_OF_IMAGE => at += 1,
            0xFF => {}
            _ => {
                let length = bytes.get(at + 1..at + 3)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                let segment = bytes.get(at + 3..at + 1 + length).unwrap_or_default();
                outline.scans += usize::from(marker == START_OF_SCAN);
                outline.frames += usize::from(is_frame(marker));
                match marker {
                    // JFIF knows no other.
                    APPLICATION_0 if segment.starts_with(b"JFIF") => {
                        outline.ybr = outline.ybr.or(Some(true));
                    }
                    APPLICATION_14 if segment.starts_with(b"Adobe") => {
                        outline.ybr = segment.get(11).map(|&transform| transform == 1);
                    }
                    _ => {}
                }
                at += 1 + length;
            }
        }
    }
}

fn is_frame(marker: u8) -> bool {
    // Within their range lie three markers that are none: tables, a reserved one, and arithmetic
    // conditioning.
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

#[cfg(test)]
mod tests {
    use super::outline;

    fn is_complete(bytes: &[u8]) -> bool {
        outline(bytes).complete
    }

    #[test]
    fn every_cut_of_a_real_encoder_s_file_is_seen() {
        let mut bytes = Vec::new();
        let pixels: Vec<u8> = (0..40 * 30 * 3_usize)
            .map(|index| (index * 7919 % 251) as u8)
            .collect();
        image::codecs::jpeg::JpegEncoder::new(&mut bytes)
            .encode(&pixels, 40, 30, image::ExtendedColorType::Rgb8)
            .expect("encoded");
        assert!(is_complete(&bytes));
        assert!((0..bytes.len()).all(|length| !is_complete(&bytes[..length])));
        bytes.extend_from_slice(b"trailing bytes");
        assert!(is_complete(&bytes));
    }

    #[test]
    fn an_end_inside_a_segment_does_not_count() {
        // A start, an application segment that holds an end marker, and nothing after it.
        assert!(!is_complete(&[
            0xFF, 0xD8, 0xFF, 0xE1, 0x00, 0x04, 0xFF, 0xD9
        ]));
        // Fill bytes before the marker, stuffing and a restart marker inside the scan, then the
        // end.
        let scan = [
            0xFF, 0xD8, 0xFF, 0xFF, 0xDA, 0x00, 0x02, 0x12, 0xFF, 0x00, 0xFF, 0xD3, 0x34, 0xFF,
            0xD9,
        ];
        assert!(is_complete(&scan));
    }
}
