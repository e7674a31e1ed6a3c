#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::groups::groups;
use super::*;
use crate::record::Part;
use crate::record::tests::question;

/// A small made-up dataset: a few images with a few questions each, some of them rephrasings
/// across images.
fn dataset(seed: u64) -> Vec<Question> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |limit: u64| random.next_u64() % limit;
    let rows = 20 + below(60);
    let (images, links) = (8 + below(30), 5 + below(200));
    (0..rows)
        .map(|row| {
            let link = below(links);
            let linked = (link > links / 2).then(|| format!("link {link}"));
            question(
                &format!("r/{row}"),
                &format!("{}.jpg", below(images)),
                linked.as_deref(),
            )
        })
        .collect()
}

fn sides(split: &Split) -> [&Vec<String>; 3] {
    [&split.train, &split.validation, &split.test]
}

/// Whether two rows must stay together, by repeated relabelling instead of union-find.
fn components(rows: &[Question]) -> Vec<usize> {
    let mut label: Vec<usize> = (0..rows.len()).collect();
    loop {
        let before = label.clone();
        for a in 0..rows.len() {
            for b in 0..rows.len() {
                let linked = rows[a].linked_id.is_some() && rows[a].linked_id == rows[b].linked_id;
                if rows[a].image == rows[b].image || linked {
                    label[a] = label[a].min(label[b]);
                }
            }
        }
        if label == before {
            return label;
        }
    }
}

#[test]
fn sides_are_disjoint_complete_and_keep_groups_together() {
    let mut made = 0;
    for seed in 0..300 {
        let rows = dataset(seed);
        let Ok(split) = image_disjoint(&rows, seed, 0.2, 0.2) else {
            continue;
        };
        made += 1;
        let position = |id: &String| {
            rows.iter()
                .position(|row| row.id == *id)
                .expect("a known id")
        };
        let labels = components(&rows);
        let mut all = Vec::new();
        let mut labels_of_sides: Vec<BTreeSet<usize>> = Vec::new();
        for side in sides(&split) {
            let positions: Vec<usize> = side.iter().map(position).collect();
            assert!(positions.is_sorted(), "file order");
            labels_of_sides.push(positions.iter().map(|&row| labels[row]).collect());
            all.extend(positions);
        }
        all.sort_unstable();
        assert!(all.into_iter().eq(0..rows.len()), "each row on one side");
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            assert!(
                labels_of_sides[a].is_disjoint(&labels_of_sides[b]),
                "seed {seed}"
            );
        }
        let share = (0.2 * rows.len() as f64).round() as usize;
        assert!(split.test.len() <= share && split.validation.len() <= share);
    }
    assert!(made > 150, "only {made} of 300 datasets could be split");
}

#[test]
fn groups_equal_those_of_brute_force() {
    for seed in 0..100 {
        let rows = dataset(seed);
        let labels = components(&rows);
        let found = groups(&rows);
        for group in &found {
            assert!(group.iter().all(|&row| labels[row] == group[0]));
        }
        assert_eq!(found.len(), labels.iter().collect::<BTreeSet<_>>().len());
    }
}

#[test]
fn the_same_seed_gives_the_same_split_and_another_seed_another() {
    let rows: Vec<Question> = (0..100)
        .map(|row| question(&format!("r/{row}"), &format!("{}.jpg", row / 2), None))
        .collect();
    let split = image_disjoint(&rows, 4, 0.1, 0.2).expect("50 groups");
    assert_eq!(
        split,
        image_disjoint(&rows, 4, 0.1, 0.2).expect("50 groups")
    );
    assert_eq!(
        (split.train.len(), split.validation.len(), split.test.len()),
        (70, 10, 20)
    );
    let hashes: BTreeSet<String> = (0..50)
        .map(|seed| {
            image_disjoint(&rows, seed, 0.1, 0.2)
                .expect("50 groups")
                .hash()
        })
        .collect();
    assert_eq!(hashes.len(), 50);
}

#[test]
fn the_hash_is_of_the_lists_alone() {
    let split = Split {
        name: "a".into(),
        seed: 1,
        train: vec!["x".into(), "y".into()],
        validation: vec![],
        test: vec!["z".into()],
    };
    let renamed = Split {
        name: "b".into(),
        seed: 2,
        ..split.clone()
    };
    assert_eq!(split.hash(), renamed.hash());
    // The same ids in a row, cut elsewhere.
    let moved = Split {
        train: vec!["x".into()],
        validation: vec!["y".into()],
        ..split.clone()
    };
    assert_ne!(split.hash(), moved.hash());
    assert_eq!(split.hash(), sha256_hex(br#"[["x","y"],[],["z"]]"#));
}

#[test]
fn impossible_wishes_are_errors() {
    let rows = [
        question("a", "1.jpg", None),
        question("b", "1.jpg", None),
        question("c", "2.jpg", None),
    ];
    for (validation, test) in [
        (f64::NAN, 0.1),
        (0.1, f64::NAN),
        (-0.1, 0.2),
        (0.5, 0.5),
        (0.0, 1.5),
    ] {
        let error = image_disjoint(&rows, 0, validation, test).expect_err("impossible");
        assert!(matches!(error, SplitError::Fractions { .. }), "{error}");
    }
    let error =
        image_disjoint(&[rows[0].clone(), rows[0].clone()], 0, 0.1, 0.1).expect_err("twins");
    assert_eq!(error, SplitError::DuplicateId { id: "a".into() });
    let error = image_disjoint(&rows, 0, 0.1, 0.1).expect_err("too few");
    assert!(matches!(error, SplitError::EmptySide { .. }), "{error}");
    let error = image_disjoint(&[], 0, 0.0, 0.0).expect_err("nothing");
    assert_eq!(
        error,
        SplitError::EmptySide {
            side: "train",
            questions: 0,
            groups: 0
        }
    );
}

#[test]
fn without_fractions_everything_is_for_training() {
    let rows = dataset(1);
    let split = image_disjoint(&rows, 0, 0.0, 0.0).expect("one side");
    assert_eq!(split.train.len(), rows.len());
}

/// A made-up dataset with languages, parts and a few repeated texts.
fn bilingual(seed: u64) -> Vec<Question> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |limit: u64| random.next_u64() % limit;
    (0..60 + below(60))
        .map(|row| Question {
            question: format!("question {}", below(3)),
            answer: format!("answer {}", below(2)),
            language: [Language::En, Language::Zh][below(2) as usize],
            part: [
                Some(Part::Train),
                Some(Part::Train),
                Some(Part::Validation),
                Some(Part::Test),
                None,
            ][below(5) as usize],
            ..question(&format!("r/{row}"), &format!("{}.jpg", below(40)), None)
        })
        .collect()
}

fn rows_of<'a>(rows: &'a [Question], ids: &[String]) -> Vec<&'a Question> {
    crate::record::select(rows, ids).unwrap()
}

/// What a training question must meet, said question by question over all pairs.
#[test]
fn bilingual_safe_is_what_its_words_say() {
    let mut dropped = 0;
    for seed in 0..100 {
        let rows = bilingual(seed);
        let split = make(SplitKind::BilingualSafe, &rows, 0, 0.0, 0.0).unwrap();
        let about = |image: &str, part| {
            rows.iter()
                .any(|row| row.image == image && row.part == Some(part))
        };
        let expected = |part: Part, without: &[Part]| -> Vec<String> {
            rows.iter()
                .filter(|row| row.part == Some(part))
                .filter(|row| !without.iter().any(|other| about(&row.image, *other)))
                .map(|row| row.id.clone())
                .collect()
        };
        assert_eq!(split.test, expected(Part::Test, &[]));
        assert_eq!(split.validation, expected(Part::Validation, &[Part::Test]));
        assert_eq!(
            split.train,
            expected(Part::Train, &[Part::Test, Part::Validation])
        );
        dropped += expected(Part::Train, &[]).len() - split.train.len();
    }
    assert!(dropped > 100, "nothing had to be dropped");
}

#[test]
fn without_repetitions_each_training_triple_stands_once_and_not_in_the_test_set() {
    let mut dropped = 0;
    for seed in 0..100 {
        let rows = bilingual(seed);
        let split = make(SplitKind::OfficialDedup, &rows, 0, 0.0, 0.0).unwrap();
        let whole = official(&rows);
        assert_eq!(split.test, whole.test);
        let triple = |row: &&Question| format!("{}|{}|{}", row.image, row.question, row.answer);
        let of =
            |ids: &[String]| -> Vec<String> { rows_of(&rows, ids).iter().map(triple).collect() };
        let kept: BTreeSet<String> = of(&split.train).into_iter().collect();
        assert_eq!(kept.len(), split.train.len(), "each once");
        let held_out: BTreeSet<String> = of(&[whole.test, whole.validation].concat())
            .into_iter()
            .collect();
        assert!(kept.is_disjoint(&held_out));
        // Nothing else is lost.
        let all: BTreeSet<String> = of(&whole.train).into_iter().collect();
        assert_eq!(kept, all.difference(&held_out).cloned().collect());
        dropped += whole.train.len() - split.train.len();
    }
    assert!(dropped > 100, "nothing was repeated");
}

#[test]
fn own_data_keeps_given_parts_and_draws_the_rest() {
    let mut torn = 0;
    for seed in 0..200 {
        let mut rows = dataset(seed);
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 1);
        for row in &mut rows {
            row.part = (random.next_u64() % 20 == 0).then_some(Part::Test);
            if random.next_u64() % 60 == 0 {
                row.part = Some(Part::Train);
            }
        }
        let labels = components(&rows);
        let mut parts: BTreeMap<usize, BTreeSet<Part>> = BTreeMap::new();
        for (row, label) in rows.iter().zip(&labels) {
            parts.entry(*label).or_default().extend(row.part);
        }
        let is_torn = parts.values().any(|given| given.len() > 1);
        match by_group(&rows, seed, 0.1, 0.3) {
            Err(SplitError::TornGroup { a, b }) => {
                let at = |id: &str| rows.iter().position(|row| row.id == id).unwrap();
                assert_eq!(labels[at(&a)], labels[at(&b)]);
                assert_ne!(rows[at(&a)].part, rows[at(&b)].part);
                torn += 1;
            }
            Ok(split) => {
                assert!(!is_torn, "seed {seed}");
                let mut side_of: BTreeMap<usize, usize> = BTreeMap::new();
                for (side, ids) in sides(&split).into_iter().enumerate() {
                    for id in ids {
                        let row = rows.iter().position(|row| row.id == *id).unwrap();
                        assert_eq!(*side_of.entry(labels[row]).or_insert(side), side);
                        match rows[row].part {
                            Some(Part::Test) => assert_eq!(side, 2),
                            Some(_) => assert_eq!(side, 0),
                            None => {}
                        }
                    }
                }
            }
            Err(SplitError::EmptySide { .. }) => assert!(!is_torn),
            Err(other) => panic!("{other}"),
        }
    }
    assert!((20..180).contains(&torn), "{torn} of 200 were torn");
}

#[test]
fn without_given_parts_own_data_is_divided_as_image_disjoint() {
    let mut rows = dataset(3);
    rows.iter_mut().for_each(|row| row.part = None);
    let own = by_group(&rows, 3, 0.2, 0.2).unwrap();
    assert_eq!(
        own.hash(),
        image_disjoint(&rows, 3, 0.2, 0.2).unwrap().hash()
    );
    // Where all parts are given the fractions do not matter.
    for (row, question) in rows.iter_mut().enumerate() {
        (question.image, question.linked_id) = (format!("{row}.jpg"), None);
        question.part = Some(if row % 4 == 0 {
            Part::Test
        } else {
            Part::Train
        });
    }
    let own = by_group(&rows, 3, 0.2, 0.2).unwrap();
    assert_eq!(own.hash(), official(&rows).hash());
}

#[test]
fn a_random_split_takes_exactly_its_share() {
    let rows = dataset(5);
    let split = random(&rows, 9, 0.1, 0.25).unwrap();
    let share = |fraction: f64| (fraction * rows.len() as f64).round() as usize;
    assert_eq!(
        (split.validation.len(), split.test.len()),
        (share(0.1), share(0.25))
    );
    let all: BTreeSet<&String> = sides(&split).into_iter().flatten().collect();
    assert_eq!(all.len(), rows.len());
    assert_eq!(
        sides(&split).map(Vec::len).iter().sum::<usize>(),
        rows.len()
    );
    assert_ne!(split.hash(), random(&rows, 10, 0.1, 0.25).unwrap().hash());
}

#[test]
fn a_kind_that_does_not_fit_says_what_to_take() {
    let rows: Vec<Question> = (0..8)
        .map(|row| question(&format!("r/{row}"), &format!("{row}.jpg"), None))
        .collect();
    for (kind, remedy) in [
        (SplitKind::Official, "image-disjoint"),
        (SplitKind::OfficialDedup, "image-disjoint"),
        (SplitKind::Mevf, "trainset.json"),
        (SplitKind::En, "Chinese"),
        (SplitKind::Zh, "Chinese"),
        (SplitKind::BilingualSafe, "Chinese"),
    ] {
        let error = make(kind, &rows, 0, 0.1, 0.1).unwrap_err();
        assert!(matches!(error, SplitError::Unfit { .. }), "{error}");
        assert!(error.to_string().contains(remedy), "{error}");
    }
    let twins = [rows[0].clone(), rows[0].clone()];
    for kind in SplitKind::ALL {
        let error = make(kind, &twins, 0, 0.1, 0.1).unwrap_err();
        assert_eq!(error, SplitError::DuplicateId { id: "r/0".into() });
    }
}

#[test]
fn kinds_are_named_alike_everywhere() {
    for kind in SplitKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert_eq!(kind.to_string(), kind.name());
    }
    let error = "mefv".parse::<SplitKind>().unwrap_err();
    assert!(
        error.to_string().contains("mevf, image-disjoint"),
        "{error}"
    );
}

#[test]
fn a_changed_list_does_not_fit_its_hash() {
    let split = image_disjoint(&dataset(2), 1, 0.2, 0.2).unwrap();
    let text = serde_json::to_string(&split).unwrap();
    assert!(text.contains(&split.hash()));
    assert_eq!(serde_json::from_str::<Split>(&text).unwrap(), split);
    let moved = text.replacen("\"r/", "\"q/", 1);
    let error = serde_json::from_str::<Split>(&moved).unwrap_err();
    assert!(
        error.to_string().contains("make the split again"),
        "{error}"
    );
    let twice =
        r#"{"name": "mine", "seed": 0, "train": ["a", "b"], "validation": [], "test": ["b"]}"#;
    let error = serde_json::from_str::<Split>(twice).unwrap_err();
    assert!(error.to_string().contains("`b` stands twice"), "{error}");
    let by_hand = r#"{"name": "mine", "seed": 0, "train": ["a"], "validation": [], "test": ["b"]}"#;
    assert_eq!(serde_json::from_str::<Split>(by_hand).unwrap().test, ["b"]);
}
