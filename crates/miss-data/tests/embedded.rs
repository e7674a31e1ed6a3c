//! The copy of VQA-RAD in the repository: whole, small, and rebuilt bit for bit from the full
//! release.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use miss_data::embed::{EmbedError, MANIFEST_FILE, MAX_SIDE, MAX_TOTAL_BYTES, embed};
use miss_data::{Manifest, decode_rgb};

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in [root.to_owned(), root.join("images")] {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                let path = entry.path();
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('\\', "/");
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_copy_is_whole_small_and_nothing_else_lies_beside_it() {
    let root = common::embedded();
    let manifest = Manifest::read(&root.join(MANIFEST_FILE)).unwrap();
    let verified = manifest.verify(&root).unwrap();
    assert_eq!(verified.files, 317);
    let files = files(&root);
    assert_eq!(files.len(), 318, "317 files and their manifest");
    assert!(files.values().map(|bytes| bytes.len() as u64).sum::<u64>() <= MAX_TOTAL_BYTES);
    assert_eq!(manifest.licence, "CC0-1.0");
    assert!(String::from_utf8_lossy(&files["LICENSE"]).contains("CC0 1.0 Universal"));
    assert!(String::from_utf8_lossy(&files["CITATION"]).contains("10.1038/sdata.2018.251"));
    for name in files.keys().filter(|name| name.starts_with("images/")) {
        let image = decode_rgb(&root.join(name)).unwrap();
        assert!(image.width().max(image.height()) <= MAX_SIDE, "{name}");
    }
}

#[test]
fn the_full_release_gives_the_copy_bit_for_bit() {
    let Some(full) = common::shared_data("vqa-rad") else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let manifest = embed(&full, out.path()).unwrap();
    let (rebuilt, stored) = (files(out.path()), files(&common::embedded()));
    assert!(rebuilt.keys().eq(stored.keys()));
    let changed: Vec<&String> = rebuilt
        .keys()
        .filter(|name| rebuilt[*name] != stored[*name])
        .collect();
    assert!(changed.is_empty(), "{changed:?} differ");
    assert_eq!(
        Manifest::read(&out.path().join(MANIFEST_FILE)).unwrap(),
        manifest
    );
}

#[test]
fn images_keep_their_shape_and_are_never_enlarged() {
    let Some(full) = common::shared_data("vqa-rad") else {
        return;
    };
    for name in ["synpic44865.jpg", "synpic25534.jpg", "synpic51426.jpg"] {
        let large = decode_rgb(&full.join("images").join(name)).unwrap();
        let small = decode_rgb(&common::embedded().join("images").join(name)).unwrap();
        let scale = f64::from(MAX_SIDE.min(large.width().max(large.height())))
            / f64::from(large.width().max(large.height()));
        assert!(
            (f64::from(large.width()) * scale - f64::from(small.width())).abs() <= 0.5,
            "{name}"
        );
        assert!(
            (f64::from(large.height()) * scale - f64::from(small.height())).abs() <= 0.5,
            "{name}"
        );
    }
}

#[test]
fn a_release_without_its_images_and_an_impossible_output_are_errors() {
    let root = common::embedded();
    let from = tempfile::tempdir().unwrap();
    let questions = miss_data::vqa_rad::QUESTIONS_FILE;
    fs::copy(root.join(questions), from.path().join(questions)).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = embed(from.path(), out.path()).unwrap_err();
    assert!(
        matches!(error, EmbedError::Image(_)) && error.to_string().contains("synpic100132.jpg"),
        "{error}"
    );
    assert_eq!(
        fs::read_dir(out.path()).unwrap().count(),
        0,
        "nothing is written for a broken release"
    );

    let file = out.path().join("file");
    fs::write(&file, b"in the way").unwrap();
    let error = embed(&root, &file).unwrap_err();
    assert!(matches!(error, EmbedError::Write { .. }), "{error}");
}
