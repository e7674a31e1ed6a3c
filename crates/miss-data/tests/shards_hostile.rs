//! Tar files and indices nobody should trust: errors that say what is wrong, and nothing else.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{self, Read};

use miss_data::file::sha256_hex;
use miss_data::shard::{
    INDEX_FILE, Indexed, MAX_MEMBERS, MAX_SAMPLE_BYTES, Set, ShardError, ShardIndex, Shards,
    index_folder, index_tar,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const BLOCK: usize = 512;

/// A header with these raw fields and a right checksum.
fn header(name: &[u8], kind: u8, size: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    let bytes = header.as_mut_bytes();
    bytes[..name.len()].copy_from_slice(name);
    bytes[124..124 + size.len()].copy_from_slice(size);
    bytes[156] = kind;
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let size = format!("{:011o}", content.len());
    let mut entry = header(name.as_bytes(), kind, size.as_bytes());
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    entry
}

fn file(name: &str) -> Vec<u8> {
    entry(name, b'0', b"content")
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

fn index(tar: &[u8]) -> Result<Indexed, String> {
    index_tar(tar, "a.tar").map_err(|error| error.to_string())
}

#[test]
fn hostile_tars_are_errors_that_say_what_is_wrong() {
    let size = |text: &str| header(b"a.jpg", b'0', text.as_bytes());
    let binary = |bytes: [u8; 12]| header(b"a.jpg", b'0', &bytes);
    let after = |first: Vec<u8>| [first, file("a.jpg"), end()].concat();
    let long = |text: &str| entry("././@LongLink", b'L', text.as_bytes());
    let pax = |text: &str| entry("PaxHeaders/a", b'x', text.as_bytes());
    let many: Vec<u8> = (0..=MAX_MEMBERS)
        .flat_map(|number| file(&format!("a.{number}")))
        .collect();
    let mut broken_sum = file("a.jpg");
    broken_sum[0] = b'b';
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "cut off"),
        ("half a header", file("a.jpg")[..100].to_vec(), "cut off"),
        ("half a member", file("a.jpg")[..515].to_vec(), "cut off"),
        ("no end", file("a.jpg"), "cut off"),
        ("text", vec![b'x'; 2048], "checksum"),
        (
            "gzip",
            [vec![0x1f, 0x8b, 8], vec![0; 1021]].concat(),
            "checksum",
        ),
        ("wrong checksum", broken_sum, "checksum"),
        ("symbolic link", after(entry("a.png", b'2', b"")), "links"),
        ("hard link", after(entry("a.png", b'1', b"")), "links"),
        (
            "character device",
            after(entry("a.png", b'3', b"")),
            "type `3`",
        ),
        ("block device", after(entry("a.png", b'4', b"")), "type `4`"),
        ("pipe", after(entry("a.png", b'6', b"")), "type `6`"),
        ("sparse file", after(entry("a.png", b'S', b"x")), "type `S`"),
        (
            "unknown type",
            after(entry("a.png", 0xff, b"")),
            r"type `\u{ff}`",
        ),
        (
            "folder with content",
            after(entry("a/", b'5', b"x")),
            "content",
        ),
        ("parent", after(file("../a.jpg")), "stay below"),
        ("parent inside", after(file("a/../../b.jpg")), "stay below"),
        ("root", after(file("/etc/a.jpg")), "stay below"),
        ("drive", after(file("C:a.jpg")), "stay below"),
        ("backslash", after(file("a\\b.jpg")), "stay below"),
        ("no name", after(file("")), "stay below"),
        ("control character", after(file("a\n.jpg")), "control"),
        ("not UTF-8", after(header(b"\xff.jpg", b'0', b"0")), "UTF-8"),
        ("size beyond the limit", size("77777777777"), "more than"),
        ("size no number", size("9z"), "when getting size"),
        ("negative size", size("-1"), "when getting size"),
        ("negative binary size", binary([0xff; 12]), "more than"),
        (
            "largest binary size",
            binary([0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255]),
            "more than",
        ),
        (
            "long name bomb",
            header(b"././@LongLink", b'L', b"77777777777"),
            "longer than",
        ),
        (
            "pax bomb",
            header(b"pax", b'x', b"77777777777"),
            "longer than",
        ),
        (
            "global bomb",
            header(b"pax", b'g', b"77777777777"),
            "longer than",
        ),
        (
            "two long names",
            after([long("b.jpg\0"), long("c.jpg\0")].concat()),
            "two long names",
        ),
        (
            "two pax headers",
            after([pax("13 path=b.jp\n"), pax("13 path=c.jp\n")].concat()),
            "two extended",
        ),
        ("long name out", after(long("../../b.jpg\0")), "stay below"),
        (
            "long name without member",
            [long("b.jpg\0"), end()].concat(),
            "between a name and its member",
        ),
        (
            "name too long",
            after(long(&format!("{}.jpg", "x".repeat(600)))),
            "512 bytes",
        ),
        (
            "pax path out",
            after(pax("17 path=../b.jpg\n")),
            "stay below",
        ),
        (
            "pax size",
            after(pax("29 size=9223372036854775808\n")),
            "extended header cannot",
        ),
        (
            "pax size huge",
            after(pax("28 size=9223372036854775808\n")),
            "more than",
        ),
        (
            "pax size negative",
            after(pax("11 size=-1\n")),
            "cannot be read",
        ),
        (
            "pax record longer than all",
            after(pax("99 path=b.jpg\n")),
            "cannot be read",
        ),
        (
            "pax length overflows",
            after(pax("99999999999999999999 path=b\n")),
            "cannot be read",
        ),
        (
            "pax length of nothing",
            after(pax("0 path=b\n")),
            "cannot be read",
        ),
        (
            "pax without a length",
            after(pax("path=b.jpg\n")),
            "cannot be read",
        ),
        (
            "pax without an end",
            after(pax("12 path=b.jpg")),
            "cannot be read",
        ),
        (
            "pax sparse",
            after(pax("22 GNU.sparse.major=1\n")),
            "sparse",
        ),
        (
            "one name for all",
            after(entry("g", b'g', b"13 path=b.jp\n")),
            "global",
        ),
        (
            "key there twice",
            [file("a.jpg"), file("b.jpg"), file("a.json"), end()].concat(),
            "there twice",
        ),
        (
            "member there twice",
            [file("a.jpg"), file("a.JPG"), end()].concat(),
            "there twice",
        ),
        (
            "many members",
            [many, end()].concat(),
            "more than the 64 members",
        ),
        (
            "something behind the end",
            [file("a.jpg"), end(), file("b.jpg")].concat(),
            "behind the end",
        ),
    ];
    for (name, tar, what) in &cases {
        let error = index(tar).expect_err(name);
        assert!(error.contains(what), "{name}: {error}");
        assert!(error.starts_with("shard `a.tar`, byte "), "{name}: {error}");
    }
    assert!(cases.len() >= 40);
    for name in [
        "../a.tar", "a b.tar", ".a.tar", "a.zip", "", "a/b.tar", "ä.tar",
    ] {
        assert!(index_tar(end().as_slice(), name).is_err(), "{name:?}");
    }
    // The cases differ from this by what they are about.
    let good = index(&[file("a.jpg"), file("b.jpg"), end()].concat()).unwrap();
    assert_eq!(good.index.samples.len(), 2);
    let good = index(&after(pax("14 path=b.jpg\n"))).unwrap();
    assert_eq!(good.index.samples[0].key, "b");
}

/// A reader without an end is left in time, and not held in memory.
#[test]
fn endless_tars_end() {
    let endless = |start: Vec<u8>, byte| io::Cursor::new(start).chain(io::repeat(byte));
    assert!(index_tar(endless(vec![], 0), "a.tar").is_err());
    assert!(index_tar(endless(vec![], b'a'), "a.tar").is_err());
    let huge = header(
        b"a.jpg",
        b'0',
        format!("{:011o}", MAX_SAMPLE_BYTES + 1).as_bytes(),
    );
    assert!(index_tar(endless(huge, 0), "a.tar").is_err());
}

fn good() -> (Set, ShardIndex, Vec<u8>) {
    let tar = [file("a.jpg"), file("a.json"), file("b.jpg"), end()].concat();
    let indexed = index(&tar).unwrap();
    let set = Set {
        version: 1,
        kind: None,
        shards: vec![indexed.shard],
    };
    (set, indexed.index, tar)
}

/// `value` with what stands at `pointer` replaced.
fn with(value: &impl serde::Serialize, pointer: &str, new: Value) -> Vec<u8> {
    let mut value = serde_json::to_value(value).unwrap();
    *value.pointer_mut(pointer).expect(pointer) = new;
    serde_json::to_vec(&value).unwrap()
}

#[test]
fn hostile_sets_are_errors_that_say_what_is_wrong() {
    let (set, ..) = good();
    let shard = serde_json::to_value(&set.shards[0]).unwrap();
    let cases = [
        ("/version", json!(2), "only 1 can be read"),
        ("/version", json!(-1), "expected u32"),
        ("/shards/0/file", json!("../a.tar"), "must be ASCII"),
        ("/shards/0/file", json!("/a.tar"), "must be ASCII"),
        ("/shards/0/file", json!("http://x/a.tar"), "must be ASCII"),
        ("/shards/0/file", json!("index.json"), "must be ASCII"),
        ("/shards/0/bytes", json!(-1), "expected u64"),
        ("/shards/0/bytes", json!(u64::MAX), "more than"),
        ("/shards/0/bytes", json!(1e300), "expected u64"),
        ("/shards/0/samples", json!(u64::MAX), "more than"),
        ("/shards/0/index_bytes", json!(u64::MAX), "more than"),
        ("/shards/0/sha256", json!("../../x"), "64 lower-case"),
        ("/shards/0/index_sha256", json!("0"), "64 lower-case"),
        ("/shards", json!([shard, shard]), "listed twice"),
        ("/shards", json!([{}]), "missing field"),
        ("/shards", json!({}), "expected a sequence"),
        ("/kind", json!("nonsense"), "unknown variant"),
    ];
    let with_kind = Set {
        kind: Some(miss_data::format::Kind::Figures),
        ..set.clone()
    };
    for (pointer, new, what) in cases {
        let bytes = with(&with_kind, pointer, new.clone());
        let error = Set::parse(&bytes, "there").unwrap_err().to_string();
        assert!(error.contains(what), "{pointer} {new}: {error}");
        assert!(error.starts_with("shard index there: "), "{error}");
    }
    for bytes in ["", "null", "[1]", &"[".repeat(100_000), "{\"version\":1}"] {
        assert!(Set::parse(bytes.as_bytes(), "there").is_err());
    }
    let bytes = serde_json::to_vec(&set).unwrap();
    assert_eq!(Set::parse(&bytes, "there").unwrap(), set);
}

#[test]
fn hostile_indices_are_errors_that_say_what_is_wrong() {
    let (set, index, _) = good();
    let shard = &set.shards[0];
    let sample = serde_json::to_value(&index.samples[0]).unwrap();
    let member = |name: &str, offset: u64, bytes: u64| json!({"name": name, "offset": offset, "bytes": bytes});
    let many: Vec<Value> = (0..65)
        .map(|at| member(&at.to_string(), 512 + 1024 * at, 0))
        .collect();
    let cases = [
        ("/version", json!(0), "only 1 can be read"),
        ("/samples", json!([]), "it has 0 samples, not the 2"),
        ("/samples", json!([sample, sample]), "cannot start"),
        ("/samples/1/key", json!("a"), "there twice"),
        ("/samples/0/key", json!(""), "a name must"),
        ("/samples/0/key", json!("a\u{0}"), "a name must"),
        ("/samples/0/sha256", json!(""), "64 lower-case"),
        ("/samples/0/members", json!([]), "no members"),
        ("/samples/0/members", json!(many), "more than the 64"),
        ("/samples/0/members/1/name", json!("jpg"), "there twice"),
        ("/samples/0/members/0/offset", json!(-512), "expected u64"),
        (
            "/samples/0/members/0/offset",
            json!(0),
            "cannot start at byte 0",
        ),
        (
            "/samples/0/members/0/offset",
            json!(513),
            "cannot start at byte 513",
        ),
        (
            "/samples/0/members/1/offset",
            json!(512),
            "cannot start at byte 512",
        ),
        (
            "/samples/0/members/1/offset",
            json!(1024),
            "cannot start at byte 1024",
        ),
        (
            "/samples/1/members/0/offset",
            json!(1_048_576),
            "ends beyond",
        ),
        (
            "/samples/1/members/0/bytes",
            json!(1_048_576),
            "ends beyond",
        ),
        ("/samples/1/members/0/bytes", json!(u64::MAX), "ends beyond"),
        ("/samples/1/members/0/bytes", json!(-1), "expected u64"),
        ("/samples/1/members/0/bytes", json!(1e30), "expected u64"),
        (
            "/samples/1/members/0",
            member("jpg", u64::MAX - 511, 1024),
            "ends beyond",
        ),
    ];
    for (pointer, new, what) in cases {
        let bytes = with(&index, pointer, new.clone());
        let error = ShardIndex::parse(&bytes, shard, "there")
            .unwrap_err()
            .to_string();
        assert!(error.contains(what), "{pointer} {new}: {error}");
    }
    // A huge sample of a huge shard, both only said to be so.
    let mut huge = shard.clone();
    huge.bytes = 1 << 40;
    let bytes = with(&index, "/samples/1/members/0/bytes", json!(1_u64 << 39));
    let error = ShardIndex::parse(&bytes, &huge, "there")
        .unwrap_err()
        .to_string();
    assert!(error.contains("more than the 268435456 allowed"), "{error}");
}

/// Indices that are sound in themselves and hash as they should, but of other bytes.
#[test]
fn an_index_of_another_tar_is_found_when_a_sample_is_read() {
    let (mut set, mut index, tar) = good();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    put("a.tar", &tar);
    index.samples[1].members[0].offset = 512;
    index.samples.remove(0);
    let json = serde_json::to_vec(&index).unwrap();
    set.shards[0].samples = 1;
    set.shards[0].index_bytes = json.len() as u64;
    set.shards[0].index_sha256 = sha256_hex(&json);
    put("a.index.json", &json);
    put(INDEX_FILE, &serde_json::to_vec(&set).unwrap());
    let shards = Shards::open(folder.path().to_str().unwrap(), None).unwrap();
    // All contents are the same here: the hash is right, wherever the bytes come from.
    assert_eq!(shards.get(0).unwrap().key, "b");
    index.samples[0].members[0].bytes = 6;
    let json = serde_json::to_vec(&index).unwrap();
    set.shards[0].index_sha256 = sha256_hex(&json);
    put("a.index.json", &json);
    put(INDEX_FILE, &serde_json::to_vec(&set).unwrap());
    let shards = Shards::open(folder.path().to_str().unwrap(), None).unwrap();
    let error = shards.get(0).unwrap_err();
    assert!(matches!(error, ShardError::Changed { .. }), "{error}");
    // An index that is longer than said is not read to its end.
    put("a.index.json", &[json, vec![b' '; 1 << 20]].concat());
    let error = Shards::open(folder.path().to_str().unwrap(), None)
        .unwrap()
        .get(0)
        .unwrap_err();
    assert!(error.to_string().contains("more than the"), "{error}");
}

#[test]
fn folders_without_shards_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = index_folder(folder.path()).unwrap_err();
    assert!(error.to_string().contains("no `.tar` file"), "{error}");
    fs::write(folder.path().join("a.tar"), file("a.jpg")).unwrap();
    let error = index_folder(folder.path()).unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
    assert!(!folder.path().join(INDEX_FILE).exists());
    assert!(index_folder(&folder.path().join("absent")).is_err());
}

proptest! {
    /// Whatever bytes are changed: an error, or an index that lies within the file.
    #[test]
    fn changed_tars_never_panic(changes in prop::collection::vec((0_usize..4608, any::<u8>()), 1..4)) {
        let (_, _, mut tar) = good();
        for (at, byte) in changes {
            let length = tar.len();
            tar[at % length] = byte;
        }
        if let Ok(indexed) = index(&tar) {
            let json = serde_json::to_vec(&indexed.index).unwrap();
            prop_assert_eq!(&ShardIndex::parse(&json, &indexed.shard, "x").unwrap(), &indexed.index);
        }
    }

    #[test]
    fn changed_indices_never_panic(at in 0_usize..10_000, byte in any::<u8>()) {
        let (set, index, _) = good();
        let mut bytes = serde_json::to_vec(&index).unwrap();
        let length = bytes.len();
        bytes[at % length] = byte;
        let _ = ShardIndex::parse(&bytes, &set.shards[0], "x");
        let mut bytes = serde_json::to_vec(&set).unwrap();
        let length = bytes.len();
        bytes[at % length] = byte;
        let _ = Set::parse(&bytes, "x");
    }
}
