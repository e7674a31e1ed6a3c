//! Splits that are drawn under a seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::groups::groups;
use super::{Split, SplitError, ids, unique_ids};
use crate::record::{Part, Question};

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
    Draw {
        name: "image-disjoint",
        questions,
        seed,
        validation_fraction,
        test_fraction,
    }
    .deal(groups(questions), [Vec::new(), Vec::new(), Vec::new()])
}

/// A split of all rows, each on its own: images and rephrased questions may stand on several sides, and
/// in VQA-RAD they do. For comparison with papers that divide so; drawn as in [`image_disjoint`].
///
/// # Errors
///
/// As of [`image_disjoint`].
pub fn random(
    questions: &[Question],
    seed: u64,
    validation_fraction: f64,
    test_fraction: f64,
) -> Result<Split, SplitError> {
    let rows = (0..questions.len()).map(|row| vec![row]).collect();
    Draw {
        name: "random",
        questions,
        seed,
        validation_fraction,
        test_fraction,
    }
    .deal(rows, [Vec::new(), Vec::new(), Vec::new()])
}

/// A split of own data: a group of questions that share an image or a `linked_id` goes to the part that
/// any of them is given. Groups without a part are drawn as in [`image_disjoint`], into what the given
/// parts leave of the fractions (of all questions).
///
/// # Errors
///
/// As of [`image_disjoint`], and [`SplitError::TornGroup`] where questions of one group are given
/// different parts.
pub fn by_group(
    questions: &[Question],
    seed: u64,
    validation_fraction: f64,
    test_fraction: f64,
) -> Result<Split, SplitError> {
    let mut given = [Vec::new(), Vec::new(), Vec::new()];
    let mut open = Vec::new();
    for group in groups(questions) {
        let mut parts = group
            .iter()
            .filter_map(|&row| Some((row, questions[row].part?)));
        let Some((first, part)) = parts.next() else {
            open.push(group);
            continue;
        };
        if let Some((other, _)) = parts.find(|(_, other)| *other != part) {
            return Err(SplitError::TornGroup {
                a: questions[first].id.clone(),
                b: questions[other].id.clone(),
            });
        }
        let side = match part {
            Part::Train => 0,
            Part::Validation => 1,
            Part::Test => 2,
        };
        given[side].push(group);
    }
    // Where every part is given nothing is asked of the fractions.
    let share = |fraction| if open.is_empty() { 0.0 } else { fraction };
    Draw {
        name: "by-group",
        questions,
        seed,
        validation_fraction: share(validation_fraction),
        test_fraction: share(test_fraction),
    }
    .deal(open, given)
}

struct Draw<'a> {
    name: &'static str,
    questions: &'a [Question],
    seed: u64,
    validation_fraction: f64,
    test_fraction: f64,
}

impl Draw<'_> {
    /// Deals `groups` to the sides under the seed, after those that are given to train, validation and
    /// test.
    fn deal(
        self,
        mut groups: Vec<Vec<usize>>,
        given: [Vec<Vec<usize>>; 3],
    ) -> Result<Split, SplitError> {
        let fractions = (self.validation_fraction, self.test_fraction);
        // Comparisons with NaN are false, so that NaN is refused too.
        let possible = fractions.0 >= 0.0 && fractions.1 >= 0.0 && fractions.0 + fractions.1 < 1.0;
        if !possible {
            return Err(SplitError::Fractions {
                validation: fractions.0,
                test: fractions.1,
            });
        }
        unique_ids(self.questions)?;

        let count = groups.len() + given.iter().map(Vec::len).sum::<usize>();
        let [mut train, mut validation, mut test] = given.map(|groups| groups.concat());
        shuffle(&mut groups, &mut ChaCha8Rng::seed_from_u64(self.seed));
        let room = |fraction: f64, taken: &[usize]| {
            let whole = (fraction * self.questions.len() as f64).round() as usize;
            whole.saturating_sub(taken.len())
        };
        let mut validation_room = room(fractions.0, &validation);
        let mut test_room = room(fractions.1, &test);
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
            ("validation", &validation, fractions.0),
            ("test", &test, fractions.1),
        ];
        if let Some((side, ..)) = asked
            .into_iter()
            .find(|(_, rows, fraction)| rows.is_empty() && *fraction > 0.0)
        {
            return Err(SplitError::EmptySide {
                side,
                questions: self.questions.len(),
                groups: count,
            });
        }
        let in_file_order = |mut rows: Vec<usize>| {
            rows.sort_unstable();
            ids(rows.into_iter().map(|row| &self.questions[row]))
        };
        Ok(Split {
            name: self.name.into(),
            seed: self.seed,
            train: in_file_order(train),
            validation: in_file_order(validation),
            test: in_file_order(test),
        })
    }
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
