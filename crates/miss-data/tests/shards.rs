//! Shards: what is written is read back, in the layout that others expect.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fs::{self, File};
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miss_data::file::{sha256_file, sha256_hex};
use miss_data::format::Kind;
use miss_data::image::{decode_rgb_bytes, stretch};
use miss_data::labelled::LabelledBox;
use miss_data::loader::{self, Visit};
use miss_data::order::Batches;
use miss_data::shard::{
    INDEX_FILE, Set, ShardError, ShardIndex, Shards, WriteError, WriteOptions, index_folder,
    index_tar, write,
};
use miss_data::{Figure, ImageSet, LabelledImage, Loader, Question, Tokenizer, vqa_rad};
use tempfile::TempDir;

fn embedded() -> (Vec<Question>, PathBuf) {
    let root = common::embedded();
    let read = vqa_rad::read(&root).unwrap();
    (read.records, root.join(vqa_rad::IMAGES_DIR))
}

/// The embedded copy in shards of at most 64 images: 314 images, hence five.
fn written() -> (TempDir, Set) {
    let (questions, images) = embedded();
    let folder = tempfile::tempdir().unwrap();
    let set = write(&questions, &images, folder.path(), &options(64)).unwrap();
    (folder, set)
}

fn options(max_samples: usize) -> WriteOptions {
    WriteOptions {
        name: "rad".into(),
        max_samples,
        ..WriteOptions::default()
    }
}

fn open(folder: &Path) -> Result<Shards, ShardError> {
    Shards::open(folder.to_str().unwrap(), None)
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(entry).collect()
}

#[test]
fn every_question_and_every_byte_of_every_image_comes_back() {
    let (questions, images) = embedded();
    let (folder, set) = written();
    assert_eq!(set.kind, Some(Kind::Questions));
    assert_eq!(set.shards.len(), 314_usize.div_ceil(64));
    let shards = open(folder.path()).unwrap();
    let named: HashSet<&str> = questions.iter().map(|row| row.image.as_str()).collect();
    assert_eq!(shards.len(), named.len());
    let mut found = Vec::new();
    for index in 0..shards.len() {
        let sample = shards.get(index).unwrap();
        assert_eq!(sample.key, format!("{index:08}"));
        let records: Vec<Question> = sample.records().unwrap();
        let image = sample.image().unwrap();
        assert_eq!(image.name, "jpg");
        assert_eq!(
            image.bytes,
            fs::read(images.join(&records[0].image)).unwrap()
        );
        assert!(records.iter().all(|row| row.image == records[0].image));
        found.extend(records);
    }
    // Grouped by image in the shards: compared in the file's own order.
    found.sort_by_key(|row| row.id[8..].parse::<usize>().unwrap());
    assert_eq!(found, questions);
    assert!(matches!(
        shards.get(shards.len()),
        Err(ShardError::OutOfRange { .. })
    ));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (first, _) = written();
    let (second, _) = written();
    assert_eq!(contents(first.path()), contents(second.path()));
}

/// The `tar` crate is a second reader: its entries are what the index says, and nothing tells who
/// wrote them.
#[test]
fn other_readers_find_the_members_where_the_index_says() {
    let (folder, set) = written();
    for shard in &set.shards {
        let path = folder.path().join(&shard.file);
        assert_eq!(fs::metadata(&path).unwrap().len(), shard.bytes);
        assert_eq!(sha256_file(&path).unwrap(), shard.sha256);
        let bytes = fs::read(folder.path().join(shard.index_file())).unwrap();
        let index = ShardIndex::parse(&bytes, shard, "index").unwrap();
        let mut expected = index.samples.iter().flat_map(|sample| {
            let name = |name: &str| format!("{}.{name}", sample.key);
            let member = move |member: &miss_data::shard::Member| {
                (name(&member.name), member.offset, member.bytes)
            };
            sample.members.iter().map(member).collect::<Vec<_>>()
        });
        let mut archive = tar::Archive::new(File::open(&path).unwrap());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mode().unwrap(), 0o644);
            assert_eq!(header.mtime().unwrap(), 0);
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let (name, offset, bytes) = expected.next().unwrap();
            assert_eq!(entry.path().unwrap().to_str().unwrap(), name);
            assert_eq!(entry.raw_file_position(), offset);
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert_eq!(content.len() as u64, bytes);
        }
        assert!(expected.next().is_none());
    }
}

/// Indexing what was written gives what was written beside it: two ways to the same offsets.
#[test]
fn an_index_made_from_the_shards_is_the_one_written_with_them() {
    let (folder, set) = written();
    fs::remove_file(folder.path().join(INDEX_FILE)).unwrap();
    let again = index_folder(folder.path()).unwrap();
    assert_eq!(again.shards, set.shards);
    assert_eq!(again.kind, None);
    let shards = open(folder.path()).unwrap();
    assert!(
        !shards
            .get(0)
            .unwrap()
            .records::<Question>()
            .unwrap()
            .is_empty()
    );
    assert!(index_folder(folder.path()).is_err(), "indexed already");
}

/// Shards of others: folders in the names, upper case, several points, long names, hidden files.
#[test]
fn shards_of_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("train/{}", "x".repeat(180));
    let mut builder = tar::Builder::new(File::create(folder.path().join("a.tar")).unwrap());
    let mut put = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, name, content).unwrap();
    };
    put("README", b"no sample");
    put("train/0001.JPG", b"image");
    put("train/0001.seg.png", b"mask");
    put("train/0001.cls", b"3");
    put("train/.hidden", b"no sample");
    put(&format!("{long}.txt"), b"");
    builder.finish().unwrap();
    drop(builder);
    let indexed = index_tar(File::open(folder.path().join("a.tar")).unwrap(), "a.tar").unwrap();
    assert_eq!(indexed.ignored, 2);
    index_folder(folder.path()).unwrap();
    let shards = open(folder.path()).unwrap();
    assert_eq!(shards.len(), 2);
    let sample = shards.get(0).unwrap();
    assert_eq!(sample.key, "train/0001");
    let members = ["jpg", "seg.png", "cls"].map(|name| sample.member(name).unwrap());
    assert_eq!(members, [b"image".as_slice(), b"mask", b"3"]);
    assert_eq!(shards.get(1).unwrap().key, long);
    let error = sample.records::<Question>().unwrap_err();
    assert!(error.to_string().contains("no member `json`"), "{error}");
}

#[test]
fn figures_and_labelled_images_are_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let (_, images) = embedded();
    let name = fs::read_dir(&images).unwrap().next().unwrap().unwrap();
    let image = name.file_name().into_string().unwrap();
    let figure = Figure {
        id: "f/1".into(),
        image: image.clone(),
        captions: vec!["Röntgenbild \"quer\"\n".into()],
        group: Some("article".into()),
        licence: None,
        part: None,
    };
    write(
        std::slice::from_ref(&figure),
        &images,
        &folder.path().join("figures"),
        &WriteOptions::default(),
    )
    .unwrap();
    let shards = open(&folder.path().join("figures")).unwrap();
    assert_eq!(shards.kind(), Some(Kind::Figures));
    assert_eq!(
        shards.get(0).unwrap().records::<Figure>().unwrap(),
        [figure]
    );
    let wrong = shards.get(0).unwrap().records::<Question>().unwrap_err();
    assert!(wrong.to_string().contains("00000000"), "{wrong}");

    let labelled = LabelledImage {
        id: "l/1".into(),
        image,
        class: "Normal".into(),
        boxes: vec![LabelledBox {
            label: None,
            x: 0.1,
            y: 1.0 / 3.0,
            width: 1e-7,
            height: 264.0,
        }],
    };
    let out = folder.path().join("labelled");
    write(std::slice::from_ref(&labelled), &images, &out, &options(1)).unwrap();
    let sample = open(&out).unwrap().get(0).unwrap();
    assert_eq!(sample.records::<LabelledImage>().unwrap(), [labelled]);
}

#[test]
fn shards_keep_to_their_limits() {
    let (questions, images) = embedded();
    let folder = tempfile::tempdir().unwrap();
    let limits = WriteOptions {
        max_bytes: 200_000,
        ..options(1000)
    };
    let set = write(&questions, &images, folder.path(), &limits).unwrap();
    assert!(set.shards.len() > 10);
    assert!(set.shards.iter().all(|shard| shard.bytes <= 200_000));
    // All but the last have no room for another sample: the largest image has less than 60 kB.
    let full = &set.shards[..set.shards.len() - 1];
    assert!(full.iter().all(|shard| shard.bytes > 100_000));
    for wrong in [
        options(0),
        WriteOptions {
            max_bytes: 0,
            ..options(1)
        },
        WriteOptions {
            name: "../out".into(),
            ..options(1)
        },
    ] {
        let error = write(&questions, &images, folder.path(), &wrong).unwrap_err();
        assert!(matches!(error, WriteError::Options { .. }), "{error}");
    }
}

#[test]
fn what_cannot_be_written_says_why_and_leaves_no_set() {
    let (mut questions, images) = embedded();
    questions.truncate(3);
    let folder = tempfile::tempdir().unwrap();
    for image in ["absent.jpg", "../LICENSE", "/etc/passwd", ""] {
        questions[2].image = image.into();
        let error = write(&questions, &images, folder.path(), &options(1)).unwrap_err();
        assert!(matches!(error, WriteError::Image { .. }), "{error}");
        assert!(error.to_string().contains(&format!("`{image}`")), "{error}");
        let error = open(folder.path()).err().unwrap();
        assert!(matches!(error, ShardError::NoSet { .. }), "{error}");
    }
    questions.truncate(2);
    write(&questions, &images, folder.path(), &options(1)).unwrap();
    let error = write(&questions, &images, folder.path(), &options(1)).unwrap_err();
    assert!(matches!(error, WriteError::Exists { .. }), "{error}");
    assert_eq!(open(folder.path()).unwrap().len(), 2);
}

/// What a write killed at any moment leaves: no set, and the next write is as if nothing had been.
#[test]
fn a_killed_write_leaves_no_set_and_is_taken_over() {
    let (whole, _) = written();
    let whole = contents(whole.path());
    let (questions, images) = embedded();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    // Two shards done, the third under way, as the order of writing has it.
    for name in ["rad-000000.tar", "rad-000000.index.json", "rad-000001.tar"] {
        put(name, &whole[name]);
    }
    put(".shard.tmp", &whole["rad-000002.tar"][..100_000]);
    put(".writing", b"");
    // Of a killed write with smaller shards: must not stay among the new ones.
    put("rad-000031.tar", &whole["rad-000001.tar"]);
    let error = open(folder.path()).err().unwrap();
    assert!(error.to_string().contains("broken off"), "{error}");
    write(&questions, &images, folder.path(), &options(64)).unwrap();
    assert_eq!(contents(folder.path()), whole);
    // What somebody put there since is not removed.
    fs::remove_file(folder.path().join(INDEX_FILE)).unwrap();
    put(".writing", b"");
    put("notes.txt", b"mine");
    let error = write(&questions, &images, folder.path(), &options(64)).unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert!(folder.path().join("notes.txt").exists());
}

/// A process of its own is killed while it writes.
#[cfg(unix)]
#[test]
fn a_write_killed_for_real_leaves_no_set() {
    const VARIABLE: &str = "MISS_TEST_WRITE_SHARDS";
    let (questions, images) = embedded();
    if let Some(out) = std::env::var_os(VARIABLE) {
        write(&questions, &images, Path::new(&out), &options(1)).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_write_killed_for_real_leaves_no_set"])
        .env(VARIABLE, &out)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !out.join("rad-000005.tar").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the writer gave up");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Every shard with a name is whole.
    for (name, bytes) in contents(&out) {
        if name.ends_with(".tar") {
            index_tar(bytes.as_slice(), &name).unwrap();
        }
    }
    if open(&out).is_err() {
        write(&questions, &images, &out, &options(64)).unwrap();
    }
    open(&out).unwrap().get(0).unwrap();
}

#[test]
fn a_folder_with_other_files_is_left_alone() {
    let (questions, images) = embedded();
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("rad-000000.tar");
    fs::write(&notes, b"mine").unwrap();
    for _ in 0..2 {
        let error = write(&questions, &images, folder.path(), &options(64)).unwrap_err();
        assert!(matches!(error, WriteError::Exists { .. }), "{error}");
    }
    assert_eq!(fs::read(notes).unwrap(), b"mine");
    assert_eq!(contents(folder.path()).len(), 1);
}

/// Two writers into one folder: one of them gives way.
#[test]
fn one_folder_has_one_writer() {
    let (questions, images) = embedded();
    let folder = tempfile::tempdir().unwrap();
    let lock = File::create(folder.path().join(".writing")).unwrap();
    lock.lock().unwrap();
    let error = write(&questions, &images, folder.path(), &options(64)).unwrap_err();
    assert!(matches!(error, WriteError::Busy { .. }), "{error}");
}

#[test]
fn many_threads_read_one_set() {
    let (folder, _) = written();
    let shards = open(folder.path()).unwrap();
    let order = shards.order(2, 7);
    let hash = |index: usize| {
        let sample = shards.get(index).unwrap();
        sha256_hex(&sample.image().unwrap().bytes)
    };
    let alone: Vec<_> = (0..shards.len()).map(hash).collect();
    std::thread::scope(|scope| {
        for epoch in 0..4 {
            let (order, alone, hash) = (order.epoch(epoch), &alone, &hash);
            scope.spawn(move || {
                for position in 0..alone.len() {
                    let index = order.index(position);
                    assert_eq!(hash(index), alone[index]);
                }
            });
        }
    });
}

/// What a training program joins: shards in their order, threads, pixels, tokens.
#[test]
fn a_loader_reads_shards() {
    const SIZE: u32 = 16;
    let (questions, images) = embedded();
    let (folder, _) = written();
    // Without shards: each image's pixels, and the tokens of its questions.
    let names = questions.iter().map(|row| row.image.clone());
    let pixels = ImageSet::load(&images, names, SIZE).unwrap();
    let tokenizer = Arc::new(Tokenizer::new().unwrap());
    let mut wanted: BTreeMap<&str, (Vec<u8>, Vec<Vec<u32>>)> = BTreeMap::new();
    for row in &questions {
        let pixels = || (pixels.get(&row.image).unwrap().to_vec(), Vec::new());
        let (_, tokens) = wanted.entry(&row.image).or_insert_with(pixels);
        tokens.push(tokenizer.encode(&row.question, Some(35)).unwrap());
    }

    let shards = Arc::new(open(folder.path()).unwrap());
    let order = shards.order(2, 7);
    let loader = |workers| {
        let (shards, tokenizer) = (Arc::clone(&shards), Arc::clone(&tokenizer));
        let load = move |visit: Visit| {
            let sample = shards.get(visit.record)?;
            let image = sample.image().ok_or("a sample without an image")?;
            let image = decode_rgb_bytes(&image.bytes, Path::new(&sample.key))?;
            let questions: Vec<Question> = sample.records()?;
            let tokens = questions
                .iter()
                .map(|row| tokenizer.encode(&row.question, Some(35)))
                .collect::<Result<Vec<_>, _>>()?;
            let image = stretch(&image, SIZE, SIZE);
            Ok::<_, Box<dyn Error + Send + Sync>>((questions[0].image.clone(), (image, tokens)))
        };
        let options = loader::Options {
            batches: Batches::new(NonZeroUsize::new(50).unwrap()),
            workers,
            prefetch: 2,
        };
        Loader::new(order.clone(), load, options)
    };
    let batches = |stream: loader::Stream<_, _>| -> Vec<Vec<_>> {
        stream.map(|batch| batch.unwrap().items).collect()
    };
    let epoch = batches(loader(2).epoch(3));
    assert_eq!(epoch.len(), wanted.len().div_ceil(50));
    let visited: Vec<_> = epoch.concat();
    assert_eq!(visited.len(), wanted.len());
    let found: BTreeMap<&str, _> = visited
        .iter()
        .map(|(image, item)| (image.as_str(), item.clone()))
        .collect();
    assert_eq!(found, wanted);
    // Resumed across the end of an epoch, by who asks alone.
    let resumed = batches(loader(0).batches(3 * 7 + 5..4 * 7 + 1));
    assert_eq!(resumed[..2], epoch[5..]);
    assert_eq!(resumed[2], batches(loader(2).epoch(4))[0]);
}

#[test]
fn changed_bytes_are_found_whatever_file_they_are_in() {
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let (folder, set) = written();
    let shard = folder.path().join(&set.shards[0].file);
    // In the first image, behind its header.
    flip(&shard, 600);
    let shards = open(folder.path()).unwrap();
    let error = shards.get(0).unwrap_err();
    assert!(matches!(error, ShardError::Changed { .. }), "{error}");
    assert!(error.to_string().contains("`00000000`"), "{error}");
    shards.get(1).unwrap();

    let file = File::options().write(true).open(&shard).unwrap();
    file.set_len(100_000).unwrap();
    let error = open(folder.path()).err().unwrap();
    assert!(
        error.to_string().contains("100000 bytes instead of"),
        "{error}"
    );
    fs::remove_file(&shard).unwrap();
    assert!(matches!(open(folder.path()), Err(ShardError::Io { .. })));

    let (folder, set) = written();
    flip(&folder.path().join(set.shards[1].index_file()), 30);
    let error = open(folder.path()).unwrap().get(64).unwrap_err();
    assert!(matches!(error, ShardError::Changed { .. }), "{error}");
}
