//! Splits: lists of record ids with a hash, made so that what must not be on two sides is not.

use std::collections::{HashMap, HashSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::file::sha256_hex;
use crate::record::Question;

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
    /// Hexadecimal sha256 of the three lists. The name and the seed are not part of it: two ways to the same lists
    /// give the same hash.
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

/// The publishers' own split; it has no validation side. In VQA-RAD nearly every test image is also a training image:
/// see [`audit`](crate::audit::audit).
#[must_use]
pub fn official(questions: &[Question]) -> Split {
    let side = |test| ids(questions.iter().filter(|row| row.official_test == test));
    Split {
        name: "official".into(),
        seed: 0,
        train: side(false),
        validation: Vec::new(),
        test: side(true),
    }
}

/// A split of all rows, official training and test rows pooled, in which no image and no rephrased question stands
/// on two sides.
///
/// Groups are the connected components of questions that share an image or a `linked_id`. They are shuffled with
/// ChaCha8 under `seed`; each goes to the test side if it still fits into `test_fraction` of all questions, else to
/// the validation side if it fits there, else to the training side. Fractions are of questions.
///
/// # Errors
///
/// [`SplitError`] for impossible fractions, duplicate ids, or a side that stays empty though a share of the questions was
/// asked for.
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

/// Connected components of rows over image and `linked_id`, in the order of their first row, by union-find.
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
            // The smaller row becomes the root, so that the result does not depend on the order of unions.
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

/// Fisher-Yates, written out because a split's hash must outlive the random crates' choice of algorithm.
fn shuffle<T>(items: &mut [T], random: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        // Multiply-shift instead of a remainder; its bias is below 2^-32 for any set that fits into memory.
        let pick = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        items.swap(last, pick as usize);
    }
}
