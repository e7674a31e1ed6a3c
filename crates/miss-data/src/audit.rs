//! What leaks between a training and a test set, said before anything is trained.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::{AnswerType, Question};

/// What a test set shares with a training set. Texts are compared in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Training questions.
    pub train_questions: usize,
    /// Test questions.
    pub test_questions: usize,
    /// Distinct training images.
    pub train_images: usize,
    /// Distinct test images.
    pub test_images: usize,
    /// Test images whose name is also a training image's.
    pub shared_images: usize,
    /// Test images whose bytes are also a training image's, under another name.
    pub shared_image_bytes: usize,
    /// Test questions that ask about an image shared in either way.
    pub test_questions_on_train_images: usize,
    /// Distinct `linked_id`s (rephrasings of one question) on both sides.
    pub shared_linked_ids: usize,
    /// Test questions whose image, question and answer stand in the training set as they are.
    pub duplicate_triples: usize,
    /// Test questions whose text, of whatever image, is also a training question's.
    pub repeated_question_text: usize,
    /// Test questions whose answer no training question has: out of reach for a system that repeats
    /// answers.
    pub test_answers_unseen: usize,
    /// Open test questions.
    pub test_open: usize,
    /// Open test questions whose answer no training question has.
    pub test_open_answers_unseen: usize,
}

/// Compares two sets of questions. `image_sha256` maps image names to the hash of their bytes;
/// images without an entry are compared by name alone.
#[must_use]
pub fn audit(
    train: &[&Question],
    test: &[&Question],
    image_sha256: &BTreeMap<String, String>,
) -> Audit {
    let train_images = images(train);
    let test_images = images(test);
    let train_bytes: BTreeSet<&str> = train_images
        .iter()
        .filter_map(|name| hash_of(image_sha256, name))
        .collect();
    let same_name = |name: &str| train_images.contains(name);
    let same_bytes =
        |name: &str| hash_of(image_sha256, name).is_some_and(|hash| train_bytes.contains(hash));

    let train_links = linked_ids(train);
    let train_triples: BTreeSet<_> = train.iter().map(|row| triple(row)).collect();
    let train_texts: BTreeSet<_> = train
        .iter()
        .map(|row| row.question.to_lowercase())
        .collect();
    let train_answers: BTreeSet<_> = train.iter().map(|row| row.answer.to_lowercase()).collect();
    let unseen = |row: &&&Question| !train_answers.contains(&row.answer.to_lowercase());
    let open = |row: &&&Question| row.answer_type == AnswerType::Open;

    Audit {
        train_questions: train.len(),
        test_questions: test.len(),
        train_images: train_images.len(),
        test_images: test_images.len(),
        shared_images: test_images.iter().filter(|name| same_name(name)).count(),
        shared_image_bytes: test_images
            .iter()
            .filter(|name| !same_name(name) && same_bytes(name))
            .count(),
        test_questions_on_train_images: test
            .iter()
            .filter(|row| same_name(&row.image) || same_bytes(&row.image))
            .count(),
        shared_linked_ids: linked_ids(test).intersection(&train_links).count(),
        duplicate_triples: test
            .iter()
            .filter(|row| train_triples.contains(&triple(row)))
            .count(),
        repeated_question_text: test
            .iter()
            .filter(|row| train_texts.contains(&row.question.to_lowercase()))
            .count(),
        test_answers_unseen: test.iter().filter(unseen).count(),
        test_open: test.iter().filter(open).count(),
        test_open_answers_unseen: test.iter().filter(open).filter(unseen).count(),
    }
}

impl Audit {
    /// Whether the test set can be answered from what was seen in training: shared images or
    /// rephrased questions. Repeated texts and answers do not count: two images may well be asked
    /// the same.
    #[must_use]
    pub fn leaks(&self) -> bool {
        self.test_questions_on_train_images > 0
            || self.shared_linked_ids > 0
            || self.duplicate_triples > 0
    }
}

impl fmt::Display for Audit {
    /// A table, one line a quantity: name, count, of how many.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("training questions", self.train_questions, None),
            ("training images", self.train_images, None),
            ("test questions", self.test_questions, None),
            ("test images", self.test_images, None),
            (
                "test images also in training",
                self.shared_images,
                Some(self.test_images),
            ),
            (
                "  the same bytes under another name",
                self.shared_image_bytes,
                Some(self.test_images),
            ),
            (
                "test questions on a training image",
                self.test_questions_on_train_images,
                Some(self.test_questions),
            ),
            ("rephrasings on both sides", self.shared_linked_ids, None),
            (
                "image, question and answer in training",
                self.duplicate_triples,
                Some(self.test_questions),
            ),
            (
                "question text in training",
                self.repeated_question_text,
                Some(self.test_questions),
            ),
            (
                "answer never seen in training",
                self.test_answers_unseen,
                Some(self.test_questions),
            ),
            (
                "  of the open questions",
                self.test_open_answers_unseen,
                Some(self.test_open),
            ),
        ];
        for (name, count, whole) in rows {
            write!(formatter, "{name:<40}{count:>8}")?;
            if let Some(whole) = whole {
                write!(formatter, " of {whole}")?;
            }
            writeln!(formatter)?;
        }
        let verdict = if self.leaks() {
            "LEAKS: the test set is not independent of the training set"
        } else {
            "no leak found"
        };
        write!(formatter, "{verdict}")
    }
}

fn images<'a>(rows: &[&'a Question]) -> BTreeSet<&'a str> {
    rows.iter().map(|row| row.image.as_str()).collect()
}

fn linked_ids<'a>(rows: &[&'a Question]) -> BTreeSet<&'a str> {
    rows.iter()
        .filter_map(|row| row.linked_id.as_deref())
        .collect()
}

fn triple(row: &Question) -> (&str, String, String) {
    (
        &row.image,
        row.question.to_lowercase(),
        row.answer.to_lowercase(),
    )
}

fn hash_of<'a>(image_sha256: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    image_sha256.get(name).map(String::as_str)
}
