//! Whether a JPEG is whole: a walk over its markers (ITU-T T.81, annex B), without decoding.

const TEMPORARY: u8 = 0x01;
const RESTART_FIRST: u8 = 0xD0;
const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;

/// Whether the end-of-image marker of the outermost image is reached. Thumbnails have markers of
/// their own, but lie inside segments, which are stepped over; bytes after the end do not matter.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    let mut at = 0;
    loop {
        // Entropy-coded data, if any, up to the next marker; inside it a byte 0xFF is followed by
        // 0x00.
        let Some(offset) = bytes
            .get(at..)
            .and_then(|rest| rest.iter().position(|&byte| byte == 0xFF))
        else {
            return false;
        };
        at += offset + 1;
        match bytes.get(at) {
            None => return false,
            Some(&END_OF_IMAGE) => return true,
            // Stuffing, and markers without a segment. Another 0xFF is a fill byte, taken as the
            // next marker's first.
            Some(0x00 | &TEMPORARY | RESTART_FIRST..=START_OF_IMAGE) => at += 1,
            Some(0xFF) => {}
            Some(_) => {
                let Some(length) = bytes.get(at + 1..at + 3) else {
                    return false;
                };
                at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_complete;

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
