//! DICOM files made to do harm: none panics, none takes more memory than allowed, each that cannot
//! be used says so with its name.
#![cfg(feature = "dicom")]
#![allow(clippy::unwrap_used)]

#[path = "common/dicom_file.rs"]
mod dicom_file;
#[path = "common/hostile.rs"]
mod hostile;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use dicom_file::*;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use hostile::{Case, alone, check};
use miss_data::image::decode_rgb_bytes;

#[global_allocator]
static PEAK: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// An RLE frame with this header of words.
fn rle(segments: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = segments
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    bytes.resize(64, 0);
    bytes.extend(data);
    bytes
}

/// The start of a JPEG 2000 stream: sizes of image and tiles, precincts if given.
fn jpeg_2000(size: u32, tile: u32, precinct: Option<u8>) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
    for word in [size, size, 0, 0, tile, tile, 0, 0] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend([0, 1, 15, 1, 1]);
    let style = u8::from(precinct.is_some());
    bytes.extend([0xFF, 0x52, 0, 12 + style, style, 0, 0, 1, 0, 0, 4, 4, 0, 1]);
    bytes.extend(precinct);
    bytes.extend([0xFF, 0x5C, 0, 4, 0x40, 0x40]);
    // One empty tile-part.
    bytes.extend([
        0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0x93, 0xFF, 0xD9,
    ]);
    bytes
}

/// A JPEG-LS stream of one channel of 12 bits.
fn jpeg_ls(width: u16, height: u16, data: &[u8]) -> Vec<u8> {
    let ([w, x], [h, i]) = (width.to_be_bytes(), height.to_be_bytes());
    let frame = [0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 12, h, i, w, x, 1, 1, 0x11, 0];
    let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0];
    [&frame[..], &scan, data, &[0xFF, 0xD9]].concat()
}

/// One whose parameters are at their limits, before many bits.
fn jpeg_ls_preset() -> Vec<u8> {
    let mut bytes = jpeg_ls(8, 8, &[0x55; 500]);
    let preset = [
        0xFF, 0xF8, 0, 13, 1, 0, 1, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
    ];
    bytes.splice(2..2, preset);
    bytes
}

/// Sequences within one another, of a tag that is stepped over or one that is kept.
fn nested(tag: u32, depth: usize) -> Vec<u8> {
    let open = [head(tag, b"SQ", UNDEFINED), item(ITEM, UNDEFINED)].concat();
    let close = [item(ITEM_END, 0), item(SEQUENCE_END, 0)].concat();
    [open.repeat(depth), close.repeat(depth)].concat()
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    file(DEFLATED, &encoder.finish().unwrap())
}

#[test]
fn hostile_structure() {
    let _alone = alone();
    let head_only = [header(&[]), head(0x7FE0_0010, b"OW", 128)].concat();
    let with = |element: Vec<u8>| file(RAW, &[element, header(&[]), pixels(128)].concat());
    let implicit = [
        tag_bytes(0x0028_0010),
        0xFFFF_FF00_u32.to_le_bytes().to_vec(),
    ]
    .concat();
    let items = [
        head(0x5200_9230, b"SQ", UNDEFINED),
        item(ITEM, 0).repeat(1 << 21),
    ]
    .concat();
    let cases = [
        Case::any("good.dcm", raw(&[])),
        Case::fails(
            "preamble.dcm",
            file("", &[])[..132].to_vec(),
            "no Pixel Data",
        ),
        Case::fails("preamble_cut.dcm", vec![0; 128], "cannot be decoded"),
        Case::fails("meta.dcm", file(RAW, &[]), "no Pixel Data"),
        Case::fails(
            "short.dcm",
            file(RAW, &[header(&[]), pixels(100)].concat()),
            "truncated",
        ),
        Case::any("long.dcm", file(RAW, &[header(&[]), pixels(1000)].concat())),
        Case::fails("cut.dcm", file(RAW, &head_only), "announces 128 bytes"),
        Case::fails(
            "huge.dcm",
            with(head(0x0009_0010, b"OB", 0xFFFF_FFFE)),
            "announces 4294967294",
        ),
        Case::fails(
            "huge_text.dcm",
            with(head(0x0009_0010, b"UT", 0x7FFF_FFFE)),
            "announces 2147483646",
        ),
        Case::fails(
            "huge_sequence.dcm",
            with(head(0x0028_3000, b"SQ", 0xFFFF_FFF0)),
            "announces 4294967280",
        ),
        Case::fails(
            "huge_implicit.dcm",
            file(IMPLICIT, &implicit),
            "announces 4294967040",
        ),
        Case::fails(
            "no_end.dcm",
            with(head(0x0009_0010, b"SQ", UNDEFINED)),
            "no item",
        ),
        Case::fails(
            "no_item_end.dcm",
            with([head(0x0009_0010, b"SQ", UNDEFINED), item(ITEM, UNDEFINED)].concat()),
            "middle|no Pixel",
        ),
        Case::any("nested.dcm", with(nested(0x0009_0010, 30))),
        Case::fails(
            "deep.dcm",
            with(nested(0x0009_0010, 200_000)),
            "within one another",
        ),
        Case::fails(
            "deep_kept.dcm",
            with(nested(0x0028_3010, 200_000)),
            "within one another",
        ),
        Case::fails(
            "deep_unknown.dcm",
            with(
                [head(0x0009_0010, b"UN", UNDEFINED), item(ITEM, UNDEFINED)]
                    .concat()
                    .repeat(100_000),
            ),
            "within one another|announces|middle|impossible|no item",
        ),
        Case::fails("many_items.dcm", with(items), "elements and items"),
        Case::fails(
            "wrong_vr.dcm",
            file(
                RAW,
                &[header(&[]), tag_bytes(0x0029_0010), b"\x01?\0\0".to_vec()].concat(),
            ),
            "impossible VR",
        ),
        Case::any("unknown_vr.dcm", with(element(0x0009_0010, b"UN", b"xy"))),
        Case::fails(
            "deflate_bomb.dcm",
            deflated(&vec![0; 300 << 20]),
            "bytes allowed",
        ),
        Case::fails(
            "deflate_cut.dcm",
            deflated(&raw(&[]))[..180].to_vec(),
            "damaged|no Pixel|middle|deflated",
        ),
        Case::fails(
            "floats.dcm",
            file(
                RAW,
                &[header(&[]), element(0x7FE0_0008, b"OF", &[0; 256])].concat(),
            ),
            "floating-point",
        ),
        Case::fails(
            "syntax.dcm",
            file(
                "1.2.840.10008.1.2.4.110",
                &[header(&[]), pixels(128)].concat(),
            ),
            "JPEG XL",
        ),
        Case::fails(
            "video.dcm",
            file(
                "1.2.840.10008.1.2.4.102",
                &[header(&[]), pixels(128)].concat(),
            ),
            "video",
        ),
    ];
    check(&PEAK, &cases);
}

#[test]
fn hostile_attributes() {
    let _alone = alone();
    let rows = |rows, columns| [words(0x0028_0010, rows), words(0x0028_0011, columns)];
    let bits = |allocated, stored, high| {
        [
            words(0x0028_0100, allocated),
            words(0x0028_0101, stored),
            words(0x0028_0102, high),
        ]
    };
    let lut = |descriptor: &[u8], data: &[u8]| {
        let content = [
            element(0x0028_3002, b"US", descriptor),
            element(0x0028_3006, b"OW", data),
        ]
        .concat();
        file(
            RAW,
            &[header(&[]), sequence(0x0028_3010, &content), pixels(128)].concat(),
        )
    };
    let cases = [
        Case::fails("no_rows.dcm", raw(&rows(0, 8)), "8 x 0 pixels"),
        Case::fails("rows.dcm", raw(&rows(65_535, 65_535)), "allowed"),
        Case::fails("more_rows.dcm", raw(&rows(8_000, 8_000)), "truncated"),
        Case::fails("no_bits.dcm", raw(&bits(0, 0, 0)), "0 Bits Allocated"),
        Case::fails("bits_64.dcm", raw(&bits(64, 64, 63)), "64 Bits Allocated"),
        Case::fails("stored.dcm", raw(&bits(16, 0, 0)), "do not fit"),
        Case::fails("stored_more.dcm", raw(&bits(16, 17, 16)), "do not fit"),
        Case::fails("high_bit.dcm", raw(&bits(16, 12, 65_535)), "do not fit"),
        Case::fails("high_bit_low.dcm", raw(&bits(16, 12, 3)), "do not fit"),
        Case::fails("samples.dcm", raw(&[words(0x0028_0002, 4)]), "4 Samples"),
        Case::fails("no_samples.dcm", raw(&[words(0x0028_0002, 0)]), "0 Samples"),
        Case::fails(
            "frames_negative.dcm",
            raw(&[text(0x0028_0008, "-5")]),
            "Number of Frames",
        ),
        Case::fails(
            "frames_none.dcm",
            raw(&[text(0x0028_0008, "0 ")]),
            "Number of Frames",
        ),
        Case::fails(
            "frames_word.dcm",
            raw(&[text(0x0028_0008, "1A")]),
            "Number of Frames",
        ),
        Case::fails(
            "frames_many.dcm",
            raw(&[text(0x0028_0008, "2147483646")]),
            "truncated",
        ),
        Case::fails("photometric.dcm", raw(&[text(0x0028_0004, "HSV ")]), "HSV"),
        Case::fails(
            "no_palette.dcm",
            raw(&[text(0x0028_0004, "PALETTE COLOR ")]),
            "palette",
        ),
        Case::fails(
            "half_colour.dcm",
            raw(&[text(0x0028_0004, "YBR_FULL_422"), words(0x0028_0002, 3)]),
            "YBR_FULL_422|truncated",
        ),
        Case::fails(
            "slope.dcm",
            raw(&[text(0x0028_1053, "steep ")]),
            "no number",
        ),
        Case::fails(
            "infinite.dcm",
            raw(&[text(0x0028_1052, "1e999 ")]),
            "no number",
        ),
        Case::any(
            "no_width.dcm",
            raw(&[text(0x0028_1050, "40"), text(0x0028_1051, "0 ")]),
        ),
        Case::fails(
            "narrow.dcm",
            raw(&[text(0x0028_1050, "40"), text(0x0028_1051, "0.5 ")]),
            "a width of 0.5, which is too small for its shape Linear",
        ),
        Case::any(
            "narrow_exact.dcm",
            raw(&[
                text(0x0028_1050, "40"),
                text(0x0028_1051, "0.5 "),
                text(0x0028_1056, "LINEAR_EXACT"),
            ]),
        ),
        Case::fails(
            "negative_width.dcm",
            raw(&[text(0x0028_1050, "40"), text(0x0028_1051, "-80 ")]),
            "a width of -80",
        ),
        Case::any("all_padding.dcm", raw(&[(0x0028_0120, vec![7, 7])])),
        Case::any(
            "big_slope.dcm",
            raw(&[text(0x0028_1053, "1e308 "), text(0x0028_1052, "1e308 ")]),
        ),
        Case::fails(
            "lut_short.dcm",
            lut(&[0, 16, 0, 0, 12, 0], &[0; 100]),
            "lookup table",
        ),
        Case::fails(
            "lut_bits.dcm",
            lut(&[2, 0, 0, 0, 200, 0], &[0; 4]),
            "lookup table",
        ),
        Case::fails("lut_descriptor.dcm", lut(&[2, 0], &[0; 4]), "lookup table"),
        Case::any("lut_extreme.dcm", lut(&[1, 0, 255, 255, 16, 0], &[0; 2])),
    ];
    check(&PEAK, &cases);
}

#[test]
fn hostile_compression() {
    let _alone = alone();
    let eight = |columns: u16, rows: u16| {
        vec![
            words(0x0028_0011, columns),
            words(0x0028_0010, rows),
            words(0x0028_0100, 8),
            words(0x0028_0101, 8),
            words(0x0028_0102, 7),
        ]
    };
    let sixteen = |size: u16| vec![words(0x0028_0010, size), words(0x0028_0011, size)];
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode(&[9; 256], 16, 16, image::ExtendedColorType::L8)
        .unwrap();
    let frames = [text(0x0028_0008, "3 ")];
    let two_of_three = file(
        RLE,
        &[header(&frames), fragments(&[&[0; 64], &[0; 64]], true)].concat(),
    );
    let endless = file(
        JPEG,
        &[header(&eight(16, 16)), fragments(&[&jpeg], false)].concat(),
    );
    let cases = [
        Case::any("good_jpeg.dcm", compressed(JPEG, &eight(16, 16), &jpeg)),
        Case::any(
            "good_rle.dcm",
            compressed(RLE, &[], &rle(&[2, 64, 66], &[193, 1, 193, 2])),
        ),
        Case::fails(
            "no_frame.dcm",
            file(RLE, &[header(&[]), fragments(&[], true)].concat()),
            "no fragments",
        ),
        Case::fails("no_end.dcm", endless, "no end"),
        Case::fails(
            "not_compressed.dcm",
            compressed(RAW, &[], &jpeg),
            "not compressed",
        ),
        Case::fails("unassigned.dcm", two_of_three, "cannot be assigned"),
        Case::fails("rle_short.dcm", compressed(RLE, &[], &[2, 0, 0, 0]), "RLE"),
        Case::fails(
            "rle_segments.dcm",
            compressed(RLE, &[], &rle(&[u32::MAX, 64], &[0; 9])),
            "4294967295 segments",
        ),
        Case::fails(
            "rle_offsets.dcm",
            compressed(RLE, &[], &rle(&[2, u32::MAX, 64], &[0; 9])),
            "RLE",
        ),
        Case::fails(
            "rle_backwards.dcm",
            compressed(RLE, &[], &rle(&[2, 66, 64], &[0; 9])),
            "RLE",
        ),
        Case::fails(
            "rle_empty.dcm",
            compressed(RLE, &[], &rle(&[2, 64, 64], &[])),
            "RLE",
        ),
        Case::fails(
            "rle_bomb.dcm",
            compressed(RLE, &sixteen(60_000), &rle(&[2, 64, 64], &[129, 0])),
            "allowed",
        ),
        Case::fails(
            "jpeg_size.dcm",
            compressed(JPEG, &eight(8, 8), &jpeg),
            "16 x 16",
        ),
        Case::fails(
            "jpeg_cut.dcm",
            compressed(JPEG, &eight(16, 16), &jpeg[..jpeg.len() / 2]),
            "stops before its end",
        ),
        Case::fails(
            "jpeg_none.dcm",
            compressed(JPEG, &eight(16, 16), b"no JPEG at all"),
            "JPEG",
        ),
        Case::fails(
            "ls_none.dcm",
            compressed(JPEG_LS, &[], &[0xFF, 0xD8]),
            "JPEG-LS",
        ),
        Case::fails(
            "ls_size.dcm",
            compressed(JPEG_LS, &[], &jpeg_ls(9, 8, &[])),
            "9 x 8",
        ),
        Case::fails(
            "ls_bomb.dcm",
            compressed(JPEG_LS, &sixteen(60_000), &jpeg_ls(60_000, 60_000, &[])),
            "allowed",
        ),
        Case::fails(
            "ls_cut.dcm",
            compressed(JPEG_LS, &[], &jpeg_ls(8, 8, &[0x7F])),
            "stops before its end",
        ),
        // Whatever comes of it.
        Case::any("ls_preset.dcm", compressed(JPEG_LS, &[], &jpeg_ls_preset())),
        Case::fails(
            "j2k_none.dcm",
            compressed(JPEG_2000, &[], b"no JPEG 2000"),
            "JPEG 2000",
        ),
        Case::fails(
            "j2k_size.dcm",
            compressed(JPEG_2000, &[], &jpeg_2000(60_000, 60_000, None)),
            "60000 x 60000",
        ),
        Case::fails(
            "j2k_tiles.dcm",
            compressed(JPEG_2000, &sixteen(4_000), &jpeg_2000(4_000, 1, None)),
            "tiles",
        ),
        Case::fails(
            "j2k_no_tile.dcm",
            compressed(JPEG_2000, &[], &jpeg_2000(8, 0, None)),
            "tiles",
        ),
        Case::fails(
            "j2k_precincts.dcm",
            compressed(
                JPEG_2000,
                &sixteen(4_000),
                &jpeg_2000(4_000, 4_000, Some(0x11)),
            ),
            "precincts",
        ),
    ];
    check(&PEAK, &cases);
}

#[test]
fn a_compressed_frame_takes_no_more_bytes_a_pixel_than_documented() {
    let _alone = alone();
    const SIDE: u16 = 2048;
    let eight = [
        words(0x0028_0010, SIDE),
        words(0x0028_0011, SIDE),
        words(0x0028_0100, 8),
        words(0x0028_0101, 8),
        words(0x0028_0102, 7),
    ];
    let sixteen = &eight[..2];
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode(
            &vec![9; 1 << 22],
            SIDE.into(),
            SIDE.into(),
            image::ExtendedColorType::L8,
        )
        .unwrap();
    // Runs of zeros; ones, which are the longest runs there can be; one empty packet.
    let runs = [129, 0].repeat(1 << 15);
    let rle = rle(&[2, 64, 64 + (1 << 16)], &runs.repeat(2));
    let ls = jpeg_ls(SIDE, SIDE, &[0xFF, 0x7F].repeat(1 << 13));
    let j2k = jpeg_2000(SIDE.into(), SIDE.into(), None);
    let files = [
        compressed(RLE, sixteen, &rle),
        compressed(JPEG, &eight, &jpeg),
        compressed(JPEG_LS, sixteen, &ls),
        compressed(JPEG_2000, sixteen, &j2k),
    ];
    drop((jpeg, rle));
    for bytes in &files {
        PEAK.reset_peak_usage();
        let before = PEAK.current_usage();
        let result = decode_rgb_bytes(bytes, Path::new("large.dcm"));
        let taken = PEAK.peak_usage().saturating_sub(before);
        assert!(result.is_ok(), "{result:?}");
        assert!(taken <= 16 << 22, "{taken} bytes");
    }
}

#[test]
fn every_cut_and_many_flips_of_good_files_end_in_order() {
    let _alone = alone();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom");
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dcm") {
            continue;
        }
        let good = std::fs::read(&path).unwrap();
        let step = (good.len() / 150).max(1);
        for at in (0..good.len()).step_by(step) {
            let _ = decode_rgb_bytes(&good[..at], &path);
            for bit in [0, 7] {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let _ = decode_rgb_bytes(&bytes, Path::new("flipped.dcm"));
            }
            tried += 3;
        }
    }
    assert!(tried > 10_000, "{tried}");
    let taken = PEAK.peak_usage();
    assert!(taken < 1 << 30, "{taken} bytes at the peak");
}
