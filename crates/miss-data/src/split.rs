//! Splits: lists of record ids with a hash, made so that what must not be on two sides is not.

use std::collections::{HashMap, HashSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::file::sha256_hex;
use crate::record::{Part, Question};

/// A partition of records into three sides, each a list of ids in file order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// How it was made: `official`, `image-disjoint`.
    pub name: String,
    /// The seed it was made with; 0 where there is nothing random.
    pub seed: u64,
    /// Ids to train on.
    pub train: Vec<String>,
    /// Ids to select a model on.
    pub validation: Vec<String>,
    /// Ids to report on; opened by prediction and evaluation only.
    pub test: Vec<String>,
}

/// Why a split could not be made.
#[derive(Debug, Error, PartialEq)]
pub enum SplitError {
    /// A fraction is not a share of a whole.
    #[error(
        "validation fraction {validation} and test fraction {test}: each must be at least 0 and their sum below 1"
    )]
    Fractions {
        /// The validation fraction asked for.
        validation: f64,
        /// The test fraction asked for.
        test: f64,
    },
    /// Two rows have one id.
    #[error("two questions have the id `{id}`: ids must be unique")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// A side that was asked for got nothing.
    #[error(
        "the {side} side of {questions} questions in {groups} groups that must stay together is empty: \
         add data or change the fractions"
    )]
    EmptySide {
        /// `train`, `validation` or `test`.
        side: &'static str,
        /// How many questions there were.
        questions: usize,
        /// How many groups they form.
        groups: usize,
    },
}

impl Split {
    /// Hexadecimal sha256 of the three lists. The name and the seed are not part of it: two ways to
    /// the same lists give the same hash.
    #[must_use]
    pub fn hash(&self) -> String {
        // A JSON list of lists is unambiguous whatever stands in an id.
        sha256_hex(
            serde_json::json!([self.train, self.validation, self.test])
                .to_string()
                .as_bytes(),
        )
    }
}

/// The publishers' own split; it has no validation side. In VQA-RAD nearly every test image is also
/// a training image: see [`audit`](crate::audit::audit).
#[must_use]
pub fn official(questions: &[Question]) -> Split {
    let side = |part| ids(questions.iter().filter(|row| row.part == Some(part)));
    Split {
        name: "official".into(),
        seed: 0,
        train: side(Part::Train),
        validation: Vec::new(),
        test: side(Part::Test),
    }
}

/// A split of all rows, official training and test rows pooled, in which no image and no rephrased
/// question stands on two sides.
///
/// Groups are the connected components of questions that share an image or a `linked_id`. They are
/// shuffled with ChaCha8 under `seed`; each goes to the test side if it still fits into
/// `test_fraction` of all questions, else to the validation side if it fits there, else to the
/// training side. Fractions are of questions.
///
/// # Errors
///
/// [`SplitError`] for impossible fractions, duplicate ids, or a side that stays empty though a
/// share of the questions was asked for.
pub fn image_disjoint(
    questions: &[Question],
    seed: u64,
    validation_fraction: f64,
    test_fraction: f64,
) -> Result<Split, SplitError> {
    // Comparisons with NaN are false, so that NaN is refused too.
    let possible = validation_fraction >= 0.0
        && test_fraction >= 0.0
        && validation_fraction + test_fraction < 1.0;
    if !possible {
        return Err(SplitError::Fractions {
            validation: validation_fraction,
            test: test_fraction,
        });
    }
    let mut seen = HashSet::new();
    if let Some(twin) = questions.iter().find(|row| !seen.insert(row.id.as_str())) {
        return Err(SplitError::DuplicateId {
            id: twin.id.clone(),
        });
    }

    let mut groups = groups(questions);
    shuffle(&mut groups, &mut ChaCha8Rng::seed_from_u64(seed));
    let room = |fraction: f64| (fraction * questions.len() as f64).round() as usize;
    let (mut validation_room, mut test_room) = (room(validation_fraction), room(test_fraction));
    let (mut train, mut validation, mut test) = (Vec::new(), Vec::new(), Vec::new());
    for group in &groups {
        let side = if group.len() <= test_room {
            test_room -= group.len();
            &mut test
        } else if group.len() <= validation_room {
            validation_room -= group.len();
            &mut validation
        } else {
            &mut train
        };
        side.extend_from_slice(group);
    }

    let asked = [
        ("train", &train, 1.0),
        ("validation", &validation, validation_fraction),
        ("test", &test, test_fraction),
    ];
    if let Some((side, ..)) = asked
        .into_iter()
        .find(|(_, rows, fraction)| rows.is_empty() && *fraction > 0.0)
    {
        return Err(SplitError::EmptySide {
            side,
            questions: questions.len(),
            groups: groups.len(),
        });
    }
    let in_file_order = |mut rows: Vec<usize>| {
        rows.sort_unstable();
        ids(rows.into_iter().map(|row| &questions[row]))
    };
    Ok(Split {
        name: "image-disjoint".into(),
        seed,
        train: in_file_order(train),
        validation: in_file_order(validation),
        test: in_file_order(test),
    })
}

fn ids<'a>(rows: impl Iterator<Item = &'a Question>) -> Vec<String> {
    rows.map(|row| row.id.clone()).collect()
}

/// Connected components of rows over image and `linked_id`, in the order of their first row, by
/// union-find.
fn groups(questions: &[Question]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..questions.len()).collect();
    let mut first_with: HashMap<(bool, &str), usize> = HashMap::new();
    for (row, question) in questions.iter().enumerate() {
        let keys = [
            Some((false, question.image.as_str())),
            question.linked_id.as_deref().map(|id| (true, id)),
        ];
        for key in keys.into_iter().flatten() {
            let other = *first_with.entry(key).or_insert(row);
            let (a, b) = (root(&mut parent, row), root(&mut parent, other));
            // The smaller row becomes the root, so that the result does not depend on the order of
            // unions.
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); questions.len()];
    for row in 0..questions.len() {
        members[root(&mut parent, row)].push(row);
    }
    members.retain(|group| !group.is_empty());
    members
}

fn root(parent: &mut [usize], mut row: usize) -> usize {
    while parent[row] != row {
        parent[row] = parent[parent[row]];
        row = parent[row];
    }
    row
}

/// Fisher-Yates, written out because a split's hash must outlive the random crates' choice of
/// algorithm.
fn shuffle<T>(items: &mut [T], random: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        // Multiply-shift instead of a remainder; its bias is below 2^-32 for any set that fits into
        // memory.
        let pick = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        items.swap(last, pick as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
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
                    let linked =
                        rows[a].linked_id.is_some() && rows[a].linked_id == rows[b].linked_id;
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
}
