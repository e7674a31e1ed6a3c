//! What is planted in a folder is what is found, with the row and what to do.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use miss_data::doctor::{ProblemKind, Report, Severity, doctor};
use miss_data::format::Format;
use miss_data::image::RgbImage;
use miss_data::{vqa_rad, write_atomic};

/// An image that differs from those of other shades.
fn image(root: &Path, name: &str, shade: u8) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(5, 4, [shade, 0, 0].into())
        .save(path)
        .unwrap();
}

fn line(id: &str, image: &str, question: &str, answer: &str, rest: &str) -> String {
    format!(
        r#"{{"id":"{id}","image":"{image}","question":"{question}","answer":"{answer}","answer_type":"OPEN"{rest}}}"#
    )
}

fn found(report: &Report, kind: ProblemKind) -> Vec<String> {
    let of_kind = report
        .problems
        .iter()
        .filter(|problem| problem.kind == kind);
    of_kind.map(ToString::to_string).collect()
}

/// A good dataset of our own format.
fn good() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = include_bytes!("fixtures/questions.jsonl");
    fs::write(folder.path().join("questions.jsonl"), text).unwrap();
    for (name, shade) in [
        ("p01/chest.png", 1),
        ("p02/head.png", 2),
        ("p03/abdomen.png", 3),
    ] {
        image(folder.path(), &format!("images/{name}"), shade);
    }
    folder
}

#[test]
fn a_good_folder_has_no_problem() {
    let folder = good();
    let report = doctor(folder.path(), None).unwrap();
    assert!(report.usable(), "{report}");
    assert_eq!(report.format, Some(Format::QuestionsJsonl));
    assert_eq!((report.records, report.images, report.dropped), (5, 3, 0));
    assert_eq!(
        report.count(Severity::Error) + report.count(Severity::Warning),
        0,
        "{report}"
    );
    assert!(
        report.to_string().contains("nothing: the data can be used"),
        "{report}"
    );
    // The file of records is as good as the folder.
    let by_file = doctor(&folder.path().join("questions.jsonl"), None).unwrap();
    assert_eq!(by_file.problems, report.problems);
}

#[test]
fn everything_that_is_planted_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (name, shade) in [
        ("a.png", 1),
        ("b.png", 2),
        ("Case.png", 3),
        ("extra.png", 4),
        ("deep/c.png", 5),
    ] {
        image(root, &format!("images/{name}"), shade);
    }
    fs::copy(root.join("images/b.png"), root.join("images/twin.png")).unwrap();
    let whole = fs::read(root.join("images/a.png")).unwrap();
    fs::write(root.join("images/cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(root.join("images/none.png"), b"").unwrap();
    fs::write(root.join("images/notes.txt"), b"no image").unwrap();
    let long = "very ".repeat(50);
    let lines = [
        line("1", "a.png", "Is it big?", "yes", ""),
        line("2", "a.png", "is it BIG?", "no", ""),
        line("3", "b.png", "Where?", "left", r#","linked_id":"p1""#),
        line("4", "b.png", "Why?", "so", r#","linked_id":"p2""#),
        line("5", "twin.png", "Where?", "left", r#","part":"train""#),
        line("6", "twin.png", "Where?", "Left", r#","part":"test""#),
        line("7", "cut.png", "Where?", "left", ""),
        line("8", "none.png", "Where?", "left", ""),
        line("9", "case.PNG", "Where?", "left", ""),
        line("10", "images/a.png", "Where?", "left", ""),
        line("11", "gone.png", "Where?", "left", ""),
        line("12", "gone.png", "When?", "", ""),
        line("13", "deep/c.png", long.trim(), "left", ""),
        line("13", "a.png", "Again?", "left", ""),
        line("15", "../a.png", "Again?", "left", ""),
        line("16", "a.png", "A  space?", "left", ""),
    ];
    fs::write(root.join("questions.jsonl"), lines.join("\n")).unwrap();
    let report = doctor(root, None).unwrap();
    let expect = |kind, parts: &[&str]| {
        let found = found(&report, kind);
        assert_eq!(found.len(), parts.len(), "{kind}: {found:#?}");
        for (found, part) in found.iter().zip(parts) {
            assert!(found.contains(part), "{kind}: {part:?} is not in {found:?}");
        }
    };
    use ProblemKind::*;
    expect(
        Contradiction,
        &["2 different answers, [\"no\", \"yes\"] (1, 2)"],
    );
    expect(RepeatedRecord, &["(5, 6)"]);
    expect(
        ImageInSeveralGroups,
        &[
            "b.png is in 2 groups (p1, p2)",
            "1 of 1 images are in more than one part (twin.png)",
        ],
    );
    expect(
        DuplicateImage,
        &["2 images are the same file (b.png, twin.png)"],
    );
    expect(BrokenImage, &["cut.png", "is empty"]);
    expect(
        MissingImage,
        &[
            "case.PNG, 9: the image is missing (records that name it: 1); there is \"Case.png\"",
            "write \"a.png\"",
            "gone.png, 11: the image is missing (records that name it: 2)",
        ],
    );
    expect(ExtraFile, &["Case.png", "extra.png"]);
    expect(EmptyAnswer, &["12"]);
    expect(LongText, &["13: `question` has 249 characters"]);
    expect(DroppedRow, &["line 14", "line 15"]);
    expect(RepairedRow, &["line 16"]);
    expect(RepeatedId, &[]);
    assert_eq!((report.records, report.dropped), (14, 2));
    assert!(!report.usable());
    let text = report.to_string();
    assert!(
        text.contains("cannot be used as they are")
            && text.contains("bring the missing images, or mend their names (3)"),
        "{text}"
    );
    // The same as JSON.
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["usable"], false);
    assert_eq!(json["format"], "questions-jsonl");
    assert_eq!(json["counts"]["missing-image"], 3);
    assert_eq!(
        json["problems"].as_array().unwrap().len(),
        report.problems.len()
    );
    assert_eq!(json["problems"][0]["severity"], "note");
}

#[test]
fn one_row_in_a_hundred_may_be_dropped() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), "images/a.png", 1);
    let good = |id: usize| line(&id.to_string(), "a.png", &format!("Is it {id}?"), "x", "");
    let write = |dropped: usize| {
        let mut lines: Vec<String> = (0..99).map(good).collect();
        lines.extend(vec!["{}".to_owned(); dropped]);
        fs::write(folder.path().join("questions.jsonl"), lines.join("\n")).unwrap();
        doctor(folder.path(), None).unwrap()
    };
    assert!(write(0).usable() && write(1).usable());
    let report = write(2);
    assert!(!report.usable());
    assert!(
        report
            .to_string()
            .contains("more than one in a hundred (2)"),
        "{report}"
    );
}

#[test]
fn what_must_be_imported_is_said_with_what_would_come_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let table = "img_name,question,answer,age\na.png,Why?,x,3\n../b.png,Why?,x,4\n";
    fs::write(folder.path().join("mine.csv"), table).unwrap();
    for path in [folder.path().to_owned(), folder.path().join("mine.csv")] {
        let report = doctor(&path, None).unwrap();
        assert!(!report.usable());
        assert_eq!(
            (report.format, report.records, report.dropped),
            (None, 1, 1)
        );
        let text = report.to_string();
        assert!(
            text.contains("image from column `img_name` (guessed)"),
            "{text}"
        );
        assert!(
            text.contains("not used: age") && text.contains("line 3"),
            "{text}"
        );
        assert!(text.contains("data import"), "{text}");
    }
    fs::write(folder.path().join("mine.csv"), "picture;label\n1;2\n").unwrap();
    let text = doctor(folder.path(), None).unwrap().to_string();
    assert!(text.contains("`picture`, `label`"), "{text}");
}

#[test]
fn broken_folders_are_reports_and_not_errors() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let report = doctor(root, None).unwrap();
    assert!(!report.usable() && report.to_string().contains("no dataset is recognised"));
    assert!(doctor(&root.join("absent"), None).is_err());
    // A folder where the file of records should be.
    fs::create_dir(root.join("questions.jsonl")).unwrap();
    assert!(!doctor(root, None).unwrap().usable());
    let report = doctor(root, Some(Format::QuestionsJsonl)).unwrap();
    assert_eq!(found(&report, ProblemKind::Unreadable).len(), 1, "{report}");
    fs::remove_dir(root.join("questions.jsonl")).unwrap();
    // An empty file of records, a file without images, one that is binary.
    for (content, says) in [
        (b"".as_slice(), "there are none"),
        (
            b"{\"image\":\"a.png\",\"question\":\"Why?\",\"answer\":\"x\"}",
            "there is no such folder",
        ),
        (b"\xFF\xFE\x00", "UTF-16"),
        (b"\0\0\0\n\0\n", "line 2"),
    ] {
        fs::write(root.join("questions.jsonl"), content).unwrap();
        let report = doctor(root, None).unwrap();
        assert!(
            !report.usable() && report.to_string().contains(says),
            "{says}: {report}"
        );
    }
}

#[test]
fn every_format_is_recognised_by_what_is_in_its_folder() {
    let cases: [(&[&str], Option<Format>); 10] = [
        (&["questions.jsonl"], Some(Format::QuestionsJsonl)),
        (&["figures.jsonl", "images/"], Some(Format::FiguresJsonl)),
        (
            &[vqa_rad::QUESTIONS_FILE, "trainset.json", "testset.json"],
            Some(Format::VqaRad),
        ),
        (
            &["trainset.json", "testset.json", "images/"],
            Some(Format::VqaRadMevf),
        ),
        (
            &["train.json", "test.json", "validate.json", "imgs/"],
            Some(Format::Slake),
        ),
        (&["train_captions.csv", "images/"], Some(Format::Rocov2)),
        (&["stage_2_train_labels.csv"], Some(Format::RsnaPneumonia)),
        (&["release.jsonl", "figures/"], Some(Format::Medicat)),
        (
            &["images/yes/", "images/no/", "README.md"],
            Some(Format::ClassFolders),
        ),
        (&["images/a/", "table.csv"], None),
    ];
    for (names, format) in cases {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                write_atomic(&path, b"x").unwrap();
            }
        }
        let report = doctor(folder.path(), None).unwrap();
        assert_eq!(report.format, format, "{names:?}");
        assert!(!report.usable(), "{report}");
    }
}

#[test]
fn links_are_not_followed_out_of_the_folder() {
    let folder = good();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/", folder.path().join("images/root")).unwrap();
    let report = doctor(folder.path(), None).unwrap();
    assert!(report.usable(), "{report}");
    assert_eq!(found(&report, ProblemKind::ExtraFile), Vec::<String>::new());
}

#[test]
fn the_copy_of_vqa_rad_is_usable_and_its_leak_is_told() {
    let report = doctor(&common::embedded(), None).unwrap();
    assert_eq!(report.format, Some(Format::VqaRad));
    assert!(report.usable(), "{report}");
    assert_eq!(report.count(Severity::Error), 0);
    assert_eq!(found(&report, ProblemKind::ImageInSeveralGroups).len(), 1);
}

#[test]
fn the_published_datasets_are_usable() {
    let cases = [
        ("vqa-rad", Format::VqaRad, 2248, 314, "202 of 314 images"),
        ("medicat-sample", Format::Medicat, 10, 10, ""),
        ("rocov2-sample", Format::Rocov2, 800, 800, ""),
        ("nih-cxr-sample", Format::ClassFolders, 1000, 1000, ""),
        ("slake", Format::Slake, 14_028, 642, "empty answer"),
    ];
    for (name, format, records, images, says) in cases {
        let Some(root) = common::shared_data(name) else {
            continue;
        };
        let report = doctor(&root, None).unwrap();
        assert_eq!(report.format, Some(format), "{name}");
        assert!(report.usable(), "{name}: {report}");
        assert_eq!((report.records, report.images), (records, images), "{name}");
        assert!(report.to_string().contains(says), "{name}: {report}");
    }
    if let Some(root) = common::shared_data("rsna-labels") {
        let report = doctor(&root, None).unwrap();
        assert_eq!(
            (report.format, report.records),
            (Some(Format::RsnaPneumonia), 26_605)
        );
        // Labels without images.
        assert!(!report.usable());
        assert_eq!(found(&report, ProblemKind::MissingImage).len(), 1);
    }
}
