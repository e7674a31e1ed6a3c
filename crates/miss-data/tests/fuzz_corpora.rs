//! The files the fuzzers start from, and those that once broke a parser, through the same entries.

#![allow(clippy::unwrap_used)]

#[path = "../../../fuzz/entries.rs"]
mod entries;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: PathBuf) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
}

#[test]
fn every_entry_has_a_target_and_a_corpus_and_there_are_no_others() {
    let entries: BTreeSet<String> = entries::ALL.iter().map(|one| one.0.to_owned()).collect();
    assert_eq!(entries.len(), entries::ALL.len());
    assert_eq!(names(fuzz().join("corpus")), entries);
    let targets: BTreeSet<String> = entries.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(fuzz().join("fuzz_targets")), targets);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in entries {
        let target = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(
            target.contains(&format!("miss_fuzz::{name}(bytes)")),
            "{target}"
        );
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn no_file_of_a_corpus_makes_an_entry_panic() {
    let mut files = 0;
    let mut panicked = Vec::new();
    for &(name, entry) in entries::ALL {
        let folder = fuzz().join("corpus").join(name);
        for file in names(folder.clone()) {
            let bytes = fs::read(folder.join(&file)).unwrap();
            if catch_unwind(|| entry(&bytes)).is_err() {
                panicked.push(format!("{name}/{file}"));
            }
            files += 1;
        }
    }
    assert_eq!(panicked, Vec::<String>::new());
    assert!(files >= 40, "{files} files");
}
