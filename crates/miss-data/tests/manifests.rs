//! Manifests: those of the repository against the data, and those of nobody.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use miss_data::card;
use miss_data::manifest::{Manifest, ManifestError};

const TEXT: &str = r#"
name = "tiny"
title = "Two files"
version = "1"
format = "vqa-rad"
licence = "CC0-1.0"
licence_note = "Ours."
homepage = "https://example.org/tiny"
citation = "None."
counts_verified = false
files = [
  { path = "images/a", bytes = 3, sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
  { path = "b", bytes = 0, sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
]
[counts]
questions = 0
[[sources]]
kind = "files"
location = "https://example.org/files"
verified = false
note = "Ours."
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

/// All manifests of the repository.
fn all() -> Vec<(String, Manifest)> {
    let folder = common::workspace().join("data-manifests");
    let mut paths: Vec<_> = [folder.clone(), folder.join("embedded")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        (stem.to_owned(), Manifest::read(path).unwrap())
    };
    paths.iter().map(read).collect()
}

#[test]
fn no_manifest_of_the_repository_lies() {
    let all = all();
    assert_eq!(all.len(), 11);
    for (stem, manifest) in all {
        assert_eq!(stem, manifest.name);
        for text in [
            &manifest.licence,
            &manifest.licence_note,
            &manifest.homepage,
            &manifest.citation,
        ] {
            assert!(!text.is_empty(), "{stem}");
        }
        // Nobody asked the internet; the embedded copy was made here.
        for source in &manifest.sources {
            assert_eq!(source.verified, stem == "vqa-rad-embedded", "{stem}");
        }
        // A branch may be another one tomorrow.
        if let Some(hub) = &manifest.hub {
            assert_eq!(hub.revision.len(), 40, "{stem}");
        }
        let hashed = manifest
            .files
            .iter()
            .all(|entry| entry.sha256.is_some() && entry.bytes.is_some());
        assert_eq!(
            hashed && !manifest.files.is_empty(),
            manifest.counts_verified,
            "{stem}"
        );
        if let Some(root) = manifest
            .mirror
            .as_ref()
            .and_then(|mirror| common::shared_data(mirror))
        {
            let verified = manifest.verify(&root).unwrap();
            assert_eq!(
                (verified.files, verified.unverified),
                (manifest.files.len(), 0),
                "{stem}"
            );
        }
    }
}

/// A manifest's name, how many files it lists, and counts.
type Promise<'a> = (&'a str, usize, &'a [(&'a str, u64)]);

#[test]
fn manifests_promise_what_is_published() {
    // Counts of the issue and of the publishers, not of our readers.
    let expected: &[Promise<'_>] = &[
        (
            "vqa-rad",
            316,
            &[
                ("questions", 2248),
                ("images", 314),
                ("train", 1797),
                ("test", 451),
                ("closed", 272),
                ("open", 179),
            ],
        ),
        ("vqa-rad-mevf", 317, &[("train", 3064), ("test", 451)]),
        (
            "slake",
            1294,
            &[
                ("questions", 14_028),
                ("images", 642),
                ("train-en", 4919),
                ("validation-en", 1053),
                ("test-en", 1061),
                ("closed-en", 416),
                ("open-en", 645),
            ],
        ),
        ("medicat", 1, &[("figures", 217_060), ("papers", 131_410)]),
        ("medicat-sample", 11, &[("figures", 10)]),
        (
            "rsna-pneumonia",
            2,
            &[("boxes", 30_227), ("patients", 26_684)],
        ),
        (
            "rsna-pneumonia-labels",
            2,
            &[("boxes", 30_142), ("patients", 26_605)],
        ),
        ("rocov2", 6, &[("figures", 79_789)]),
        (
            "rocov2-sample",
            806,
            &[
                ("figures", 800),
                ("train", 600),
                ("validation", 100),
                ("test", 100),
            ],
        ),
        (
            "nih-cxr-sample",
            1000,
            &[("images", 1000), ("class-pneumonia", 500)],
        ),
    ];
    for (name, files, counts) in expected {
        let path = common::workspace().join(format!("data-manifests/{name}.toml"));
        let manifest = Manifest::read(&path).unwrap();
        assert_eq!(manifest.files.len(), *files, "{name}");
        for (count, number) in *counts {
            assert_eq!(manifest.count(count), Some(*number), "{name}, {count}");
        }
    }
}

#[test]
fn readers_find_what_the_manifests_promise() {
    for (stem, manifest) in all()
        .into_iter()
        .filter(|(_, manifest)| manifest.counts_verified)
    {
        let Some(root) = manifest
            .mirror
            .as_ref()
            .and_then(|mirror| common::shared_data(mirror))
        else {
            continue;
        };
        let found = miss_data::count::counts(manifest.format, &root).unwrap();
        for (name, number) in &manifest.counts {
            assert_eq!(found.get(name), Some(number), "{stem}, {name}");
        }
    }
}

#[test]
fn what_is_written_is_read_again_one_line_a_file() {
    for (stem, manifest) in all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("again.toml");
        manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest, "{stem}");
        let text = fs::read_to_string(&path).unwrap();
        for entry in &manifest.files {
            let line = text
                .lines()
                .find(|line| line.contains(&format!("path = \"{}\"", entry.path)));
            let line = line.unwrap_or_else(|| panic!("{stem}: {}", entry.path));
            assert!(entry.sha256.as_ref().is_none_or(|hash| line.contains(hash)));
        }
    }
    // Text that TOML has signs of its own for.
    let mut manifest = parse(TEXT).unwrap();
    manifest.citation = "a \"quote\", a \\ and\na line 'with' \u{1f} ü".into();
    manifest.files[0].path = "images/it's \"ü\" #1".into();
    manifest.notes = vec!["[[files]]".into(), "files = [".into()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.toml");
    manifest.write(&path).unwrap();
    assert_eq!(Manifest::read(&path).unwrap(), manifest);
}

#[test]
fn a_file_without_a_hash_is_only_known_to_be_there() {
    let hash = ", sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"";
    let sized = parse(&TEXT.replace(hash, "")).unwrap();
    let bare = parse(&TEXT.replace(hash, "").replace(", bytes = 3", "")).unwrap();
    let root = tempfile::tempdir().unwrap();
    assert_eq!(bare.verify(root.path()).unwrap_err().problems.len(), 2);
    lay_out(root.path());
    fs::write(root.path().join("images/a"), b"xyz").unwrap();
    let verified = sized.verify(root.path()).unwrap();
    assert_eq!(
        (verified.files, verified.bytes, verified.unverified),
        (2, 3, 1)
    );
    fs::write(root.path().join("images/a"), b"longer").unwrap();
    assert!(sized.verify(root.path()).is_err());
    let verified = bare.verify(root.path()).unwrap();
    assert_eq!((verified.bytes, verified.unverified), (0, 1));
    assert_ne!(sized.hash(), parse(TEXT).unwrap().hash());
}

#[test]
fn sources_know_files_by_their_own_names() {
    let mut source = parse(TEXT).unwrap().sources.remove(0);
    assert_eq!(source.name_of("a/b").as_deref(), Some("a/b"));
    source.serves = vec!["images/".into(), "rows.json".into()];
    assert_eq!(source.name_of("images/a").as_deref(), Some("images/a"));
    assert_eq!(source.name_of("rows.json").as_deref(), Some("rows.json"));
    for other in ["images", "imagesx/a", "rows.jsonl", "b"] {
        assert_eq!(source.name_of(other), None, "{other}");
    }
    let names = [("", "all/"), ("images/", "p/q/"), ("images/a", "first")];
    source.names = names
        .map(|(ours, theirs)| (ours.into(), theirs.into()))
        .into();
    assert_eq!(
        source.name_of("rows.json").as_deref(),
        Some("all/rows.json")
    );
    assert_eq!(source.name_of("images/b").as_deref(), Some("p/q/b"));
    assert_eq!(source.name_of("images/a").as_deref(), Some("first"));
}

#[test]
fn cards_tell_counts_licence_and_traps() {
    for (stem, manifest) in all() {
        let card = card::markdown(&manifest);
        let mut parts = vec![
            manifest.title.as_str(),
            &manifest.licence,
            &manifest.citation,
            &manifest.terms,
        ];
        parts.extend(manifest.notes.iter().map(String::as_str));
        for part in parts {
            assert!(card.contains(part), "{stem}: {part}");
        }
        for (name, count) in &manifest.counts {
            assert!(card.contains(&format!("| {name} | {count} |")), "{stem}");
        }
        assert_eq!(
            card.contains("not checked"),
            !manifest.counts_verified,
            "{stem}"
        );
        assert_eq!(
            card.contains("`data fetch "),
            manifest.mirror.is_some(),
            "{stem}"
        );
    }
}

/// Numbers that the tests of splits and audits find in the data.
#[test]
fn cards_warn_of_known_leaks() {
    for (name, warning) in [
        ("vqa-rad", "202 of the 203 images"),
        ("vqa-rad-embedded", "202 of the 203 images"),
        ("vqa-rad-mevf", "All 203 images"),
        ("slake", "72 of the 96 English test images"),
        ("slake", "14 of the 96 English test images"),
        ("slake", "NIH ChestX-ray8"),
        ("nih-cxr-sample", "14 of these radiographs"),
        ("rsna-pneumonia", "NIH ChestX-ray8"),
        ("rsna-pneumonia-labels", "NIH ChestX-ray8"),
    ] {
        let (_, manifest) = all().into_iter().find(|(stem, _)| stem == name).unwrap();
        let card = card::markdown(&manifest);
        let (_, beware) = card.split_once("## Beware").unwrap();
        assert!(beware.contains(warning), "{name}: {warning}");
    }
}

#[test]
fn croissant_names_every_hashed_file_and_takes_fields_from_them() {
    for (stem, manifest) in all() {
        let croissant = card::croissant(&manifest);
        assert_eq!(
            croissant["conformsTo"],
            "http://mlcommons.org/croissant/1.0"
        );
        let distribution = croissant["distribution"].as_array().unwrap();
        let of = |kind: &str| {
            distribution
                .iter()
                .filter(|node| node["@type"] == kind)
                .collect::<Vec<_>>()
        };
        let objects = of("cr:FileObject");
        let hashed: Vec<_> = manifest
            .files
            .iter()
            .filter(|entry| entry.sha256.is_some())
            .collect();
        assert_eq!(objects.len(), hashed.len(), "{stem}");
        for (object, entry) in objects.iter().zip(hashed) {
            assert_eq!(object["sha256"].as_str(), entry.sha256.as_deref());
            assert_eq!(object["contentSize"], format!("{} B", entry.bytes.unwrap()));
        }
        let ids: Vec<&str> = objects
            .iter()
            .map(|object| object["@id"].as_str().unwrap())
            .collect();
        assert!(ids.iter().all(|id| !id.contains(' ')), "{stem}");
        let sets = croissant["recordSet"].as_array().unwrap();
        for field in sets.iter().flat_map(|set| set["field"].as_array().unwrap()) {
            let from = field["source"]["fileObject"]["@id"].as_str().unwrap();
            assert!(ids.contains(&from), "{stem}: {from}");
        }
        let expected = match stem.as_str() {
            "vqa-rad" | "vqa-rad-embedded" | "medicat-sample" => 1,
            "vqa-rad-mevf" | "rsna-pneumonia-labels" => 2,
            "slake" => 3,
            "rocov2-sample" => 6,
            _ => 0,
        };
        assert_eq!(sets.len(), expected, "{stem}");
    }
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
    let part = parse(&TEXT.replace("\"b\"", "\"b.part\"")).unwrap_err();
    assert!(part.to_string().contains("on their way"), "{part}");
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.toml");
    let file = fs::File::create(&large).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
    let error = Manifest::read(&large).unwrap_err().to_string();
    assert!(
        error.contains("large.toml") && error.contains("256 MiB"),
        "{error}"
    );
    let twice = parse(&TEXT.replace("\"b\"", "\"images/a\"")).unwrap_err();
    assert!(twice.to_string().contains("listed twice"), "{twice}");
    let short = parse(&TEXT.replace("e3b0c442", "E3B0C442")).unwrap_err();
    assert!(short.to_string().contains("sha256"), "{short}");
    let nested = parse(&TEXT.replace("\"b\"", "\"images\"")).unwrap_err();
    assert!(
        nested.to_string().contains("lies below this one"),
        "{nested}"
    );
    for (from, to, expected) in [
        ("\"tiny\"", "\"../tiny\"", "name"),
        ("questions = 0", "Questions = 0", "count `Questions`"),
        ("https://example.org/files", "ftp://example.org", "source 1"),
        ("https://example.org/files", "hub:a", "hub repository"),
        (
            "counts_verified",
            "mirror = \"../a\"\ncounts_verified",
            "mirror",
        ),
        (
            "counts_verified",
            "access = \"gated\"\ncounts_verified",
            "terms",
        ),
        (
            "verified = false\nnote = \"Ours.\"",
            "verified = false\nnote = \"\"\nnames = { \"a/\" = \"b\" }",
            "folders to folders",
        ),
    ] {
        let error = parse(&TEXT.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    }
}
