//! Splits of the real data, by name, and what their audits say; counts were taken by other means.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use miss_data::audit::{Audit, Images, PairKind, audit, audit_figures};
use miss_data::split::{SplitKind, make};
use miss_data::{Language, Part, Question, Split, class_folders, record, slake, vqa_rad};

fn slake() -> Option<(PathBuf, Vec<Question>)> {
    let root = common::shared_data("slake")?;
    let questions = slake::read(&root).unwrap().all_or_nothing().unwrap();
    Some((root, questions))
}

fn split(kind: SplitKind, questions: &[Question]) -> Split {
    let split = make(kind, questions, 1, 0.1, 0.2).unwrap();
    assert_eq!(split.name, kind.name());
    split
}

fn sizes(split: &Split) -> (usize, usize, usize) {
    (split.train.len(), split.validation.len(), split.test.len())
}

fn audit_of(questions: &[Question], split: &Split, images: &Images) -> Audit {
    let seen = [split.train.as_slice(), &split.validation].concat();
    let seen = record::select(questions, &seen).unwrap();
    let test = record::select(questions, &split.test).unwrap();
    audit(&seen, &test, images)
}

#[test]
fn the_splits_of_vqa_rad_have_the_published_sizes() {
    let questions = vqa_rad::read(&common::embedded()).unwrap().records;
    assert_eq!(
        sizes(&split(SplitKind::Official, &questions)),
        (1_797, 0, 451)
    );
    let without = split(SplitKind::OfficialDedup, &questions);
    assert_eq!(sizes(&without), (1_793, 0, 451));
    // One training question stands in the test set, three stand twice: found by sorting.
    let found = audit_of(&questions, &without, &Images::default());
    assert_eq!((found.duplicate_triples, found.shared_images), (0, 202));
    assert_eq!(
        sizes(&split(SplitKind::Random, &questions)),
        (1_573, 225, 450)
    );
}

/// Splits outlive versions of the program: these were made by the first.
#[test]
fn the_image_disjoint_split_is_what_it_always_was() {
    let questions = vqa_rad::read(&common::embedded()).unwrap().records;
    for (seed, hash) in [
        (
            0,
            "73bc1d441f661958af55b9d05d58194e57d6bd0565d07c5e7c674bca59195abb",
        ),
        (
            1,
            "f9d85318353c0b7a973441fc6904965e4bf0d9fc61d93aa53f26d5583029803f",
        ),
        (
            2,
            "446eec12700c98de7963ef9a786760aaad5948163e3d187542d578a09c04905d",
        ),
    ] {
        let split = make(SplitKind::ImageDisjoint, &questions, seed, 0.1, 0.2).unwrap();
        assert_eq!(split.hash(), hash, "seed {seed}");
    }
}

#[test]
fn within_a_language_slake_shares_no_image_and_across_languages_it_does() {
    let Some((_, questions)) = slake() else {
        return;
    };
    let names_only = Images::default();
    let english = split(SplitKind::En, &questions);
    let chinese = split(SplitKind::Zh, &questions);
    assert_eq!(sizes(&english), (4_919, 1_053, 1_061));
    assert_eq!(sizes(&chinese), (4_916, 1_046, 1_033));
    for split in [&english, &chinese] {
        let found = audit_of(&questions, split, &names_only);
        assert_eq!((found.shared_images, found.shared_across_languages), (0, 0));
        assert!(!found.leaks());
    }

    let english_test = record::select(&questions, &english.test).unwrap();
    let chinese_training = record::select(&questions, &chinese.train).unwrap();
    let found = audit(&chinese_training, &english_test, &names_only);
    assert_eq!(
        (
            found.shared_images,
            found.shared_across_languages,
            found.test_images
        ),
        (72, 72, 96)
    );
    assert_eq!(found.test_questions_on_train_images, 781);
    assert!(found.leaks());

    assert!(
        audit_of(
            &questions,
            &split(SplitKind::Official, &questions),
            &names_only
        )
        .leaks()
    );
    let safe = split(SplitKind::BilingualSafe, &questions);
    let found = audit_of(&questions, &safe, &names_only);
    assert_eq!(
        (found.shared_images, found.test_questions_on_train_images),
        (0, 0)
    );
    assert!(!found.leaks());
    assert_eq!(safe.test.len(), 1_061 + 1_033);
    // No image of any language's test set is in training, counted without an audit.
    let test_images: BTreeSet<&str> = questions
        .iter()
        .filter(|row| row.part == Some(Part::Test))
        .map(|row| row.image.as_str())
        .collect();
    let train = record::select(&questions, &safe.train).unwrap();
    assert!(
        !train
            .iter()
            .any(|row| test_images.contains(row.image.as_str()))
    );
    for language in [Language::En, Language::Zh] {
        assert!(train.iter().any(|row| row.language == language));
    }
    assert_eq!(sizes(&safe), (6_864, 1_817, 2_094));
}

/// What names do not show: neighbouring slices of one scan on two sides of the publishers' split.
#[test]
fn pictures_of_slake_are_all_different_but_some_are_neighbours() {
    let Some((root, questions)) = slake() else {
        return;
    };
    let names = questions.iter().map(|row| row.image.as_str());
    let images = Images::load(&root.join(slake::IMAGES_DIR), names);
    assert_eq!((images.fingerprints.len(), images.unread.len()), (642, 0));
    let distinct: BTreeSet<&String> = images.sha256.values().collect();
    assert_eq!(distinct.len(), 642);
    let english = split(SplitKind::En, &questions);
    let found = audit_of(&questions, &english, &images);
    assert_eq!(
        (found.shared_image_bytes, found.near_identical_images),
        (0, 0)
    );
    assert!(!found.leaks() && found.may_leak());
    // The pictures were looked at: each pair is of one patient.
    assert_eq!((found.similar_images, found.pairs.len()), (14, 14));
    let number = |name: &str| -> i32 {
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    // The release numbers the slices of a scan in a row.
    let neighbours = found.pairs.iter().filter(|pair| {
        assert_eq!(pair.kind, PairKind::SimilarImage);
        number(&pair.test).abs_diff(number(&pair.train)) <= 5
    });
    assert_eq!(neighbours.count(), 14);
    // Of the questions themselves: reference counts of the text alone.
    assert_eq!(
        (found.repeated_question_text, found.test_answers_unseen),
        (1_003, 2)
    );
}

/// Radiographs of SLAKE are from the collection that Transfer-and-Caption may start from.
#[test]
fn pretraining_images_are_audited_by_their_pictures() {
    let (Some((root, questions)), Some(nih)) = (slake(), common::shared_data("nih-cxr-sample"))
    else {
        return;
    };
    let test: Vec<&Question> = questions
        .iter()
        .filter(|row| row.part == Some(Part::Test))
        .collect();
    let test_names = test.iter().map(|row| row.image.as_str());
    let test_images = Images::load(&root.join(slake::IMAGES_DIR), test_names);
    let seen = class_folders::read(&nih).unwrap().records;
    assert_eq!(seen.len(), 1_000);
    let folder = nih.join(class_folders::IMAGES_DIR);
    let images = Images::load(&folder, seen.iter().map(|row| row.image.as_str()));
    let records = || seen.iter().map(|row| (row.id.as_str(), row.image.as_str()));
    let found = audit_figures(records(), &images, &test, &test_images);
    assert_eq!((found.shared_images, found.shared_image_bytes), (0, 0));
    // Looked at too.
    assert_eq!(
        (
            found.near_identical_images,
            found.test_questions_on_figure_images
        ),
        (2, 23)
    );
    assert_eq!(found.similar_images, 0);
    assert!(found.leaks());
    assert!(
        found
            .pairs
            .iter()
            .all(|pair| pair.train.starts_with("class-folders/"))
    );
    // By names alone, of two folders, there is nothing to see.
    let (a, b) = (
        Images::of_hashes(&folder, BTreeMap::new()),
        Images::of_hashes(&root, BTreeMap::new()),
    );
    assert!(!audit_figures(records(), &a, &test, &b).leaks());
}
