//! The comparison of pictures, on real ones. The pairs that are the same picture were looked at.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use image::imageops::{FilterType, crop_imm, resize};
use image::{DynamicImage, ImageFormat, RgbImage};
use miss_data::decode_rgb;
use miss_data::image_hash::{Fingerprint, Index, Likeness, MAX_DISTANCE};
use rayon::prelude::*;

/// All images of four collections, as paths below `../shared/data`.
fn images() -> Option<(PathBuf, Vec<String>)> {
    let root = common::shared_data("")?;
    let mut found = Vec::new();
    for folder in [
        "vqa-rad/images",
        "slake/imgs",
        "nih-cxr-sample",
        "rocov2-sample",
    ] {
        gather(&root, &root.join(folder), &mut found);
    }
    found.sort();
    Some((root, found))
}

fn gather(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_dir() {
            gather(root, &path, found);
        } else if matches!(ending, Some("jpg" | "png")) {
            found.push(path.strip_prefix(root).unwrap().to_str().unwrap().into());
        }
    }
}

fn collection(name: &str) -> &str {
    name.split('/').next().unwrap()
}

/// The pairs that are the same picture, looked at. The radiographs of SLAKE are from NIH ChestX-ray8, and so is the
/// other collection.
const SAME: [(&str, &str); 15] = [
    (
        "nih-cxr-sample/images/No_findings/00002658_001.jpg",
        "nih-cxr-sample/images/No_findings/00002658_002.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00000193_019.jpg",
        "slake/imgs/xmlab130/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00000506_013.jpg",
        "slake/imgs/xmlab133/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00005353_000.jpg",
        "slake/imgs/xmlab157/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00012045_005.jpg",
        "slake/imgs/xmlab173/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00011136_002.jpg",
        "slake/imgs/xmlab348/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00010610_003.jpg",
        "slake/imgs/xmlab349/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00011237_006.jpg",
        "slake/imgs/xmlab358/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00008291_011.jpg",
        "slake/imgs/xmlab360/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00003528_024.jpg",
        "slake/imgs/xmlab362/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00003391_001.jpg",
        "slake/imgs/xmlab363/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00011583_000.jpg",
        "slake/imgs/xmlab376/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00005567_025.jpg",
        "slake/imgs/xmlab382/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00004893_070.jpg",
        "slake/imgs/xmlab383/source.jpg",
    ),
    (
        "nih-cxr-sample/images/Pneumonia/00003064_035.jpg",
        "slake/imgs/xmlab392/source.jpg",
    ),
];

/// Each image compared with each: the pairs found, near-identical ones apart from similar ones. The index finds what
/// comparing all finds.
fn alike<'a>(root: &Path, names: &'a [String]) -> [Vec<(&'a str, &'a str)>; 2] {
    let prints: Vec<Fingerprint> = names
        .par_iter()
        .map(|name| Fingerprint::of(&decode_rgb(&root.join(name)).unwrap()))
        .collect();
    assert!(!prints.iter().any(Fingerprint::is_flat));
    let pairs: Vec<(usize, usize)> = (0..names.len())
        .flat_map(|b| (0..b).map(move |a| (a, b)))
        .collect();
    let found: Vec<_> = pairs
        .par_iter()
        .filter_map(|&(a, b)| Some((a, b, prints[a].compare(&prints[b])?)))
        .collect();

    let index = Index::new(prints.iter().collect());
    for (sought, print) in prints.iter().enumerate() {
        let within: Vec<usize> = (0..prints.len())
            .filter(|&other| (prints[other].hash() ^ print.hash()).count_ones() <= MAX_DISTANCE)
            .collect();
        assert_eq!(index.within_reach(print.hash()), within);
        let (place, found) = index.nearest(print).unwrap();
        assert!(
            place == sought || prints[place].compare(print).unwrap().correlation > 0.999_999,
            "{}",
            names[sought]
        );
        assert!(found.likeness == Likeness::Near && found.distance == 0);
    }

    let of = |likeness| found.iter().filter(move |pair| pair.2.likeness == likeness);
    let least = of(Likeness::Near)
        .map(|pair| pair.2.correlation)
        .fold(1.0, f64::min);
    let most = of(Likeness::Similar)
        .map(|pair| pair.2.correlation)
        .fold(0.0, f64::max);
    assert!(least - most > 0.005, "{least} and {most} are too close");
    [Likeness::Near, Likeness::Similar].map(|likeness| {
        let named = |pair: &(usize, usize, _)| (names[pair.0].as_str(), names[pair.1].as_str());
        of(likeness).map(named).collect()
    })
}

/// Similar are slices of one scan, which SLAKE alone has.
fn assert_are_slices(similar: &[(&str, &str)]) {
    for (a, b) in similar {
        assert_eq!(
            (collection(a), collection(b)),
            ("slake", "slake"),
            "{a} and {b}"
        );
    }
}

/// A sixth of all images, those that stand twice, and a scan of SLAKE slice by slice; of all images it is
/// `measure_all_pairs` that asserts the same.
#[test]
fn only_the_same_pictures_are_near_identical() {
    let Some((root, names)) = images() else {
        return;
    };
    assert_eq!(names.len(), 2757);
    let shared: BTreeSet<&str> = SAME.iter().flat_map(|&(a, b)| [a, b]).collect();
    let some: Vec<String> = names
        .into_iter()
        .enumerate()
        .filter(|(place, name)| {
            place % 6 == 0 || shared.contains(name.as_str()) || name.contains("/xmlab39")
        })
        .map(|(_, name)| name)
        .collect();
    let [near, similar] = alike(&root, &some);
    assert_eq!(near, SAME);
    assert_are_slices(&similar);
    assert_eq!(similar.len(), 4);
}

/// All 3.8 million pairs: what the module's documentation says of them.
#[test]
#[ignore = "a measurement: takes minutes"]
fn measure_all_pairs() {
    let Some((root, names)) = images() else {
        return;
    };
    let [near, similar] = alike(&root, &names);
    assert_are_slices(&similar);
    assert_eq!((near.len(), similar.len()), (15, 93));
    assert_eq!(near, SAME);
}

type Change = (&'static str, fn(&RgbImage) -> RgbImage);

fn jpeg(image: &RgbImage, quality: u8) -> RgbImage {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(image)
        .unwrap();
    let reader = image::ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg);
    reader.decode().unwrap().into_rgb8()
}

fn by_value(image: &RgbImage, change: impl Fn(f64) -> f64) -> RgbImage {
    let table: Vec<u8> = (0..=255)
        .map(|value| (change(f64::from(value) / 255.0) * 255.0).round() as u8)
        .collect();
    let mut image = image.clone();
    image
        .iter_mut()
        .for_each(|value| *value = table[usize::from(*value)]);
    image
}

fn cropped(image: &RgbImage, percent: u32) -> RgbImage {
    let (x, y) = (
        image.width() * percent / 100,
        image.height() * percent / 100,
    );
    let (width, height) = (image.width() - 2 * x, image.height() - 2 * y);
    crop_imm(image, x, y, width.max(1), height.max(1)).to_image()
}

fn shrunk(image: &RgbImage, longest: u32) -> RgbImage {
    DynamicImage::from(image.clone())
        .resize(longest, longest, FilterType::Triangle)
        .into_rgb8()
}

const CHANGES: [Change; 16] = [
    ("JPEG quality 75", |image| jpeg(image, 75)),
    ("JPEG quality 30", |image| jpeg(image, 30)),
    ("longest side 224", |image| shrunk(image, 224)),
    ("longest side 448, JPEG 75", |image| {
        jpeg(&shrunk(image, 448), 75)
    }),
    ("longest side 224, JPEG 50", |image| {
        jpeg(&shrunk(image, 224), 50)
    }),
    ("stretched to 256 x 256", |image| {
        resize(image, 256, 256, FilterType::Triangle)
    }),
    ("contrast x 0.7", |image| {
        by_value(image, |value| 0.15 + 0.7 * value)
    }),
    ("contrast x 1.3, cut", |image| {
        by_value(image, |value| (1.3 * value - 0.15).clamp(0.0, 1.0))
    }),
    ("gamma 0.7", |image| {
        by_value(image, |value| value.powf(0.7))
    }),
    ("gamma 1.5", |image| {
        by_value(image, |value| value.powf(1.5))
    }),
    ("grey", |image| {
        DynamicImage::from(DynamicImage::from(image.clone()).into_luma8()).into_rgb8()
    }),
    ("cropped 1 % a side", |image| cropped(image, 1)),
    ("cropped 2 % a side", |image| cropped(image, 2)),
    ("cropped 3 % a side", |image| cropped(image, 3)),
    ("4 % of the left cut off", |image| {
        let cut = image.width() * 4 / 100;
        crop_imm(image, cut, 0, image.width() - cut, image.height()).to_image()
    }),
    ("inverted", |image| by_value(image, |value| 1.0 - value)),
];

/// For each change, of every `step`th image: the share found near-identical, and found at all.
fn found(step: usize) -> Option<BTreeMap<&'static str, (f64, f64)>> {
    let (root, names) = images()?;
    let results: Vec<Vec<Option<Likeness>>> = names
        .par_iter()
        .step_by(step)
        .map(|name| {
            let image = decode_rgb(&root.join(name)).unwrap();
            let print = Fingerprint::of(&image);
            let likeness = |(_, change): &Change| {
                let found = print.compare(&Fingerprint::of(&change(&image)))?;
                Some(found.likeness)
            };
            CHANGES.iter().map(likeness).collect()
        })
        .collect();
    let share = |change: usize, least: Likeness| {
        let hits = results.iter().filter(|row| row[change] >= Some(least));
        hits.count() as f64 / results.len() as f64
    };
    let shares = CHANGES.iter().enumerate().map(|(place, (name, _))| {
        (
            *name,
            (
                share(place, Likeness::Near),
                share(place, Likeness::Similar),
            ),
        )
    });
    Some(shares.collect())
}

#[test]
fn changed_copies_are_found() {
    let Some(found) = found(64) else {
        return;
    };
    let least = [
        ("JPEG quality 75", 0.99, 1.0),
        ("JPEG quality 30", 0.9, 1.0),
        ("longest side 224", 0.99, 1.0),
        ("longest side 448, JPEG 75", 0.99, 1.0),
        ("longest side 224, JPEG 50", 0.85, 1.0),
        ("stretched to 256 x 256", 0.99, 1.0),
        ("contrast x 0.7", 0.99, 1.0),
        ("contrast x 1.3, cut", 0.4, 0.99),
        ("gamma 0.7", 0.2, 0.99),
        ("gamma 1.5", 0.05, 0.99),
        ("grey", 0.99, 1.0),
        ("cropped 1 % a side", 0.0, 0.98),
        ("cropped 2 % a side", 0.0, 0.9),
        ("4 % of the left cut off", 0.0, 0.85),
    ];
    for (change, near, at_all) in least {
        let (found_near, found_at_all) = found[change];
        assert!(
            found_near >= near && found_at_all >= at_all,
            "{change}: {found_near}, {found_at_all}"
        );
    }
    // The opposite of an image is another image.
    assert_eq!(found["inverted"], (0.0, 0.0));
}

/// The table of `docs/measurements.md`, over every fourth image.
#[test]
#[ignore = "a measurement: takes minutes"]
fn measure_changed_copies() {
    for (name, (near, alike)) in found(4).into_iter().flatten() {
        let line = format!(
            "{name:<28} near {:>6.2} %  at all {:>6.2} %",
            100.0 * near,
            100.0 * alike
        );
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}
