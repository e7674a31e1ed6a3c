//! DICOM files against pydicom's own pipeline: the fixtures and their expected pixels are made by
//! `tests/fixtures/dicom/make.py`, which applies pydicom's rescaling and windows. All files of
//! pydicom's package are compared by `scripts/dicom/compare.py`.
#![cfg(feature = "dicom")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use miss_data::image::{
    DicomFrame, DicomOptions, DicomWindow, RgbImage, WindowShape, decode_dicom,
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
        assert_eq!(
            miss_data::image::decode_rgb_bytes(bare, &path).unwrap(),
            whole
        );
    }
}
