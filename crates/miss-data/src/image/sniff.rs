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
