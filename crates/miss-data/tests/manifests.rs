//! Manifests: those of the repository against the data, and those of nobody.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use miss_data::manifest::{Manifest, ManifestError};
use miss_data::{Part, vqa_rad};

const TEXT: &str = r#"
name = "tiny"
title = "Two files"
version = "1"
licence = "CC0-1.0"
licence_note = "Ours."
homepage = "https://example.org/tiny"
citation = "None."
sources = []
[counts]
questions = 0
images = 0
train = 0
test = 0
[[files]]
path = "images/a"
bytes = 3
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
[[files]]
path = "b"
bytes = 0
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"#;

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.toml");
    fs::write(&path, text).unwrap();
    Manifest::read(&path)
}

fn lay_out(root: &Path) {
    fs::create_dir_all(root.join("images")).unwrap();
    fs::write(root.join("images/a"), b"abc").unwrap();
    fs::write(root.join("b"), b"").unwrap();
}

#[test]
fn the_full_release_is_as_its_manifest_says() {
    let manifest =
        Manifest::read(&common::workspace().join("data-manifests/vqa-rad.toml")).unwrap();
    assert_eq!(manifest.files.len(), 316);
    assert!(
        manifest.sources.iter().all(|source| !source.verified),
        "nobody asked the internet"
    );
    let Some(root) = common::shared_data("vqa-rad") else {
        return;
    };
    let verified = manifest.verify(&root).unwrap();
    assert_eq!(verified.files, 316);
    let questions = vqa_rad::read(&root).unwrap().records;
    assert_eq!(questions.len(), manifest.counts.questions);
    assert_eq!(
        questions
            .iter()
            .filter(|row| row.part == Some(Part::Test))
            .count(),
        manifest.counts.test
    );
}

#[test]
fn all_damaged_files_are_listed_with_what_is_wrong() {
    let manifest = parse(TEXT).unwrap();
    let root = tempfile::tempdir().unwrap();
    lay_out(root.path());
    fs::write(root.path().join("beside"), b"ignored").unwrap();
    let verified = manifest.verify(root.path()).unwrap();
    assert_eq!((verified.files, verified.bytes), (2, 3));

    fs::write(root.path().join("images/a"), b"abd").unwrap();
    fs::remove_file(root.path().join("b")).unwrap();
    let error = manifest.verify(root.path()).unwrap_err();
    assert_eq!(error.problems.len(), 2);
    let message = error.to_string();
    for part in [
        "2 of 2 files",
        "images/a: has other content",
        "b: missing",
        "https://example.org/tiny",
    ] {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    fs::write(root.path().join("images/a"), b"abcd").unwrap();
    let error = manifest.verify(root.path()).unwrap_err();
    assert!(
        error.to_string().contains("has 4 bytes instead of 3"),
        "{error}"
    );
}

#[test]
fn the_hash_names_the_content_alone() {
    let manifest = parse(TEXT).unwrap();
    let retitled = parse(&TEXT.replace("Two files", "Other words")).unwrap();
    assert_eq!(manifest.hash(), retitled.hash());
    let mut reordered = manifest.clone();
    reordered.files.reverse();
    assert_eq!(manifest.hash(), reordered.hash());
    let renamed = parse(&TEXT.replace("\"b\"", "\"c\"")).unwrap();
    assert_ne!(manifest.hash(), renamed.hash());
    assert_eq!(
        manifest
            .sha256_below("images")
            .into_keys()
            .collect::<Vec<_>>(),
        ["a"]
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let error = Manifest::read(Path::new("/no/such/manifest.toml")).unwrap_err();
    assert!(matches!(error, ManifestError::Io { .. }));
    let unknown = parse(&TEXT.replace("version =", "verson =")).unwrap_err();
    let message = unknown.to_string();
    assert!(
        message.contains("tiny.toml") && message.contains("verson") && message.contains("line 4"),
        "{message}"
    );
    assert!(matches!(parse("\u{0}"), Err(ManifestError::Toml { .. })));
    for path in ["../b", "/b", "a/../../b", "", "c:\\\\b", "a\\u0000b"] {
        let error = parse(&TEXT.replace("\"b\"", &format!("\"{path}\""))).unwrap_err();
        assert!(
            matches!(error, ManifestError::File { .. }),
            "{path:?}: {error}"
        );
    }
    let twice = parse(&TEXT.replace("\"b\"", "\"images/a\"")).unwrap_err();
    assert!(twice.to_string().contains("listed twice"), "{twice}");
    let short = parse(&TEXT.replace("e3b0c442", "E3B0C442")).unwrap_err();
    assert!(short.to_string().contains("sha256"), "{short}");
}
