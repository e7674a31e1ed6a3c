//! Shards in an object store: the store's own local file system, which needs no server.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "object-store")]

mod common;

use std::fs;

use miss_data::shard::{Cache, ShardError, Shards, WriteOptions, write};
use miss_data::vqa_rad;
use tempfile::TempDir;

fn written() -> TempDir {
    let root = common::embedded();
    let mut questions = vqa_rad::read(&root).unwrap().records;
    questions.truncate(300);
    let folder = tempfile::tempdir().unwrap();
    let options = WriteOptions {
        max_samples: 20,
        ..WriteOptions::default()
    };
    let images = root.join(vqa_rad::IMAGES_DIR);
    write(&questions, &images, folder.path(), &options).unwrap();
    folder
}

#[test]
fn a_store_gives_what_the_folder_gives_with_and_without_a_cache() {
    let folder = written();
    let path = folder.path().to_str().unwrap();
    let local = Shards::open(path, None).unwrap();
    let kept = tempfile::tempdir().unwrap();
    let cache = Cache {
        dir: kept.path().join("cache"),
        max_bytes: 1 << 30,
    };
    for cache in [None, Some(cache)] {
        let store = Shards::open(&format!("file://{path}"), cache).unwrap();
        assert_eq!(store.set(), local.set());
        std::thread::scope(|scope| {
            for first in 0..2 {
                let (store, local) = (&store, &local);
                scope.spawn(move || {
                    for index in (first..local.len()).step_by(2) {
                        assert_eq!(store.get(index).unwrap(), local.get(index).unwrap());
                    }
                });
            }
        });
    }
    let files = fs::read_dir(kept.path().join("cache")).unwrap().flatten();
    let shards = files.filter(|file| file.path().extension().is_some_and(|part| part == "tar"));
    assert_eq!(shards.count(), local.set().shards.len());
}

#[test]
fn what_is_missing_or_cut_off_in_a_store_is_an_error() {
    let folder = written();
    let location = format!("file://{}", folder.path().to_str().unwrap());
    let store = Shards::open(&location, None).unwrap();
    let shard = folder.path().join(&store.set().shards[0].file);
    let file = fs::File::options().write(true).open(&shard).unwrap();
    file.set_len(600).unwrap();
    let error = store.get(0).unwrap_err();
    assert!(matches!(error, ShardError::Io { .. }), "{error}");
    assert!(error.to_string().contains("shard-000000.tar"), "{error}");
    fs::remove_file(&shard).unwrap();
    assert!(matches!(store.get(1), Err(ShardError::Io { .. })));
    let error = Shards::open(&format!("{location}/absent"), None)
        .err()
        .unwrap();
    assert!(matches!(error, ShardError::NoSet { .. }), "{error}");
    for wrong in ["nonsense://x", "s3://", "file://relative/path"] {
        assert!(Shards::open(wrong, None).is_err(), "{wrong}");
    }
}
