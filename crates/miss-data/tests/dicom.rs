//! DICOM files against pydicom's own pipeline: the fixtures and their expected pixels are made by
//! `tests/fixtures/dicom/make.py`, which applies pydicom's rescaling and windows. All files of
//! pydicom's package are compared by `scripts/dicom/compare.py`.
#![cfg(feature = "dicom")]
#![allow(clippy::unwrap_used)]

#[path = "common/dicom_file.rs"]
mod dicom_file;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dicom_file::{JPEG_2000, RAW, compressed, element, file, header, sequence, text, words};
use miss_data::image::{
    DicomFrame, DicomOptions, DicomWindow, RgbImage, WindowShape, decode_dicom, decode_rgb_bytes,
};
use miss_data::{ImageError, decode_rgb};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom")
}

fn expected(name: &str) -> RgbImage {
    image::open(folder().join(name).with_extension("png"))
        .unwrap()
        .into_rgb8()
}

#[test]
fn every_fixture_is_as_pydicom_makes_it() {
    let mut compared = 0;
    let mut differing = BTreeMap::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dcm") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (ours, theirs) = (decode_rgb(&path).unwrap(), expected(&name));
        assert_eq!(ours.dimensions(), theirs.dimensions(), "{name}");
        // Two decoders of lossy JPEG may round differently.
        let allowed = if name.contains("odd_jpeg") { 2 } else { 1 };
        let pairs = ours.as_raw().iter().zip(theirs.as_raw());
        let most = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(most <= allowed, "{name}: differs by {most}");
        if most > 0 {
            differing.insert(name, most);
        }
        compared += 1;
    }
    assert_eq!(compared, 40);
    // Where the two pipelines round a half differently, and the lossy JPEG.
    assert!(differing.len() <= 3, "{differing:?}");
}

#[test]
fn a_frame_can_be_chosen() {
    let path = folder().join("frames.dcm");
    let bytes = fs::read(&path).unwrap();
    let decode = |frame| {
        let options = DicomOptions {
            frame,
            ..DicomOptions::default()
        };
        decode_dicom(&bytes, &path, &options)
    };
    let all: Vec<RgbImage> = (0..5)
        .map(|index| decode(DicomFrame::Index(index)).unwrap())
        .collect();
    assert_eq!(decode(DicomFrame::First).unwrap(), all[0]);
    assert_eq!(decode(DicomFrame::Middle).unwrap(), all[2]);
    assert_eq!(all[2], expected("frames"));
    assert!((0..4).all(|index| all[index] != all[index + 1]));
    let error = decode(DicomFrame::Index(5)).unwrap_err().to_string();
    assert!(
        error.contains("5 frames") && error.contains("frames.dcm"),
        "{error}"
    );
}

#[test]
fn a_window_can_be_chosen_and_follows_the_standard() {
    // Stored values -1024..=2047, rescaled by -24.
    let path = folder().join("two_windows.dcm");
    let bytes = fs::read(&path).unwrap();
    let decode = |centre, width, shape| {
        let window = Some(DicomWindow {
            centre,
            width,
            shape,
        });
        let options = DicomOptions {
            window,
            ..DicomOptions::default()
        };
        decode_dicom(&bytes, &path, &options)
    };
    let shapes = [
        WindowShape::Linear,
        WindowShape::LinearExact,
        WindowShape::Sigmoid,
    ];
    let (centre, width) = (300.0, 2000.0);
    for shape in shapes {
        let image = decode(centre, width, shape).unwrap();
        for (index, pixel) in image.pixels().enumerate() {
            let stored = (-1024.0 + 3071.0 * index as f64 / 479.0).round_ties_even();
            let x = stored - 24.0;
            // PS3.3, equations of C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2.
            let y = match shape {
                WindowShape::Linear => ((x - (centre - 0.5)) / (width - 1.0) + 0.5) * 255.0,
                WindowShape::LinearExact => ((x - centre) / width + 0.5) * 255.0,
                WindowShape::Sigmoid => 255.0 / (1.0 + (-4.0 * (x - centre) / width).exp()),
            };
            let y = y.clamp(0.0, 255.0).round() as u8;
            assert_eq!(pixel.0, [y; 3], "{shape:?} at {index}");
        }
    }
    for (width, shape) in [
        (0.9, WindowShape::Linear),
        (0.0, WindowShape::Sigmoid),
        (f64::NAN, WindowShape::LinearExact),
    ] {
        assert!(matches!(
            decode(0.0, width, shape),
            Err(ImageError::Dicom { .. })
        ));
    }
}

#[test]
fn a_file_without_preamble_is_read_too() {
    let path = folder().join("real_MR_small.dcm");
    let bytes = fs::read(&path).unwrap();
    let whole = decode_rgb(&path).unwrap();
    // From the file meta group on, and from the data set on, whose encoding shows itself.
    let meta = &bytes[132..];
    // The group's first element is its length.
    let length = u32::from_le_bytes(meta[8..12].try_into().unwrap());
    let data = 12 + length as usize;
    for bare in [meta, &meta[data..]] {
        assert_eq!(decode_rgb_bytes(bare, &path).unwrap(), whole);
    }
}

#[test]
fn a_jpeg_2000_frame_that_was_cut_is_an_error_even_when_closed_again() {
    let whole = fs::read(folder().join("real_MR_small_jp2klossless.dcm")).unwrap();
    let find = |four: &[u8]| whole.windows(four.len()).rposition(|found| found == four);
    let (start, end) = (
        find(&[0xFF, 0x4F, 0xFF, 0x51]).unwrap(),
        find(&[0xFF, 0xD9]).unwrap(),
    );
    let stream = &whole[start..end];
    let overridden = [
        words(0x0028_0010, 64),
        words(0x0028_0011, 64),
        words(0x0028_0101, 16),
        words(0x0028_0102, 15),
        words(0x0028_0103, 1),
    ];
    let decode = |frame: &[u8]| {
        let bytes = compressed(JPEG_2000, &overridden, frame);
        decode_rgb_bytes(&bytes, Path::new("cut.dcm"))
    };
    let close = |stream: &[u8]| [stream, &[0xFF, 0xD9]].concat();
    let expected = decode(&close(stream)).unwrap();
    // The length of the only tile-part may be left out.
    let mut unsized_part = [&close(stream), &[0][..]].concat();
    let part = unsized_part
        .windows(2)
        .position(|two| two == [0xFF, 0x90])
        .unwrap();
    unsized_part[part + 6..part + 10].fill(0);
    assert_eq!(decode(&unsized_part).unwrap(), expected);
    for share in 1..20 {
        let cut = &stream[..stream.len() * share / 20];
        for frame in [cut.to_vec(), close(cut)] {
            let error = decode(&frame).unwrap_err().to_string();
            assert!(
                error.contains("cut.dcm") && error.contains("JPEG 2000 frame stops before"),
                "{error}"
            );
        }
    }
}

/// An 8 x 8 image of 12 bits with the values 0, 4, 8, ...
fn ramp(elements: &[u8]) -> Vec<u8> {
    let values: Vec<u8> = (0..64_u16).flat_map(|v| (4 * v).to_le_bytes()).collect();
    let pixels = element(0x7FE0_0010, b"OW", &values);
    file(RAW, &[&header(&[]), elements, &pixels].concat())
}

#[test]
fn a_frame_s_own_voi_lut_is_used() {
    // 256 entries from value 0 on, of 8 bits, that turn grey round.
    let descriptor = element(0x0028_3002, b"US", &[0, 1, 0, 0, 8, 0]);
    let turned: Vec<u8> = (0..=255_u8).rev().collect();
    let content = [descriptor, element(0x0028_3006, b"OW", &turned)].concat();
    let lut = sequence(0x0028_3010, &content);
    let shared = sequence(0x5200_9229, &sequence(0x0028_9132, &lut));
    for elements in [lut, shared] {
        let image = decode_rgb_bytes(&ramp(&elements), Path::new("lut.dcm")).unwrap();
        for (index, pixel) in image.pixels().enumerate() {
            assert_eq!(pixel.0, [255 - 4 * index as u8; 3], "{index}");
        }
    }
}

#[test]
fn halved_colour_is_by_pixel_whatever_planar_configuration_says() {
    let pixels: Vec<u8> = (0..128_u8).map(|value| value.wrapping_mul(37)).collect();
    let decode = |planar| {
        let overridden = [
            text(0x0028_0004, "YBR_FULL_422"),
            words(0x0028_0002, 3),
            words(0x0028_0006, planar),
            words(0x0028_0100, 8),
            words(0x0028_0101, 8),
            words(0x0028_0102, 7),
        ];
        let data = [header(&overridden), element(0x7FE0_0010, b"OB", &pixels)].concat();
        decode_rgb_bytes(&file(RAW, &data), Path::new("halved.dcm")).unwrap()
    };
    assert_eq!(decode(0), decode(1));
}

/// A lossless JPEG (ITU-T T.81, annex H) of 16 bits with the predictor `select`, 1 to 7.
fn lossless_jpeg(values: &[u16], width: usize, select: u8) -> Vec<u8> {
    let ([h, i], [w, x]) = [values.len() / width, width]
        .map(|size| (size as u16).to_be_bytes())
        .into();
    let frame = [0xFF, 0xC3, 0, 11, 16, h, i, w, x, 1, 1, 0x11, 0];
    // A code of five bits for each of 17 categories.
    let mut table = vec![0xFF, 0xC4, 0, 36, 0, 0, 0, 0, 0, 17];
    table.extend([0; 11]);
    table.extend(0..17_u8);
    let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, select, 0, 0];
    let mut bits = Vec::new();
    for (at, &value) in values.iter().enumerate() {
        let back = |steps: usize| i64::from(values[at - steps]);
        let predicted = match (at % width, at / width) {
            (0, 0) => 1 << 15,
            (_, 0) => back(1),
            (0, _) => back(width),
            _ => {
                let (a, b, c) = (back(1), back(width), back(width + 1));
                let of = [
                    a,
                    b,
                    c,
                    a + b - c,
                    a + ((b - c) >> 1),
                    b + ((a - c) >> 1),
                    (a + b) >> 1,
                ];
                of[usize::from(select) - 1]
            }
        };
        let difference = i64::from((i64::from(value) - predicted) as i16);
        let category = 64 - difference.unsigned_abs().leading_zeros();
        let more = if category == 16 { 0 } else { category };
        let extra = if difference < 0 {
            difference - 1
        } else {
            difference
        };
        bits.extend((0..5).rev().map(|bit| category >> bit & 1 == 1));
        bits.extend((0..more).rev().map(|bit| extra >> bit & 1 == 1));
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    let mut bytes = [&[0xFF, 0xD8], &frame[..], &table, &scan].concat();
    for bits in bits.chunks(8) {
        let byte = bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        bytes.push(byte);
        if byte == 0xFF {
            bytes.push(0);
        }
    }
    bytes.extend([0xFF, 0xD9]);
    bytes
}

/// What most archives of CT and radiographs hold: lossless JPEG of more than 8 bits.
#[test]
fn lossless_jpeg_of_16_bits_is_what_was_written() {
    let mut state = 7_u32;
    let values: Vec<u16> = (0..64_u16)
        .map(|index| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Smooth, noisy, and every step there can be.
            [900 * index, (state >> 16) as u16, index % 2 * 0x8000][usize::from(index) % 3]
        })
        .collect();
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    for signed in [0, 1] {
        let overridden = [
            words(0x0028_0101, 16),
            words(0x0028_0102, 15),
            words(0x0028_0103, signed),
        ];
        let raw = [header(&overridden), element(0x7FE0_0010, b"OW", &bytes)].concat();
        let decode = |bytes: &[u8]| decode_rgb_bytes(bytes, Path::new("lossless.dcm")).unwrap();
        let expected = decode(&file(RAW, &raw));
        for select in 1..=7 {
            let frame = lossless_jpeg(&values, 8, select);
            for syntax in ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"] {
                let found = decode(&compressed(syntax, &overridden, &frame));
                assert_eq!(found, expected, "predictor {select}, signed {signed}");
            }
        }
    }
}
