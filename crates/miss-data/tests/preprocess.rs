//! Decoding and stretching against pixels computed by another implementation.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use miss_data::file::sha256_file;
use miss_data::image::{Filter, Region, RgbImage, decode_rgb, stretch, stretch_region};
use serde_json::Value;

/// Decoders differ in the inverse cosine transform and in upsampling colour.
const JPEG_MEAN_DIFFERENCE: f64 = 0.6;
const JPEG_SHARE_BEYOND_4: f64 = 0.01;

const FILTERS: [(Filter, &str); 2] = [(Filter::Bicubic, "bicubic"), (Filter::Bilinear, "bilinear")];

fn whole(image: &RgbImage, filter: Filter, size: u32) -> Vec<u8> {
    stretch_region(image, Region::whole(image), filter, size, size)
}

/// The image of a fixture row, where it is present and unchanged. `shared/...` lies beside the
/// checkout.
fn source(folder: &Path, row: &Value) -> Option<PathBuf> {
    let file = row["file"].as_str().unwrap();
    let path = match file.strip_prefix("shared/data/") {
        Some(below) => common::shared_data(below)?,
        None => folder.join(file),
    };
    assert_eq!(
        sha256_file(&path).unwrap(),
        row["sha256"].as_str().unwrap(),
        "{file} was changed"
    );
    Some(path)
}

/// 16-bit grey is scaled, not clipped: where a fixture has both, `scaled16` is the sensible one.
fn variant(row: &Value) -> &str {
    if row["variants"].get("scaled16").is_some() {
        "scaled16"
    } else {
        "pil"
    }
}

fn differences(found: &[u8], expected: &[u8]) -> Vec<u8> {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| a.abs_diff(*b))
        .collect()
}

fn assert_close(found: &[u8], expected: &[u8], jpeg: bool, what: &str) {
    let differences = differences(found, expected);
    if !jpeg {
        let off = differences
            .iter()
            .filter(|&&difference| difference > 0)
            .count();
        assert_eq!(off, 0, "{what}: pixels that differ");
        return;
    }
    let n = differences.len() as f64;
    let mean = differences.iter().map(|&d| f64::from(d)).sum::<f64>() / n;
    let beyond = differences.iter().filter(|&&d| d > 4).count() as f64 / n;
    let close = mean <= JPEG_MEAN_DIFFERENCE && beyond <= JPEG_SHARE_BEYOND_4;
    assert!(
        close,
        "{what}: mean difference {mean}, share beyond 4 levels {beyond}"
    );
}

/// `check` says how many comparisons it made: with the fixtures there, none would be a test that
/// cannot fail.
fn for_each_row(check: impl Fn(&Path, &Value, &Path) -> usize) {
    let Some(folder) = common::parity("preprocess") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    let rows = config["images"].as_array().unwrap();
    let present = rows
        .iter()
        .filter_map(|row| Some((row, source(&folder, row)?)));
    let compared: usize = present.map(|(row, path)| check(&folder, row, &path)).sum();
    assert!(compared > 0, "nothing was compared");
}

#[test]
fn files_decode_and_stretch_to_the_reference_s_pixels() {
    for_each_row(|folder, row, path| {
        let jpeg = row["format"] == "JPEG";
        let decoded = decode_rgb(path).unwrap();
        let size = (
            row["width"].as_u64().unwrap(),
            row["height"].as_u64().unwrap(),
        );
        assert_eq!(
            (u64::from(decoded.width()), u64::from(decoded.height())),
            size
        );
        let name = format!("expected/{}-{}", row["index"], variant(row));
        let stretched = [
            (Filter::Bicubic, "bicubic", 224),
            (Filter::Bicubic, "bicubic", 64),
            (Filter::Bilinear, "bilinear", 64),
        ];
        for (filter, kind, size) in stretched {
            let expected = folder.join(format!("{name}-{kind}_{size}.png"));
            let expected = image::open(&expected).unwrap().into_rgb8();
            let what = format!("{name}, {kind} at {size}");
            assert_close(&whole(&decoded, filter, size), &expected, jpeg, &what);
        }
        let pixels = folder.join(format!("{name}-decoded.png"));
        if pixels.exists() {
            let expected = image::open(pixels).unwrap().into_rgb8();
            assert_close(&decoded, &expected, jpeg, &format!("{name}, decoded"));
            if !jpeg {
                assert_eq!(
                    decoded, expected,
                    "{name}: a lossless file must decode exactly"
                );
            }
        }
        for channel in 0..3 {
            let sum: u64 = decoded
                .pixels()
                .map(|pixel| u64::from(pixel[channel]))
                .sum();
            let mean = sum as f64 / f64::from(decoded.width() * decoded.height());
            let expected = row["variants"][variant(row)]["decoded_mean"][channel]
                .as_f64()
                .unwrap();
            assert!(
                (mean - expected).abs() <= JPEG_MEAN_DIFFERENCE,
                "{name}: mean {mean}, not {expected}"
            );
        }
        stretched.len()
    });
}

/// From the reference's own decoded pixels only the resampling can differ.
#[test]
fn lossless_pixels_stretch_to_the_reference_s_pixels() {
    for_each_row(|folder, row, _| {
        let mut compared = 0;
        for variant in row["variants"].as_object().unwrap().keys() {
            let name = format!("expected/{}-{variant}", row["index"]);
            let pixels = folder.join(format!("{name}-decoded.png"));
            if !pixels.exists() {
                continue;
            }
            let decoded: RgbImage = image::open(pixels).unwrap().into_rgb8();
            for (filter, kind) in FILTERS {
                for size in [224, 64] {
                    let expected = folder.join(format!("{name}-{kind}_{size}.png"));
                    if !expected.exists() {
                        continue;
                    }
                    let expected = image::open(expected).unwrap().into_rgb8();
                    let found = whole(&decoded, filter, size);
                    assert_close(&found, &expected, false, &format!("{name}, {kind}"));
                    compared += 1;
                }
            }
        }
        compared
    });
}

/// The definition, computed in floating point: separable, kernel of Catmull and Rom or a triangle,
/// widened when shrinking, weights that sum to one, 8 bits between the passes.
fn reference_stretch(image: &RgbImage, filter: Filter, width: usize, height: usize) -> Vec<u8> {
    fn pass(filter: Filter, pixels: &[u8], rows: usize, from: usize, to: usize) -> Vec<u8> {
        let scale = from as f64 / to as f64;
        let widening = scale.max(1.0);
        let mut result = vec![0; rows * to * 3];
        for target in 0..to {
            let centre = (target as f64 + 0.5) * scale;
            let weight = |source: usize| {
                let x = ((source as f64 + 0.5 - centre) / widening).abs();
                if filter == Filter::Bilinear {
                    (1.0 - x).max(0.0)
                } else if x < 1.0 {
                    (1.5 * x - 2.5) * x * x + 1.0
                } else if x < 2.0 {
                    ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
                } else {
                    0.0
                }
            };
            let sum: f64 = (0..from).map(weight).sum();
            for row in 0..rows {
                for channel in 0..3 {
                    let at = |source: usize| f64::from(pixels[(row * from + source) * 3 + channel]);
                    let value: f64 = (0..from).map(|source| weight(source) * at(source)).sum();
                    result[(row * to + target) * 3 + channel] =
                        (value / sum).round().clamp(0.0, 255.0) as u8;
                }
            }
        }
        result
    }
    fn transpose(pixels: &[u8], rows: usize, columns: usize) -> Vec<u8> {
        let at = |row: usize, column: usize| (row * columns + column) * 3;
        (0..columns)
            .flat_map(|column| {
                (0..rows).flat_map(move |row| (0..3).map(move |c| at(row, column) + c))
            })
            .map(|index| pixels[index])
            .collect()
    }
    let (from_width, from_height) = (image.width() as usize, image.height() as usize);
    let wide = pass(filter, image.as_raw(), from_height, from_width, width);
    let turned = pass(
        filter,
        &transpose(&wide, from_height, width),
        width,
        from_height,
        height,
    );
    transpose(&turned, width, height)
}

#[test]
fn stretch_follows_its_definition_when_shrinking_growing_and_both() {
    for (from, to) in [
        ((37, 53), (16, 16)),
        ((9, 7), (20, 31)),
        ((40, 5), (8, 24)),
        ((1, 1), (3, 2)),
        ((16, 16), (16, 16)),
        ((67, 70), (33, 65)),
    ] {
        let image = noise(from.0, from.1);
        for (filter, kind) in FILTERS {
            let found = stretch_region(&image, Region::whole(&image), filter, to.0, to.1);
            let expected = reference_stretch(&image, filter, to.0 as usize, to.1 as usize);
            // Two passes, each rounded: one level each at most.
            let worst = differences(&found, &expected).into_iter().max().unwrap();
            assert!(worst <= 1, "{kind}, {from:?} to {to:?}: off by {worst}");
        }
    }
}

fn noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let noise = |salt: u32| (x * 7919 + y * 104_729 + salt * 1_299_709) % 256;
        image::Rgb([noise(1) as u8, noise(2) as u8, noise(3) as u8])
    })
}

#[test]
fn an_image_of_the_same_size_is_unchanged() {
    let image = noise(45, 37);
    for (filter, _) in FILTERS {
        let found = stretch_region(&image, Region::whole(&image), filter, 45, 37);
        assert_eq!(&found, image.as_raw());
    }
}

#[test]
fn a_region_is_stretched_as_if_it_were_the_image() {
    let image = noise(61, 47);
    let region = Region {
        left: 9,
        top: 5,
        width: 33,
        height: 40,
    };
    let alone = image::imageops::crop_imm(&image, 9, 5, 33, 40).to_image();
    for (filter, _) in FILTERS {
        let found = stretch_region(&image, region, filter, 24, 31);
        let expected = stretch_region(&alone, Region::whole(&alone), filter, 24, 31);
        assert_eq!(found, expected);
    }
    // What lies outside is cut off; nothing at all is black.
    let beyond = Region {
        left: 50,
        top: 40,
        width: 90,
        height: u32::MAX,
    };
    let alone = image::imageops::crop_imm(&image, 50, 40, 11, 7).to_image();
    let found = stretch_region(&image, beyond, Filter::Bicubic, 8, 8);
    assert_eq!(found, stretch(&alone, 8, 8));
    let outside = Region { left: 61, ..beyond };
    assert_eq!(
        stretch_region(&image, outside, Filter::Bicubic, 2, 2),
        [0; 12]
    );
}

/// Grey images take a shorter way; one pixel that is not grey, anywhere, must not.
#[test]
fn a_single_coloured_pixel_is_seen_wherever_it_is() {
    for (x, y) in [(0, 0), (7, 3), (8, 0), (23, 9), (24, 9), (28, 32)] {
        for channel in 0..3 {
            let mut image = RgbImage::from_pixel(29, 33, image::Rgb([90; 3]));
            image.get_pixel_mut(x, y)[channel] = 91;
            assert_eq!(
                &stretch(&image, 29, 33),
                image.as_raw(),
                "{x}, {y}, {channel}"
            );
        }
    }
}
