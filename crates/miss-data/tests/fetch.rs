//! Fetching: from servers that misbehave, from mirror folders, offline, and resumed.

#![cfg(feature = "fetch")]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use miss_data::Manifest;
use miss_data::fetch::{FetchError, Fetched, Mirror, Options, fetch};
use miss_data::manifest::{Access, FileEntry, Hub, Source, SourceKind};
use server::{Asked, Fault, Server};

/// Large enough for several pieces.
const LARGE: usize = 300_000;

fn large() -> Vec<u8> {
    (0..LARGE).map(|at| (at * at / 7 % 251) as u8).collect()
}

/// A manifest of two files and the files.
fn tiny() -> (Manifest, BTreeMap<&'static str, Vec<u8>>) {
    let files = BTreeMap::from([("images/ä b.bin", large()), ("rows.json", b"[1]".to_vec())]);
    let text = r#"
name = "tiny"
title = "Two files"
version = "1"
format = "questions-jsonl"
licence = "CC0-1.0"
licence_note = "Ours."
homepage = "https://example.org/tiny"
citation = "None."
mirror = "tiny"
counts_verified = false
"#;
    let mut manifest = Manifest::parse(text, Path::new("tiny.toml")).unwrap();
    let entries = files
        .iter()
        .map(|(path, content)| FileEntry::of(path, content));
    manifest.files = entries.collect();
    (manifest, files)
}

fn source(kind: SourceKind, location: String) -> Source {
    Source {
        kind,
        location,
        verified: false,
        note: "Ask them.".into(),
        bytes: None,
        sha256: None,
        serves: Vec::new(),
        names: BTreeMap::new(),
    }
}

fn options(mirror: Option<Mirror>) -> Options {
    Options {
        mirror,
        offline: false,
        accept_licence: true,
        pause: Duration::from_millis(1),
    }
}

fn serve() -> (Manifest, Server, Options) {
    let (manifest, files) = tiny();
    let files = files.into_iter().map(|(path, content)| {
        let path = path.replace("ä b", "%C3%A4%20b");
        (format!("/data/tiny/{path}"), content)
    });
    let server = Server::start(files);
    let options = options(Some(Mirror::Url(format!("{}/data/", server.address))));
    (manifest, server, options)
}

fn run(manifest: &Manifest, root: &Path, options: &Options) -> Result<Fetched, FetchError> {
    fetch(manifest, root, options, &|_| {})
}

fn failed(manifest: &Manifest, root: &Path, options: &Options) -> String {
    run(manifest, root, options).unwrap_err().to_string()
}

/// Files below a folder that are not in the manifest.
fn strays(manifest: &Manifest, root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in [root.to_owned(), root.join("images")] {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let known = manifest
                .files
                .iter()
                .any(|entry| root.join(&entry.path) == path);
            if path.is_file() && !known {
                found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

const BIG: &str = "/data/tiny/images/%C3%A4%20b.bin";

#[test]
fn a_mirror_address_gives_all_files_and_a_second_run_asks_for_none() {
    let (manifest, server, options) = serve();
    let root = tempfile::tempdir().unwrap();
    let seen = Mutex::new(Vec::new());
    let fetched = fetch(&manifest, root.path(), &options, &|progress| {
        seen.lock()
            .unwrap()
            .push((progress.file.to_owned(), progress.bytes, progress.total));
    });
    let bytes = LARGE as u64 + 3;
    let expected = Fetched {
        present: 0,
        brought: 2,
        bytes,
        unverified: 0,
    };
    assert_eq!(fetched.unwrap(), expected);
    manifest.verify(root.path()).unwrap();
    assert!(strays(&manifest, root.path()).is_empty());
    let seen = seen.into_inner().unwrap();
    let last = (
        "images/ä b.bin".to_owned(),
        LARGE as u64,
        Some(LARGE as u64),
    );
    assert!(seen.contains(&last), "progress ends at the whole");
    let grows = |path| {
        let bytes: Vec<u64> = seen
            .iter()
            .filter(|at| at.0 == path)
            .map(|at| at.1)
            .collect();
        bytes.first() == Some(&0) && bytes.is_sorted()
    };
    assert!(grows("images/ä b.bin") && grows("rows.json"));

    let asked = server.asked().len();
    let again = run(&manifest, root.path(), &options).unwrap();
    assert_eq!((again.present, again.brought, again.bytes), (2, 0, 0));
    assert_eq!(server.asked().len(), asked);
}

#[test]
fn a_server_that_dies_half_way_is_asked_for_the_rest_alone() {
    let (manifest, server, options) = serve();
    server.fault(
        BIG,
        [
            Fault::Dies(100_000),
            Fault::Status(503),
            Fault::Dies(50_000),
        ],
    );
    let root = tempfile::tempdir().unwrap();
    let fetched = run(&manifest, root.path(), &options).unwrap();
    manifest.verify(root.path()).unwrap();
    assert_eq!(fetched.bytes, LARGE as u64 + 3, "no byte came twice");
    let asked: Vec<Asked> = server
        .asked()
        .into_iter()
        .filter(|ask| ask.path == BIG)
        .collect();
    let starts: Vec<usize> = asked.iter().map(|ask| ask.start).collect();
    assert_eq!(starts, [0, 100_000, 100_000, 150_000]);
    let tag = format!("\"{LARGE}\"");
    assert_eq!(asked[1].if_range.as_ref(), Some(&tag));
}

#[test]
fn another_run_goes_on_where_a_dead_server_stopped() {
    let (manifest, server, options) = serve();
    let dead = [Fault::Dies(100_000)]
        .into_iter()
        .chain(vec![Fault::Dies(0); 20]);
    server.fault(BIG, dead);
    let root = tempfile::tempdir().unwrap();
    let message = failed(&manifest, root.path(), &options);
    assert!(
        message.contains("images/ä b.bin") && message.contains("100000 bytes are kept"),
        "{message}"
    );
    assert_eq!(
        fs::read(root.path().join("rows.json")).unwrap(),
        b"[1]",
        "others are there"
    );
    assert_eq!(strays(&manifest, root.path()), ["ä b.bin.part"]);

    server.fault(BIG, []);
    let before = server.asked().len();
    let fetched = run(&manifest, root.path(), &options).unwrap();
    assert_eq!((fetched.present, fetched.brought), (1, 1));
    assert_eq!(fetched.bytes, LARGE as u64 - 100_000);
    let asked = &server.asked()[before..];
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].start, 100_000);
    manifest.verify(root.path()).unwrap();
}

#[test]
fn what_another_run_left_is_not_trusted() {
    let (manifest, server, options) = serve();
    let root = tempfile::tempdir().unwrap();
    let part = root.path().join("images/ä b.bin.part");
    fs::create_dir(root.path().join("images")).unwrap();
    // Wrong bytes, the whole length, and more than it.
    for left in [vec![7; 1000], vec![7; LARGE], vec![7; LARGE + 1]] {
        fs::write(&part, left).unwrap();
        run(&manifest, root.path(), &options).unwrap();
        manifest.verify(root.path()).unwrap();
        fs::remove_file(root.path().join("images/ä b.bin")).unwrap();
    }
    // The right beginning, but the server gives no parts.
    fs::write(&part, &large()[..1000]).unwrap();
    server.fault(BIG, [Fault::Whole]);
    run(&manifest, root.path(), &options).unwrap();
    manifest.verify(root.path()).unwrap();
    assert!(strays(&manifest, root.path()).is_empty());
}

#[test]
fn wrong_answers_are_told_and_leave_nothing() {
    let mut changed = large();
    changed[LARGE / 2] ^= 1;
    let mut longer = large();
    longer.push(0);
    let always = |fault: Fault| vec![fault; 20];
    let cases = [
        (always(Fault::Status(404)), "answers 404"),
        (always(Fault::Status(403)), "account"),
        (always(Fault::Status(503)), "answers 503"),
        (always(Fault::Bytes(changed)), "expected sha256"),
        (
            always(Fault::Bytes(longer)),
            "has 300001 bytes there instead of 300000",
        ),
        (
            always(Fault::Bytes(large()[..9].to_vec())),
            "has 9 bytes there instead of 300000",
        ),
        (
            always(Fault::Length(299_999)),
            "has 299999 bytes there instead of 300000",
        ),
        (
            always(Fault::Redirect("ftp://example.org/a".into())),
            "not HTTP",
        ),
        (always(Fault::Redirect(BIG.into())), "too many times"),
    ];
    for (faults, expected) in cases {
        let (manifest, server, options) = serve();
        server.fault(BIG, faults);
        let root = tempfile::tempdir().unwrap();
        let message = failed(&manifest, root.path(), &options);
        for part in [
            "1 files of `tiny`",
            "images/ä b.bin: ",
            "by hand: https://example.org/tiny",
            expected,
        ] {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
        assert!(strays(&manifest, root.path()).is_empty(), "{expected}");
        assert!(!root.path().join("images/ä b.bin").exists());
        let asked = server.asked().iter().filter(|ask| ask.path == BIG).count();
        assert!(asked <= 10, "{asked} times asked");
    }
}

#[test]
fn a_part_that_was_not_asked_for_is_refused() {
    let (manifest, server, options) = serve();
    server.fault(BIG, [Fault::Dies(1000), Fault::OtherPart]);
    let root = tempfile::tempdir().unwrap();
    let message = failed(&manifest, root.path(), &options);
    assert!(message.contains("another part came"), "{message}");
    run(&manifest, root.path(), &options).unwrap();
}

#[test]
fn a_redirect_is_followed_and_a_busy_server_asked_again() {
    let (manifest, server, options) = serve();
    let elsewhere = Server::start([("/moved".to_owned(), large())]);
    let moved = format!("{}/moved", elsewhere.address);
    server.fault(
        BIG,
        [
            Fault::Status(503),
            Fault::Status(429),
            Fault::Redirect(moved),
        ],
    );
    let root = tempfile::tempdir().unwrap();
    run(&manifest, root.path(), &options).unwrap();
    assert_eq!(elsewhere.asked().len(), 1);
    manifest.verify(root.path()).unwrap();
}

#[test]
fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let (manifest, server, options) = serve();
    server.fault(BIG, [Fault::Busy(1)]);
    let root = tempfile::tempdir().unwrap();
    let start = Instant::now();
    run(&manifest, root.path(), &options).unwrap();
    // Its own pause is a millisecond.
    assert!(start.elapsed() >= Duration::from_secs(1));

    let (manifest, server, options) = serve();
    server.fault(BIG, vec![Fault::Busy(3600); 20]);
    let root = tempfile::tempdir().unwrap();
    let message = failed(&manifest, root.path(), &options);
    assert!(message.contains("for 3600 seconds"), "{message}");
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|ask| ask.path == BIG).count(), 1);
}

#[test]
fn two_runs_do_not_write_into_one_folder() {
    let (manifest, server, options) = serve();
    let root = tempfile::tempdir().unwrap();
    let other = fs::File::open(root.path()).unwrap();
    other.lock().unwrap();
    let error = run(&manifest, root.path(), &options).unwrap_err();
    assert!(matches!(error, FetchError::Locked { .. }), "{error}");
    assert!(server.asked().is_empty());
    drop(other);
    run(&manifest, root.path(), &options).unwrap();
}

/// A proxy is taken from the environment, which a test cannot change for itself.
#[test]
#[ignore = "the child of `proxies_of_the_environment_are_respected`"]
fn fetches_from_a_host_that_does_not_exist() {
    let (manifest, _) = tiny();
    let options = options(Some(Mirror::Url("http://data.invalid/".into())));
    let root = tempfile::tempdir().unwrap();
    assert!(failed(&manifest, root.path(), &options).contains("rows.json"));
}

#[test]
fn proxies_of_the_environment_are_respected() {
    let asked = |no_proxy: &str| {
        let proxy = Server::start([]);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored"])
            .arg("fetches_from_a_host_that_does_not_exist")
            .env("ALL_PROXY", &proxy.address)
            .env("NO_PROXY", no_proxy)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(output.contains("1 passed"), "{output}");
        proxy.asked()
    };
    let through = asked("other.invalid");
    assert!(
        through.iter().any(|ask| ask.path.contains("data.invalid")),
        "{through:?}"
    );
    assert!(asked("data.invalid").is_empty());
}

#[test]
fn nothing_is_brought_before_the_licence_is_accepted_or_while_offline() {
    let (manifest, server, options) = serve();
    let root = tempfile::tempdir().unwrap();
    let unasked = Options {
        accept_licence: false,
        ..options.clone()
    };
    let error = run(&manifest, root.path(), &unasked).unwrap_err();
    assert!(matches!(error, FetchError::Licence { .. }));
    let message = error.to_string();
    assert!(
        message.contains("CC0-1.0") && message.contains("Ours."),
        "{message}"
    );
    for mirror in [options.mirror.clone(), None] {
        let offline = Options {
            offline: true,
            mirror,
            ..options.clone()
        };
        let message = failed(&manifest, root.path(), &offline);
        assert!(message.contains("rows.json: missing"), "{message}");
    }
    assert!(server.asked().is_empty());

    // What is there needs neither.
    run(&manifest, root.path(), &options).unwrap();
    let offline = Options {
        offline: true,
        ..unasked
    };
    assert_eq!(run(&manifest, root.path(), &offline).unwrap().present, 2);
}

#[test]
fn gated_data_and_data_without_a_source_say_how_to_have_them() {
    let (mut manifest, _) = tiny();
    manifest.sources = vec![source(SourceKind::ByHand, "https://example.org/ask".into())];
    let root = tempfile::tempdir().unwrap();
    let message = failed(&manifest, root.path(), &options(None));
    for part in ["https://example.org/ask: Ask them.", "rows.json: missing"] {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    // A gate is not tried, even where an address is known.
    let server = Server::start([]);
    manifest.sources = vec![source(SourceKind::Files, server.address.clone())];
    manifest.access = Access::Gated;
    manifest.terms = "Sign the form.".into();
    let message = failed(&manifest, root.path(), &options(None));
    assert!(message.contains("Sign the form."), "{message}");
    // Nobody is asked to accept what a program cannot bring anyway.
    let unaccepted = Options {
        accept_licence: false,
        ..options(None)
    };
    assert_eq!(failed(&manifest, root.path(), &unaccepted), message);
    assert!(server.asked().is_empty());
    let mut unlisted = manifest.clone();
    unlisted.files.clear();
    let message = failed(&unlisted, root.path(), &unaccepted);
    assert!(message.ends_with("all of it"), "{message}");
    manifest.mirror = None;
    let mirror = Some(Mirror::Folder(root.path().into()));
    let message = failed(&manifest, root.path(), &options(mirror));
    assert!(message.contains("on no mirror"), "{message}");
}

#[test]
fn sources_give_files_under_their_own_names_and_from_archives() {
    let (mut manifest, files) = tiny();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = zip::write::SimpleFileOptions::default();
    zip.start_file("release/pictures/ä b.bin", plain).unwrap();
    std::io::Write::write_all(&mut zip, &files["images/ä b.bin"]).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    let server = Server::start([
        ("/all/table.json".to_owned(), files["rows.json"].clone()),
        ("/images.zip".to_owned(), zip),
    ]);
    // The first connection ends early; there is no hash, but a tag.
    server.fault("/images.zip", [Fault::Dies(60)]);
    let mut table = source(SourceKind::Files, format!("{}/all", server.address));
    table.serves = vec!["rows.json".into()];
    table.names = BTreeMap::from([("rows.json".into(), "table.json".into())]);
    let mut images = source(SourceKind::Zip, format!("{}/images.zip", server.address));
    images.serves = vec!["images/".into()];
    images.names = BTreeMap::from([("images/".into(), "release/pictures/".into())]);
    manifest.sources = vec![table, images];
    let root = tempfile::tempdir().unwrap();
    let fetched = run(&manifest, root.path(), &options(None)).unwrap();
    assert_eq!(fetched.brought, 2);
    manifest.verify(root.path()).unwrap();
    assert!(
        strays(&manifest, root.path()).is_empty(),
        "the archive is gone"
    );
    let starts: Vec<usize> = server
        .asked()
        .iter()
        .filter(|ask| ask.path == "/images.zip")
        .map(|ask| ask.start)
        .collect();
    assert_eq!(starts, [0, 60]);

    manifest.hub = Some(Hub {
        repository: "us/tiny".into(),
        revision: "abc".into(),
    });
    manifest.sources[1].location = "hub:a.zip".into();
    let address = manifest.address(&manifest.sources[1]);
    assert_eq!(
        address,
        "https://huggingface.co/datasets/us/tiny/resolve/abc/a.zip"
    );
}

#[test]
fn a_truncated_archive_is_told_and_brought_again() {
    let (mut manifest, files) = tiny();
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in &files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content.as_slice())
            .unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let server = Server::start([("/a.tar".to_owned(), tar.clone())]);
    server.fault("/a.tar", [Fault::Bytes(tar[..tar.len() / 2].to_vec())]);
    manifest.sources = vec![source(SourceKind::Tar, format!("{}/a.tar", server.address))];
    let root = tempfile::tempdir().unwrap();
    let message = failed(&manifest, root.path(), &options(None));
    assert!(message.contains("damaged"), "{message}");
    assert!(strays(&manifest, root.path()).is_empty());
    assert_eq!(
        run(&manifest, root.path(), &options(None)).unwrap().brought,
        2
    );
    manifest.verify(root.path()).unwrap();
}

#[test]
fn files_without_a_hash_come_but_are_counted() {
    let (mut manifest, server, options) = serve();
    for entry in &mut manifest.files {
        (entry.sha256, entry.bytes) = (None, None);
    }
    let root = tempfile::tempdir().unwrap();
    // Of unknown age: not gone on with.
    fs::write(root.path().join("rows.json.part"), b"[").unwrap();
    server.fault(BIG, [Fault::Dies(5000)]);
    let fetched = run(&manifest, root.path(), &options).unwrap();
    assert_eq!((fetched.brought, fetched.unverified), (2, 2));
    assert_eq!(
        fs::read(root.path().join("images/ä b.bin")).unwrap(),
        large()
    );
    assert_eq!(fs::read(root.path().join("rows.json")).unwrap(), b"[1]");
    assert_eq!(manifest.verify(root.path()).unwrap().unverified, 2);
}

#[test]
fn a_mirror_folder_is_copied_resumed_and_not_believed() {
    let (manifest, files) = tiny();
    let mirror = tempfile::tempdir().unwrap();
    let mut options = options(Some(Mirror::Folder(mirror.path().into())));
    // A folder needs no socket.
    options.offline = true;
    let root = tempfile::tempdir().unwrap();
    assert!(failed(&manifest, root.path(), &options).contains("is no folder"));
    fs::create_dir_all(mirror.path().join("tiny/images")).unwrap();
    for (path, content) in &files {
        fs::write(mirror.path().join("tiny").join(path), content).unwrap();
    }
    fs::create_dir(root.path().join("images")).unwrap();
    fs::write(root.path().join("images/ä b.bin.part"), &large()[..123_456]).unwrap();
    let fetched = run(&manifest, root.path(), &options).unwrap();
    assert_eq!(fetched.bytes, (LARGE - 123_456) as u64 + 3);
    manifest.verify(root.path()).unwrap();

    // A flipped byte here is repaired, one there is told.
    fs::write(root.path().join("rows.json"), b"[2]").unwrap();
    assert_eq!(run(&manifest, root.path(), &options).unwrap().brought, 1);
    manifest.verify(root.path()).unwrap();
    fs::write(mirror.path().join("tiny/rows.json"), b"[3]").unwrap();
    fs::remove_file(root.path().join("rows.json")).unwrap();
    let message = failed(&manifest, root.path(), &options);
    assert!(
        message.contains("expected sha256") && message.contains("found"),
        "{message}"
    );
    fs::remove_file(mirror.path().join("tiny/rows.json")).unwrap();
    assert!(failed(&manifest, root.path(), &options).contains("rows.json: No such file"));
}

#[cfg(unix)]
#[test]
fn no_link_leads_a_file_elsewhere() {
    let (manifest, _server, options) = serve();
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(outside.path(), root.path().join("images")).unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, b"mine").unwrap();
    std::os::unix::fs::symlink(&victim, root.path().join("rows.json.part")).unwrap();
    let message = failed(&manifest, root.path(), &options);
    assert!(
        message.contains("2 files") && message.contains("link"),
        "{message}"
    );
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn the_mirror_of_real_data_serves_vqa_rad_and_slake() {
    for (name, files) in [("vqa-rad", 316), ("slake", 1294)] {
        let Some(place) = common::shared_data(name) else {
            return;
        };
        let path = common::workspace().join(format!("data-manifests/{name}.toml"));
        let manifest = Manifest::read(&path).unwrap();
        let options = options(Some(Mirror::Folder(place.parent().unwrap().into())));
        let root = tempfile::tempdir().unwrap();
        let fetched = run(&manifest, root.path(), &options).unwrap();
        assert_eq!((fetched.brought, fetched.bytes), (files, manifest.bytes()));
        assert_eq!(manifest.verify(root.path()).unwrap().files, files);
    }
}
