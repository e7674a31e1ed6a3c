//! Archives: what the manifest names comes out, and nothing that a hostile archive tries.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use miss_data::archive::{ArchiveError, Extracted, Kind, extract};
use miss_data::manifest::FileEntry;
use tar::{EntryType, Header};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const MIB: usize = 1 << 20;

/// A member: name, type (tar), content.
type Member<'a> = (&'a str, EntryType, &'a [u8]);

fn file<'a>(name: &'a str, content: &'a [u8]) -> Member<'a> {
    (name, EntryType::Regular, content)
}

/// A tar archive with headers written by hand, so that any name can stand in one.
fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, content) in members {
        let link = !matches!(
            kind,
            EntryType::Regular | EntryType::GNULongName | EntryType::XHeader
        );
        let content: &[u8] = if link { b"" } else { content };
        bytes.extend(header(
            name,
            *kind,
            content.len() as u64,
            link.then_some("../../victim"),
        ));
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn header(name: &str, kind: EntryType, size: u64, link: Option<&str>) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    if let Some(link) = link {
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    }
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o777);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Takes `wanted` (member, path, content) out of an archive in a folder of its own, and makes sure
/// that nothing else was written anywhere in it.
fn unpack(
    kind: Kind,
    archive: &[u8],
    wanted: &[(&str, &str, &[u8])],
) -> Result<Extracted, ArchiveError> {
    let entries: Vec<FileEntry> = wanted
        .iter()
        .map(|(_, path, content)| FileEntry::of(path, content))
        .collect();
    unpack_entries(kind, archive, wanted, &entries)
}

fn unpack_entries(
    kind: Kind,
    archive: &[u8],
    wanted: &[(&str, &str, &[u8])],
    entries: &[FileEntry],
) -> Result<Extracted, ArchiveError> {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("a/b");
    fs::create_dir_all(&root).unwrap();
    fs::write(outer.path().join("victim"), b"mine").unwrap();
    let place = outer.path().join("archive");
    fs::write(&place, archive).unwrap();
    let members = wanted.iter().map(|(member, _, _)| (*member).to_owned());
    let members: BTreeMap<String, &FileEntry> = members.zip(entries).collect();
    let outcome = extract(&place, kind, &members, &root);

    let mut known = vec![place, outer.path().join("victim")];
    known.extend(wanted.iter().map(|(_, path, _)| root.join(path)));
    for path in all_files(outer.path()) {
        assert!(known.contains(&path), "{} was written", path.display());
    }
    assert_eq!(fs::read(outer.path().join("victim")).unwrap(), b"mine");
    for (_, path, content) in wanted {
        let path = root.join(path);
        assert!(!path.is_symlink());
        if path.exists() {
            assert_eq!(fs::read(path).unwrap(), *content);
        }
    }
    if let Ok(extracted) = &outcome {
        let there = entries
            .iter()
            .filter(|entry| root.join(&entry.path).exists());
        assert_eq!(there.count(), extracted.files);
    }
    outcome
}

fn all_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(all_files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

const WANTED: [(&str, &str, &[u8]); 2] = [
    ("release/rows.json", "rows.json", b"[1, 2]"),
    ("release/pictures/1.jpg", "images/1.jpg", &[9; 5000]),
];

fn good() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("release/README", b"not wanted".as_slice()),
        (WANTED[0].0, WANTED[0].2),
        (WANTED[1].0, WANTED[1].2),
    ]
}

fn good_tar() -> Vec<u8> {
    let members: Vec<Member<'_>> = good()
        .iter()
        .map(|(name, content)| file(name, content))
        .collect();
    tar(&members)
}

#[test]
fn what_is_wanted_comes_out_of_every_kind() {
    let archives = [
        (Kind::Zip, zip(&good())),
        (Kind::Tar, good_tar()),
        (Kind::TarGz, gzipped(&good_tar())),
    ];
    for (kind, archive) in archives {
        let extracted = unpack(kind, &archive, &WANTED).unwrap();
        assert_eq!((extracted.files, extracted.bytes), (2, 5006), "{kind:?}");
        assert!(extracted.problems.is_empty());
    }
}

#[test]
fn the_archives_of_another_tool_are_read() {
    // A long name in each of the two ways that writers of tar have for it.
    let long = format!("{}/rows.json", "folder".repeat(30));
    let wanted = [(long.as_str(), "rows.json", b"[1]".as_slice())];
    let mut builder = tar::Builder::new(Vec::new());
    let mut plain = Header::new_gnu();
    plain.set_size(3);
    plain.set_mode(0o644);
    builder
        .append_data(&mut plain, &long, b"[1]".as_slice())
        .unwrap();
    let gnu = builder.into_inner().unwrap();
    assert_eq!(unpack(Kind::Tar, &gnu, &wanted).unwrap().files, 1);

    let record = format!(" path={long}\n");
    let length = record.len() + 3;
    let pax = format!("{length}{record}");
    let pax = tar(&[
        ("x", EntryType::XHeader, pax.as_bytes()),
        file("short", b"[1]"),
    ]);
    assert_eq!(unpack(Kind::Tar, &pax, &wanted).unwrap().files, 1);
    // `tar c .` puts this before every name.
    let dotted = tar(&[file("./release/rows.json", WANTED[0].2)]);
    assert_eq!(unpack(Kind::Tar, &dotted, &WANTED[..1]).unwrap().files, 1);
}

#[test]
fn absent_and_changed_members_are_named() {
    for (kind, archive) in [
        (Kind::Zip, zip(&[(WANTED[0].0, b"[1, 3]")])),
        (Kind::Tar, tar(&[file(WANTED[0].0, b"[1, 3]")])),
    ] {
        let extracted = unpack(kind, &archive, &WANTED).unwrap();
        assert_eq!(extracted.files, 0);
        let problems: Vec<String> = extracted
            .problems
            .iter()
            .map(|problem| format!("{}: {}", problem.path, problem.what))
            .collect();
        assert!(
            problems[0].starts_with("rows.json: has other content"),
            "{problems:?}"
        );
        assert!(
            problems[1].starts_with("images/1.jpg: archive")
                && problems[1].contains("its first is `release/rows.json`"),
            "{problems:?}"
        );
        assert_eq!(problems.len(), 2);
    }
    let longer = tar(&[file(WANTED[0].0, &[0; 9 * MIB])]);
    let extracted = unpack(Kind::Tar, &longer, &WANTED[..1]).unwrap();
    assert!(extracted.problems[0].what.contains("instead of 6"));
}

fn hostile(kind: Kind, archive: &[u8], expected: &str) {
    let message = unpack(kind, archive, &WANTED).unwrap_err().to_string();
    assert!(message.contains(expected), "{message:?} lacks {expected:?}");
}

#[test]
fn paths_out_of_the_folder_are_refused() {
    for name in [
        "../victim",
        "release/../../../victim",
        "/tmp/victim-of-miss",
        "\\victim",
        "..\\victim",
        "C:\\victim",
        "release/..",
    ] {
        hostile(Kind::Zip, &zip(&[(name, b"x")]), "lies outside");
        hostile(Kind::Tar, &tar(&[file(name, b"x")]), "lies outside");
        let long = tar(&[
            ("L", EntryType::GNULongName, name.as_bytes()),
            file("a", b"x"),
        ]);
        hostile(Kind::Tar, &long, "lies outside");
    }
}

#[test]
fn links_devices_and_folders_are_no_files() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Directory,
        EntryType::GNUSparse,
    ] {
        hostile(
            Kind::Tar,
            &tar(&[(WANTED[0].0, kind, b"")]),
            "no plain file",
        );
        // A folder that is a link would lead the next member elsewhere, if links were made.
        let through = tar(&[("release", kind, b""), file(WANTED[0].0, WANTED[0].2)]);
        assert_eq!(unpack(Kind::Tar, &through, &WANTED[..1]).unwrap().files, 1);
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let plain = SimpleFileOptions::default();
    writer
        .add_symlink(WANTED[0].0, "../../victim", plain)
        .unwrap();
    let archive = writer.finish().unwrap().into_inner();
    hostile(Kind::Zip, &archive, "no plain file");
}

#[test]
fn names_that_are_there_twice_are_refused() {
    let twice = tar(&[file(WANTED[0].0, WANTED[0].2), file(WANTED[0].0, b"other")]);
    hostile(Kind::Tar, &twice, "there twice");
    let disguised = tar(&[
        file(WANTED[0].0, WANTED[0].2),
        file("./release/rows.json", b"other"),
    ]);
    hostile(Kind::Tar, &disguised, "there twice");
    // The writer refuses: one name becomes the other afterwards, in header and directory.
    let mut archive = zip(&[(WANTED[0].0, WANTED[0].2), ("release/rowz.json", b"other")]);
    replace(&mut archive, b"rowz", b"rows");
    hostile(Kind::Zip, &archive, "one name");
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

#[test]
fn bombs_stay_small() {
    // 100 MB of zeros before the wanted member: more than a small archive may become.
    let zeros = vec![0; 100 * MIB];
    let bomb = gzipped(&tar(&[
        file("release/zeros", &zeros),
        file(WANTED[0].0, WANTED[0].2),
    ]));
    assert!(bomb.len() < MIB / 4);
    hostile(Kind::TarGz, &bomb, "unpacks to more than");
    // A wanted member of unknown size.
    let zip_bomb = zip(&[(WANTED[0].0, &zeros)]);
    assert!(zip_bomb.len() < MIB / 4);
    let mut unknown = FileEntry::of(WANTED[0].1, b"");
    (unknown.bytes, unknown.sha256) = (None, None);
    let outcome = unpack_entries(Kind::Zip, &zip_bomb, &WANTED[..1], &[unknown]);
    let message = outcome.unwrap_err().to_string();
    assert!(message.contains("claims 104857600 bytes"), "{message}");
    // A known size is asked for before anything is unpacked.
    let extracted = unpack(Kind::Zip, &zip_bomb, &WANTED[..1]).unwrap();
    assert_eq!(extracted.files, 0);
    // A long name that is not one.
    let mut endless = header("L", EntryType::GNULongName, 50 << 30, None);
    endless.resize(4096, b'a');
    hostile(Kind::Tar, &endless, "a header of 53687091200 bytes");
    let mut shifted = b"20 size=9999999999\n".to_vec();
    shifted[..2].copy_from_slice(b"19");
    let shifted = tar(&[("x", EntryType::XHeader, &shifted), file("a", b"x")]);
    hostile(Kind::Tar, &shifted, "size in an extended header");
}

#[test]
fn a_directory_larger_than_any_is_not_read_into_memory() {
    let small = zip(&[("a", b"x")]);
    let directory = small.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    let end = small.windows(4).position(|at| at == b"PK\x05\x06").unwrap();
    // One entry, with the longest comment there can be, again and again.
    let mut entry = small[directory..end].to_vec();
    entry[32..34].copy_from_slice(&u16::MAX.to_le_bytes());
    entry.resize(entry.len() + usize::from(u16::MAX), b' ');
    let of = |count: u16| {
        let mut archive = small[..directory].to_vec();
        archive.extend(entry.repeat(usize::from(count)));
        let size = (entry.len() * usize::from(count)) as u32;
        let mut end = small[end..].to_vec();
        end[8..10].copy_from_slice(&count.to_le_bytes());
        end[10..12].copy_from_slice(&count.to_le_bytes());
        end[12..16].copy_from_slice(&size.to_le_bytes());
        archive.extend(end);
        archive
    };
    assert_eq!(unpack(Kind::Zip, &of(1), &WANTED).unwrap().files, 0);
    hostile(Kind::Zip, &of(300), "no directory of 2 wanted members");
}

#[test]
fn members_that_share_bytes_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let plain = SimpleFileOptions::default();
    writer.start_file(WANTED[0].0, plain).unwrap();
    writer.write_all(WANTED[0].2).unwrap();
    writer
        .shallow_copy_file(WANTED[0].0, "release/again.json")
        .unwrap();
    let archive = writer.finish().unwrap().into_inner();
    hostile(Kind::Zip, &archive, "share their bytes");
}

#[test]
fn lying_sizes_are_told() {
    let (name, _, content) = WANTED[0];
    // Stored, not deflated: the size stands in two places, both of them lie.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file(name, stored).unwrap();
    writer.write_all(&[1; 77]).unwrap();
    let mut archive = writer.finish().unwrap().into_inner();
    // 77 occurs as a 32-bit number in the sizes alone; the compressed one stays.
    let lie = [77_u32.to_le_bytes(), 6_u32.to_le_bytes()].concat();
    let truth = [77_u32.to_le_bytes(), 77_u32.to_le_bytes()].concat();
    replace(&mut archive, &truth, &lie);
    let outcome = unpack(Kind::Zip, &archive, &[(name, "rows.json", content)]);
    match outcome {
        Err(error) => assert!(error.to_string().contains("damaged"), "{error}"),
        Ok(extracted) => assert_eq!((extracted.files, extracted.problems.len()), (0, 1)),
    }
    // A tar member that claims the rest of the archive and more.
    let mut tar = header(name, EntryType::Regular, content.len() as u64, None);
    tar.extend_from_slice(&content[..3]);
    hostile(Kind::Tar, &tar, "ends after 3 of 6 bytes");
}

#[test]
fn every_truncation_is_an_error_or_named_and_never_a_panic() {
    let zip = zip(&good());
    let tar = good_tar();
    let gz = gzipped(&tar);
    // The end of a tar archive is nothing but zeros, compressed or not: all may be out already.
    for (kind, archive, zeros) in [
        (Kind::Zip, zip, 1),
        (Kind::Tar, tar, 2048),
        (Kind::TarGz, gz, 1),
    ] {
        for length in (0..archive.len()).step_by(97).chain([1, 2, 30]) {
            if let Ok(extracted) = unpack(kind, &archive[..length], &WANTED) {
                assert_eq!(
                    extracted.files + extracted.problems.len(),
                    2,
                    "{kind:?} {length}"
                );
                let whole = kind == Kind::TarGz || length + zeros > archive.len();
                assert!(whole || extracted.files < 2, "{kind:?} {length}");
            }
        }
    }
}

#[test]
fn noise_is_no_archive() {
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(5000)
    .collect();
    for kind in [Kind::Zip, Kind::Tar, Kind::TarGz] {
        hostile(kind, &noise, "damaged");
    }
    // Each byte of good ones changed in turn: never a panic, never a wrong file.
    for (kind, archive) in [(Kind::Zip, zip(&good())), (Kind::Tar, good_tar())] {
        for at in (0..archive.len()).step_by(13) {
            let mut changed = archive.clone();
            changed[at] ^= 0xff;
            let _ = unpack(kind, &changed, &WANTED);
        }
    }
}
