//! DICOM files made element by element.

#![allow(dead_code, reason = "each test file uses its part")]

pub const RAW: &str = "1.2.840.10008.1.2.1";
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const RLE: &str = "1.2.840.10008.1.2.5";
pub const JPEG: &str = "1.2.840.10008.1.2.4.50";
pub const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
pub const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";
pub const UNDEFINED: u32 = u32::MAX;
pub const ITEM: u32 = 0xFFFE_E000;
pub const ITEM_END: u32 = 0xFFFE_E00D;
pub const SEQUENCE_END: u32 = 0xFFFE_E0DD;

/// A tag, VR and length.
pub fn head(tag: u32, vr: &[u8; 2], length: u32) -> Vec<u8> {
    let mut bytes = tag_bytes(tag);
    bytes.extend(vr);
    if [b"OB", b"OW", b"SQ", b"UN", b"UT"].contains(&vr) {
        bytes.extend([0, 0]);
        bytes.extend(length.to_le_bytes());
    } else {
        bytes.extend((length as u16).to_le_bytes());
    }
    bytes
}

pub fn tag_bytes(tag: u32) -> Vec<u8> {
    [
        ((tag >> 16) as u16).to_le_bytes(),
        (tag as u16).to_le_bytes(),
    ]
    .concat()
}

pub fn element(tag: u32, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    [head(tag, vr, value.len() as u32), value.to_vec()].concat()
}

pub fn item(tag: u32, length: u32) -> Vec<u8> {
    [tag_bytes(tag), length.to_le_bytes().to_vec()].concat()
}

/// A sequence of one item.
pub fn sequence(tag: u32, content: &[u8]) -> Vec<u8> {
    let item = [&item(ITEM, content.len() as u32), content].concat();
    element(tag, b"SQ", &item)
}

pub fn file(syntax: &str, data: &[u8]) -> Vec<u8> {
    let mut uid = syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    let meta = element(0x0002_0010, b"UI", &uid);
    [&[0; 128], b"DICM".as_slice(), &meta, data].concat()
}

/// The header of an image, elements overridden by tag, without Pixel Data.
pub fn header(overridden: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let word = |value: u16| value.to_le_bytes().to_vec();
    let mut elements = vec![
        (0x0028_0002, b"US", word(1)),
        (0x0028_0004, b"CS", b"MONOCHROME2 ".to_vec()),
        (0x0028_0008, b"IS", b"1 ".to_vec()),
        (0x0028_0010, b"US", word(8)),
        (0x0028_0011, b"US", word(8)),
        (0x0028_0100, b"US", word(16)),
        (0x0028_0101, b"US", word(12)),
        (0x0028_0102, b"US", word(11)),
        (0x0028_0103, b"US", word(0)),
    ];
    for (tag, value) in overridden {
        match elements.iter_mut().find(|(found, ..)| found == tag) {
            Some(found) => found.2.clone_from(value),
            None => elements.push((*tag, b"DS", value.clone())),
        }
    }
    let bytes = |(tag, vr, value): (u32, &[u8; 2], Vec<u8>)| element(tag, vr, &value);
    elements.into_iter().flat_map(bytes).collect()
}

pub fn pixels(bytes: usize) -> Vec<u8> {
    element(0x7FE0_0010, b"OW", &vec![7; bytes])
}

/// An uncompressed 8 x 8 image of 16 bits, elements overridden.
pub fn raw(overridden: &[(u32, Vec<u8>)]) -> Vec<u8> {
    file(RAW, &[header(overridden), pixels(128)].concat())
}

pub fn words(tag: u32, value: u16) -> (u32, Vec<u8>) {
    (tag, value.to_le_bytes().to_vec())
}

pub fn text(tag: u32, value: &str) -> (u32, Vec<u8>) {
    (tag, value.as_bytes().to_vec())
}

/// Fragments without an offset table.
pub fn fragments(parts: &[&[u8]], end: bool) -> Vec<u8> {
    let mut bytes = head(0x7FE0_0010, b"OB", UNDEFINED);
    bytes.extend(item(ITEM, 0));
    for part in parts {
        bytes.extend(item(ITEM, part.len() as u32));
        bytes.extend(*part);
    }
    if end {
        bytes.extend(item(SEQUENCE_END, 0));
    }
    bytes
}

pub fn compressed(syntax: &str, overridden: &[(u32, Vec<u8>)], frame: &[u8]) -> Vec<u8> {
    file(
        syntax,
        &[header(overridden), fragments(&[frame], true)].concat(),
    )
}
