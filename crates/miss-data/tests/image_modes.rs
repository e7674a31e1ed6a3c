//! JPEG and PNG files of every mode, as Pillow writes and reads them: made with their expected
//! pixels by `tests/fixtures/images/make.py`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use miss_data::decode_rgb;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

#[test]
fn every_mode_is_as_pillow_reads_it() {
    let mut compared = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.contains(".expected") || name == "make.py" {
            continue;
        }
        let ours = decode_rgb(&path).unwrap();
        let expected = image::open(path.with_extension("expected.png"))
            .unwrap()
            .into_rgb8();
        // An orientation is not applied: a turned image would have another size.
        assert_eq!(ours.dimensions(), expected.dimensions(), "{name}");
        let differences: Vec<u8> = ours
            .as_raw()
            .iter()
            .zip(expected.as_raw())
            .map(|(a, b)| a.abs_diff(*b))
            .collect();
        let most = differences.iter().copied().max().unwrap();
        let mean =
            differences.iter().map(|&d| f64::from(d)).sum::<f64>() / differences.len() as f64;
        // Two decoders of JPEG round differently, and interpolate colour differences differently.
        let (allowed_most, allowed_mean) = if name.ends_with(".jpg") {
            (4, 0.6)
        } else {
            (0, 0.0)
        };
        assert!(
            most <= allowed_most && mean <= allowed_mean,
            "{name}: largest {most}, mean {mean}"
        );
        compared += 1;
    }
    assert_eq!(compared, 23);
}
