//! What leaks between a training and a test set, said before anything is trained.

mod figures;
mod images;
mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

pub use figures::{FigureAudit, audit_figures};
pub use images::Images;

use crate::image_hash::Likeness;
use crate::record::{AnswerType, Language, Question};
use images::{Sameness, matches};

/// What a test set shares with a training set. Texts are compared in lower case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Test images, of those shared in either way, about which training asks in another language.
    pub shared_across_languages: usize,
    /// Test images that show the same picture as a training image of other bytes.
    pub near_identical_images: usize,
    /// Test images that are much like a training image: neighbouring slices of one scan, or one picture
    /// with its contrast bent. A possible leak, not counted as one.
    pub similar_images: usize,
    /// Images among those loaded, of either [`Images`], that could not be looked at, so that nothing but
    /// names and at best bytes is known of them. Not counted where none were to be looked at.
    pub unread_images: usize,
    /// Test questions that ask about an image shared by name, bytes or picture.
    pub test_questions_on_train_images: usize,
    /// Distinct `linked_id`s (rephrasings of one question) on both sides.
    pub shared_linked_ids: usize,
    /// Test questions whose text and answer training has as they are, about the same image: by name, else
    /// the first by bytes, else the most like by picture.
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
    /// What is behind the counts: for each test image or question that leaks or may leak, the first
    /// training image or question it is the same as.
    pub pairs: Vec<Pair>,
}

/// One thing of the test set and what it is the same as in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// In what they agree.
    pub kind: PairKind,
    /// Image name or question id in the test set.
    pub test: String,
    /// Image name, question id or figure id in training.
    pub train: String,
    /// Of images alike: bits in which their hashes differ, of 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<u32>,
    /// Of images alike: correlation of their detail, up to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f64>,
}

/// In what two things agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairKind {
    /// Images of one name.
    ImageName,
    /// Images of the same bytes under two names.
    ImageBytes,
    /// Images that show the same picture.
    NearIdenticalImage,
    /// Images much alike. A possible leak.
    SimilarImage,
    /// Questions with one `linked_id`.
    LinkedId,
    /// Questions with the same image, text and answer.
    Triple,
}

/// Compares two sets of questions about images of one folder.
#[must_use]
pub fn audit(train: &[&Question], test: &[&Question], images: &Images) -> Audit {
    let unread = images.unread.len();
    Audit {
        unread_images: unread,
        ..audit_between(train, images, test, images)
    }
}

/// Compares two sets of questions about images of two folders: equal names are the same image only if
/// the folders are one. Equal `linked_id`s are taken as one, of two datasets too.
#[must_use]
pub fn audit_between(
    train: &[&Question],
    train_images: &Images,
    test: &[&Question],
    test_images: &Images,
) -> Audit {
    let train_names = names(train);
    let test_names = names(test);
    let found = matches(&train_names, train_images, &test_names, test_images);
    let count = |wanted: &dyn Fn(Sameness) -> bool| {
        let of_kind = found.values().filter(|(_, sameness)| wanted(*sameness));
        of_kind.count()
    };
    let on_train_images = |row: &&&Question| certain(&found, row).is_some();

    let train_links = first_with(train, |row| row.linked_id.as_deref());
    let train_triples = first_with(train, |row| Some(triple(&row.image, row)));
    let train_texts: HashSet<String> = train
        .iter()
        .map(|row| row.question.to_lowercase())
        .collect();
    let train_answers: HashSet<String> =
        train.iter().map(|row| row.answer.to_lowercase()).collect();
    let unseen = |row: &&&Question| !train_answers.contains(&row.answer.to_lowercase());
    let open = |row: &&&Question| row.answer_type == AnswerType::Open;

    let mut pairs = image_pairs(&found);
    let mut linked: BTreeSet<&str> = BTreeSet::new();
    let mut duplicate_triples = 0;
    for row in test {
        let link = row.linked_id.as_deref();
        if let Some((link, twin)) = link.and_then(|link| Some((link, train_links.get(link)?))) {
            linked.insert(link);
            pairs.push(Pair::of_questions(PairKind::LinkedId, row, twin));
        }
        let image = certain(&found, row);
        if let Some(twin) = image.and_then(|image| train_triples.get(&triple(image, row))) {
            duplicate_triples += 1;
            pairs.push(Pair::of_questions(PairKind::Triple, row, twin));
        }
    }

    Audit {
        train_questions: train.len(),
        test_questions: test.len(),
        train_images: train_names.len(),
        test_images: test_names.len(),
        shared_images: count(&|sameness| sameness == Sameness::Name),
        shared_image_bytes: count(&|sameness| sameness == Sameness::Bytes),
        shared_across_languages: across_languages(train, test, &found),
        near_identical_images: count(&|sameness| sameness.is(Likeness::Near)),
        similar_images: count(&|sameness| sameness.is(Likeness::Similar)),
        unread_images: train_images.unread.len() + test_images.unread.len(),
        test_questions_on_train_images: test.iter().filter(on_train_images).count(),
        shared_linked_ids: linked.len(),
        duplicate_triples,
        repeated_question_text: test
            .iter()
            .filter(|row| train_texts.contains(&row.question.to_lowercase()))
            .count(),
        test_answers_unseen: test.iter().filter(unseen).count(),
        test_open: test.iter().filter(open).count(),
        test_open_answers_unseen: test.iter().filter(open).filter(unseen).count(),
        pairs,
    }
}

impl Audit {
    /// Whether the test set can be answered from what was seen in training: shared images or
    /// rephrased questions. Repeated texts and answers do not count: two images may well be asked
    /// the same. Nor do images that are merely similar: see [`may_leak`](Self::may_leak).
    #[must_use]
    pub fn leaks(&self) -> bool {
        self.test_questions_on_train_images > 0
            || self.shared_linked_ids > 0
            || self.duplicate_triples > 0
    }

    /// Whether test images are much like training images: patients may be on both sides.
    #[must_use]
    pub fn may_leak(&self) -> bool {
        self.similar_images > 0
    }
}

impl Pair {
    fn of_questions(kind: PairKind, test: &Question, train: &Question) -> Self {
        Self {
            kind,
            test: test.id.clone(),
            train: train.id.clone(),
            distance: None,
            correlation: None,
        }
    }
}

fn image_pairs(found: &BTreeMap<&str, (&str, Sameness)>) -> Vec<Pair> {
    found
        .iter()
        .map(|(test, (train, sameness))| {
            let (kind, comparison) = match sameness {
                Sameness::Name => (PairKind::ImageName, None),
                Sameness::Bytes => (PairKind::ImageBytes, None),
                Sameness::Picture(found) => match found.likeness {
                    Likeness::Near => (PairKind::NearIdenticalImage, Some(found)),
                    Likeness::Similar => (PairKind::SimilarImage, Some(found)),
                },
            };
            Pair {
                kind,
                test: (*test).into(),
                train: (*train).into(),
                distance: comparison.map(|found| found.distance),
                correlation: comparison.map(|found| found.correlation),
            }
        })
        .collect()
}

/// The training image that a question's image is beyond doubt.
fn certain<'a>(
    found: &BTreeMap<&str, (&'a str, Sameness)>,
    question: &Question,
) -> Option<&'a str> {
    let (train, sameness) = found.get(question.image.as_str())?;
    sameness.is_certain().then_some(*train)
}

/// Test images shared by name or bytes about which training asks in another language than some test
/// question.
fn across_languages(
    train: &[&Question],
    test: &[&Question],
    found: &BTreeMap<&str, (&str, Sameness)>,
) -> usize {
    let (in_train, in_test) = (languages(train), languages(test));
    let crosses = |(test, (train, sameness)): &(&&str, &(&str, Sameness))| {
        let same = matches!(sameness, Sameness::Name | Sameness::Bytes);
        let (asked, trained) = (in_test.get(**test), in_train.get(*train));
        same && asked.zip(trained).is_some_and(|(asked, trained)| {
            asked
                .iter()
                .any(|language| trained.iter().any(|other| other != language))
        })
    };
    found.iter().filter(crosses).count()
}

/// The languages in which questions about each image are asked.
fn languages<'a>(rows: &[&'a Question]) -> HashMap<&'a str, BTreeSet<Language>> {
    let mut of: HashMap<&str, BTreeSet<Language>> = HashMap::new();
    for row in rows {
        of.entry(&row.image).or_default().insert(row.language);
    }
    of
}

/// The first question with each key.
fn first_with<'a, Key: std::hash::Hash + Eq>(
    rows: &[&'a Question],
    key: impl Fn(&'a Question) -> Option<Key>,
) -> HashMap<Key, &'a Question> {
    let mut first = HashMap::new();
    for row in rows {
        if let Some(key) = key(row) {
            first.entry(key).or_insert(*row);
        }
    }
    first
}

fn names<'a>(rows: &[&'a Question]) -> BTreeSet<&'a str> {
    rows.iter().map(|row| row.image.as_str()).collect()
}

fn triple<'a>(image: &'a str, row: &Question) -> (&'a str, String, String) {
    (
        image,
        row.question.to_lowercase(),
        row.answer.to_lowercase(),
    )
}
