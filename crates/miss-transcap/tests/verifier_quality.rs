//! How good the verifier is: on captions that were labelled by hand without knowing its rules.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use miss_transcap::Attributes;
use miss_transcap::verify::verify;
use serde::Deserialize;

/// Least part of the accepted that is faithful.
const LEAST_PRECISION: f64 = 1.0;
/// Least part of the faithful that is accepted.
const LEAST_RECALL: f64 = 0.85;

#[derive(Deserialize)]
struct Labelled {
    attributes: Attributes,
    caption: String,
    faithful: bool,
    /// `dev`, whose errors may be looked at to mend rules, or `test`, which only measures.
    #[serde(default)]
    set: String,
    #[serde(default)]
    why: String,
}

fn labelled() -> Vec<Labelled> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/labelled");
    let Ok(files) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        for (index, line) in text.lines().enumerate() {
            if !line.trim().is_empty() {
                let one = serde_json::from_str(line);
                all.push(one.unwrap_or_else(|error| {
                    panic!("{}, line {}: {error}", path.display(), index + 1)
                }));
            }
        }
    }
    all
}

fn part(some: usize, all: usize) -> f64 {
    some as f64 / all.max(1) as f64
}

#[test]
fn precision_and_recall_on_captions_labelled_by_hand() {
    let all = labelled();
    if all.is_empty() {
        writeln!(
            std::io::stderr(),
            "skipped: there are no captions in tests/labelled"
        )
        .unwrap();
        return;
    }
    let mut sets: BTreeMap<&str, Vec<&Labelled>> = BTreeMap::new();
    for one in &all {
        sets.entry(&one.set).or_default().push(one);
    }
    for (set, captions) in sets {
        measure(set, &captions);
    }
}

fn measure(set: &str, all: &[&Labelled]) {
    let mut out = std::io::stderr();
    // Rows: faithful or not; columns: accepted or not.
    let mut matrix = [[0_usize; 2]; 2];
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for one in all {
        let reasons = verify(&one.attributes, &one.caption);
        let accepted = reasons.is_empty();
        matrix[usize::from(!one.faithful)][usize::from(!accepted)] += 1;
        if !one.faithful {
            for reason in &reasons {
                *kinds.entry(reason.kind()).or_default() += 1;
            }
        }
        // What `test` holds is not to be learnt from: of its errors only the numbers are shown.
        if accepted != one.faithful && set != "test" {
            let texts: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            let what = if accepted { "ACCEPTED" } else { "refused" };
            writeln!(
                out,
                "{set}: {what}: {:?} [{}] {} {:?}",
                one.caption,
                one.why,
                texts.join("; "),
                one.attributes.named()
            )
            .unwrap();
        }
    }
    let [[right, missed], [slipped, caught]] = matrix;
    let (precision, recall) = (part(right, right + slipped), part(right, right + missed));
    writeln!(out, "{set}: {} captions: faithful {right} accepted, {missed} refused; unfaithful {slipped} accepted, {caught} refused", all.len()).unwrap();
    writeln!(
        out,
        "accepting the faithful: precision {precision:.3}, recall {recall:.3}"
    )
    .unwrap();
    writeln!(
        out,
        "catching the unfaithful: precision {:.3}, recall {:.3}",
        part(caught, caught + missed),
        part(caught, caught + slipped)
    )
    .unwrap();
    writeln!(out, "reasons of the unfaithful: {kinds:?}").unwrap();
    assert!(precision >= LEAST_PRECISION, "precision {precision:.3}");
    assert!(recall >= LEAST_RECALL, "recall {recall:.3}");
}
