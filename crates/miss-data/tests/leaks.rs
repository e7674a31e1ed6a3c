//! Splits of the real data, audited; the counts of the official split were taken by other means.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use miss_data::audit::{Audit, Images, audit};
use miss_data::split::{Split, image_disjoint, official};
use miss_data::vqa_rad::{IMAGES_DIR, read};
use miss_data::{Language, Manifest, Part, Question, record};

fn questions() -> Vec<Question> {
    read(&common::embedded()).unwrap().records
}

fn images(hashes: &BTreeMap<String, String>) -> Images {
    Images::of_hashes(Path::new("images"), hashes.clone())
}

fn audit_of(questions: &[Question], split: &Split, hashes: &BTreeMap<String, String>) -> Audit {
    let train = record::select(questions, &split.train).unwrap();
    let test = record::select(questions, &split.test).unwrap();
    audit(&train, &test, &images(hashes))
}

#[test]
fn the_official_split_leaks_as_published_counts_say() {
    let questions = questions();
    let split = official(&questions);
    assert_eq!(
        (split.train.len(), split.validation.len(), split.test.len()),
        (1797, 0, 451)
    );
    let audit = audit_of(&questions, &split, &BTreeMap::new());
    assert_eq!((audit.shared_images, audit.test_images), (202, 203));
    assert_eq!(
        (audit.test_questions_on_train_images, audit.test_questions),
        (446, 451)
    );
    assert_eq!(audit.duplicate_triples, 1);
    assert_eq!(
        (audit.test_open_answers_unseen, audit.test_open),
        (109, 179)
    );
    assert_eq!(audit.test_answers_unseen, 115);
    assert!(audit.leaks());
    let table = audit.to_string();
    assert!(
        table.contains("202 of 203") && table.contains("LEAKS"),
        "{table}"
    );
}

#[test]
fn the_image_disjoint_split_does_not_leak() {
    let questions = questions();
    let manifest = Manifest::read(&common::embedded().join("vqa-rad-embedded.toml")).unwrap();
    let hashes = manifest.sha256_below(IMAGES_DIR);
    assert_eq!(hashes.len(), 314);
    for seed in 0..20 {
        let split = image_disjoint(&questions, seed, 0.1, 0.2).unwrap();
        let audit = audit_of(&questions, &split, &hashes);
        assert_eq!(
            (
                audit.shared_images,
                audit.shared_image_bytes,
                audit.shared_linked_ids
            ),
            (0, 0, 0)
        );
        assert!(!audit.leaks(), "{audit}");
        assert!(audit.to_string().contains("no leak found"));
        // Groups have a handful of questions each, so that the shares are met nearly to the
        // question.
        assert!(split.test.len().abs_diff(450) <= 5 && split.validation.len().abs_diff(225) <= 5);
    }
}

/// Equal bytes under another name, equal names, shared rephrasings: each found apart.
#[test]
fn every_kind_of_leak_is_seen() {
    let row = |id: &str, image: &str, linked_id: Option<&str>| Question {
        id: id.into(),
        image: image.into(),
        question: format!("Question {id}?"),
        answer: format!("answer {id}"),
        answer_type: miss_data::AnswerType::Open,
        question_types: Vec::new(),
        organ: None,
        modality: None,
        language: Language::En,
        part: Some(Part::Train),
        linked_id: linked_id.map(Into::into),
    };
    let hashes = [("a.jpg", "1"), ("b.jpg", "2"), ("copy-of-a.jpg", "1")];
    let hashes = hashes
        .map(|(name, hash)| (name.to_owned(), hash.to_owned()))
        .into();
    let train = row("0", "a.jpg", Some("x"));
    let found = |test: &Question| audit(&[&train], &[test], &images(&hashes));

    let clean = found(&row("1", "b.jpg", Some("y")));
    assert!(!clean.leaks());
    let copied = found(&row("1", "copy-of-a.jpg", None));
    assert_eq!((copied.shared_images, copied.shared_image_bytes), (0, 1));
    assert_eq!(copied.test_questions_on_train_images, 1);
    assert!(copied.leaks());
    let linked = found(&row("1", "b.jpg", Some("x")));
    assert_eq!((linked.shared_images, linked.shared_linked_ids), (0, 1));
    assert!(linked.leaks());
    let unhashed = found(&row("1", "unknown.jpg", None));
    assert!(!unhashed.leaks());
    let shouted = Question {
        question: "QUESTION 0?".into(),
        ..row("1", "b.jpg", None)
    };
    assert_eq!(found(&shouted).repeated_question_text, 1);
    assert!(!found(&shouted).leaks());
    let twin = Question {
        id: "1".into(),
        ..train.clone()
    };
    assert_eq!(found(&twin).duplicate_triples, 1);
    assert!(!audit(&[], &[], &images(&hashes)).leaks());
}

#[test]
fn the_split_of_the_real_data_is_always_the_same() {
    let questions = questions();
    let split = image_disjoint(&questions, 1, 0.1, 0.2).unwrap();
    assert_eq!(split, image_disjoint(&questions, 1, 0.1, 0.2).unwrap());
    assert_ne!(
        split.hash(),
        image_disjoint(&questions, 2, 0.1, 0.2).unwrap().hash()
    );
    let ids: BTreeSet<_> = [&split.train, &split.validation, &split.test]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(ids.len(), questions.len());
}
