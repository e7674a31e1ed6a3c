//! The captions labelled by hand, by which the verifier is judged: that they are what they claim to be.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use miss_transcap::Attributes;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Labelled {
    set: String,
    attributes: Attributes,
    caption: String,
    faithful: bool,
    why: Option<String>,
}

#[test]
fn every_line_has_sound_attributes_and_a_reason_exactly_if_it_is_unfaithful() {
    let lines: Vec<Labelled> = include_str!("labelled/captions.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut seen = BTreeSet::new();
    for (index, line) in lines.iter().enumerate() {
        let caption = &line.caption;
        line.attributes
            .check()
            .unwrap_or_else(|wrong| panic!("{caption}: {wrong}"));
        let set = if index % 3 == 2 { "dev" } else { "test" };
        assert_eq!(line.set, set, "{caption}");
        assert_eq!(line.why.is_none(), line.faithful, "{caption}");
        assert!(
            seen.insert((line.attributes.clone(), caption)),
            "twice: {caption}"
        );
    }
    let faithful = lines.iter().filter(|line| line.faithful).count();
    assert!(lines.len() >= 240, "{} lines", lines.len());
    let share = faithful as f64 / lines.len() as f64;
    assert!((0.4..=0.6).contains(&share), "{share} are faithful");
}
