//! Class folders: a real one, and one with everything that does not belong there.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use miss_data::ReadError;
use miss_data::class_folders::read;

#[test]
fn the_chest_radiographs_have_five_hundred_of_each_class() {
    let Some(root) = common::shared_data("nih-cxr-sample") else {
        return;
    };
    let all = read(&root).unwrap();
    assert_eq!(all.findings, []);
    let of = |class| all.records.iter().filter(|row| row.class == class).count();
    assert_eq!((of("No_findings"), of("Pneumonia")), (500, 500));
    assert_eq!(all.records.len(), 1000);
    assert!(all.records.is_sorted_by(|one, other| one.id < other.id));
    for row in &all.records {
        assert!(root.join("images").join(&row.image).is_file(), "{row:?}");
    }
}

#[test]
fn what_is_no_image_of_a_class_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert!(matches!(read(root), Err(ReadError::Io { .. })));
    let images = root.join("images");
    for class in ["b", "a", "empty", ".hidden"] {
        fs::create_dir_all(images.join(class)).unwrap();
    }
    for file in [
        "b/2.PNG",
        "b/1.jpeg",
        "a/x.dcm",
        "a/.DS_Store",
        "a/notes.txt",
        "a/odd:name.png",
        "stray.png",
        ".hidden/z.png",
    ] {
        fs::write(images.join(file), "").unwrap();
    }
    fs::create_dir(images.join("a/deeper.png")).unwrap();
    let found = read(root).unwrap();
    let names: Vec<_> = found
        .records
        .iter()
        .map(|row| (row.id.as_str(), row.class.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("class-folders/a/x.dcm", "a"),
            ("class-folders/b/1.jpeg", "b"),
            ("class-folders/b/2.PNG", "b"),
        ]
    );
    // notes.txt, odd:name.png, deeper.png, stray.png; two notes of hidden files, one of the empty class.
    assert_eq!((found.dropped(), found.findings.len()), (4, 7));
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("secret.png");
    fs::write(&outside, "").unwrap();
    let images = folder.path().join("images");
    fs::create_dir_all(images.join("a")).unwrap();
    symlink(&outside, images.join("a/link.png")).unwrap();
    symlink(folder.path(), images.join("b")).unwrap();
    let found = read(folder.path()).unwrap();
    assert_eq!(found.records, []);
    assert_eq!(found.dropped(), 2);
    assert!(found.findings.iter().any(|one| one.what.contains("link")));
}
