//! Telling what a file is by its first bytes.

const PREAMBLE: usize = 128;

/// Whether the bytes look like a DICOM file, with or without its preamble.
pub(super) fn is_dicom(bytes: &[u8]) -> bool {
    if bytes.get(PREAMBLE..PREAMBLE + 4) == Some(b"DICM") {
        return true;
    }
    // Without a preamble: the first element is one of group 2 or 8, with a VR or a small length.
    let Some(&[group, high, element, zero, rest @ ..]) = bytes.first_chunk::<8>() else {
        return false;
    };
    let has_vr = rest[..2].iter().all(u8::is_ascii_uppercase);
    match (group, high) {
        (2 | 8, 0) => element <= 0x18 && zero == 0 && (has_vr || rest[2..] == [0, 0]),
        (0, 2 | 8) => element == 0 && zero <= 0x18 && has_vr,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::image::{ImageError, decode_rgb_bytes};

    #[test]
    fn other_files_are_not_taken_for_dicom() {
        let others: [&[u8]; 6] = [
            b"",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            &[0xFF, 0xD8, 0xFF, 0xE0, 0, 16, b'J', b'F'],
            b"GIF89a\0\0",
            b"{\"qid\": 1}",
            &[0; 200],
        ];
        assert!(others.iter().all(|other| !is_dicom(other)));
    }

    #[test]
    fn a_dicom_file_is_known_with_and_without_preamble() {
        let preamble = [&[0; PREAMBLE], b"DICM".as_slice()].concat();
        // Its first element: explicit and implicit VR, big endian.
        let bare: [&[u8]; 4] = [
            &[2, 0, 0, 0, b'U', b'L', 4, 0],
            &[8, 0, 0x16, 0, b'U', b'I', 26, 0],
            &[8, 0, 5, 0, 10, 0, 0, 0],
            &[0, 8, 0, 5, b'C', b'S', 0, 10],
        ];
        assert!(is_dicom(&preamble) && bare.iter().all(|bytes| is_dicom(bytes)));
        let error = decode_rgb_bytes(&preamble, Path::new("scan.dcm"));
        if cfg!(feature = "dicom") {
            assert!(matches!(error, Err(ImageError::Dicom { .. })));
        } else {
            assert!(matches!(error, Err(ImageError::NoDicom { .. })));
        }
    }
}
