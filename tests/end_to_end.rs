//! Whole runs on a small dataset.

use std::fs;

use crate::support::{Small, performed, succeed, xtask};

const STAGES: [&str; 8] = [
    "verify", "split", "captions", "pretrain", "finetune", "predict", "evaluate", "report",
];

#[test]
fn a_second_run_does_nothing_and_a_changed_knob_redoes_what_follows() {
    let small = Small::new();
    let (out, log) = succeed(&mut small.pipeline("a", &[]));
    assert_eq!(performed(&log), STAGES);
    assert!(out.contains("question lookup"), "{out}");
    assert!(out.contains("report.html"), "{out}");
    for file in [
        "report.html",
        "metrics.json",
        "predictions.jsonl",
        "captions.jsonl",
        "split.json",
        "audit.json",
        "config.toml",
    ] {
        assert!(!small.file("a", file).is_empty(), "{file}");
    }
    for line in String::from_utf8(small.file("a", "run.jsonl"))
        .unwrap()
        .lines()
    {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            event["timestamp"].is_string() && event["message"].is_string(),
            "{line}"
        );
    }

    let predictions = small.file("a", "predictions.jsonl");
    let (out, log) = succeed(&mut small.pipeline("a", &[]));
    assert_eq!(performed(&log), [""; 0]);
    assert!(out.contains("everything is up to date"), "{out}");

    // The recipe saved beside the outputs is the recipe that made them.
    let saved = small.out("a").join("small/config.toml");
    let mut again = xtask(&["pipeline"]);
    again
        .arg("--config")
        .arg(saved)
        .arg("--out")
        .arg(small.out("a"));
    let (_, log) = succeed(&mut again);
    assert_eq!(performed(&log), [""; 0]);

    let (_, log) = succeed(&mut small.pipeline("a", &["--set", "predict.beams=1"]));
    assert_eq!(performed(&log), ["predict", "evaluate", "report"]);
    assert_ne!(small.file("a", "predictions.jsonl"), predictions);

    let (_, log) = succeed(&mut small.pipeline("a", &["--set", "report.caption_examples=2"]));
    assert_eq!(performed(&log), ["report"]);
    assert_eq!(small.file("a", "predictions.jsonl"), predictions);

    // Doing it again from a stage on gives the same bytes.
    let (_, log) = succeed(&mut small.pipeline("a", &["--from", "finetune"]));
    assert_eq!(performed(&log), STAGES[4..]);
    assert_eq!(small.file("a", "predictions.jsonl"), predictions);
}

#[test]
fn a_damaged_output_is_made_again() {
    let small = Small::new();
    succeed(&mut small.pipeline("a", &["--until", "captions"]));
    let captions = small.file("a", "captions.jsonl");
    let stages = small.out("a").join("small/stages");
    let folder = fs::read_dir(stages)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("captions-")
        })
        .unwrap();
    fs::write(folder.join("captions.jsonl"), "").unwrap();
    let (_, log) = succeed(&mut small.pipeline("a", &["--until", "captions"]));
    assert_eq!(performed(&log), ["captions"]);
    assert_eq!(small.file("a", "captions.jsonl"), captions);
}

#[test]
fn a_dry_run_shows_what_is_to_do_and_writes_nothing() {
    let small = Small::new();
    let (out, _) = succeed(&mut small.pipeline("a", &["--dry-run"]));
    assert_eq!(out.matches("to do").count(), 8, "{out}");
    assert!(!small.out("a").exists());

    succeed(&mut small.pipeline("a", &["--until", "split"]));
    let (out, _) = succeed(&mut small.pipeline("a", &["--dry-run"]));
    assert_eq!(out.matches("cached").count(), 2, "{out}");
    assert_eq!(out.matches("to do").count(), 6, "{out}");
}

#[test]
fn the_embedded_data_is_what_its_manifest_says() {
    let (out, _) = succeed(&mut xtask(&["data", "verify"]));
    assert!(out.contains("CC0-1.0"), "{out}");
}

#[test]
fn the_audit_finds_the_leak_of_the_official_split_only() {
    let (out, _) = succeed(&mut xtask(&["data", "audit"]));
    assert!(
        out.contains("official") && out.contains("image-disjoint"),
        "{out}"
    );
}

#[test]
fn help_documents_the_exit_codes() {
    let (out, _) = succeed(&mut xtask(&["--help"]));
    assert!(out.contains("Exit codes:\n    0  done\n"), "{out}");
}
