//! Caption sets go to disk and back, with what they come from, and a bad line is named.
#![allow(clippy::unwrap_used)]

use miss_transcap::{
    Attributes, CaptionFile, CaptionSet, Captions, MadeBy, Organ, REALISER, Rejected, Sampler,
    read_caption_file, read_captions, write_caption_file, write_captions,
};

fn set(image: &str) -> CaptionSet {
    let attributes = Attributes {
        organ: Some(Organ::find("chest").unwrap()),
        ..Attributes::default()
    };
    CaptionSet::from_templates(image.to_owned(), attributes, Sampler::WholeCaption, 3, 0)
}

fn made_by(key: &str) -> MadeBy {
    MadeBy {
        key: key.into(),
        prompt: "captions".into(),
        version: 1,
        prompt_sha256: "00".into(),
        parameters: serde_json::json!({"model": "m"}),
        model: Some("m-1".into()),
        input: 5,
        output: 7,
        pico_usd: u64::MAX,
        failure: None,
        rejected: vec![Rejected {
            caption: "A \"hernia\".\n".into(),
            reasons: vec!["hernia".into()],
        }],
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

    let mut file = CaptionFile {
        requests: vec![made_by("k1"), made_by("k2")],
        sets,
    };
    file.sets[1].sources = ["k2", REALISER, "k1"].map(str::to_owned).to_vec();
    write_caption_file(&path, &file).unwrap();
    assert_eq!(read_caption_file(&path).unwrap(), file);
    assert_eq!(read_captions(&path).unwrap(), file.sets);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 4);
}

#[test]
fn files_of_the_first_templates_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("captions.jsonl");
    let old = r#"{"image":"synpic100.jpg","attributes":{"modality":"ct","plane":"axial","organ":"chest"},"captions":["An axial CT scan of the chest."],"realiser":"template/1"}"#;
    std::fs::write(&path, old).unwrap();
    let sets = read_captions(&path).unwrap();
    assert_eq!(sets[0].attributes.organ, Organ::find("chest").ok());
    assert_eq!(sets[0].realiser, "template/1");
    assert!(sets[0].sources.is_empty());
}

#[test]
fn bad_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("captions.jsonl");
    let json = |set: &CaptionSet| serde_json::to_string(set).unwrap();
    let good = json(&set("a.jpg"));
    let with = |change: fn(&mut CaptionSet)| {
        let mut other = set("b.jpg");
        change(&mut other);
        json(&other)
    };
    let none = with(|set| set.captions = Captions::Whole(Vec::new()));
    let blank = with(|set| set.captions = Captions::Whole(vec!["  ".into()]));
    let outside = with(|set| set.image = "../b.jpg".into());
    let few = with(|set| set.sources = vec!["k".into()]);
    let unknown = with(|set| set.sources = vec![REALISER.into(), "k9".into(), REALISER.into()]);
    for (bad, expected) in [
        ("{".as_bytes(), "EOF"),
        (b"\"\xff\"", "line 2"),
        (b"{\"patient\": 1}", "unknown field"),
        (
            b"{\"request\":{\"key\":\"x\",\"patient\":1}}",
            "unknown field",
        ),
        (good.as_bytes(), "already on line 1"),
        (none.as_bytes(), "without a caption"),
        (blank.as_bytes(), "lacks a caption"),
        (outside.as_bytes(), "no path below"),
        (few.as_bytes(), "1 sources for 3 captions"),
        (unknown.as_bytes(), "no request \"k9\""),
    ] {
        std::fs::write(&path, [good.as_bytes(), b"\n", bad, b"\n"].concat()).unwrap();
        let message = read_captions(&path).unwrap_err().to_string();
        assert!(message.contains("captions.jsonl, line 2"), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let message = read_captions(&folder.path().join("none.jsonl")).unwrap_err();
    assert!(message.to_string().contains("none.jsonl"), "{message}");
}
