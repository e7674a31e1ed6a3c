//! Caption sets go to disk and back, and a bad line is named.
#![allow(clippy::unwrap_used)]

use miss_transcap::{
    Attributes, CaptionSet, Organ, REALISER, read_captions, realise, write_captions,
};

fn set(image: &str) -> CaptionSet {
    let attributes = Attributes {
        organ: Some(Organ::Chest),
        ..Attributes::default()
    };
    CaptionSet {
        image: image.to_owned(),
        attributes,
        captions: realise(&attributes, 3, 0),
        realiser: REALISER.to_owned(),
    }
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("captions.jsonl");
    let sets = vec![set("b.jpg"), set("a \"quoted\"\n.jpg")];
    write_captions(&path, &sets).unwrap();
    assert_eq!(read_captions(&path).unwrap(), sets);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
}

#[test]
fn bad_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("captions.jsonl");
    let good = serde_json::to_string(&set("a.jpg")).unwrap();
    let empty = good.replace(
        &serde_json::to_string(&set("a.jpg").captions).unwrap(),
        "[]",
    );
    assert_ne!(empty, good);
    for (bad, expected) in [
        ("{".as_bytes(), "EOF"),
        (b"\"\xff\"", "line 2"),
        (b"{\"patient\": 1}", "unknown field"),
        (good.as_bytes(), "already on line 1"),
        (empty.as_bytes(), "lacks a caption"),
    ] {
        std::fs::write(&path, [good.as_bytes(), b"\n", bad, b"\n"].concat()).unwrap();
        let message = read_captions(&path).unwrap_err().to_string();
        assert!(message.contains("captions.jsonl, line 2"), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let message = read_captions(&folder.path().join("none.jsonl")).unwrap_err();
    assert!(message.to_string().contains("none.jsonl"), "{message}");
}
